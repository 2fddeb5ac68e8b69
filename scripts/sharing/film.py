"""Writes films: animated GIF and WebP by Pillow, MP4 by ffmpeg."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from util.errors import UserError, explain
from util.files import write_atomically
from util.image.writing import encoded

T = TypeVar("T")
VIDEO_RATE = 30  # frames per second of an MP4; many players stumble over a few per second


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return at most ``most`` of ``items``, evenly spread, with the first and the last one.

    A single one is the last.
    """
    n = min(most, len(items))
    return [items[i * (len(items) - 1) // (n - 1)] for i in range(n)] if n > 1 else [*items[-1:]]


def write_film(
    frames: Iterator[Image.Image], count: int, path: Path, fps: float, hold: float
) -> None:
    """Write frames, RGB and all of one size, in the format that the ending of ``path`` names.

    Args:
        count: the number of frames.
        fps: frames per second.
        hold: seconds that the last frame stays, in addition to its own time.

    Raises UserError: the film cannot be written, or the program ffmpeg is missing or fails.
    """
    if path.suffix.lower() == ".mp4":
        return write_video(frames, path, fps, hold)
    times = [round(1000 / fps)] * (count - 1) + [round(1000 / fps + 1000 * hold)]
    pictures, options = list(frames), {"duration": times, "loop": 0}
    if path.suffix.lower() == ".gif":
        colours = palette_of(evenly(pictures, 6))
        pictures = [picture.quantize(palette=colours) for picture in pictures]
        options["palette"] = bytes(colours.getpalette() or ())
    else:
        options |= {"quality": 85, "method": 4}
    with explain(f"cannot make {path}"):  # a Pillow without WebP
        content = encoded(pictures[0], path, save_all=True, append_images=pictures[1:], **options)
    return write_atomically(path, content, "--output")


def palette_of(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return an image of mode P with 256 colours that suit all ``pictures``."""
    width, height = pictures[0].size
    together = Image.new("RGB", (width, height * len(pictures)))
    for i, picture in enumerate(pictures):
        together.paste(picture, (0, i * height))
    return together.quantize(256, Image.Quantize.MEDIANCUT)


def write_video(frames: Iterator[Image.Image], path: Path, fps: float, hold: float) -> None:
    """Write an MP4 with the codec that ffmpeg chooses, H.264 if it has one. See write_film."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError("--output .mp4 needs the program ffmpeg, which is not in PATH; or .webp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part, first = Path(folder) / "film.mp4", even(next(frames))
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*first.size)]
        result = ["-r", str(VIDEO_RATE), "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
        command = [program, "-hide_banner", "-loglevel", "error", "-y", *source]
        command += ["-framerate", f"{fps:g}", "-i", "-", *result, str(part)]
        with tempfile.TemporaryFile() as errors:
            ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
            with ffmpeg, contextlib.suppress(BrokenPipeError):  # its own message says more
                assert ffmpeg.stdin
                last = first
                for frame in itertools.chain([first], map(even, frames)):
                    ffmpeg.stdin.write(frame.tobytes())
                    last = frame
                for _ in range(round(hold * fps)):
                    ffmpeg.stdin.write(last.tobytes())
                ffmpeg.stdin.close()
            if ffmpeg.returncode or not part.is_file():
                errors.seek(0)
                lines = errors.read().decode(errors="replace").splitlines()
                reason = lines[0] if lines else f"status {ffmpeg.returncode}"
                raise UserError(f"ffmpeg cannot write {path}: {reason}")
        part.replace(path)


def even(frame: Image.Image) -> Image.Image:
    """Return a frame with an even width and height, as H.264 needs it; white where it grows."""
    size = frame.width + frame.width % 2, frame.height + frame.height % 2
    if size == frame.size:
        return frame
    larger = Image.new("RGB", size, "white")
    larger.paste(frame)
    return larger
