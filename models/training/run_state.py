"""Everything that a training needs to go on exactly where it stopped, in one file that is replaced in one instant.

The official weight files are written from it. A marker tells whether a kill fell between the two; :func:`recover` then
finishes the writing. So the folder always holds the previous or the new state, and weight files that belong together.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.training.background import BackgroundWriter, snapshot
from options.parser import dump
from util import checkpoint, distributed
from util.console import say
from util.errors import UserError
from util.seeds import device_generator

if TYPE_CHECKING:
    from data.pipeline.loader import Loader
    from models.base_model import BaseModel
    from models.training.report import Report

STATE, MARKER = checkpoint.STATE, ".saving.json"
SHARED = {"networks", "optimizers", "schedulers", "scaler"}  # what all ranks have alike


@dataclass
class Position:
    """What comes next: the image after ``seen`` images of ``epoch``. ``shown`` and ``printed``: done in this epoch."""

    epoch: int
    seen: int = 0
    total: int = 0
    shown: bool = False
    printed: bool = False
    elapsed: float = 0.0
    validated: list = field(default_factory=list)  # the last and the best: (epoch, value) each
    best: dict = field(default_factory=dict)  # what best.json is to say

    def crosses(self, frequency: int, passed: int) -> bool:
        """Whether the last ``passed`` images took ``total`` to or over a multiple of ``frequency``."""
        return self.total // frequency > (self.total - passed) // frequency


class RunState:
    """Saves and restores one training. All ranks take part, rank 0 alone writes."""

    def __init__(self, opt: Namespace, model: BaseModel, dataset: Loader, report: Report) -> None:
        self.opt, self.model, self.dataset, self.report = opt, model, dataset, report
        self.folder = Path(opt.checkpoints_dir) / opt.name
        self.data = dataset.contents()
        if differ := _differences(distributed.broadcast_object(self.data), self.data):
            raise UserError(
                f"--dataroot {opt.dataroot} holds other files here than for rank 0 ({differ})"
            )
        self.at = Position(opt.epoch_count)
        self.before_save: Callable[[], None] = lambda: None  # which may refuse to go on
        self.since = time.monotonic()
        self.background = BackgroundWriter()

    def begin(self) -> None:
        """Save a first state, so that there is something to go on from, and a full disk shows now.

        The state of an earlier run in this folder, which holds its networks too, is not lost.
        """
        if distributed.is_main() and (self.folder / STATE).is_file():
            kept = self.folder / f"earlier_{time.strftime('%Y%m%d_%H%M%S')}.pth"
            os.replace(self.folder / STATE, kept)
            say(
                f"{self.folder} holds an earlier run; its state is kept as {kept.name} (to go on with it, rename it to {STATE})"
            )
        self.save()
        self.background.wait()

    def save(self, *names: int | str) -> None:
        """Copy the state; a thread writes it, then ``{name}_net_*.pth``, while the training goes on.

        Raises UserError: the save before this one failed; ``background`` tells of this one.
        """
        self.background.wait()
        self.before_save()
        model = self.model.training_state()
        ranks = self._of_all_ranks(model)
        if not distributed.is_main():
            return
        now = time.monotonic()
        self.at.elapsed, self.since = self.at.elapsed + now - self.since, now
        state = {
            "number": f"{self.at.epoch}.{self.at.seen}.{time.time_ns()}",
            "position": asdict(self.at),
            "options": dump(self.opt),
            "model": model,
            "visualizer": self.report.memory(),
            "data": self.data,
            "skipped": self.dataset.skipped + sum(part["skipped"] for part in ranks),
            "random": _generators(self.model.device),
            "ranks": ranks,
        }
        from models.base_model import BaseModel

        own = (
            type(self.model).save_networks is not BaseModel.save_networks
        )  # of a custom model, which looks at its networks
        state = state if own else snapshot(state)
        self.background.start(lambda: self._write(state, names, own))
        if own:
            self.background.wait()

    def _of_all_ranks(self, model: dict) -> list[dict]:
        """What ranks 1, 2, ... have of their own: image histories, generators; [] on any but rank 0."""
        if distributed.world_size() == 1:
            return []
        return distributed.gather(
            {}
            if distributed.is_main()
            else snapshot(
                {
                    "model": {key: value for key, value in model.items() if key not in SHARED},
                    "random": _generators(self.model.device),
                    "skipped": self.dataset.skipped,
                }
            )
        )[1:]

    def _write(self, state: dict, names: tuple[int | str, ...], own: bool) -> None:
        """In this order, so that a kill at any instant leaves the old state or the new one; see :func:`recover`."""
        marker = self.folder / MARKER
        checkpoint.write_atomically(
            marker, json.dumps({"number": state["number"], "names": names}).encode()
        )
        self._keep_old()
        checkpoint.write_atomically(self.folder / STATE, lambda file: torch.save(state, file))
        state["model"] = {"networks": state["model"]["networks"]}  # frees most of a copy
        for name in names:
            if own:
                self.model.save_networks(name)
                continue
            for net, weights in state["model"]["networks"].items():
                checkpoint.save_state_dict(weights, self.folder / f"{name}_net_{net}.pth")
        if "best" in names:
            _write_best(self.folder, state)
        marker.unlink(missing_ok=True)

    def _keep_old(self) -> None:
        """Keep the last ``--keep`` states beside the one that is about to be replaced."""
        current = self.folder / STATE
        if self.opt.keep < 1 or not current.is_file():
            return
        old = sorted(self.folder.glob("state_*.pth"), key=lambda p: p.stat().st_mtime)
        if old and old[-1].samefile(current):  # kept before a kill
            return
        for path in old[: max(0, len(old) - self.opt.keep + 1)]:
            path.unlink()
        kept = (
            self.folder / f"state_{time.strftime('%Y%m%d_%H%M%S')}_{time.time_ns() % 10**9:09d}.pth"
        )
        try:
            os.link(current, kept)
        except OSError:  # no hard links on this file system
            shutil.copy2(current, kept)

    def resume(self) -> None:
        """Go back to the saved state, with its log and page; without one, keep the weights that ``setup`` has loaded."""
        if not checkpoint.resumable(self.opt):
            say("Starting from the weights alone: optimizers, schedule and image history are fresh")
            return
        state = checkpoint.load(self.folder / STATE)
        try:
            changed = _differences(state.get("data", self.data), self.data)
            self.at = Position(**state["position"])
            ranks = [{"model": {}, "random": state["random"]}, *state.get("ranks", [])]
            own = dict(enumerate(ranks)).get(distributed.rank(), {"model": {"pools": {}}})
            self.model.load_training_state(state["model"] | own["model"])
            self._change_learning_rate(json.loads(state["options"])["lr"])
            self.dataset.start, self.dataset.skipped = (
                self.at.seen,
                state["skipped"] * distributed.is_main(),
            )
            if "random" in own:
                _restore_generators(own["random"], self.model.device)
            if distributed.is_main() and (not changed or self.opt.accept_new_data):
                self.report.restore(state["visualizer"])  # last, for it cuts the log
        except Exception as error:  # a damaged or hostile file raises almost anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{self.folder / STATE} does not fit this run: {reason}") from None
        if changed and not self.opt.accept_new_data:
            raise UserError(
                f"--dataroot {self.opt.dataroot} does not hold the files that this run was trained on ({changed}); "
                "put them back, or go on with what is there now, in a new order: --accept_new_data"
            )
        if len(ranks) != distributed.world_size():
            say(
                f"This run was saved by {len(ranks)} processes and goes on in {distributed.world_size()}, so not exactly: image "
                "histories of those that are gone are dropped, new ones start without, and a step takes other images together"
            )
        if changed:
            say(f"The data are new from here on: {changed}")
        say(
            f"Continuing in epoch {self.at.epoch} after {self.at.seen} images ({self.at.total} in all)"
        )

    def _change_learning_rate(self, saved: float) -> None:
        """Scale the rates by ``--lr`` over what it was; where that is the same, they stay equal to the last bit."""
        for group in (
            group for optimizer in self.model.optimizers for group in optimizer.param_groups
        ):
            group["initial_lr"] = (
                group.get("initial_lr", group["lr"]) * (self.opt.lr / saved)
                if saved
                else self.opt.lr
            )
            if self.opt.lr_policy == "plateau":  # whose rate is no function of the epoch
                group["lr"] = group["lr"] * (self.opt.lr / saved) if saved else self.opt.lr


def recover(folder: Path) -> None:
    """Finish a save that a kill cut off: write the weight files again that belong to the state; drop half-written files."""
    for path in [*folder.glob(".*"), *folder.glob("web/.*")]:
        if re.fullmatch(
            r"\.(?!test_).+\.(pth|json|html|txt)\.\w{8}", path.name
        ):  # as write_atomically names them
            path.unlink()
    marker = folder / MARKER
    if not marker.is_file():
        return
    try:
        cut = json.loads(marker.read_text())
        state = checkpoint.load(folder / STATE) if (folder / STATE).is_file() else {}
        files = (
            {
                folder / f"{name}_net_{net}.pth": weights
                for name in cut["names"]
                for net, weights in state["model"]["networks"].items()
            }
            if state.get("number") == cut["number"]
            else {}
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            f"{folder / STATE} or {marker} is damaged; remove the second to go on from the first"
        ) from None
    if any(path.parent != folder for path in files):  # names out of a hostile file
        raise UserError(f"{marker} names files outside of its folder; remove it to go on")
    if files:
        say(f"The last save in {folder} was cut off; finishing it")
    for path, weights in files.items():
        checkpoint.save_state_dict(weights, path)
    if files and "best" in cut["names"]:
        _write_best(folder, state)
    marker.unlink()


def _write_best(folder: Path, state: dict) -> None:
    checkpoint.write_atomically(
        folder / "best.json", json.dumps(state["position"].get("best", {})).encode()
    )


def _differences(before: dict[str, list], now: dict[str, list]) -> str:
    """Between what :meth:`Loader.contents` gave for a run and gives now; empty if there are none."""
    sizes = {
        name: (before.get(name, [0])[0], now.get(name, [0])[0])
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    }
    return ", ".join(
        f"{name}: {old} -> {new}" if old != new else f"{name}: other names"
        for name, (old, new) in sizes.items()
    )


def _generators(device: torch.device) -> dict:
    kind, keys, *rest = np.random.get_state()
    own = device_generator(device)
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "device": [device.type, own.get_rng_state() if own else None],
    }


def _restore_generators(state: dict, device: torch.device) -> None:
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    kind, value = state.get(
        "device", ("", None)
    )  # of the GPU's kind alone, for its number may change
    own = device_generator(device)
    if own and kind == device.type:
        own.set_rng_state(value)
