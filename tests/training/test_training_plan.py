"""The memory that ``train.py --dry_run`` estimates is what the tensors of real steps take."""

from __future__ import annotations

import pytest
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
    ["", "--checkpoint_activations", "--amp fp16", "--accumulate 2 --batch_size 2 --ema 0.9"],
)
def test_a_rehearsal_takes_what_steps_take(args: str) -> None:
    opt = options(*THIN, *args.split())
    data = batch(opt.batch_size * opt.accumulate, SIZE, float32)
    assert needs(args) == pytest.approx(
        bytes_of_steps(Step(opt, create_model(opt)), data), rel=0.01
    )


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
