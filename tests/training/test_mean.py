"""Gradients are averaged over three processes with gloo."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from displays import free_port
from test_rank_options import BY_RANK

from util import distributed
from util.rank_gradients import average_gradients

RANKS, STEPS = 3, 5
SHAPES = ((3,), (2,), (2, 3, 4, 5), (70_000,))


def gradients(rank: int, step: int) -> list[torch.Tensor | None]:
    """Gradients of four parameters: the second in double precision, the third channels last.

    The first has no gradient on rank 1, and on no rank in step 2. In step 3 rank 2 has no image,
    and its gradients are not finite.
    """
    rng = torch.Generator().manual_seed(10 * step + rank)
    first, double, channels_last, large = (torch.randn(shape, generator=rng) for shape in SHAPES)
    if weight(rank, step) == 0:
        large.fill_(torch.nan)
    channels_last = channels_last.contiguous(memory_format=torch.channels_last)
    return [None if rank == 1 or step == 2 else first, double.double(), channels_last, large]


def weight(rank: int, step: int) -> float:
    """The rank's part of the images of a step."""
    return (0.5, 0.5, 0.0)[rank] if step == 3 else (0.5, 0.25, 0.25)[rank]


def work(rank: int, port: int, file: Path) -> None:
    """Average on one rank, and save the results of all steps."""
    ours = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": RANKS, "MASTER_PORT": port}
    os.environ.update({key: str(value) for key, value in (BY_RANK | ours).items()})
    torch.set_num_threads(1)
    distributed.start("cpu")
    examples = [value for value in gradients(0, 0) if value is not None]
    parameters = [torch.nn.Parameter(torch.empty_like(value)) for value in examples]
    results = []
    for step in range(STEPS):
        for p, gradient in zip(parameters, gradients(rank, step), strict=True):
            p.grad = gradient
        average_gradients(parameters, weight(rank, step))
        results.append([p.grad.clone() for p in parameters])  # type: ignore[union-attr]
        assert all(p.grad.stride() == p.stride() for p in parameters)  # type: ignore[union-attr]
    with_gaps = torch.nn.Parameter(torch.randn(4, 6)[:, :3])
    with_gaps.grad, parameters[0].grad = torch.ones(4, 3), torch.full((3,), 2.0)
    average_gradients([with_gaps, parameters[0]], weight(rank, 0))
    assert with_gaps.grad.eq(1).all() and parameters[0].grad.eq(2).all()  # type: ignore[union-attr]
    torch.save(results, file)
    distributed.stop()


def test_mean(tmp_path: Path) -> None:
    """All ranks get the same bits: the weighted sum of the ranks that have images."""
    port, files = free_port(), [tmp_path / str(rank) for rank in range(RANKS)]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(i, port, file)) for i, file in enumerate(files)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * RANKS
    results = [torch.load(file) for file in files]
    for step in range(STEPS):
        of_ranks = [gradients(rank, step) for rank in range(RANKS) if weight(rank, step)]
        weights = [weight(rank, step) for rank in range(RANKS) if weight(rank, step)]
        for i, (first, *others) in enumerate(zip(*(r[step] for r in results), strict=True)):
            assert all(torch.equal(first, other) for other in others)
            parts = [g[i] * w for g, w in zip(of_ranks, weights, strict=True) if g[i] is not None]
            torch.testing.assert_close(first, sum(parts, torch.zeros_like(first)))


@pytest.mark.parametrize("gradient", [None, torch.ones(2)])
def test_one_process_changes_nothing(gradient: torch.Tensor | None) -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = gradient
    average_gradients([parameter], 1.0)
    assert parameter.grad is gradient
