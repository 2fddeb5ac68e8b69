"""Images, devices and norms of each rank, and options that are refused under torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs
from displays import free_port

from data.pipeline.sampler import EpochSampler
from models import networks
from options.parser import choose_device
from options.train_options import TrainOptions
from util import distributed
from util.errors import UsageError
from util.training_process import SignalHandler

BY_RANK = {
    "RANK": 0,
    "LOCAL_RANK": 0,
    "WORLD_SIZE": 2,
    "LOCAL_WORLD_SIZE": 2,
    "TORCHELASTIC_RUN_ID": "x",
    "MASTER_ADDR": "127.0.0.1",
}


@pytest.mark.parametrize(
    ("size", "batch", "count", "start"),
    [(7, 1, 2, 0), (8, 2, 2, 0), (5, 2, 4, 0), (1, 1, 3, 0), (11, 3, 3, 2), (6, 1, 2, 6)],
)
def test_every_image_once(
    size: int, batch: int, count: int, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ranks make the same number of steps, in the order of one process with the large batch."""

    def parts(rank: int, world: int, batch: int) -> list[list[tuple]]:
        monkeypatch.setattr("util.distributed.rank", lambda: rank)
        monkeypatch.setattr("util.distributed.world_size", lambda: world)
        order = EpochSampler(size, 1, True, batch)
        order.epoch, order.start = 3, start
        weights, batches = order.weights(), list(order)
        assert all(
            len(batch) == 1 for batch, weight in zip(batches, weights, strict=True) if not weight
        )
        return [batch if weight else [] for batch, weight in zip(batches, weights, strict=True)]

    whole, of_ranks = (
        parts(0, 1, batch * count),
        [parts(rank, count, batch) for rank in range(count)],
    )
    assert {len(part) for part in of_ranks} == {len(whole)}
    assert [sum(together, []) for together in zip(*of_ranks, strict=True)] == whole
    assert len({key for step in whole for key in step}) == size - start


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return ``be``: ``be(1)`` makes this process look like the second of two ranks."""

    def be(rank: int) -> None:
        for key, value in (BY_RANK | {"RANK": rank, "LOCAL_RANK": rank}).items():
            monkeypatch.setenv(key, str(value))

    return be


def test_devices_of_ranks(as_rank: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr("options.parser.require_supported", lambda gpu: None)
    with pytest.raises(UsageError, match=r"torchrun --nproc_per_node 2 train.py --gpu_ids 2,3"):
        choose_device("2,3")
    as_rank(1)
    assert [choose_device(each) for each in ("auto", "2,3", "-1")] == [
        ([1], torch.device("cuda:1")),
        ([3], torch.device("cuda:3")),
        ([], torch.device("cpu")),
    ]
    with pytest.raises(UsageError, match=r"torchrun --nproc_per_node 1 "):
        choose_device("0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="1 CUDA GPUs are visible"):
        choose_device("auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == ([], torch.device("cpu"))  # gloo does not support MPS


def test_the_gpu_without_a_number(
    run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In custom models, "cuda" is the GPU of --gpu_ids, also without torchrun."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr("options.parser.require_supported", lambda gpu: None)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    opt = TrainOptions().parse(["--dataroot", str(unaligned), "--gpu_ids", "2"], record=False)
    assert (chosen, opt.device) == ([2], torch.device("cuda:2"))


def test_a_signal_while_one_rank_works_alone(as_rank: Callable) -> None:
    """torchrun forwards a signal that the terminal has sent, too; the second must not kill."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    as_rank(0)
    try:
        leaving = SignalHandler()
        with distributed.single_rank():
            leaving._handle(signal.SIGINT, None)
        assert [signal.getsignal(number) for number in before] == [signal.SIG_IGN] * 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_ranks_cannot_do(
    run: Programs, unaligned: Path, as_rank: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_rank(0)
    result = run.train("--dataroot", unaligned, *CPU, "--norm", "sync_batch")
    assert result.status == 2 and "--norm sync_batch" in result.err and result.err.count("\n") == 1
    monkeypatch.setattr("options.training.choose_device", lambda ids: ([0], "cuda:0"))
    for flag in ("--compile", "--accumulate 2"):
        result = run.train("--dataroot", unaligned, "--norm", "sync_batch", *flag.split())
        assert result.status == 2 and result.err.count("\n") == 1
        assert f"{flag.split()[0]} cannot be combined" in result.err
    monkeypatch.undo()
    as_rank(0)
    result = run.test("--dataroot", unaligned, *CPU)
    assert result.status == 2 and "not with torchrun" in result.err


def test_torchs_numbers_count_under_torchrun_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # cluster schedulers set it, too
    monkeypatch.setenv("RANK", "1")
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)


def test_norms_of_ranks(run: Programs, unaligned: Path) -> None:
    """On one rank sync_batch and syncbatch equal batch, with its keys; a run may switch."""
    x = torch.rand(2, 3, 32, 32)
    for synchronised, plain in (
        ("syncbatch", "batch"),
        ("sync_batch", "batch"),
        ("sync_instance", "instance"),
    ):
        results = []
        for norm in (synchronised, plain):
            torch.manual_seed(0)
            net = networks.define_G(3, 3, 2, "resnet_6blocks", norm)
            judge = networks.define_D(3, 2, "basic", norm=norm)
            results.append((net(x), net.state_dict(), judge.can_join_batches))
        (a, weights, apart), (b, wanted, wanted_apart) = results
        assert torch.equal(a, b) and apart == wanted_apart == (plain == "instance")
        assert (
            all(torch.equal(value, weights[key]) for key, value in wanted.items())
            and weights.keys() == wanted.keys()
        )
    run.train(
        "--dataroot", unaligned, "--name", "norm", *TINY, *ONE_EPOCH, "--norm", "batch", "--no_html"
    ).ok()
    result = run.train(
        "--continue_train", "--name", "norm", "--norm", "syncbatch", "--n_epochs", "2"
    ).ok()
    assert "--norm batch -> syncbatch" in result.out
    assert json.loads((run.runs / "norm" / "train_opt.json").read_text())["norm"] == "syncbatch"
    run.test("--dataroot", unaligned, "--name", "norm", *CPU).ok()


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ('distributed.start("cpu")', "distributed.stop()"),
        pytest.param("util.init_ddp()", "util.cleanup_ddp()", marks=pytest.mark.slow),
    ],
)
def test_nothing_of_a_group_is_left(start: str, stop: str) -> None:
    """A gloo thread that outlives the group aborted one in ten trainings at their very end."""
    program = f"""if True:
        import contextlib, io, os
        from pathlib import Path
        from util import distributed, util
        with contextlib.redirect_stdout(io.StringIO()):
            {start}
        import torch.distributed.nn  # parts of PyTorch import it later
        distributed.all_reduce(1)
        {stop}
        names = [file.read_text() for file in Path("/proc/self/task").glob("*/comm")]
        print([name for name in names if "gloo" in name])"""
    port = free_port()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **{key: str(value) for key, value in BY_RANK.items()},
                "RANK": str(rank),
                "MASTER_PORT": str(port),
            },
        )
        for rank in (0, 1)
    ]
    assert [rank.communicate(timeout=60)[0] for rank in ranks] == ["[]\n"] * 2
