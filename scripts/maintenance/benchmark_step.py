"""The step of train.py for ``scripts/benchmark.py``, and beside it the same step computed the way the official code does it."""

from __future__ import annotations

import contextlib
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from models.training.memory import without_compiler
from scripts.maintenance.benchmark_cases import QUIET, ROOT, Once, quiet
from util.image_pool import ImagePool


def training(folder: Path, *args: str) -> tuple[Any, Any, Any]:
    """(opt, dataset, model) of a training on the atlas set with ``args``."""
    from data import create_dataset
    from models import create_model
    from options.train_options import TrainOptions
    from util.seeds import seed_everything

    with quiet():
        opt = TrainOptions().parse(
            [
                "--dataroot",
                str(ROOT / "datasets/atlas"),
                "--checkpoints_dir",
                str(folder),
                "--name",
                "bench",
                "--num_threads",
                "0",
                *QUIET,
                *args,
            ]
        )
        seed_everything(opt.seed)
        model = create_model(opt)
        model.setup(opt)
        model.update_learning_rate()
        return opt, create_dataset(opt), model


class Count(TorchDispatchMode):
    """A context that counts the operations of this thread."""

    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        return func(*args, **(kwargs or {}))


def stepping(
    opt: Namespace, step: Callable[[dict], None], batch: dict
) -> tuple[Once, dict[str, Any]]:
    """``step(batch)``, on a batch that lies ready: as many in a row as take a second, for a training that goes on finds its
    caches as it left them. The first measurement counts operations, and should not be timed."""
    count = Count()
    without_compiler(Count.__torch_dispatch__)  # which would count as memory

    def steps(number: int) -> tuple[float, float]:
        begin = time.perf_counter(), time.process_time()
        for _ in range(number):
            step(batch)
        if opt.device.startswith("cuda"):
            torch.cuda.synchronize()
        return (time.perf_counter() - begin[0]) / number, (time.process_time() - begin[1]) / number

    def once() -> dict[str, float]:
        with contextlib.nullcontext() if count.operations else count:
            seconds, processor = steps(in_a_row if count.operations else 1)
        return {
            "images": opt.batch_size * opt.accumulate,
            "operations": count.operations,
            "seconds": seconds,
            "processor_ms": 1e3 * processor,
        }

    step(batch)  # in which Adam makes its moments
    in_a_row = max(1, min(20, round(1 / steps(1)[0])))
    return once, {}


def ours(folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """What train.py does between taking a batch and reporting."""
    from models.training.step import Step

    opt, dataset, model = training(folder, *args)
    return stepping(opt, Step(opt, model), next(iter(dataset)))


def official(folder: Path, *args: str) -> tuple[Once, dict[str, Any]]:
    """The same weights, options and images, computed the official way."""
    opt, dataset, model = training(folder, *args)
    way = OfficialWay(opt, {name: net.state_dict() for name, net in model.get_networks().items()})
    del model
    return stepping(opt, way, next(iter(dataset)))


class OfficialWay:
    """The official order of one step of CycleGAN with ResNet-9 and 70x70 PatchGANs, in plain layers of PyTorch.

    All six generated images first, one backward pass for both generators, real and fake images apart in the discriminators,
    Adam as PyTorch chooses it, gradients unchecked.
    """

    def __init__(self, opt: Namespace, weights: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        self.opt, self.nets = (
            opt,
            {name: resnet(opt.ngf) if name[0] == "G" else patchgan(opt.ndf) for name in weights},
        )
        for name, net in self.nets.items():
            net.load_state_dict(weights[name])
            net.to(opt.device)
        self.G_A, self.G_B, self.D_A, self.D_B = (
            self.nets[name] for name in ("G_A", "G_B", "D_A", "D_B")
        )
        adam = {"lr": opt.lr, "betas": (opt.beta1, 0.999)}
        self.optimizer_G, self.optimizer_D = (
            torch.optim.Adam(chain(a.parameters(), b.parameters()), **adam)
            for a, b in ((self.G_A, self.G_B), (self.D_A, self.D_B))
        )
        self.pool_A, self.pool_B = ImagePool(opt.pool_size), ImagePool(opt.pool_size)
        self.labels = {real: torch.tensor(float(real), device=opt.device) for real in (True, False)}

    def gan(self, scores: torch.Tensor, real: bool) -> torch.Tensor:
        return F.mse_loss(scores, self.labels[real].expand_as(scores))

    def __call__(self, batch: dict) -> None:
        x, y = batch["A"].to(self.opt.device), batch["B"].to(self.opt.device)
        self.fake_B = self.G_A(x)  # kept until the next step, as a model keeps what it shows
        self.rec_A = self.G_B(self.fake_B)
        self.fake_A = self.G_B(y)
        self.rec_B = self.G_A(self.fake_A)
        self._thaw(False)
        self.optimizer_G.zero_grad()
        self.idt_A, self.idt_B = self.G_A(y), self.G_B(x)
        a, b, identity = self.opt.lambda_A, self.opt.lambda_B, self.opt.lambda_identity
        loss = (
            self.gan(self.D_A(self.fake_B), True)
            + self.gan(self.D_B(self.fake_A), True)
            + F.l1_loss(self.rec_A, x) * a
            + F.l1_loss(self.rec_B, y) * b
            + F.l1_loss(self.idt_A, y) * b * identity
            + F.l1_loss(self.idt_B, x) * a * identity
        )
        loss.backward()
        self.optimizer_G.step()
        self._thaw(True)
        self.optimizer_D.zero_grad()
        for net, real, fake in (
            (self.D_A, y, self.pool_B.query(self.fake_B)),
            (self.D_B, x, self.pool_A.query(self.fake_A)),
        ):
            ((self.gan(net(real), True) + self.gan(net(fake.detach()), False)) * 0.5).backward()
        self.optimizer_D.step()

    def _thaw(self, needed: bool) -> None:
        for net in (self.D_A, self.D_B):
            net.requires_grad_(needed)


class Net(nn.Module):
    """``layers`` under the name that weights have in files."""

    def __init__(self, layers: Iterator[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        ]
        again = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        ]
        self.conv_block = nn.Sequential(*half, nn.ReLU(True), *again)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


def resnet(width: int, blocks: int = 9) -> Net:
    """c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3."""

    def layers() -> Iterator[nn.Module]:
        yield from (
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, width, 7),
            nn.InstanceNorm2d(width),
            nn.ReLU(True),
        )
        for c in (width, 2 * width):
            yield from (
                nn.Conv2d(c, 2 * c, 3, stride=2, padding=1),
                nn.InstanceNorm2d(2 * c),
                nn.ReLU(True),
            )
        yield from (Residual(4 * width) for _ in range(blocks))
        for c in (4 * width, 2 * width):
            yield from (
                nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1),
                nn.InstanceNorm2d(c // 2),
                nn.ReLU(True),
            )
        yield from (nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    return Net(layers())


def patchgan(width: int) -> Net:
    """C64-C128-C256-C512, of which the last has stride 1."""

    def layers() -> Iterator[nn.Module]:
        yield from (nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True))
        for c, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            yield from (
                nn.Conv2d(c, 2 * c, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(2 * c),
                nn.LeakyReLU(0.2, True),
            )
        yield nn.Conv2d(8 * width, 1, 4, padding=1)

    return Net(layers())
