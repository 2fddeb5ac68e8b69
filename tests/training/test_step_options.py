"""--accumulate, --ema and --amp: resuming is exact, and senseless combinations are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, TINY, Programs
from survival import equal, interrupt, resume, state, subclass, train

pytest_plugins = ["survival"]


@pytest.mark.parametrize(
    "more",
    [
        ("--ema", "0.5"),
        ("--accumulate", "2"),
        pytest.param(("--amp", "fp16", "--ema", "0.9"), marks=pytest.mark.slow),
    ],
)
def test_resume(run: Programs, data: Path, after_step: Callable, more: tuple[str, ...]) -> None:
    """A crash in the second epoch."""
    more = (*more, "--no_html")
    train(run, data, *more, name="whole").ok()
    interrupt(run, data, after_step, *more, step=4 if "--accumulate" in more else 7)
    resume(run).ok()
    assert equal(run)
    averages = {p.name for p in (run.runs / "x").glob("latest_net_*_ema.pth")}
    assert averages == (
        {"latest_net_G_A_ema.pth", "latest_net_G_B_ema.pth"} if "--ema" in more else set()
    )
    assert bool(state(run.runs / "x")["model"]["scaler"]) == ("fp16" in more)


def test_accumulated_batches(run: Programs, data: Path) -> None:
    """Two micro-batches of one image equal a batch of two, up to rounding, which Adam amplifies."""
    more = ("--pool_size", "0", "--no_html", "--lr", "0.00001")
    train(run, data, *more, "--batch_size", "2", name="large").ok()
    train(run, data, *more, "--accumulate", "2", name="parts").ok()
    large, parts = (
        torch.load(run.runs / name / "latest_net_G_A.pth", weights_only=True)
        for name in ("large", "parts")
    )
    kernels = [
        key for key in large if large[key].dim() == 4
    ]  # the norm takes all gradient from the biases before it
    assert all(
        float((large[key] - parts[key]).abs().mean()) < 3e-6 for key in kernels
    )  # in six steps of 1e-5
    logs = [
        [
            line.split(", time")[0]
            for line in (run.runs / name / "loss_log.txt").read_text().splitlines()[1:]
        ]
        for name in ("large", "parts")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 6


def test_averages_are_tested(run: Programs, data: Path, unaligned: Path) -> None:
    train(run, data, *ONE_EPOCH, "--ema", "0.9", "--no_html").ok()
    for model in ("cycle_gan", "test"):
        result = run.test(
            "--dataroot",
            unaligned / "testA" if model == "test" else unaligned,
            "--name",
            "x",
            "--model",
            model,
            "--ema",
            *CPU,
        ).ok()
        assert "latest_net_G_A_ema.pth" in result.out and "latest_net_G_A.pth" not in result.out
    assert "_ema" not in run.test("--dataroot", unaligned, "--name", "x", *CPU).ok().out
    run.test("--dataroot", unaligned, "--name", "x", *CPU, "--ema", "--epoch", "7").refused(
        1, "7_net_G_A_ema.pth"
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--accumulate", "0"), "--accumulate 0"),
        (("--ema", "1"), "--ema 1"),
        (("--cuda_graphs",), "--compile"),
        (("--cuda_graphs", "--compile"), "CUDA GPU"),
        (("--cuda_graphs", "--compile", "--preprocess", "none"), "one size"),
        (("--cuda_graphs", "--compile", "--accumulate", "2"), "leave one out"),
        (("--checkpoint_activations", "--netG", "unet_128"), "unet_128"),
        (("--checkpoint_activations", "--norm", "batch"), "batch"),
    ],
)
def test_refused(run: Programs, data: Path, flags: tuple[str, ...], words: str) -> None:
    run.train("--dataroot", data, *TINY, *ONE_EPOCH, *flags).refused(2, words)


@pytest.mark.parametrize("where", ["backward_D_A(self)", "setup(self, opt)"])
def test_out_of_memory(run: Programs, data: Path, tmp_path: Path, where: str) -> None:
    """One line says what needs less memory, in a step and before the first one."""
    model = subclass(tmp_path / "large_model.py", f"def {where}:", "    torch.empty(1 << 60)")
    train(run, data, "--model", model).refused(
        1, "out of memory on cpu", "GB", "--crop_size 16", "--checkpoint_activations"
    )


@pytest.mark.parametrize(
    "more",
    [
        "--gan_mode wgangp",
        "--gan_mode vanilla",
        "--norm batch",
        "--norm none",
        "--netD pixel",
        "--netD n_layers --n_layers_D 2",
        "--gan_mode wgangp --norm batch --netD pixel",
        "--netG unet_128 --ngf 2",
        "--init_type orthogonal --lambda_identity 0",
        "--input_nc 1 --output_nc 3",
        "--preprocess none",
        "--preprocess scale_width_and_crop --no_flip --serial_batches",
        "--preprocess crop",
        "--preprocess scale_width",
        "--lr_policy step --pool_size 0",
        "--lr_policy cosine --max_dataset_size 2",
    ],
)
def test_variants_learn(run: Programs, unaligned: Path, more: str) -> None:
    """A step changes every weight that it should, to something finite."""
    run.train(
        "--dataroot",
        unaligned,
        "--name",
        "x",
        *TINY,
        *ONE_EPOCH,
        "--batch_size",
        "5",
        "--keep",
        "1",
        "--no_health",
        "--panel_size",
        "0",
        *more.split(),
    ).ok()
    [first] = (run.runs / "x").glob("state_*.pth")  # from before the only step
    before, after = (
        {
            f"{net} {key}": value
            for net, weights in torch.load(path, weights_only=True)["model"]["networks"].items()
            for key, value in weights.items()
        }
        for path in (first, run.runs / "x" / "state.pth")
    )
    assert all(value.isfinite().all() for value in after.values())
    assert sum(not torch.equal(before[k], after[k]) for k in before) > len(before) // 2
    labels = {path.stem for path in (run.runs / "x" / "web" / "images").glob("epoch001_idt_?.png")}
    assert bool(labels) == (not re.search("identity 0|input_nc", more))
