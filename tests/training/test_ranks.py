"""Training in two processes equals training in one process with their batches joined."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import ROOT, TINY, Programs, pictures
from displays import free_port
from survival import OFTEN, TWO_EPOCHS, equal, state, subclass
from test_rank_options import BY_RANK

STEPS = (
    "--n_epochs",
    "3",
    "--pool_size",
    "2",
    "--accumulate",
    "2",
    "--ema",
    "0.9",
    "--amp",
    "fp16",
)
SAVING = ("--save_latest_freq", "5000", "--panel_size", "1", "--val_freq", "1")

# Lines of a model in double precision; image a3 has gradients that are not finite.
EXACT = (
    "def __init__(self, opt):",
    "    super().__init__(opt)",
    "    for net in (*self.get_networks().values(), self.criterionGAN):",
    "        net.double()",
    "def set_input(self, data):",
    "    super().set_input(data)",
    "    factors = torch.tensor([torch.nan if 'a3' in path else 1 for path in data['A_paths']])",
    "    self.real_A = self.real_A.double() * factors.view(-1, 1, 1, 1)",
    "    self.real_B = self.real_B.double()",
)


def arguments(data: Path, runs: Path, name: str, *more: object) -> list[str]:
    paths = ("--dataroot", data, "--checkpoints_dir", runs, "--name", name)
    return [str(value) for value in (*paths, *TINY, *TWO_EPOCHS, *OFTEN, *more)]


def work(rank: int, port: int, args: list[str], output: Path) -> None:
    """Run train.py as one rank, with the variables that torchrun sets."""
    os.environ.update(
        {key: str(value) for key, value in BY_RANK.items()}
        | {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
    )
    import train
    from util.console import run_main

    torch.set_num_threads(1)
    sys.argv = ["train.py", *args]
    sys.stdout = sys.stderr = output.open("w", buffering=1)  # open for a traceback at the end, too
    run_main(train.main)


def torchrun(args: list[str], output: Path) -> None:
    """Run torchrun in a fork of this process, where PyTorch is imported already."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from torch.distributed.run import main

    main(args)


class Ranks:
    """Two training processes; ``out[rank]`` is the output of one."""

    def __init__(self, folder: Path, *args: str, fresh: bool = False) -> None:
        port, get = free_port(), multiprocessing.get_context
        self.files = [folder / f"rank{rank}.txt" for rank in (0, 1)]
        context = get("spawn") if fresh else get("fork")
        self.processes = [
            context.Process(target=work, args=(rank, port, list(args), self.files[rank]))
            for rank in (0, 1)
        ]
        for process in self.processes:
            process.start()

    def end(self) -> list[int | None]:
        """Wait for both and return their exit statuses."""
        for process in self.processes:
            process.join(60)
        status = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
        return status

    @property
    def out(self) -> list[str]:
        return [file.read_text() for file in self.files]

    def wait_for(self, file: Path, words: str) -> None:
        until = time.monotonic() + 60
        while not (file.exists() and words in file.read_text()):
            assert time.monotonic() < until and all(
                process.is_alive() for process in self.processes
            ), self.out
            time.sleep(0.005)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Return programs beside ``data`` (5 and 7 images), ``broken`` (a0 unreadable) and a model."""
    folder = tmp_path_factory.mktemp("ranks")
    for seed, (name, count) in enumerate({"trainA": 5, "trainB": 7, "valA": 1, "valB": 1}.items()):
        pictures(folder / "data" / name, [f"{name[-1].lower()}{i}.png" for i in range(count)], seed)
        pictures(
            folder / "broken" / name, [f"{name[-1].lower()}{i}.png" for i in range(count)], seed
        )
    (folder / "broken" / "trainA" / "a0.png").write_bytes(b"")
    subclass(folder / "exact_model.py", *EXACT)
    return Programs(folder)


@pytest.fixture(scope="module")
def ranks(place: Programs) -> Iterator[Callable[..., Ranks]]:
    started: list[Ranks] = []

    def start(*args: str, fresh: bool = False) -> Ranks:
        started.append(Ranks(place.folder, *args, fresh=fresh))
        return started[-1]

    yield start
    for process in (process for each in started for process in each.processes):
        process.kill()


@pytest.mark.parametrize(
    ("data", "one", "two"),
    [
        ("data", ("--batch_size", "2", "--on_nonfinite", "skip"), ("--batch_size", "1")),
        (
            "broken",
            ("--batch_size", "8", "--on_bad_image", "skip", "--ema", "0.9"),
            ("--batch_size", "2", "--accumulate", "2", "--num_threads", "1"),
        ),
    ],
)
def test_ranks_equal_the_large_batch(
    place: Programs, ranks: Callable, data: str, one: tuple, two: tuple
) -> None:
    """In the first case the last step has one image for two ranks, and in another step one rank's
    gradients are not finite; in the second, the only image of a rank in a step is unreadable.
    """
    more = (
        "--model",
        place.folder / "exact_model.py",
        "--pool_size",
        "0",
        "--serial_batches",
        *one,
    )
    args = arguments(
        place.folder / data,
        place.runs,
        f"one_{data}",
        *more,
        *(["--max_dataset_size", "3"] * (data == "broken")),
    )
    place.train(*args).ok()
    started = ranks(*args, "--name", f"two_{data}", *two)
    assert started.end() == [0, 0], started.out
    assert "in each of 2 processes" in started.out[0] and "Training" not in started.out[1]
    folders = [place.runs / f"{name}_{data}" for name in ("one", "two")]
    wanted, found = (state(folder) for folder in folders)
    moved = 0.0
    for name, weights in wanted["model"]["networks"].items():
        for key, value in weights.items():
            assert torch.allclose(
                value, found["model"]["networks"][name][key], rtol=0, atol=1e-9
            ), (name, key)
            moved = max(moved, float(value.abs().max()))
    assert moved > 0.01 and wanted["position"]["total"] == found["position"]["total"] > 0
    assert wanted["skipped"] == found["skipped"] == (2 if data == "broken" else 0)
    files = [{path.name for path in folder.rglob("*")} for folder in folders]
    assert files[0] == files[1]  # one writer
    logs = [(folder / "loss_log.txt").read_text().splitlines() for folder in folders]
    assert [line.split(", time")[0] for line in logs[0][1:]] == [
        line.split(", time")[0] for line in logs[1][1:]
    ]
    assert ("not finite" in started.out[0]) == ("not finite" in started.out[1]) == (data == "data")


@pytest.mark.slow
def test_a_signal_to_one_and_the_way_back(place: Programs, ranks: Callable) -> None:
    """Both ranks stop after the same step, and rank 0 saves. The resumed run equals a whole run,
    with dropout, image pools, averages and the loss scale.
    """
    dropout = subclass(
        place.folder / "dropout_model.py",
        "@staticmethod",
        "def modify_commandline_options(parser, is_train):",
        "    CycleGANModel.modify_commandline_options(parser, is_train)",
        "    parser.set_defaults(no_dropout=False)",
        "    return parser",
    )
    args = arguments(
        place.folder / "data", place.runs, "whole", "--model", dropout, *STEPS, *SAVING
    )
    ranks = functools.partial(ranks, fresh=True)  # free of what other slow tests have loaded
    whole = ranks(*args)
    assert whole.end() == [0, 0], whole.out
    broken = ranks(*args, "--name", "x")
    broken.wait_for(place.runs / "x" / "loss_log.txt", "epoch: 1, iters: 4")
    os.kill(broken.processes[1].pid, signal.SIGUSR1)
    assert broken.end() == [-signal.SIGUSR1] * 2, broken.out
    assert "torchrun --nproc_per_node 2 train.py --continue_train --name x" in broken.out[0]
    assert broken.out[0].count("Saved in epoch") == 1 and "Saved" not in broken.out[1]
    saved = state(place.runs / "x")
    assert 4 <= saved["position"]["total"] < 24 and len(saved["ranks"]) == 1
    histories = [part["model"]["pools"]["fake_A_pool"] for part in (saved, saved["ranks"][0])]
    assert len(histories[0]) == len(histories[1]) == 2
    assert not torch.equal(histories[0][0], histories[1][0])
    again = ranks(
        "--continue_train", "--name", "x", "--checkpoints_dir", str(place.runs), "--model", dropout
    )
    assert again.end() == [0, 0], again.out
    assert "was saved by" not in again.out[0] and equal(place)
    assert (place.runs / "x" / "best_net_G_A_ema.pth").is_file() and "Validation (" in again.out[0]


def test_resuming_with_another_number_of_ranks(place: Programs, ranks: Callable) -> None:
    """From two to one and back: the run says that it is not exact."""
    more = ("--no_html", "--n_epochs", "1")
    resume = ("--continue_train", "--name", "number", "--checkpoints_dir", str(place.runs))
    assert ranks(*arguments(place.folder / "data", place.runs, "number", *more)).end() == [0, 0]
    single = place.train(*resume, "--n_epochs", "2").ok()
    assert "was saved by 2 processes and continues with 1, so not exactly" in single.out
    assert state(place.runs / "number")["ranks"] == []
    two = ranks(*resume, "--n_epochs", "3")
    assert two.end() == [0, 0]
    assert "was saved by 1 process and continues with 2" in two.out[0]


def test_an_unreadable_image_ends_all(place: Programs, ranks: Callable) -> None:
    """Rank 1 finds the image; rank 0 saves the steps before it."""
    (place.folder / "late").mkdir()
    for name in ("trainA", "trainB"):
        pictures(place.folder / "late" / name, [f"{i}.png" for i in range(4)])
    (place.folder / "late" / "trainA" / "3.png").write_bytes(b"")
    started = ranks(
        *arguments(place.folder / "late", place.runs, "late", "--serial_batches", "--n_epochs", "1")
    )
    assert started.end() == [1, 1]
    assert "error (rank 1): " in started.out[1] and "3.png" in started.out[1]
    assert "error (rank 0): another process cannot read an image" in started.out[0]
    assert state(place.runs / "late")["position"]["seen"] == 2 and "Traceback" not in "".join(
        started.out
    )


@pytest.mark.slow
def test_a_dead_rank_ends_all(place: Programs) -> None:
    """Under torchrun itself: the other rank neither hangs nor saves."""
    model = subclass(
        place.folder / "dying_model.py",
        "def optimize_parameters(self):",
        "    super().optimize_parameters()",
        "    if os.environ['RANK'] == '1' and 'a2' in self.image_paths[0] + self.image_paths[-1]:",
        "        raise ValueError('this is why')",
    )
    options = ("--model", model, "--save_latest_freq", "5000", "--no_html")
    launcher = "--nproc_per_node 2 --master_port 0 --rdzv_endpoint localhost:0 --rdzv_backend c10d"
    command = [
        *launcher.split(),
        str(ROOT / "train.py"),
        *arguments(place.folder / "data", place.runs, "dying", *options),
    ]
    agent = multiprocessing.get_context("fork").Process(
        target=torchrun, args=(command, output := place.folder / "torchrun.txt")
    )
    agent.start()
    agent.join(90)
    assert agent.exitcode and "ValueError: this is why" in output.read_text()
    assert "error (rank 0): another process of this training has ended" in output.read_text()
    assert state(place.runs / "dying")["position"]["total"] == 0
