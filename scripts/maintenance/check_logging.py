"""Measure what logging and live displays cost a training: step times with and without them.

    python scripts/check_logging.py --dataroot datasets/atlas --steps 200

The sets of sinks take turns of ten steps, so that other load on the machine slows all alike.
tensorboard and wandb are part of the third row if they are installed. --steps is per set. "In
reports" is the time that the training waits for logging, as a mean over all steps. CPU time is that
of all threads, so it includes work in the background.
"""

from __future__ import annotations

import contextlib
import copy
import socket
import statistics
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.flags.flag import Flag
from options.train_options import TrainOptions
from scripts.arguments import Arguments
from util.console import run_main, say
from util.limits import whole
from util.tables import fitted

QUIET = {"display_id": 0, "no_html": True, "use_wandb": False, "use_tensorboard": False}
BLOCK = 10  # consecutive steps with the same sinks
FLAGS = (Flag("steps", whole(BLOCK, 10**6), 200, "steps with each set of sinks"),)


def installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


class Endless:
    """Stands in for a loader whose epoch never ends."""

    def __init__(self, batch_size: int) -> None:
        self.last_batch_images = self.global_batch_size = batch_size

    def __len__(self) -> int:
        return 10**9


class Sinks:
    """One set of sinks with its own log folder, and the times of its blocks of steps."""

    def __init__(self, name: str, opt: Namespace, changes: dict) -> None:
        from models.training.position import Position
        from models.training.report import Report
        from util.visualizer import Visualizer

        self.opt = copy.copy(opt)
        vars(self.opt).update(QUIET, display_server="http://127.0.0.1", **changes)
        self.opt.name = name.replace(" ", "_")
        self.name, self.visualizer, self.at = name, Visualizer(self.opt), Position(1)
        self.report = Report(self.opt, self.visualizer)
        self.loader: Any = Endless(opt.batch_size)
        self.wall: list[float] = []  # seconds per block
        self.cpu: list[float] = []
        self.reporting = 0.0  # seconds in all

    def block(self, model) -> None:
        """Train and report ``BLOCK`` steps on the batch that the model holds."""
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(BLOCK):
            self.report.timer.start()
            model.optimize_parameters()
            model.get_current_losses()  # waits for the GPU
            self.at.advance(self.opt.batch_size)
            self.report.timer.images += self.opt.batch_size
            start = time.perf_counter()
            self.report.log_and_show(self.at, model, self.loader)
            self.reporting += time.perf_counter() - start
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def measure(sets: list[Sinks], opt: Namespace, steps: int) -> None:
    """Train ``steps`` steps with each set of sinks, in turns."""
    from data import create_dataset
    from models import create_model, set_batch

    dataset, model = create_dataset(opt), create_model(opt)
    model.setup(opt)
    set_batch(model, next(iter(dataset)))
    for i in range(steps // BLOCK):
        for sinks in sets[:: -1 if i % 2 else 1]:
            sinks.block(model)
    for sinks in sets:
        sinks.visualizer.close()
    dataset.close()


def show(sets: list[Sinks]) -> None:
    """Print the table: median wall times, which other programs disturb less, and mean CPU times."""
    head = ("sinks", "ms per step", "against none", "CPU ms", "against none", "in reports", "share")
    cells = [head]
    steps = [(statistics.median(s.wall) / BLOCK, statistics.fmean(s.cpu) / BLOCK) for s in sets]
    base_wall, base_cpu = steps[0]
    for sinks, (wall, cpu) in zip(sets, steps, strict=True):
        reporting = sinks.reporting / (len(sinks.wall) * BLOCK)
        walls = f"{wall * 1e3:.2f}", f"{wall / base_wall - 1:.2%}"
        cpus = f"{cpu * 1e3:.2f}", f"{cpu / base_cpu - 1:.2%}"
        reports = f"{reporting * 1e3:.3f} ms", f"{reporting / base_wall:.2%}"
        cells.append((sinks.name, *walls, *cpus, *reports))
    say("", *fitted(cells, range(1, len(head))))


@contextlib.contextmanager
def black_hole(answers: int) -> Iterator[int]:
    """Open a port that accepts every connection but answers only the first ``answers`` requests."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    connections = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connections.append(server.accept()[0])
                if len(connections) <= answers:
                    connections[-1].recv(4096)
                    connections[-1].sendall(answer)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def build_parser() -> Arguments:
    return Arguments(__doc__, FLAGS, allow_abbrev=False)


def main() -> None:
    args, others = build_parser().parse_known_args()
    extras = [name for name in ("tensorboard", "wandb") if installed(name)]
    if not installed("visdom"):
        say("visdom is not installed: its two rows show nothing but a line in the log")
    with tempfile.TemporaryDirectory() as folder, black_hole(0) as silent, black_hole(1) as dying:
        opt = TrainOptions().parse([*others, "--checkpoints_dir", folder], record=False)
        everything = {"no_html": False, **{f"use_{name}": True for name in extras}}
        changes: dict[str, dict] = {
            "none": {},
            "none again": {},  # the difference from "none" is the noise of the measurement
            f"page {' '.join(extras)}": everything,
            "visdom that never answers": {"display_id": 1, "display_port": silent},
            "visdom that stops answering": {"display_id": 1, "display_port": dying},
        }
        sets = [Sinks(name, opt, change) for name, change in changes.items()]
        measure(sets, opt, args.steps)
    show(sets)


if __name__ == "__main__":
    run_main(main)
