"""--compile with images of several sizes and short batches: few graphs, and the same results."""

from __future__ import annotations

import functools
import shutil

import pytest
import torch
from steps import batch, build, options, repeatable  # noqa: F401

from models import create_model
from models.networks import GENERATORS, Generator, ResnetGenerator
from models.training.step import Step
from util.modules import can_compile
from util.norms import InstanceNorm
from util.reflection import ReflectionPad

needs_compile = pytest.mark.skipif(not can_compile(), reason="--compile needs PyTorch 2.6")


@needs_compile
def test_sizes_stay_outside_of_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator's layers are compiled without its padding, for any size after the first."""
    compiled: list[tuple[torch.nn.Module, dict]] = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda net, **settings: compiled.append((net, settings))
    )
    before = torch._dynamo.config.cache_size_limit
    model = build("--ngf", "1", "--ndf", "1", "--compile", "--preprocess", "none")
    try:
        Step(model.opt, model)
        assert torch._dynamo.config.cache_size_limit >= 256
    finally:
        torch._dynamo.config.cache_size_limit = before
    networks = [model.netG_A.model, model.netG_B.model, model.netD_A, model.netD_B]
    assert [net for net, _ in compiled] == networks
    assert all(settings["dynamic"] is None for _, settings in compiled)


@pytest.mark.slow
@needs_compile
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_at_many_sizes(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of many sizes and short batches need few graphs, and compute the same."""
    monkeypatch.setattr("models.training.step.BACKEND", backend)
    one_block = functools.partial(ResnetGenerator, n_blocks=1)
    monkeypatch.setitem(GENERATORS, "resnet_6blocks", one_block)
    small = ("--ngf", "1", "--ndf", "1", "--netG", "resnet_6blocks", "--netD", "pixel")
    sizes = [(16, 20, 2), (20, 24, 2), (23, 16, 2), (28, 32, 1), (21, 22, 1)]

    def losses(*more: str) -> list[float]:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        torch.manual_seed(0)
        model = create_model(options(*small, "--preprocess", "none", *more))
        step = Step(model.opt, model)
        for width, height, count in sizes:
            step(batch(count, width, torch.float32, height))
        return list(model.get_current_losses().values())

    plain = losses()
    assert losses("--compile") == pytest.approx(plain, rel=1e-3)
    # Generators and discriminators, each with and without gradients to the images or the weights
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 24


class Tiny(Generator):
    """A generator of few operations, each of which is compiled for seconds."""

    multiple = 4

    def __init__(self, input_nc: int, output_nc: int, **unused: object) -> None:
        super().__init__()
        layers = ReflectionPad(1), torch.nn.Conv2d(input_nc, output_nc, 3), InstanceNorm(output_nc)
        self.model = torch.nn.Sequential(*layers)

    def apply_layers(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


@pytest.mark.slow
@needs_compile
@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
def test_generated_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """The default backend's code for any size computes the same, also for short batches."""
    monkeypatch.setitem(GENERATORS, "resnet_6blocks", Tiny)
    small = ("--model", "template", "--netG", "resnet_6blocks", "--preprocess", "none")

    def losses(*more: str) -> list[float]:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        torch.manual_seed(0)
        model = create_model(options(*small, *more))
        step, results = Step(model.opt, model), []
        for size, count in [(16, 2), (20, 2), (28, 1), (21, 1), (23, 2)]:
            step(batch(count, size, torch.float32))
            results += model.get_current_losses().values()
        return results

    plain = losses()
    assert losses("--compile") == pytest.approx(plain, rel=1e-3)
    said = capsys.readouterr().out.splitlines()
    # One for the first size, one for all others, and one for batches of a single image
    assert [line.split(" so far")[0] for line in said if line.startswith("--compile")] == [
        "--compile: 1 graphs",
        "--compile: 2 graphs",
        "--compile: 3 graphs",
    ]
