exec python "$(dirname "$0")/download_model.py" "$@" --kind pix2pix
