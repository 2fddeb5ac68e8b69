"""What logging and live displays cost a training: a table of step times and of the share that logging takes.

python scripts/check_logging.py --dataroot datasets/atlas --steps 200 [any option of train.py]

Steps are timed in turns, some with each set of sinks, so that a machine that slows down slows all alike. Packages that are not
installed are left out of the third row. Intervals are train.py's defaults if none are given; --steps is per set. "In reports" is
what the training waits for logging, a mean over all steps; CPU ms, of all threads, also holds what it does in the background.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib.util
import socket
import statistics
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.train_options import TrainOptions
from util.console import run_main, say
from util.errors import UserError

QUIET = {"display_id": 0, "no_html": True, "use_wandb": False, "use_tensorboard": False}
BLOCK = 10  # steps in a row with the same sinks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200, help="steps with each set of sinks")
    args, others = parser.parse_known_args()
    if args.steps < BLOCK:
        raise UserError(f"--steps {args.steps}: should be at least {BLOCK}")
    with tempfile.TemporaryDirectory() as folder, black_hole(0) as deaf, black_hole(1) as dying:
        opt = TrainOptions().parse([*others, "--checkpoints_dir", folder], record=False)
        extras = [name for name in ("tensorboard", "wandb") if importlib.util.find_spec(name)]
        everything = {"no_html": False, **{f"use_{name}": True for name in extras}}
        # two sets without anything: their difference is what this measurement cannot tell
        sets: dict[str, dict] = {
            "none": {},
            "none again": {},
            f"page {' '.join(extras)}": everything,
            "visdom that never answers": {"display_id": 1, "display_port": deaf},
            "visdom that stops answering": {"display_id": 1, "display_port": dying},
        }
        if not importlib.util.find_spec("visdom"):
            say("visdom is not installed: its two rows show nothing but a line in the log")
        measure(
            opt,
            {
                name: {**QUIET, "display_server": "http://127.0.0.1", **more}
                for name, more in sets.items()
            },
            args.steps,
        )


class Endless:
    """In place of a loader: an epoch that does not end."""

    last_batch_images = global_batch_size = 1

    def __len__(self) -> int:
        return 10**9


def measure(opt: Namespace, sets: dict[str, dict], count: int) -> None:
    from data import create_dataset
    from models import create_model, set_batch
    from models.training.report import Report
    from models.training.run_state import Position
    from util.visualizer import Visualizer

    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    set_batch(model, next(iter(dataset)))
    endless: Any = Endless()
    endless.last_batch_images = endless.global_batch_size = opt.batch_size
    opts = {name: copy.copy(opt) for name in sets}
    shown, at = {}, {}
    times: dict[str, list[tuple[float, float]]] = {
        name: [] for name in sets
    }  # per block: seconds and CPU seconds
    spent = dict.fromkeys(sets, 0.0)
    for i, (name, more) in enumerate(sets.items()):
        vars(opts[name]).update(more, name=f"set{i}")
        shown[name], at[name] = Report(opts[name], Visualizer(opts[name])), Position(1)
    for block in range(count // BLOCK):
        for name in [*sets][:: -1 if block % 2 else 1]:
            start = time.perf_counter(), time.process_time()
            for _ in range(BLOCK):
                step_start = time.time()
                model.optimize_parameters()
                model.get_current_losses()  # waits for a GPU
                at[name].seen += opt.batch_size
                at[name].total += opt.batch_size
                reported = time.perf_counter()
                shown[name].after_step(at[name], model, endless, step_start, 0.0)
                spent[name] += time.perf_counter() - reported
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    for each in shown.values():
        each.visualizer.close()
    dataset.close()
    head = ("sinks", "ms per step", "against none", "CPU ms", "against none", "in reports", "share")
    say("\n{:34} {:>12} {:>13} {:>8} {:>13} {:>11} {:>8}".format(*head))
    say_table(times, spent)


def say_table(times: dict[str, list[tuple[float, float]]], spent: dict[str, float]) -> None:
    # the median of seconds, which other programs disturb; the mean of CPU seconds
    steps = {
        name: (
            statistics.median(b[0] for b in blocks) / BLOCK,
            statistics.fmean(b[1] for b in blocks) / BLOCK,
        )
        for name, blocks in times.items()
    }
    base = steps["none"]
    for name, (wall, cpu) in steps.items():
        logging = spent[name] / (len(times[name]) * BLOCK)
        say(
            f"{name:34} {wall * 1e3:12.2f} {wall / base[0] - 1:13.2%} {cpu * 1e3:8.2f} {cpu / base[1] - 1:13.2%} "
            f"{logging * 1e3:8.3f} ms {logging / base[0]:8.2%}"
        )


@contextlib.contextmanager
def black_hole(answers: int) -> Iterator[int]:
    """A port of this machine that accepts every connection and answers the first ``answers`` requests only."""
    held = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(server.accept()[0])
                if len(held) <= answers:
                    held[-1].recv(4096)
                    held[-1].sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                    )

    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


if __name__ == "__main__":
    run_main(main)
