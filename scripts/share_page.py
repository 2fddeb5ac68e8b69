"""Write a page of a training, or of results, as one HTML file to send by mail.

    python scripts/share_page.py horse2zebra --output horse2zebra.html
    python scripts/share_page.py results/horse2zebra/test_latest \\
        --output results.html --max_mb 5

Data, scripts and images are inside the file, and nothing is loaded from elsewhere. If it would be
larger than --max_mb, images become WebP files, then smaller ones, and finally epochs or rows are
left out evenly; the page and this program say so. Paths in your home folder begin with ~.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.image_arguments import ImageArguments
from scripts.sharing.inline import SharedPage
from util.console import Progress, run_main, say
from util.errors import UserError
from util.files import real_path, write_atomically
from util.limits import real
from util.runs import run_folder

FLAGS = (
    Flag("checkpoints_dir", Path, Path("checkpoints"), "default: checkpoints"),
    Flag("output", Output(".html", ".htm"), None, "file to write", required=True),
    Flag("max_mb", real(0.1, 2000), 20.0, "at most so many million bytes (default: 20)"),
)


def page_folder(name: str, checkpoints: Path) -> Path:
    """Return the folder of the page that ``name`` stands for.

    ``name`` is a run in ``checkpoints``, or the folder of a run, of a page, or of one test.

    Raises UserError: there is no page, or there are several.
    """
    folder = run_folder(name, checkpoints, "RUN_OR_RESULTS")
    for place in (folder / "web", folder):
        if (place / "index.html").is_file():
            return place
    found = sorted(path.parent for path in folder.glob("*/index.html"))
    if len(found) == 1:
        return found[0]
    several = f"; choose one of {', '.join(map(str, found))}" if found else ""
    raise UserError(f"RUN_OR_RESULTS {name}: there is no page {folder}/index.html{several}")


def build_parser() -> ImageArguments:
    parser = ImageArguments(__doc__, FLAGS)
    text = "name in --checkpoints_dir, or the folder of a run or of results"
    parser.add_argument("page", metavar="RUN_OR_RESULTS", help=text)
    return parser


def main() -> None:
    args = build_parser().parse_args()
    folder = page_folder(args.page, args.checkpoints_dir)
    if real_path(args.output).is_relative_to(real_path(folder)):
        raise UserError(
            f"--output {args.output}: this is in the folder of the page; choose another"
        )
    page = SharedPage(folder)
    progress = Progress(0, "Storing images")
    content = page.fit(int(args.max_mb * 1e6), progress.update)
    progress.close()
    write_atomically(args.output, content, "--output")
    say(*page.notes, f"{len(content) / 1e6:.1f} MB: {args.output}")


if __name__ == "__main__":
    run_main(main)
