"""Translation with CoGAN: find the z that generates an image, and render it in the other domain.

Liu and Tuzel (NIPS 2016) describe it in a sentence, as does the CycleGAN paper (section 5.1.2):
z* = argmin |g1(z) - x|^2 by L-BFGS, and g2(z*) is the answer. Starts, iterations and limits are not
published; they are choices of this project.
"""

from __future__ import annotations

import contextlib
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from models.coupled_networks import LATENT, CoupledGenerator
from util import checkpoint
from util.console import note_progress, say, warn
from util.errors import UserError
from util.files import write_atomically
from util.limits import whole
from util.modules import digest
from util.weight_shapes import architecture_of

OTHER = {"A": "B", "B": "A"}
RECONSTRUCTION = "reconstruction PSNR (dB)"  # beside a translation, it says if that means anything


def add_search_options(parser: ArgumentParser, is_train: bool) -> None:
    """Add ``--latent_steps`` and, for tests, ``--latent_starts``."""
    text = "CoGAN: iterations of L-BFGS that search the z of an image"
    parser.add_argument("--latent_steps", type=whole(1, 10**5), default=100, help=text)
    if not is_train:
        text = "CoGAN: random starts of this search; the one with the smallest error counts"
        parser.add_argument("--latent_starts", type=whole(1, 10**4), default=8, help=text)


def describe(starts: int, steps: int) -> str:
    """Return a line that says what the search for an image costs."""
    return (
        f"Each image takes {starts} searches of up to {steps} iterations (--latent_starts, "
        f"--latent_steps), about {starts * steps * 5 // 4:,} passes of the generator"
    )


class Latent(NamedTuple):
    """Attributes:
    z: (1, 100), in [-1, 1].
    psnr: of the reconstruction of the image from z, in dB.
    """

    z: torch.Tensor
    psnr: float


def find_latent(
    net: CoupledGenerator, x: torch.Tensor, domain: str, starts: int, steps: int, seed: int
) -> Latent:
    """Return the z whose image in ``domain`` is nearest to ``x``, of ``starts`` searches.

    Each search is an L-BFGS of its own from a random z. It moves in the interior of the cube that z
    was drawn from, as z = tanh(u).

    Args:
        net: in evaluation mode; batch statistics of a single image say nothing.
        x: (1, C, size, size) in [-1, 1].
    """
    rng = torch.Generator().manual_seed(seed)
    best = Latent(torch.zeros(1, LATENT, device=x.device), -math.inf)
    for start in range(starts):
        if starts > 1:
            note_progress(f"start {start + 1} of {starts}")
        z = (2 * torch.rand(1, LATENT, generator=rng) - 1).to(x.device)
        z = search(net, x, domain, z, steps)
        with torch.no_grad():
            error = (net.generate(z, domain) - x).square().mean().item()
        psnr = 10 * math.log10(4 / max(error, 1e-10)) if math.isfinite(error) else -math.inf
        best = max(best, Latent(z, psnr), key=lambda found: found.psnr)
    return best


def search(
    net: CoupledGenerator, x: torch.Tensor, domain: str, z: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return the z that L-BFGS reaches from ``z`` in at most ``steps`` iterations."""
    u = z.clamp(-0.999, 0.999).atanh().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [u], max_iter=steps, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        error = (net.generate(u.tanh(), domain) - x).square().sum()
        (u.grad,) = torch.autograd.grad(error, u)  # the weights get no gradients
        return error.detach()

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[arg-type]
    return u.detach().tanh()


class LatentCache:
    """Keeps each z on the disk: a test that was interrupted, or runs again, finds it there."""

    def __init__(self, folder: Path, net: nn.Module, *settings: object) -> None:
        """Args: settings: what a z depends on besides the weights and the image."""
        self.folder = folder
        self.key = digest(net.state_dict().values(), *settings)
        self.writable = True

    def path(self, x: torch.Tensor, domain: str) -> Path:
        return self.folder / f"{digest([x], self.key, domain)}.pth"

    def load(self, x: torch.Tensor, domain: str) -> Latent | None:
        """Return what :meth:`save` wrote for this image; None without it, or if it is damaged."""
        path = self.path(x, domain)
        if not path.is_file():
            return None
        try:
            saved = checkpoint.load(path)
            z, psnr = torch.as_tensor(saved["z"]), float(saved["psnr"])
            if z.shape != (1, LATENT) or not z.float().abs().le(1).all():
                raise ValueError("it is no z")
        except (UserError, KeyError, TypeError, ValueError) as error:
            warn(f"{path} is not used: {error}")
            return None
        return Latent(z.float().to(x.device), psnr)

    def save(self, x: torch.Tensor, domain: str, latent: Latent) -> None:
        """Write a small file; if that fails, one warning says so and nothing more is written."""
        if not self.writable:
            return
        content = {"z": latent.z.cpu(), "psnr": latent.psnr}
        try:
            path = self.path(x, domain)
            write_atomically(path, lambda file: torch.save(content, file))
        except UserError as error:
            self.writable = False
            warn(f"no z is kept: {error}")


@contextlib.contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Switch ``net`` to evaluation inside: running statistics in batch norm."""
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


class CoupledTranslator(CoupledGenerator):
    """A CoGAN as a generator from images to images, for ``--model test`` and load_generator.

    It has the weights of :class:`CoupledGenerator`, and stays in evaluation mode.
    """

    domain = "A"  # of the images that it takes
    starts, steps, seed = 8, 100, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.translate(images)[0]

    def translate(self, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, list[float]]]:
        """Return the translations, and the metrics of each for the page of results."""
        require_size(images, self.size)
        results, quality = [], []
        for image in images.split(1):
            latent = find_latent(self, image, self.domain, self.starts, self.steps, self.seed)
            say(f"Reconstruction of the input: {latent.psnr:.1f} dB PSNR")
            results.append(self.generate(latent.z, OTHER[self.domain]))
            quality.append(latent.psnr)
        return torch.cat(results), {RECONSTRUCTION: quality}


def coupled_translator(opt: Namespace, weights: Path) -> CoupledTranslator | None:
    """Return a translator in ``--direction`` if ``weights`` is a file of CoGAN's netG, else None.

    Its weights are still to be loaded.
    """
    found = architecture_of(checkpoint.load_state_dict(weights)) if weights.is_file() else {}
    if found.get("netG") != "coupled":
        return None
    keys = ("input_nc", "output_nc", "crop_size", "ngf", "shared_G")
    net = CoupledTranslator(*(found[key] for key in keys)).eval()
    trained = checkpoint.saved_options(weights.parent).get("direction", "AtoB")
    net.domain = "A" if opt.direction == trained else "B"
    net.starts, net.steps, net.seed = opt.latent_starts, opt.latent_steps, opt.seed
    opt.netG, opt.eval = "coupled", True  # the page of results and test_opt.txt say so
    say(describe(net.starts, net.steps))
    return net


def require_size(images: torch.Tensor, size: int) -> None:
    """Raise UserError unless all images have the size that the networks were made for."""
    if images.shape[2:] != (size, size):
        height, width = images.shape[2:]
        raise UserError(
            f"this CoGAN generates images of {size}x{size} and has no answer for {width}x{height}: "
            f"--preprocess resize_and_crop --load_size {size} --crop_size {size}"
        )
