"""Make a film of a training: the validation images of its page through the epochs.

    python scripts/timelapse.py horse2zebra --output horse2zebra.gif
    python scripts/timelapse.py horse2zebra --output horse2zebra.mp4 --fps 15 \\
        --rows 1 3 \\
        --labels real_A fake_B --titles photo painting

The ending of --output chooses the format: .gif and .webp play in a browser, in README files and in
slides; .mp4 is smallest and needs the program ffmpeg. A GIF has 256 colours.
"""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image, ImageDraw

from data.image_file import read_image
from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.figures.letters import text_mask, text_width
from scripts.image_arguments import ImageArguments
from scripts.sharing.film import evenly, write_film
from util.console import Progress, run_main, say
from util.errors import UsageError, UserError, explain
from util.limits import real, whole
from util.pages.data_file import Panel, read_panel
from util.runs import run_folder
from util.words import amount

MAX_PIXELS = 400_000_000  # of all frames, which are in memory together
FLAGS = (
    Flag("checkpoints_dir", Path, Path("checkpoints"), "default: checkpoints"),
    Flag("output", Output(".gif", ".webp", ".mp4"), None, ".gif, .webp or .mp4", required=True),
    Flag(
        "rows",
        whole(1, 1000),
        None,
        "numbers of the rows of images, e.g. 1 3 (default: all)",
        nargs="+",
    ),
    Flag("labels", str, None, "columns (default: all that are real or fake)", nargs="+"),
    Flag("titles", str, None, "of the columns (default: their labels)", nargs="+"),
    Flag(
        "size",
        whole(16, 2048),
        None,
        "height of the images in pixels (default: their own, between 128 and 256)",
    ),
    Flag("fps", real(0.2, 30), 8.0, "epochs per second (default: 8)"),
    Flag("hold", real(0, 60), 2.0, "seconds that the last epoch stays (default: 2)"),
    Flag("frames", whole(1, 2000), 150, "at most so many epochs, evenly spread (default: 150)"),
)
GAP, MARGIN = 4, 8  # pixels between images, and around them
LINE, LETTERS = 18, 13  # height of a line of text, and of its letters
INK, PAPER, TRACK = "#1a1a1a", "white", "#d8d8d8"


class Layout(NamedTuple):
    """The content of the frames and their sizes in pixels.

    Attributes:
        rows: names of the rows of the panel.
        labels, titles: the columns and what is written above them.
        sizes: (width, height) of the images of each row.
        last: number of the last epoch, where the progress bar ends.
    """

    rows: list[str]
    labels: list[str]
    titles: list[str]
    sizes: list[tuple[int, int]]
    last: int

    @property
    def column(self) -> int:
        return max(width for width, _ in self.sizes) + GAP

    @property
    def size(self) -> tuple[int, int]:
        width = 2 * MARGIN + self.column * len(self.labels) - GAP
        return width, 2 * MARGIN + 2 * LINE + sum(height + GAP for _, height in self.sizes)


def lay_out(panel: Panel, args: Namespace) -> Layout:
    """Return the layout of all frames, after the last epoch of the panel.

    Raises:
        UsageError: --titles are not one for each column.
        UserError: the panel does not have the rows or labels.
    """
    last = panel[max(panel)]
    names = list(last)
    if wrong := [number for number in args.rows or () if number > len(names)]:
        raise UserError(f"--rows {wrong[0]}: the page has {amount(len(names), 'row')}")
    rows = [names[number - 1] for number in args.rows] if args.rows else names
    present = list(dict.fromkeys(label for row in rows for label in last[row]))
    main = [label for label in present if label.startswith(("real", "fake"))]
    labels = args.labels or main or present
    for label in labels:
        if missing := next((row for row in rows if label not in last[row]), None):
            found = ", ".join(present) or "no images"
            raise UserError(f"--labels {label}: not in row {missing!r} of the page ({found})")
    if args.titles and len(args.titles) != len(labels):
        found = f"{len(args.titles)} for {amount(len(labels), 'column')} ({', '.join(labels)})"
        raise UsageError(f"--titles: {found}")
    sizes = [shown_size(last[row][labels[0]], args.size) for row in rows]
    return Layout(rows, labels, args.titles or labels, sizes, max(panel))


def shown_size(file: Path, height: int | None) -> tuple[int, int]:
    """Return the size (width, height) at which the images of a row are drawn."""
    image = read_image(str(file))
    if height is None:  # enlarged by a whole number, so that pixels stay sharp
        height = min(image.height * max(1, -(-128 // image.height)), 256)
    return max(1, round(height * image.width / image.height)), height


@functools.lru_cache(maxsize=256)  # real images are the same files in all epochs
def load(file: Path, size: tuple[int, int]) -> Image.Image:
    image = read_image(str(file))
    whole_factor = size[0] % image.width == 0 and size[1] % image.height == 0
    kind = Image.Resampling.NEAREST if whole_factor else Image.Resampling.LANCZOS
    return image.resize(size, kind)


def draw(epoch: int, rows: dict[str, dict[str, Path]], layout: Layout) -> Image.Image:
    """Draw a frame: titles, the images of an epoch, and its number above a progress bar."""
    frame = Image.new("RGB", layout.size, PAPER)
    pen = ImageDraw.Draw(frame)
    for i, title in enumerate(layout.titles):
        mask = text_mask(title, LETTERS).crop((0, 0, layout.column - GAP, LINE))
        frame.paste(INK, (MARGIN + i * layout.column, MARGIN - 2), mask)
    top = MARGIN + LINE
    for row, size in zip(layout.rows, layout.sizes, strict=True):
        for i, label in enumerate(layout.labels):
            frame.paste(load(rows[row][label], size), (MARGIN + i * layout.column, top))
        top += size[1] + GAP
    right, end = layout.size[0] - MARGIN, layout.size[1] - MARGIN
    frame.paste(INK, (MARGIN, top), text_mask(f"epoch {epoch}", LETTERS))
    left = min(2 * MARGIN + int(text_width(f"epoch {layout.last}", LETTERS)), right)
    bar = (left, end - LINE // 2 - 2, right, end - LINE // 2 + 1)
    pen.rectangle(bar, fill=TRACK)
    done = left + round((right - left) * epoch / max(1, layout.last))
    pen.rectangle((left, bar[1], max(left, done), bar[3]), fill=INK)
    return frame


def epochs_of(panel: Panel, layout: Layout, most: int) -> list[int]:
    """Return the epochs to show, in order: those with all images of the layout, at most ``most``.

    Raises UserError: the frames would be too large.
    """
    wanted = [(row, label) for row in layout.rows for label in layout.labels]
    whole_epochs = [
        epoch
        for epoch, rows in sorted(panel.items())
        if all(label in rows.get(row, {}) for row, label in wanted)
    ]
    chosen = evenly(whole_epochs, most)
    if missing := len(panel) - len(whole_epochs):
        say(f"{amount(missing, 'epoch')} of {len(panel)} left out: other rows, or images missing")
    if len(chosen) < len(whole_epochs):
        say(
            f"{len(chosen)} of {amount(len(whole_epochs), 'epoch')} shown, evenly spread (--frames)"
        )
    width, height = layout.size
    if width * height * len(chosen) > MAX_PIXELS:
        raise UserError(
            f"{amount(len(chosen), 'frame')} of {width}x{height} have more than "
            f"{MAX_PIXELS / 1e6:.0f} million pixels; give a smaller --size, or fewer --frames, "
            "--rows or --labels"
        )
    return chosen


def build_parser() -> ImageArguments:
    parser = ImageArguments(__doc__, FLAGS)
    parser.add_argument("run", metavar="RUN", help="name in --checkpoints_dir, or a run's folder")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    folder = run_folder(args.run, args.checkpoints_dir, "RUN")
    panel = {epoch: rows for epoch, rows in read_panel(folder / "web").items() if rows}
    if not panel:
        raise UserError(
            f"the page {folder / 'web'} has no validation images: the training needs a page (not "
            "--no_html) and a --panel_size above 0"
        )
    layout = lay_out(panel, args)
    epochs = epochs_of(panel, layout, args.frames)
    progress = Progress(len(epochs), "Drawing")

    def frames() -> Iterator[Image.Image]:
        for epoch in epochs:
            with explain("cannot draw a frame"):  # Pillow holds text to --max_pixels, too
                yield draw(epoch, panel[epoch], layout)
            progress.update()

    write_film(frames(), len(epochs), args.output, args.fps, args.hold)
    progress.close()
    size = args.output.stat().st_size / 1e6
    width, height = layout.size
    say(f"{amount(len(epochs), 'epoch')}, {width}x{height}, {size:.1f} MB: {args.output}")


if __name__ == "__main__":
    run_main(main)
