"""Run the perceptual study of Table 1: which of two images is real? See docs/study.md.

Make a study of two methods, put the folder on a web server or a USB stick, keep the key:

  python scripts/study.py make --label fake_A --what "satellite photos" \\
    --results results/atlas/test_latest results/bigan/test_latest \\
    --contact "A. Smith, smith@example.org" --output study

Add another method's images; take the real images from a folder:

  python scripts/study.py make --results results/maps/test_latest \\
    --add mine=other/images:fake_B --real datasets/maps/testB \\
    --contact "A. Smith, smith@example.org" --output study

Score the result files of the participants:

  python scripts/study.py score --key study_key.json --answers answers \\
    --output table.tex
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts.arguments import Arguments
from scripts.study_tools import making, scoring
from util.console import run_main


def build_parser() -> Arguments:
    parser = Arguments(__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    for name, flags in (("make", making.FLAGS), ("score", scoring.FLAGS)):
        programs.add_parser(name, flags=flags, allow_abbrev=False)
    return parser


def main() -> None:
    args = build_parser().parse_args()
    (making.make if args.program == "make" else scoring.score)(args)


if __name__ == "__main__":
    run_main(main)
