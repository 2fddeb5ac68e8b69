exec python "$(dirname "$0")/download.py" "$@" --kind cyclegan
