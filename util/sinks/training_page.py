"""``web/index.html``: shows a training while it runs and afterwards, without a server."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shlex
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dominate import tags

from util import plugins
from util.errors import naming
from util.files import no_link
from util.image.writing import save_image
from util.pages.page import asset, link, readable, row, write_page
from util.schedules import last_epoch
from util.sinks.base import losses_of

POINTS = 50  # points of a curve per epoch; ten times as many in the first, to show a start soon
ROWS = 10  # number of epochs shown to readers whose browser runs no scripts
SCRIPTS = (
    "page.js", "viewer.js", "series.js", "chart_input.js", "chart.js", "events.js", "epochs.js",
    "player.js", "curves.js", "status.js", "training.js",
)  # fmt: skip
# Bookkeeping of the options themselves, and options of one start instead of the whole run: the
# page of a resumed run equals the page of an uninterrupted one.
HIDDEN = {
    "changed", "explicit_options", "isTrain", "name", "checkpoints_dir", "gpu_ids", "device",
    "suffix", "continue_train", "epoch", "load_iter", "epoch_count", "verbose", "dry_run",
    "accept_new_data", "images_per_epoch",
}  # fmt: skip


class TrainingPage:
    """A sink that writes the page of a training.

    Every event appends one line to ``web/data.js``, a call of ``run`` in ``training.js``. No file
    that grows is ever rewritten.

    Attributes:
        facts: what the page says about this start of the run, e.g. "Device" -> "cpu"; set it, and
            ``panel_title``, before the first event.
        panel_title: the heading of the panel: where its images come from.
        last_epoch: returns the last epoch, which is not the planned one after ``--early_stop``.
        memory: state to save: the size of ``data.js`` (a resumed run cuts the file back to it), the
            names of all numbers and of the losses among them, the points to average next, ``last``
            (the losses as text), ``shown`` (epoch -> label -> file) and ``panel``
            ("0 fake_B" -> [digest, file]).
    """

    def __init__(self, opt: Namespace, folder: Path) -> None:
        """Create ``folder``. Raises OSError: it cannot be created."""
        self.opt, self.folder, self.begun = opt, folder, False
        (folder / "images").mkdir(parents=True, exist_ok=True)
        self.options = options_table(opt).render(pretty=False)
        self.memory: dict = {"size": 0, "keys": [], "points": [], "bin": [], "at": 0.0}
        self.memory |= {"losses": [], "last": "", "shown": {}, "panel": {}}
        self.facts: dict[str, str] = {}
        self.panel_title = "Validation images"
        self.last_epoch: Callable[[], int] = lambda: last_epoch(opt)

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        """Collect a point; the mean of the points in each part of an epoch is written.

        Each value is averaged over the points that have it: some are measured less often.
        """
        self._start()
        memory, share = self.memory, min(1.0, share)
        parts = POINTS * (10 if epoch == self.opt.epoch_count else 1)
        validates = any(name.startswith("val_") for name in values)  # a point of its own
        part = [epoch, math.ceil(share * parts - 1e-6), int(validates)]
        new = [name for name in values if name not in memory["keys"]]
        if part != memory["bin"] or new:
            self._flush()
        if new:
            losses = [name for name in losses_of(values) if name not in memory["losses"]]
            memory["keys"], memory["losses"] = memory["keys"] + new, memory["losses"] + losses
            self._add("keys", memory["keys"], memory["losses"])
        numbers = [float(values[name]) if name in values else None for name in memory["keys"]]
        memory["points"].append([epoch, share, total, time.time(), *numbers])
        memory["bin"], memory["at"] = part, epoch - 1 + share
        shown = {name: values[name] for name in values if name not in ("time", "data", "logging")}
        losses_text = ", ".join(f"{name} {value:.3g}" for name, value in shown.items())
        memory["last"] = f"Epoch {epoch}: {losses_text}"
        if abs(share * parts - round(share * parts)) < 1e-6:  # the end of the part
            self._flush()

    def _flush(self) -> None:
        """Write the means of the collected points, at the place of the last one."""
        points, self.memory["points"] = self.memory["points"], []
        if not points:
            return
        epoch, share, total, seconds = points[-1][:4]
        numbers: list[float | None] = []
        for name, *column in zip(
            self.memory["keys"], *(point[4:] for point in points), strict=True
        ):
            measured = [value for value in column if value is not None]
            # the logging is in seconds since the last point, so its values add up
            mean = (np.sum if name == "logging" else np.mean)(measured) if measured else None
            numbers.append(None if mean is None else float(f"{mean:.5g}"))
        while numbers and numbers[-1] is None:
            numbers.pop()
        self._add("point", [epoch, round(share, 5), total, round(seconds, 2), *numbers])

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        """Show a training batch; within an epoch it is replaced only if ``save`` is True."""
        shown = self.memory["shown"]
        if not save and epoch in shown:
            return
        files = {label: f"epoch{epoch:03d}_{label}.png" for label in images}
        for label, image in images.items():
            save_image(image, self.folder / "images" / files[label])
        shown[epoch] = files
        for old in sorted(shown)[:-ROWS]:
            del shown[old]
        self._add("images", epoch, _figures(files, images), _now())
        self._write_shell()

    def panel(self, epoch: int, rows: list[tuple[str, dict[str, np.ndarray]]]) -> None:
        """Show the validation images after an epoch; unchanged images are not saved again.

        Args:
            rows: (name, label -> uint8 (H, W, 3)) for each item.
        """
        shown, saved = [], self.memory["panel"]
        for i, (name, images) in enumerate(rows):
            files = {}
            for label, image in images.items():
                content, key = image.tobytes() + str(image.shape).encode(), f"{i} {label}"
                digest = hashlib.blake2b(content, digest_size=16).hexdigest()
                if saved.get(key, ("", ""))[0] != digest:
                    saved[key] = [digest, f"epoch{epoch:03d}_panel{i}_{label}.png"]
                    save_image(image, self.folder / "images" / saved[key][1])
                files[label] = saved[key][1]
            shown.append([readable(name), _figures(files, images)])
        self._add("panel", epoch, shown)

    def ended(self, epoch: int) -> None:
        """Note that ``epoch`` is complete, even if its last images gave no point of the curves."""
        self.memory["at"] = max(self.memory["at"], float(epoch))

    def text(self, epoch: int, message: str) -> None:
        self._add("text", epoch, readable(message), _now())

    def close(self) -> None:
        self._flush()
        last = self.last_epoch()
        finished = self.memory["at"] >= last
        stopped_early = [last] if last < last_epoch(self.opt) else []
        self._add("end", "finished" if finished else "stopped", _now(), *stopped_early)
        self._write_shell()

    def _add(self, kind: str, *values: Any) -> None:
        """Append a line in one write, so readers never see half of it; undo it if that fails."""
        self._start()
        line = f"run({', '.join(json.dumps(value) for value in (kind, *values))})\n".encode()
        path = self.folder / "data.js"
        try:
            with naming(path), open(path, "ab", buffering=0, opener=no_link) as file:
                file.write(line)
        except OSError:
            os.truncate(path, self.memory["size"])
            raise
        self.memory["size"] += len(line)

    def _start(self) -> None:
        """Once: cut ``data.js`` back to the saved state, and write what is known about the run."""
        if self.begun:
            return
        self.begun = True
        with open(self.folder / "data.js", "ab", opener=no_link) as file:
            file.truncate(min(self.memory["size"], file.tell()))
        begin = {"epochs": last_epoch(self.opt), "batch": self.opt.batch_size, "time": _now()}
        begin["resume"] = shlex.join(["--continue_train", *plugins.file_flags(vars(self.opt))])
        begin |= {"metric": self.opt.val_metric, "at": self.memory["at"]}
        self._add("begin", begin | {"facts": self.facts, "panel": self.panel_title})
        self._write_shell()

    def _write_shell(self) -> None:
        """Write ``index.html``; without scripts it shows the last losses and the last epochs."""
        opt, shown = self.opt, sorted(self.memory["shown"].items(), reverse=True)
        title, width = f"Training {opt.name}", opt.display_winsize
        run = f"{opt.model} on {opt.dataroot}, {opt.n_epochs} + {opt.n_epochs_decay} epochs"
        notes = (run, self.memory["last"], *self._link_to_index())
        rows = [row(f"Epoch {epoch}", files) for epoch, files in shown]
        after = self.options + asset("explanations.html")
        write_page(self.folder, title, notes, rows, width, SCRIPTS, "data.js", after)

    def _link_to_index(self) -> list[tags.a]:
        """Return a link to the index of all runs, if it exists."""
        above = "../" * (len(Path(self.opt.name).parts) + 1)  # from NAME/web
        exists = (Path(self.opt.checkpoints_dir) / "index.html").is_file()
        return [tags.a("All runs", href=f"{above}index.html")] if exists else []


def _now() -> float:
    return round(time.time(), 2)


def _figures(files: dict[str, str], images: dict[str, np.ndarray]) -> list[list]:
    """Returns [label, URL, width, height] for each image."""
    return [[label, link(file), *images[label].shape[1::-1]] for label, file in files.items()]


def options_table(opt: Namespace) -> tags.section:
    """Returns the run's options as HTML: first those that differ from their defaults.

    ``opt.changed``, set by the parser, says which ones do; without it all options are shown alike.
    """
    names = sorted(vars(opt).keys() - HIDDEN)
    changed = getattr(opt, "changed", names)
    section = tags.section(tags.h2("Options"), id="options")
    section.add(_table(opt, [name for name in names if name in changed]))
    if defaults := [name for name in names if name not in changed]:
        section.add(tags.details(tags.summary("Options at their defaults"), _table(opt, defaults)))
    return section


def _table(opt: Namespace, names: list[str]) -> tags.dl:
    table = tags.dl()
    for name in names:
        table.add(tags.div(tags.dt(name), tags.dd(readable(str(getattr(opt, name))))))
    return table
