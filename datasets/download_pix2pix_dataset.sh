exec python "$(dirname "$0")/download.py" "$@" --kind pix2pix
