"""What a training does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY
from steps import SMALL, batch, build, repeatable  # noqa: F401

from models.training.memory import step_without_compiler
from models.training.step import Step


def test_no_compiler_is_imported(unaligned: Path, tmp_path: Path) -> None:
    """It would take 150 MB and 1.6 s. A process of its own, for tests compile too."""
    arguments = [
        "--dataroot",
        str(unaligned),
        "--checkpoints_dir",
        str(tmp_path),
        *TINY,
        *ONE_EPOCH,
        *CPU,
        "--num_threads",
        "0",
        "--checkpoint_activations",
        "--ema",
        "0.9",
        "--val_freq",
        "1",
        "--val_share",
        "0.3",
        "--save_latest_freq",
        "1",
    ]
    program = f"import sys, train; sys.argv = ['train.py', *{arguments}]; train.main(); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("\nFalse\n"), done.stdout + done.stderr


def stepped(kind: type[torch.optim.Adam], changed: bool) -> tuple:
    """What a step does: the loss, the weights, what it has called, and whether a profile shows it."""
    p, seen = torch.nn.Parameter(torch.ones(3)), []
    optimizer = kind([p], 0.1, fused=True)
    optimizer.register_step_pre_hook(lambda *unused: seen.append("before"))
    if changed:
        step_without_compiler(optimizer)
    optimizer.register_step_post_hook(lambda *unused: seen.append("after"))

    def closure() -> torch.Tensor:
        seen.append("closure")
        loss = (p**2).sum()
        loss.backward()
        return loss

    with torch.profiler.profile() as profile:
        loss = optimizer.step(closure)
    return (
        loss.item(),
        p.tolist(),
        seen,
        any(f"step#{kind.__name__}" in event.name for event in profile.events()),
    )


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_the_step_is_the_same(kind: type[torch.optim.Adam]) -> None:
    found = stepped(kind, True)
    assert found == stepped(kind, False) and found[2:] == (["before", "closure", "after"], True)


def test_a_wrapped_step_is_left_alone() -> None:
    model = build(*SMALL)
    optimizer, called = model.optimizer_G, []
    plain = optimizer.step
    optimizer.step = lambda *args: (called.append(1), plain(*args))
    Step(model.opt, model)(batch())
    assert called == [1]
