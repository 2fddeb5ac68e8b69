"""``scripts/edges.py`` on drawings with known edges."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, Programs
from PIL import Image, ImageDraw

from util.errors import UserError

sys.path.append(str(ROOT / "datasets"))
import edges

pytest.importorskip("skimage")


def disc(path: Path, size: tuple[int, int] = (64, 64)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (230, 220, 210))
    ImageDraw.Draw(image).ellipse((16, 16, 47, 47), (20, 60, 90))
    image.save(path)


def dark(path: Path) -> np.ndarray:
    """The pixels of the lines as bool (H, W); every pixel must be nearly black or white."""
    image = np.asarray(Image.open(path).convert("L"))
    assert np.all((image < 60) | (image > 195))
    return image < 128


def test_canny_draws_the_outline(run: Programs) -> None:
    disc(run.folder / "photos/a.png")
    disc(run.folder / "photos/sub/b.jpg", (80, 64))
    run.call(edges.main, "edges.py", "--input", "photos", "--output", "edges", "--size", "0").ok()
    lines = dark(run.folder / "edges/a.png")
    y, x = np.nonzero(lines)
    assert lines.shape == (64, 64) and np.allclose(np.hypot(y - 31.5, x - 31.5), 16, atol=1.6)
    assert 80 < lines.sum() < 120  # one pixel wide: the outline is 2 pi 16 = 100
    assert dark(run.folder / "edges/sub/b.jpg").shape == (64, 80)
    run.call(edges.main, "edges.py", "--input", "photos", "--output", "large").ok()
    assert dark(run.folder / "large/sub/b.jpg").shape == (256, 256)
    run.call(edges.main, "edges.py", "--input", "photos", "--output", "photos").refused(
        1, "the same folder"
    )


class Blurred(torch.nn.Module):
    """A stand-in for HED: a broad ridge along a line of pure red, the third channel of BGR."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = (x[:, 2:] > 0).float()
        for _ in range(2):
            red = torch.nn.functional.avg_pool2d(red, 9, 1, 4, count_include_pad=False)
        return red * 8


def test_hed_is_suppressed_to_thin_lines(run: Programs) -> None:
    image = Image.new("RGB", (60, 60))
    draw = ImageDraw.Draw(image)
    draw.line((30, 0, 30, 59), (255, 0, 0))
    (run.folder / "photos").mkdir()
    image.save(run.folder / "photos/a.png")
    torch.jit.trace(Blurred(), torch.zeros(1, 3, 90, 90)).save(str(run.folder / "hed.pt"))
    flags = ("--input", "photos", "--output", "edges", "--size", "0", "--hed", "hed.pt")
    run.call(edges.main, "edges.py", *flags).ok()
    lines = dark(run.folder / "edges/a.png")
    assert (
        set(np.nonzero(lines)[1]) <= {29, 30, 31} and lines.any(1).sum() > 50 and lines.sum() <= 60
    )
    run.call(
        edges.main, "edges.py", *flags, "--hed_offset", "3"
    ).ok()  # the map is shifted by 3 pixels
    assert set(np.nonzero(dark(run.folder / "edges/a.png"))[1]) <= {26, 27, 28}
    run.call(edges.main, "edges.py", *flags, "--threshold", "0.99").ok()
    assert not dark(run.folder / "edges/a.png").any()
    torch.jit.trace(torch.nn.MaxPool2d(2), torch.zeros(1, 3, 90, 90)).save(
        str(run.folder / "half.pt")
    )
    run.call(edges.main, "edges.py", *flags[:-1], "half.pt").refused(
        1, "--hed", "same height and width"
    )


class Flat(torch.nn.Module):
    """Returns (H, W); the border could not be distinguished from the photo."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[0, 0]


def test_a_map_without_batch_and_channels_is_refused() -> None:
    with pytest.raises(UserError, match=r"real result per image, not .* \(94, 94\)"):
        edges.hed(Image.new("RGB", (32, 32)), Flat(), 0)


def test_small_components_are_deleted() -> None:
    drawn = np.zeros((20, 20), bool)
    drawn[3, 2:6], drawn[10, 2:7] = True, True
    assert np.argwhere(np.asarray(edges.clean(drawn, 5).convert("L")) == 0).tolist() == [
        [10, x] for x in range(2, 7)
    ]
    assert (np.asarray(edges.clean(np.zeros((9, 9), bool), 5)) == 255).all()
    np.fill_diagonal(drawn[12:, 12:], True)  # connected across corners
    assert (np.asarray(edges.clean(drawn, 6).convert("L")) == 0).sum() == 8
