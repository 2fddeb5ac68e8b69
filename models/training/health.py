"""Tells in plain words when a training goes wrong, from a few passes of one image where losses are printed anyway.

It goes by the official names of networks and images, and is silent about models that have none of them. The limits are those
that healthy runs on ``datasets/atlas`` keep well away from; docs/reading_a_run.md shows how each state looks.
"""

from __future__ import annotations

import io
import math
from argparse import Namespace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from util.console import warn
from util.images import tensor2im
from util.seeds import as_before, seed_everything

if TYPE_CHECKING:
    from models.base_model import BaseModel

EVERY = 50  # images at least from one check to the next, so that a small --print_freq costs little
REACH = 16  # checks that an average looks back on, and that there must be before a warning
CANNOT_TELL = {
    "lsgan": (0.25, 0.5),
    "vanilla": (math.log(2), 0.0),
}  # a discriminator's loss and output; wgangp has no such

# Sign -> a warning is due where its average falls below the first value, and over where it rises above the second.
WARNINGS = {
    "loss": (
        0.08,
        0.16,
        "{D} has won: its loss has long been near 0, so {G} learns little from it. Try a smaller --ndf, "
        "smaller weights of the other losses (--lambda_...), or more images",
    ),
    "dependence": (
        0.1,
        0.2,
        "{G} has collapsed: what it makes hardly depends on its input. Try larger --lambda_A and "
        "--lambda_B, a lower --lr, or another --seed",
    ),
    "correlation": (
        -0.6,
        -0.4,
        "{G} turns dark into light and light into dark. Unless your two domains are each other's "
        "negatives, start again with another --seed, --lambda_identity 1 or --init_gain 0.01",
    ),
    "change": (
        0.15,
        0.2,
        "{G} gives back its input almost unchanged. Try a smaller --lambda_identity (or 0), smaller "
        "--lambda_A and --lambda_B, or a larger --ndf",
    ),
    "robustness": (
        0.5,
        0.6,
        "{G} hides information: slight noise or JPEG compression of what it makes breaks the way back, so a "
        "small cycle_{X} says little. Try a smaller --lambda_{X}, or a larger --ndf",
    ),
}


class Side(NamedTuple):
    """A generator's side of a model: G: x -> y, F back (if any), D judges y. Images (1, C, H, W) in [-1, 1]."""

    end: str  # of the official names: _A, _B or nothing
    G: nn.Module
    F: nn.Module | None
    D: nn.Module | None
    x: Tensor
    y: Tensor


def sides(model: BaseModel) -> list[Side]:
    """Two of a CycleGAN, one of pix2pix and colorization, none of a model with other names."""
    nets, A, B = (
        model.get_networks(),
        getattr(model, "real_A", None),
        getattr(model, "real_B", None),
    )
    if not (isinstance(A, Tensor) and isinstance(B, Tensor)):
        return []
    A, B = A[:1].detach(), B[:1].detach()
    if {"G_A", "G_B"} <= nets.keys():
        return [
            Side("_A", nets["G_A"], nets["G_B"], nets.get("D_A"), A, B),
            Side("_B", nets["G_B"], nets["G_A"], nets.get("D_B"), B, A),
        ]
    return [Side("", nets["G"], None, nets.get("D"), A, B)] if "G" in nets else []


class Health:
    """Measures, averages, and warns of each state once until it has gone away. ``memory`` survives a resume."""

    def __init__(self, opt: Namespace) -> None:
        self.undecided = CANNOT_TELL.get(getattr(opt, "gan_mode", ""))
        self.active = not opt.no_health
        self.memory: dict = {
            "averages": {},
            "given": [],
            "last": -EVERY,
        }  # averages: name -> value, number of checks

    def check(
        self, model: BaseModel, losses: dict[str, float], total: int
    ) -> tuple[dict[str, float], list[str]]:
        """What to log and what to warn of after ``total`` images; ``losses`` are those of the last step."""
        if not self.active or total - self.memory["last"] < EVERY:
            return {}, []
        self.memory["last"] = total
        values: dict[str, float] = {}
        warnings: list[str] = []
        try:
            for side in sides(model):
                with as_before(model.get_networks().values(), model.device), torch.no_grad():
                    found = measure(side, self.undecided)
                loss = losses.get(
                    f"D{side.end}",
                    losses.get("D_real", math.nan) / 2 + losses.get("D_fake", math.nan) / 2,
                )
                signs = self._average(
                    side.end, found | ({"loss": loss / self.undecided[0]} if self.undecided else {})
                )
                warnings += self._warnings(side.end, signs)
                values |= {
                    f"{name}_{'D' if name.startswith('accuracy') else 'G'}{side.end}": value
                    for name, value in found.items()
                    if name not in ("apart", "output_varies", "variety")
                }
                if "dependence" in signs:
                    values[f"dependence_G{side.end}"] = signs["dependence"]
        except Exception as error:  # a model of someone's own may use these names for something else; its training goes on
            self.active = False
            warn(
                f"no more health checks, for they do not fit this model: {type(error).__name__}: {str(error)[:120]}"
            )
        return values, warnings

    def _average(self, end: str, found: dict[str, float]) -> dict[str, float]:
        """Take in what was found; returns the signs that there are enough checks for."""
        averages: dict[str, list] = self.memory["averages"]
        for name, value in found.items():
            if math.isfinite(value):
                mean, count = averages.get(name + end, (0.0, 0))
                averages[name + end] = [mean + (value - mean) / min(count + 1, REACH), count + 1]
        known = {
            name: averages[name + end][0]
            for name in found
            if averages.get(name + end, (0, 0))[1] >= REACH
        }
        signs: dict[str, float] = {
            name: known[name] for name in ("loss", "correlation", "robustness") if name in known
        }
        for sign, above, below in (
            ("dependence", "output_varies", "variety"),
            ("change", "change", "apart"),
        ):
            if known.get(below, 0) > 0.01:  # else all images are about the same
                signs[sign] = known[above] / known[below]
        if known.get("accuracy_fake", 1.0) < 0.8:
            signs["change"] = math.inf  # the little that it changes is enough for the discriminator
        return signs

    def _warnings(self, end: str, signs: dict[str, float]) -> list[str]:
        given, new = self.memory["given"], []
        for sign, value in signs.items():
            bad, well, text = WARNINGS[sign]
            if value < bad and sign + end not in given:
                given.append(sign + end)
                text = text.format(G=f"G{end}", D=f"D{end}", X=end.strip("_"))
                new.append(f"{text} ({sign} {value:.2f}; docs/reading_a_run.md)")
            elif value > well and sign + end in given:
                given.remove(sign + end)
        return new


def measure(side: Side, undecided: tuple[float, float] | None) -> dict[str, float]:
    """What can be seen from one image x of the input and one y of the output domain. Changes of images are mean |difference|."""

    def run(net: nn.Module, image: Tensor) -> Tensor:
        seed_everything(
            0, gpu=image.device.type != "cpu"
        )  # the same dropout, so that only the image makes a difference
        return net(image.clone())

    x, y, fake = side.x, side.y, run(side.G, side.x)
    found = {
        "output_varies": distance(fake, run(side.G, x.flip(3))),
        "variety": min(distance(x, x.flip(3)), distance(y, y.flip(3))),
    }
    if x.shape == y.shape:
        found |= {
            "change": distance(fake, x),
            "apart": distance(y, x),
            "correlation": correlation(x, fake),
        }
    if side.F:
        found["robustness"] = robustness(side.F, run, x, fake)
    if side.D and undecided:
        condition = [] if side.F else [x]  # the discriminator of pix2pix sees pairs
        for name, image, real in (("accuracy_real", y, True), ("accuracy_fake", fake, False)):
            found[name] = (
                ((run(side.D, torch.cat([*condition, image], 1)) > undecided[1]) == real)
                .float()
                .mean()
                .item()
            )
    return found


def distance(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().mean().item()


def correlation(x: Tensor, fake: Tensor) -> float:
    """Of brightness, in [-1, 1]; an image without contrast counts as uncorrelated."""
    a, b = (image.float().mean(1).flatten() for image in (x, fake))
    return ((a - a.mean()) * (b - b.mean())).mean().item() / (
        max(a.std().item(), 0.02) * max(b.std().item(), 0.02)
    )


def robustness(F: nn.Module, run, x: Tensor, fake: Tensor) -> float:
    """About 1: F makes as much of a slightly damaged image. Near 0: it lived on what the damage removed (Chu et al., 2017)."""
    noise = torch.randn(fake.shape, generator=torch.Generator().manual_seed(0)).to(fake)
    damaged = [fake + 0.05 * noise]  # about 6 of 255 levels
    if fake.shape[1] in (1, 3):
        file = io.BytesIO()
        Image.fromarray(tensor2im(fake)).save(file, "JPEG", quality=75)
        image = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None, : fake.shape[1]]
        damaged.append(image.to(fake) / 127.5 - 1)
    lost = distance(run(F, fake), x)
    return min(
        (lost + distance(each, fake)) / max(distance(run(F, each), x), 1e-6) for each in damaged
    )
