"""Health checks: warnings in plain words when a training goes wrong.

One image passes through the networks whenever losses are printed. The checks use the official names
of networks and images; models without them are not checked. Healthy runs on ``datasets/atlas`` keep
well away from the thresholds. docs/reading_a_run.md shows what each state looks like.
"""

from __future__ import annotations

import io
import math
from argparse import Namespace
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from models.base_model import BaseModel
from models.training.health_warnings import WARNINGS, text_of
from util.console import warn
from util.images import tensor2im
from util.modules import unaffected
from util.seeds import seed_everything

EVERY = 50  # images between two checks at least, so that a small --print_freq costs little
WINDOW = 16  # number of checks that a running average covers, and that must precede a warning

# GAN mode -> (loss, output) of a discriminator that cannot tell real from fake; wgangp has no such.
UNDECIDED = {"lsgan": (0.25, 0.5), "vanilla": (math.log(2), 0.0)}


class Direction(NamedTuple):
    """One translation of a model. Images are (1, C, H, W) in [-1, 1].

    Attributes:
        generator: the name of G, e.g. "G_A".
        discriminator: the name of D, also in warnings; "" for a D that another direction names.
        G: translates x into the domain of y.
        F: translates back, or None.
        D: judges the domain of y, or None.
        x: an image of the input domain.
        y: an image of the output domain.
        conditional: True if D judges pairs of input and output, as in pix2pix.
    """

    generator: str
    discriminator: str
    G: nn.Module
    F: nn.Module | None
    D: nn.Module | None
    x: Tensor
    y: Tensor
    conditional: bool = False

    @property
    def suffix(self) -> str:
        """The end of the keys of G's averages: "_A", "_B", "", or "E" for a BiGAN's E."""
        return self.generator.removeprefix("G")


def directions(model: BaseModel) -> list[Direction]:
    """Return the directions of a model with the official names of networks, else none.

    CycleGAN and BiGAN have two. A BiGAN's D compares pairs of both directions, so that it judges
    none of them alone.
    """
    nets = model.get_networks()
    A, B = (getattr(model, name, None) for name in ("real_A", "real_B"))
    if not (isinstance(A, Tensor) and isinstance(B, Tensor)):
        return []
    A, B = A[:1].detach(), B[:1].detach()
    if {"G_A", "G_B"} <= nets.keys():
        return [
            Direction("G_A", "D_A", nets["G_A"], nets["G_B"], nets.get("D_A"), A, B),
            Direction("G_B", "D_B", nets["G_B"], nets["G_A"], nets.get("D_B"), B, A),
        ]
    if {"G", "E"} <= nets.keys():
        return [
            Direction("G", "D", nets["G"], None, None, A, B),
            Direction("E", "", nets["E"], None, None, B, A),
        ]
    if {"G_A", "D_A"} <= nets.keys():
        return [Direction("G_A", "D_A", nets["G_A"], None, nets["D_A"], A, B)]
    return [Direction("G", "D", nets["G"], None, nets.get("D"), A, B, True)] if "G" in nets else []


def measurements(model: BaseModel, undecided: tuple[float, float] | None) -> list:
    """Return each direction with its measurements; those of a model with its own, see CoGAN."""
    if own := getattr(model, "measure_health", None):
        net, x = next(iter(model.get_networks().values())), torch.zeros(0)
        return [(Direction(G, D, net, None, None, x, x), values) for G, D, values in own()]
    with unaffected(model.get_networks().values()), torch.no_grad():
        return [(part, measure(part, undecided)) for part in directions(model)]


class Health:
    """Measures and averages, and warns of each bad state once until the state has passed.

    Attributes:
        memory: plain values, saved in ``state.pth``: "averages" (name -> [running average, number
            of checks]), "given" (the signs that are warned of at present), and "last" (``total`` at
            the last check).
    """

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        self.undecided = UNDECIDED.get(getattr(opt, "gan_mode", ""))
        self.active = not opt.no_health
        self.memory: dict = {"averages": {}, "given": [], "last": -EVERY}

    def check(
        self, model: BaseModel, losses: dict[str, float], total: int
    ) -> tuple[dict[str, float], list[str]]:
        """Check the networks with an image of the last batch, if ``EVERY`` images have passed.

        Args:
            losses: of the last step.
            total: images seen in the whole training.

        Returns:
            The values to log, and the new warnings.
        """
        if not self.active or total - self.memory["last"] < EVERY:
            return {}, []
        self.memory["last"] = total
        values: dict[str, float] = {}
        warnings: list[str] = []
        try:
            texts = getattr(model, "health_texts", {})
            for direction, measured in measurements(model, self.undecided):
                signs = self._signs(direction, measured, losses)
                warnings += self._new_warnings(direction, signs, texts)
                values |= _log_values(direction, measured, signs)
        except Exception as error:  # a custom model may use the official names for something else
            self.active = False
            warn(
                "no more health checks, because they do not fit this model: "
                f"{type(error).__name__}: {str(error)[:120]}"
            )
        return values, warnings

    def _signs(
        self, direction: Direction, measured: dict[str, float], losses: dict[str, float]
    ) -> dict[str, float]:
        """Update the averages and return those signs of ``WARNINGS`` that have enough checks."""
        suffix = direction.suffix
        if self.undecided and direction.discriminator:
            halves = losses.get("D_real", math.nan) + losses.get("D_fake", math.nan)
            loss = losses.get(direction.discriminator, losses.get("D", halves / 2))
            measured = {**measured, "loss": loss / self.undecided[0]}
        averages: dict[str, list] = self.memory["averages"]
        known: dict[str, float] = {}
        for name, value in measured.items():
            mean, count = averages.get(name + suffix, (0.0, 0))
            if math.isfinite(value):
                count += 1
                mean += (value - mean) / min(count, WINDOW)
                averages[name + suffix] = [mean, count]
            if count >= WINDOW:
                known[name] = mean
        direct = ("loss", "correlation", "robustness")
        signs: dict[str, float] = {name: known[name] for name in direct if name in known}
        ratios = {"dependence": ("output_varies", "variety"), "change": ("change", "apart")}
        for sign, (part, whole) in ratios.items():
            if known.get(whole, 0) > 0.01:  # otherwise all images are nearly equal
                signs[sign] = known[part] / known[whole]
        if known.get("accuracy_fake", 1.0) < 0.8:
            signs["change"] = math.inf  # a small change is enough to deceive the discriminator
        return signs

    def _new_warnings(
        self, direction: Direction, signs: dict[str, float], texts: dict[str, str]
    ) -> list[str]:
        given, new, suffix = self.memory["given"], [], direction.suffix
        for sign, value in signs.items():
            bad, good, *_ = WARNINGS[sign]
            if value < bad and sign + suffix not in given:
                given.append(sign + suffix)
                names = {"G": direction.generator, "D": direction.discriminator}
                text = texts.get(sign) or text_of(sign, self.opt)
                text = text.format(**names, X=suffix.strip("_"))
                new.append(f"{text} ({sign} {value:.2f}; docs/reading_a_run.md)")
            elif value > good and sign + suffix in given:
                given.remove(sign + suffix)
        return new


def _log_values(
    direction: Direction, measured: dict[str, float], signs: dict[str, float]
) -> dict[str, float]:
    """Return what metrics.jsonl and the page get, e.g. ``accuracy_real_D_A`` and ``change_G_A``."""
    G, D = direction.generator, direction.discriminator
    values = {
        f"{name}_{D if name.startswith('accuracy') else G}": value
        for name, value in measured.items()
        if name not in ("apart", "output_varies", "variety")
    }
    if "dependence" in signs:
        values[f"dependence_{G}"] = signs["dependence"]
    return values


def measure(direction: Direction, undecided: tuple[float, float] | None) -> dict[str, float]:
    """Return all measurements that one image x and one image y allow.

    Args:
        undecided: loss and output of a discriminator that cannot tell real from fake; None leaves
            out accuracies.
    """
    _, _, G, F, D, x, y, conditional = direction
    fake = _run(G, x)
    values = {
        "output_varies": mean_difference(fake, _run(G, x.flip(3))),
        "variety": min(mean_difference(image, image.flip(3)) for image in (x, y)),
    }
    if x.shape == y.shape:
        values["change"] = mean_difference(fake, x)
        values["apart"] = mean_difference(y, x)
        values["correlation"] = correlation(x, fake)
    if F:
        values["robustness"] = robustness(F, x, fake)
    if D and undecided:
        condition = [x] if conditional else []
        for name, image, is_real in (("accuracy_real", y, True), ("accuracy_fake", fake, False)):
            says_real = _run(D, torch.cat([*condition, image], 1)) > undecided[1]
            values[name] = (says_real == is_real).float().mean().item()
    return values


def _run(net: nn.Module, image: Tensor) -> Tensor:
    """Return the output of ``net``, always with the same dropout."""
    seed_everything(0)
    return net(image.clone())


def mean_difference(a: Tensor, b: Tensor) -> float:
    """Return the mean absolute difference."""
    return (a - b).abs().mean().item()


def correlation(x: Tensor, fake: Tensor) -> float:
    """Return the correlation of brightness, in [-1, 1]; nearly 0 for an image without contrast."""
    a, b = (image.float().mean(1).flatten() for image in (x, fake))
    covariance = ((a - a.mean()) * (b - b.mean())).mean().item()
    return covariance / (max(a.std().item(), 0.02) * max(b.std().item(), 0.02))


def robustness(F: nn.Module, x: Tensor, fake: Tensor) -> float:
    """Return how well F reconstructs x from a slightly damaged ``fake``, by noise or JPEG.

    About 1: as well as the damage allows. Near 0: F relies on a hidden signal that the damage
    removes (Chu et al., "CycleGAN, a Master of Steganography", 2017).
    """
    noise = torch.randn(fake.shape, generator=torch.Generator().manual_seed(0)).to(fake)
    damaged = [fake + 0.05 * noise]  # about 6 of 255 levels
    if fake.shape[1] in (1, 3):
        file = io.BytesIO()
        Image.fromarray(tensor2im(fake)).save(file, "JPEG", quality=75)
        pixels = torch.from_numpy(np.array(Image.open(file, formats=["JPEG"]))).permute(2, 0, 1)
        damaged.append(pixels[None, : fake.shape[1]].to(fake) / 127.5 - 1)
    error = mean_difference(_run(F, fake), x)
    ratios = []
    for image in damaged:
        allowed = error + mean_difference(image, fake)
        ratios.append(allowed / max(mean_difference(_run(F, image), x), 1e-6))
    return min(ratios)
