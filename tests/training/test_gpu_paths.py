"""GPU code checked without a GPU: its decisions, its messages and its measurements."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import Programs
from steps import options

import data
from models.training.memory import out_of_memory
from options.parser import choose_device
from scripts.maintenance import benchmark, benchmark_worker, check_resume
from util import distributed, gpu
from util.errors import UsageError, is_out_of_memory
from util.rank_gradients import average_gradients


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


def test_memory_that_other_processes_hold(run: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    others = "; other processes hold 31.2 of its 80.0 GB"
    monkeypatch.setattr("util.console.memory_of_others", lambda: others)

    def main() -> None:
        raise RuntimeError("CUDA out of memory.")

    run.call(main).refused(1, f"out of memory{others}; to use less: smaller images")


@pytest.mark.parametrize(
    "words",
    [
        "--no_tf32",
        "--channels_last",
        "--amp bf16",
        "--amp fp16",
        "--compile",
        "--compile --cuda_graphs",
        "--compile --amp bf16 --channels_last --cuda_graphs",
    ],
)
def test_the_benchmark_measures_each_option(words: str) -> None:
    """On a GPU, benchmark.py has a row for each option of speed."""
    rows = [case.args for case in benchmark.CASES if case.section == "step" and case.cuda]
    assert f"{benchmark.ATLAS} {words}" in rows


def test_the_benchmark_loads_to_the_device(
    tmp_path: Path, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loader and steps are measured as in a training, with images copied to the device."""
    batches = Namespace(device=None)
    monkeypatch.setattr(data, "create_dataset", lambda opt: batches)
    monkeypatch.setattr(sys, "argv", ["benchmark_worker.py"])
    where = ("--checkpoints_dir", str(tmp_path), "--gpu_ids", "-1")
    benchmark_worker.load(["--dataroot", str(unaligned), *where])
    assert str(batches.device) == "cpu"
    batches.device = None
    small = ("--netG", "resnet_6blocks", "--ngf", "1", "--ndf", "1")
    benchmark_worker.training(["--dataroot", str(unaligned), *where, *small])
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
