"""Gradients are averaged over three processes, in memory that they share or by gloo."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from displays import free_port
from test_rank_options import BY_RANK

from models.training.gradients import Mean
from util import distributed

COUNT, STEPS = 3, 5


def gradients(rank: int, step: int) -> list[torch.Tensor | None]:
    """Of four parameters: one of another type, one channels last, one without a gradient on rank 1 and in some steps on none."""
    rng = torch.Generator().manual_seed(10 * step + rank)
    found: list[torch.Tensor | None] = [
        torch.randn(shape, generator=rng) for shape in ((3,), (2,), (2, 3, 4, 5), (70_000,))
    ]
    found[1] = found[1].double()  # type: ignore[union-attr]
    found[2] = found[2].contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr]
    found[0] = None if rank == 1 or step == 2 else found[0]
    if rank == 2 and step == 3:  # no image, so that nothing of it counts
        found[3].fill_(torch.nan)  # type: ignore[union-attr]
    return found


def share(rank: int, step: int) -> float:
    return (0.5, 0.5, 0.0)[rank] if step == 3 else (0.5, 0.25, 0.25)[rank]


def work(rank: int, port: int, local: int, file: Path) -> None:
    os.environ.update(
        {key: str(value) for key, value in BY_RANK.items()}
        | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(COUNT),
            "LOCAL_WORLD_SIZE": str(local),
            "MASTER_PORT": str(port),
        }
    )
    torch.set_num_threads(1)
    distributed.start("cpu")
    mean, results = Mean(), []
    params = [
        torch.nn.Parameter(torch.empty_like(value))
        for value in gradients(0, 0)
        if value is not None
    ]
    for step in range(STEPS):
        for p, gradient in zip(params, gradients(rank, step), strict=True):
            p.grad = gradient
        mean(params, share(rank, step))
        results.append([p.grad.clone() for p in params])  # type: ignore[union-attr]
        assert all(p.grad.stride() == p.stride() for p in params)  # type: ignore[union-attr]
        p.grad.fill_(torch.nan)  # type: ignore[union-attr]  # what is done to them is nobody else's
    params[0].grad, kept = (
        None,
        results[-1][2],
    )  # the others' stay, as where a model adds up gradients
    mean(params, share(rank, 0))
    assert torch.allclose(params[2].grad, kept) and not params[0].grad.any()  # type: ignore[arg-type, union-attr]
    thin = torch.nn.Parameter(torch.randn(4, 6)[:, :3])  # with gaps
    thin.grad, params[0].grad = torch.ones(4, 3), torch.full((3,), 2.0)
    mean([thin, params[0]], share(rank, 0))
    assert thin.grad.eq(1).all() and params[0].grad.eq(2).all()  # type: ignore[union-attr]
    torch.save((results, [each.places is not None for each, _ in mean.sums.values()][:2]), file)
    distributed.stop()


@pytest.mark.parametrize(("local", "shared"), [(COUNT, True), (1, False)])
def test_mean(local: int, shared: bool, tmp_path: Path) -> None:
    port = free_port()
    files = [tmp_path / str(rank) for rank in range(COUNT)]
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=work, args=(rank, port, local, file))
        for rank, file in enumerate(files)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * COUNT
    found = [torch.load(file) for file in files]
    for step in range(STEPS):
        for i, values in enumerate(zip(*(results[step] for results, _ in found), strict=True)):
            assert torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])
            parts = [
                value * share(rank, step)
                for rank in range(COUNT)
                if (value := gradients(rank, step)[i]) is not None and share(rank, step)
            ]
            torch.testing.assert_close(values[0], sum(parts, torch.zeros_like(values[0])))
    assert [places for _, places in found] == [[shared] * 2] * COUNT
