"""Tiles: the result of the whole image, halos, resuming, and what is refused."""

from __future__ import annotations

import itertools
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiles import LEVEL, SMALL, image, quiet, small, trained
from torch import nn
from torch.nn import functional as F

from data.windows.arrays import ArraySink, ArraySource
from models import networks
from models.translation.tiling.engine import Tiled
from models.translation.tiling.graph import Graph
from models.translation.tiling.network import TiledNetwork
from models.translation.tiling.plan import Plan
from models.translation.tiling.sampling import Sampling
from util.errors import UsageError, UserError
from util.upsampling import use_upsampling

HALOS = {"resnet_6blocks": 60, "resnet_9blocks": 84, "unet_128": 381, "unet_256": 765}
NORMS = ("instance", "batch", "evaluated batch", "none")


@torch.no_grad()
def difference(net: nn.Module, size: tuple[int, int], tile: int) -> float:
    """Return the largest difference of at least 3x3 tiles to the whole image."""
    x = image(*size)
    whole, tiles = net(x), TiledNetwork(net, quiet(tile))(x)
    assert tiles.shape == whole.shape and min(Plan(Graph(net), *size, tile).grid) >= 3
    assert whole.std() > 0.05
    return float((tiles - whole).abs().max())


@pytest.mark.parametrize("netG", HALOS)
def test_halo_of_each_generator(netG: str) -> None:
    """It is computed from kernels and strides; resized convolutions reach a little further."""
    net = networks.define_G(3, 3, 1, netG, "instance")
    assert Graph(net).halo() == HALOS[netG]
    assert Graph(net).stride == net.multiple
    use_upsampling(Namespace(upsample="resize", netG="", init_type="normal", init_gain=1), net)
    assert Graph(net).halo() == HALOS[netG] + (3 if netG.startswith("resnet") else 0)


FAST = {
    ("resnet", "instance", "transpose"),
    ("resnet", "none", "resize"),
    ("unet", "batch", "resize"),
    ("unet", "evaluated batch", "transpose"),
}


@pytest.mark.parametrize(
    ("kind", "norm", "upsample"),
    [
        pytest.param(*case, marks=[] if case in FAST else pytest.mark.slow)
        for case in itertools.product(SMALL, NORMS, ("transpose", "resize"))
    ],
)
def test_tiles_give_the_whole_image(kind: str, norm: str, upsample: str) -> None:
    """3x3 tiles, of an image whose size is no multiple of the stride."""
    tile, size = (17, (49, 35)) if kind == "resnet" else (33, (97, 70))
    assert difference(small(kind, norm, upsample), size, tile) < 1e-4


@torch.no_grad()
def test_as_many_tiles_as_the_step_of_a_norm() -> None:
    """The number of tiles is not taken for the number of a step, which is recorded beside it."""
    net = small("resnet")
    for count in Graph(net).norms[1:3]:
        x = image(16, 16 * count)
        assert Plan(Graph(net), 16, 16 * count, 16).grid == (1, count)
        assert (TiledNetwork(net, quiet(16))(x) - net(x)).abs().max() < 1e-4


@torch.no_grad()
def test_tiles_alone_have_seams() -> None:
    """Why the statistics are those of the whole image: a halo is not enough."""
    net, x = small("resnet"), image(60, 120)
    halo = Graph(net).halo()
    alone = net(x[..., : 40 + halo])[..., :40]
    assert (alone - net(x)[..., :40]).abs().max() > 5 * LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("netG", HALOS)
def test_tiles_of_each_generator(netG: str, norm: str) -> None:
    net = networks.define_G(3, 3, 2, netG, norm.split()[-1])
    trained(net).train("evaluated" not in norm)
    stride = Graph(net).stride
    if netG.startswith("unet"):
        sizes, tile = [(3 * stride - stride // 2, 4 * stride - 3)], stride
    else:
        tile = 6 * stride
        sizes = [(4 * tile - 5, 4 * tile + 1), (3 * tile - 5, 5 * tile + 1)]
    for size in sizes:
        assert difference(net, size, tile) < 0.1 * LEVEL, (netG, norm, size)


def test_one_tile_is_bit_equal() -> None:
    net, x, notes = small("resnet"), image(50, 64), list[str]()
    with torch.no_grad():
        assert torch.equal(TiledNetwork(net, quiet(64, notes=notes))(x), net(x))
    assert notes == ["An image of 64x50 pixels is a single tile"]


def test_estimate_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halo, passes, work, time, and a better tile; above an hour the user has to choose."""
    net, x, notes = small("resnet"), image(30, 80), list[str]()
    TiledNetwork(net, quiet(16, notes=notes))(x)
    assert "80x30 pixels in 2x5 tiles of 16 with a halo of 20: 8 passes, " in notes[0]
    assert "times the work of one piece" in notes[0] and notes[1].startswith("--tile 32 would take")
    monkeypatch.setattr("models.translation.tiling.estimate.LONG", 0.0)
    with pytest.raises(UsageError, match="10 tiles are too few for a sample: give --tile_stats ex"):
        TiledNetwork(net, quiet(16))(x)
    with pytest.raises(UsageError, match="16 of 40 tiles.*--tile_stats exact or --tile_stats sa"):
        TiledNetwork(net, quiet(8))(x)
    TiledNetwork(small("resnet", "none"), quiet(16))(x)  # there is no choice


def test_estimate_of_the_chosen_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a sample cost less; a tile that needs more memory than there is, is not proposed."""

    def lines(statistics: str) -> tuple[str, float, list[str]]:
        notes = list[str]()
        TiledNetwork(small("resnet"), quiet(16, statistics, notes))(image(160, 160))
        return notes[0], float(notes[0].split(" times the work")[0].split()[-1]), notes[1:]

    exact, all_work, proposals = lines("exact")
    sample, less_work, _ = lines("sample")
    assert "8 passes, " in exact and "8 passes with the statistics of 16 tiles, " in sample
    assert less_work < 0.7 * all_work and proposals[0].startswith("--tile 32 would take")
    monkeypatch.setattr("models.translation.tiling.engine.total_memory", lambda device: 1000.0)
    assert lines("exact")[2] == []


class Interrupted(ArraySink):
    """A sink that fails at a tile."""

    def __init__(self, shape: tuple[int, int, int], fails_at: int) -> None:
        super().__init__(shape)
        self.left = fails_at

    def write(self, top: int, left: int, image: np.ndarray, valid: np.ndarray | None) -> None:
        self.left -= 1
        if self.left < 0:
            raise UserError("the disk is full")
        super().write(top, left, image, valid)


@pytest.mark.parametrize("statistics", ["exact", pytest.param("sample", marks=pytest.mark.slow)])
def test_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statistics: str) -> None:
    """After an interruption in the statistics, and one in the output, the bits are the same."""
    monkeypatch.setattr("models.translation.tiling.journal.INTERVAL", -1.0)
    net, pixels, notes = small("resnet"), image(64, 48)[0].permute(1, 2, 0).numpy(), list[str]()
    whole, done = ArraySink(pixels.shape), tmp_path / "done.json"
    settings = quiet(16, statistics, notes)._replace(sampling=Sampling(wanted=8))
    Tiled(net, settings).translate(ArraySource(pixels), whole)
    assert (statistics == "sample") == notes[-1].startswith("Statistics of 8 of 12 tiles: ")
    sink = Interrupted(pixels.shape, 7)
    reads = 0

    class Failing(ArraySource):
        def read(self, *window: int) -> np.ndarray:
            nonlocal reads
            reads += 1
            if reads == 30:
                raise UserError("the file is gone")
            return super().read(*window)

    for source, message in ((Failing(pixels), "gone"), (ArraySource(pixels), "full")):
        with pytest.raises(UserError, match=message):
            Tiled(net, settings).translate(source, sink, done, "a")
    sink.left, sink.resumed = 99, True
    Tiled(net, settings).translate(ArraySource(pixels), sink, done, "a")
    assert "Resumed: 7 of 12 tiles are written" in notes and sink.left == 99 - 5
    assert np.array_equal(sink.array, whole.array) and not done.exists()


def test_another_image_does_not_resume(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    net, pixels, done = small("resnet", "none"), np.zeros((40, 40, 3), np.float32), tmp_path / "d"
    for origin in ("a", "b"):
        with pytest.raises(UserError, match="full"):
            sink = Interrupted(pixels.shape, 1)
            sink.resumed = True
            Tiled(net, quiet(16)).translate(ArraySource(pixels), sink, done, origin)
        done.exists() or done.write_text('{"key": "x", "known": {}, "partial": {}, "written": 1}')
    assert "is of another image, network or setting" in capsys.readouterr().out


class Custom(networks.Generator):
    """A generator of a user, with layers of several kinds and one that works in place."""

    multiple = minimum = 2

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 5, padding=4, dilation=2, padding_mode="replicate")
        self.act = nn.LeakyReLU(0.2, inplace=True)
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.down = nn.Sequential(nn.Conv2d(4, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.PReLU(8))
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 3, padding=1))
        self.last = nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(8, 3, (2, 4)), *layers)

    def apply_layers(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        y = self.norm(self.act(x))  # changes x, too
        y = self.up(F.relu(self.down(y)) * 0.5)
        return torch.tanh(self.last(torch.cat([x, y], dim=1)))


def test_custom_generator() -> None:
    assert difference(trained(Custom()), (33, 45), 11) < 1e-5


def test_what_is_refused() -> None:
    """One line that names the layer and its network, or the flag."""
    for layer, word in (
        (nn.AdaptiveAvgPool2d(1), "Custom cannot be computed in tiles: AdaptiveAvgPool2d"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), "padding_mode=circular"),
        (nn.GroupNorm(1, 3), "GroupNorm"),
    ):
        with pytest.raises(UserError, match=word):
            Tiled(Custom(layer), quiet(8))
    with pytest.raises(
        UserError, match="Strange cannot be computed in tiles: what it computes depends on"
    ):
        Tiled(Strange(), quiet(8))
    with pytest.raises(UsageError, match="--tile 3: should be at least 4"):
        Tiled(small("resnet"), quiet(3))
    with pytest.raises(UsageError, match="--eval turns it off"):
        Tiled(networks.define_G(3, 3, 1, "resnet_6blocks", use_dropout=True), quiet(8))
    Tiled(networks.define_G(3, 3, 1, "resnet_6blocks", use_dropout=True).eval(), quiet(8))


class Strange(nn.Module):
    """A network whose layers depend on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.mean() > 0 else x
