"""The memory that ``train.py --dry_run`` estimates is what the tensors of real steps take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from steps import batch, options, repeatable  # noqa: F401
from torch import float32

from models import create_model
from models.training.plan import (
    bytes_of_steps,
    count_bytes,
    pool_growth,
    rehearse,
    rehearsed,
    size,
)
from models.training.step import Step

SIZE = 64
THIN = (
    "--ngf",
    "8",
    "--ndf",
    "8",
    "--netG",
    "resnet_6blocks",
    "--load_size",
    str(SIZE),
    "--crop_size",
    str(SIZE),
)


def needs(args: str) -> int:
    opt = options(*THIN, *args.split())
    return rehearsed(opt, batch(opt.batch_size * opt.accumulate, SIZE, float32))[1]


@pytest.mark.parametrize(
    "args",
    [
        "",
        "--checkpoint_activations",
        pytest.param("--amp fp16", marks=pytest.mark.slow),
        "--accumulate 2 --batch_size 2 --ema 0.9",
    ],
)
def test_a_rehearsal_takes_what_steps_take(args: str) -> None:
    opt = options(*THIN, *args.split())
    data = batch(opt.batch_size * opt.accumulate, SIZE, float32)
    assert needs(args) == pytest.approx(
        bytes_of_steps(Step(opt, create_model(opt)), data), rel=0.01
    )


@pytest.mark.parametrize("released", [False, True])
def test_a_feature_network_is_counted(released: bool, tmp_path: Path) -> None:
    """It has values in the rehearsal, too, and its images have none."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.Flatten())
    file = tmp_path / "net.pt"
    torch.jit.trace(net, torch.zeros(1, 3, 64, 64)).save(str(file))
    words = f"--model content_gan --content_loss features --content_features {file}"
    words += " --content_size 64" + " --released_gradient" * released
    opt = options(*THIN, *words.split())
    real = bytes_of_steps(Step(opt, create_model(opt)), batch(1, SIZE, float32))
    assert needs(words) == pytest.approx(real, rel=0.01)
    assert needs(words) > needs("--model content_gan") + 64 * 62 * 62 * 4  # its activations


class Branch(torch.nn.Module):
    """A network that needs the values of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if bool(x.sum() > 0) else x


def test_a_feature_network_that_needs_values(tmp_path: Path) -> None:
    """Its memory is unknown, which stops no training."""
    torch.jit.script(Branch()).save(str(tmp_path / "net.pt"))
    words = ("--model", "content_gan", "--content_loss", "features", "--content_size", "8")
    opt = options(*THIN, *words, "--content_features", str(tmp_path / "net.pt"))
    Step(opt, create_model(opt))(batch(1, SIZE, float32))
    with pytest.raises(RuntimeError, match="TorchScript interpreter"):
        rehearse(opt, batch(1, SIZE, float32), 10)


@pytest.mark.slow
def test_what_options_change() -> None:
    plain = needs("")
    assert needs("--checkpoint_activations") < 0.8 * plain
    assert needs("--amp bf16") < plain
    assert plain < needs("--accumulate 3") < 1.3 * plain < needs("--batch_size 3")
    opt = options(*THIN, "--ema", "0.9", "--amp", "fp16")
    model, averaged = rehearsed(opt, batch(1, SIZE, float32))
    assert averaged == pytest.approx(
        needs("--amp fp16") + count_bytes([model.netG_A.state_dict()] * 2), rel=0.01
    )
    on_disk, memory = rehearse(opt, batch(1, SIZE, float32), 10)
    assert memory.startswith(f"Memory: about {size(averaged + pool_growth(model))} ")
    assert (
        f"{size(count_bytes(list(model.get_weights().values())))} and 1 training state" in on_disk
    )  # averages are written, too
