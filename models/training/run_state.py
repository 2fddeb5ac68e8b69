"""The complete state of a training: one resumed from state.pth continues exactly."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from data.pipeline.loader import Loader
from models.base_model import BaseModel
from models.training.background import BackgroundWriter, snapshot
from models.training.model_state import get_optimizers
from models.training.position import Position
from models.training.report import Report
from models.training.state_check import check_state
from models.training.state_files import keep_earlier_state, write_state
from options.parser import dump
from util import checkpoint, distributed
from util.checkpoint import STATE
from util.console import say
from util.errors import UserError, first_line
from util.files import parse_json
from util.words import amount

# Keys of training_state()
SAME_ON_ALL_RANKS = {"networks", "optimizers", "schedulers", "scaler", "unlisted"}


class RunState:
    """Saves and restores a training. All ranks call the methods; rank 0 writes.

    Attributes:
        position: of the training in its epochs and images.
        before_save: called before each save; an exception prevents it.
        before_write: called before each file is written; an exception prevents it.
        after_save: called after each save on rank 0, by the thread that has written it.
        background: writes the last save. Its ``check`` and ``wait`` raise what that raised.
    """

    def __init__(self, opt: Namespace, model: BaseModel, dataset: Loader, report: Report) -> None:
        """Raises UserError: ``--dataroot`` holds other files than on rank 0."""
        self.opt, self.model, self.dataset, self.report = opt, model, dataset, report
        self.folder = Path(opt.checkpoints_dir) / opt.name
        self.contents = dataset.contents()
        if change := _describe_change(distributed.broadcast_object(self.contents), self.contents):
            raise UserError(
                f"--dataroot {opt.dataroot} holds other files here than on rank 0 ({change})"
            )
        self.position = Position(opt.epoch_count)
        self.before_save: Callable[[], None] = lambda: None
        self.before_write: Callable[[], None] = lambda: None
        self.after_save: Callable[[], None] = lambda: None
        self.last_save = time.monotonic()
        self.background = BackgroundWriter()

    def begin(self) -> None:
        """Save the initial state and wait for it.

        Any crash can then be resumed, and a full disk is found now. The state of an earlier run in
        this folder, with its networks, is kept under another name.
        """
        if distributed.is_main():
            keep_earlier_state(self.folder)
        self.save()
        self.background.wait()

    def names_due(self) -> list[int | str]:
        """Names to save the last step under by ``--save_latest_freq``; [] if it is not due."""
        name = f"iter_{self.position.total}" if self.opt.save_by_iter else "latest"
        return [name] if self.position.crossed_multiple_of(self.opt.save_latest_freq) else []

    def save(self, *names: int | str) -> None:
        """Copy the state; a thread writes ``state.pth``, then ``{name}_net_*.pth`` for each name.

        Raises UserError: the previous save failed.
        """
        with self.report.timer.paused():
            self._save(tuple(dict.fromkeys(names)))

    def _save(self, names: tuple[int | str, ...]) -> None:
        self.background.wait()
        self.before_write()
        self.before_save()
        model = self.model.training_state()
        ranks = self._gather_other_ranks(model)
        if not distributed.is_main():
            return
        now = time.monotonic()
        self.position.elapsed, self.last_save = self.position.elapsed + now - self.last_save, now
        state = {
            "number": f"{self.position.epoch}.{self.position.seen}.{time.time_ns()}",
            "position": asdict(self.position),
            "options": dump(self.opt),
            "model": model,
            "visualizer": self.report.memory(),
            "data": self.contents,
            "skipped": self.dataset.skipped + sum(rank["skipped"] for rank in ranks),
            "ranks": ranks,
        }
        if type(self.model).save_networks is BaseModel.save_networks:
            copied = snapshot(state)
            self.background.start(lambda: self._write(copied, names))
        else:  # a custom method may read the networks, so they must not change meanwhile
            self._write(state, names, self.model.save_networks)

    def _write(
        self,
        state: dict,
        names: tuple[int | str, ...],
        save_networks: Callable[[int | str], None] | None = None,
    ) -> None:
        try:
            write_state(self.folder, state, names, self.opt.keep, save_networks, self.before_write)
        except UserError:
            self.before_write()  # the folder may have been moved while a file was written
            raise
        self.after_save()

    def _gather_other_ranks(self, model: dict) -> list[dict]:
        """Return on rank 0 what differs on ranks 1, 2, ..., e.g. image pools; [] on the others."""
        if distributed.world_size() == 1:
            return []
        own = {key: value for key, value in model.items() if key not in SAME_ON_ALL_RANKS}
        part = {"model": snapshot(own), "skipped": self.dataset.skipped}
        return distributed.gather({} if distributed.is_main() else part)[1:]

    def resume(self) -> None:
        """Restore ``state.pth`` with its log and page.

        Without that file, the weights that ``setup`` has loaded are kept.

        Raises UserError: the state is damaged or of another model, or the images have changed.
        """
        if not checkpoint.resumes_from_state(self.opt):
            say("Starting from the weights alone: optimizers, schedule and image history are fresh")
            return
        state = checkpoint.load(self.folder / STATE)
        if self.model.overrides(BaseModel, "setup"):  # else setup() has checked all of it
            check_state(state, self.model, self.folder / STATE)
        try:
            change = self._restore(state)
            ranks = 1 + len(state.get("ranks", []))
        except Exception as error:  # a damaged or hostile file raises almost anything
            raise UserError(
                f"{self.folder / STATE} does not fit this run: {first_line(error)}"
            ) from None
        if change and not self.opt.accept_new_data:
            raise UserError(
                f"--dataroot {self.opt.dataroot} does not hold the files that this run was trained "
                f"on ({change}); put them back, or continue with the present files in a new order: "
                "--accept_new_data"
            )
        if ranks != distributed.world_size():
            say(
                f"This run was saved by {amount(ranks, 'process', 'processes')} and continues with "
                f"{distributed.world_size()}, so not exactly: image histories are lost or start "
                "empty, and other images form a step"
            )
        if "random" in state:
            say("The state was saved by an earlier version: random numbers differ from now on")
        if change:
            say(f"The training images are new from here on: {change}")
        seen = f"{amount(self.position.seen, 'image')} ({self.position.total} in all)"
        say(f"Continuing in epoch {self.position.epoch} after {seen}")

    def _restore(self, state: dict) -> str:
        """Restore model, position, log and page; returns how the training images have changed."""
        change = _describe_change(state.get("data", self.contents), self.contents)
        self.position = Position(**state["position"])
        rank, others = distributed.rank(), state.get("ranks", [])
        own = (
            {} if rank == 0 else others[rank - 1]["model"] if rank <= len(others) else {"pools": {}}
        )
        self.model.load_training_state(state["model"] | own)
        options = parse_json(state["options"], {"lr": float}, f"the options in {STATE}")
        self._change_learning_rate(options["lr"])
        self.dataset.start = self.position.seen
        self.dataset.skipped = state["skipped"] if distributed.is_main() else 0
        if distributed.is_main() and (not change or self.opt.accept_new_data):
            self.report.restore(state["visualizer"])  # comes last because it truncates the log
        return change

    def _change_learning_rate(self, saved: float) -> None:
        """Scale the learning rates by ``--lr`` / ``saved``; a factor of 1 changes no bit."""

        def scaled(rate: float) -> float:
            return rate * (self.opt.lr / saved) if saved else self.opt.lr

        for optimizer in get_optimizers(self.model):
            for group in optimizer.param_groups:
                group["initial_lr"] = scaled(group.get("initial_lr", group["lr"]))
                group["lr"] = scaled(group["lr"])


def _describe_change(before: dict[str, list], now: dict[str, list]) -> str:
    """Describe how two results of :meth:`Loader.contents` differ; "" if they are equal."""
    changes = []
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            old, new = before.get(name, [0])[0], now.get(name, [0])[0]
            changes.append(f"{name}: {old} -> {new}" if old != new else f"{name}: other names")
    return ", ".join(changes)
