#!/bin/sh
# The demo, for those who have a shell: the same as "python scripts/demo.py", which says what it does.
# For another seed: SEED=2 sh scripts/demo.sh
cd "$(dirname "$0")/.." && exec ${PYTHON:-python} scripts/demo.py --seed "${SEED:-1}"
