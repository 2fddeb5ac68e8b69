"""GPU code checked without a GPU: its decisions, its operations and its messages."""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from steps import Ops, batch, build, options, repeatable, trained  # noqa: F401
from torch._subclasses.fake_tensor import FakeTensorMode

import data
from models import create_model
from models.networks import GENERATORS, ResnetGenerator, get_norm_layer
from models.training import gradients
from models.training.gradients import NonFinite, NonFiniteGuard, fuse
from models.training.memory import out_of_memory
from models.training.step import Step
from options.parser import choose_device
from scripts.maintenance import benchmark, benchmark_worker, check_resume
from util import distributed, gpu
from util.errors import UsageError, is_out_of_memory
from util.modules import can_compile
from util.rank_gradients import average_gradients
from util.seeds import seed_everything

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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_take_half_precision(dtype: torch.dtype) -> None:
    """On CUDA, no norm converts half precision to float32 and back."""
    for norm in ("instance", "batch"):
        with FakeTensorMode(), torch.device("cuda"), Ops() as ops:
            layer = get_norm_layer(norm)(8)
            ops.names.clear()
            assert layer(torch.empty(1, 8, 16, 16, dtype=dtype)).dtype == dtype
        assert not [name for name in ops.names if "_to_copy" in name], ops.names


def test_where_one_operation_checks_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere, as on MPS, gradients are checked one by one, and no optimizer is fused."""
    monkeypatch.setattr(gradients, "CHECKED_AT_ONCE", ("cuda",))
    monkeypatch.delattr(torch, "_amp_foreach_non_finite_check_and_unscale_")
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=1.0)
    fuse(optimizer)
    assert not optimizer.param_groups[0]["fused"]
    guard = NonFiniteGuard(skip=False)
    for bad in (False, True):
        before = weight.detach().clone()
        weight.grad = torch.tensor([1.0, float("nan") if bad else 1.0, 1.0])
        guard.watch(optimizer, ["a.png"])
        optimizer.step()
        assert torch.equal(before, weight) == bad
        if bad:
            with pytest.raises(NonFinite, match=r"a\.png"):
                guard.check()
        else:
            guard.check()


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 6), ["sm_80", "sm_90"], True),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((12, 0), ["sm_80", "compute_90"], True),
        ((6, 1), ["sm_70", "sm_80", "compute_80"], False),
        ((9, 0), ["sm_90a"], True),
    ],
)
def test_cards_outside_of_the_build(
    capability: tuple[int, int], built: list[str], runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu: "Card X")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    if runs:
        assert choose_device("0") == ([0], torch.device("cuda:0"))
    else:
        with pytest.raises(UsageError, match=r"--gpu_ids 0: Card X .*sm_.*--gpu_ids -1"):
            choose_device("0")


@pytest.mark.parametrize(
    ("capability", "args", "words"),
    [
        ((7, 5), "--amp bf16", "--amp bf16 Card X --amp fp16"),
        ((8, 0), "--amp bf16", ""),
        ((8, 0), "--amp fp16 --gan_mode wgangp", "--gan_mode wgangp --amp bf16"),
        ((8, 0), "--compile --cuda_graphs --model template", "--cuda_graphs template"),
        ((8, 0), "--compile --cuda_graphs", ""),
        (None, "--compile --cuda_graphs", "--cuda_graphs GPU"),
        (None, "--amp bf16", ""),
    ],
)
def test_refused_when_parsed(
    capability: tuple[int, int] | None, args: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ([], torch.device("cpu")) if capability is None else ([0], torch.device("cuda:0"))
    monkeypatch.setattr("options.training.choose_device", lambda ids: chosen)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu: "Card X")
    from options.training import TrainingRules

    opt = options(*args.split())
    if not words:
        TrainingRules._check_combinations(opt)
        return
    with pytest.raises(UsageError) as caught:
        TrainingRules._check_combinations(opt)
    assert all(word in str(caught.value) for word in words.split())


def test_memory_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    opt = options()
    opt.device = torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: int(7e9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: int(6e9))
    for free, words in (
        (int(1e9), "; other processes hold 73.0 of its 80.0 GB"),
        (int(73.5e9), ""),
    ):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, int(80e9)))
        assert gpu.memory_of_others(0) == words
        assert f"a peak of 7.0 GB{words}; to use less" in str(out_of_memory(opt))
    error = RuntimeError("GET was unable to find an engine to execute this computation")
    assert is_out_of_memory(error)


def test_deterministic_fills_no_memory() -> None:
    try:
        seed_everything(0, deterministic=True)
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True


def test_recomputing_saves_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout nothing random is computed again, so no generator is saved."""
    asked: list[bool] = []
    original = torch.utils.checkpoint.checkpoint

    def spy(*arguments, **settings):
        asked.append(settings["preserve_rng_state"])
        return original(*arguments, **settings)

    monkeypatch.setattr("util.modules.checkpoint", spy)
    trained("--checkpoint_activations", steps=1)
    assert asked and not any(asked)


def test_inputs_do_not_wait_for_the_gpu() -> None:
    """Images are copied to the GPU without waiting for the work before."""
    waits: list[bool] = []

    class Pinned(torch.Tensor):
        def to(self, *args, **settings):
            waits.append(not settings.get("non_blocking"))
            return super().to(*args, **settings)

    data = batch(dtype=torch.float32)
    data |= {domain: data[domain].as_subclass(Pinned) for domain in "AB"}
    for name in ("cycle_gan", "pix2pix"):
        model = create_model(options("--model", name, "--netG", "resnet_6blocks", "--ngf", "1"))
        model.set_input(data)
    assert waits and not any(waits)


@pytest.mark.parametrize("words", ["", "compile", "channels_last", "cuda_graphs", "amp bf16"])
def test_the_benchmark_measures_each_option(words: str) -> None:
    """On a GPU, benchmark.py has a row for each option of speed."""
    rows = [case for case in benchmark.CASES if case.section == "step" and case.cuda]
    assert any(all(word in case.args for word in words.split()) for case in rows)


def test_the_benchmark_loads_to_the_device(
    tmp_path: Path, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader alone is measured as in a training, with images copied to the device."""
    batches = Namespace(device=None)
    monkeypatch.setattr(data, "create_dataset", lambda opt: batches)
    monkeypatch.setattr(sys, "argv", ["benchmark_worker.py"])
    where = ("--checkpoints_dir", str(tmp_path), "--gpu_ids", "-1")
    benchmark_worker.load(["--dataroot", str(unaligned), *where])
    assert str(batches.device) == "cpu"


def test_check_resume_trains_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --gpu_ids it trains there, reproducibly; two ranks would need two GPUs."""
    made = []

    class Check:
        wrong: dict = {}

        def __init__(self, variant, folder, rng, more) -> None:
            made.append((variant, more))

        def break_runs(self, kills, progress) -> None: ...
        def report(self) -> None: ...

    monkeypatch.setattr(check_resume, "Check", Check)
    for words, more in (("", []), ("--gpu_ids 0", ["--gpu_ids", "0", "--deterministic"])):
        argv = f"check_resume.py --variant all --kills 1 {words}".split()
        monkeypatch.setattr(sys, "argv", argv)
        made.clear()
        check_resume.main()
        assert all(given == more for _, given in made)
        assert ("two_ranks" in dict(made)) == (not words)


def test_gradients_of_ranks_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The averaged gradients are parts of one buffer, except those in channels-last order."""
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_reduce_", lambda flat: flat.mul_(2))
    weights = [torch.nn.Parameter(torch.rand(2, 3, 4, 4)) for _ in range(3)]
    weights[2].data = weights[2].data.to(memory_format=torch.channels_last)
    before = [torch.rand_like(weight) for weight in weights]
    for weight, gradient in zip(weights, before, strict=True):
        weight.grad = gradient.clone()
    average_gradients(weights, 0.5)
    first, second, last = (weight.grad for weight in weights)
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    assert last.stride() == weights[2].stride()
    for weight, gradient in zip(weights, before, strict=True):
        assert torch.equal(weight.grad, gradient)
