"""``web/index.html``: what a training does, to look at while it runs and afterwards."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from dominate import tags

from util.images import save_image
from util.pages.page import link, readable, row, write_page
from util.schedules import last_epoch

POINTS = 50  # of the curves in an epoch; in the first one ten times as many, so that something is seen soon
ROWS = 10  # epochs that the page shows where scripts do not run


class TrainingPage:
    """A sink. Every event adds a line to ``web/data.js``, a call of the script's ``run``; nothing that grows is written again.

    ``memory`` holds how long that file is, so that a resumed run cuts off what it will write again.
    """

    def __init__(self, opt: Namespace, folder: Path) -> None:
        self.opt, self.folder, self.begun = opt, folder, False
        (folder / "images").mkdir(parents=True, exist_ok=True)
        self.options = options_table(opt).render(pretty=False)
        self.memory: dict = {
            "size": 0,
            "keys": [],
            "points": [],
            "bin": [],
            "at": 0.0,
            "last": "",
            "shown": {},
            "panel": {},
        }  # the last three: losses in words, epoch -> label -> file, "0 fake_B" -> [digest, file]

    def scalars(self, epoch: int, share: float, total: int, values: dict[str, float]) -> None:
        """Points are joined to their mean until ``share`` enters the next part of the epoch."""
        memory, share = self.memory, min(1.0, share)
        points = POINTS * (10 if epoch == self.opt.epoch_count else 1)
        place = [epoch, math.ceil(share * points - 1e-6)]
        if place != memory["bin"] or memory["keys"] != list(values):
            self._flush()
        if memory["keys"] != list(values):
            memory["keys"] = list(values)
            self._add("keys", memory["keys"])
        memory["points"].append([epoch, share, total, time.time(), *map(float, values.values())])
        memory["bin"], memory["at"] = place, epoch - 1 + share
        memory["last"] = f"Epoch {epoch}: " + ", ".join(
            f"{name} {value:.3g}"
            for name, value in values.items()
            if name not in ("time", "data", "logging")
        )
        if abs(share * points - round(share * points)) < 1e-6:  # the part has ended
            self._flush()

    def _flush(self) -> None:
        if points := self.memory["points"]:
            place = [*points[-1][:3], round(points[-1][3], 2)]
            means = dict(
                zip(self.memory["keys"], np.mean(points, axis=0)[4:].tolist(), strict=True)
            )
            if "logging" in means:  # seconds since the point before
                means["logging"] *= len(points)
            self.memory["points"] = []
            self._add(
                "point",
                [
                    place[0],
                    round(place[1], 5),
                    *place[2:],
                    *(float(f"{value:.5g}") for value in means.values()),
                ],
            )

    def images(self, epoch: int, images: dict[str, np.ndarray], save: bool) -> None:
        shown = self.memory["shown"]
        if not save and epoch in shown:
            return
        files = {label: f"epoch{epoch:03d}_{label}.png" for label in images}
        for label, image in images.items():
            save_image(image, self.folder / "images" / files[label])
        shown[epoch] = files
        for old in sorted(shown)[:-ROWS]:
            del shown[old]
        self._add("images", epoch, self._figures(files, images), round(time.time(), 2))
        self._write_shell()

    def panel(self, epoch: int, rows: list[tuple[str, dict[str, np.ndarray]]]) -> None:
        """The validation images: (name, label -> uint8 (H, W, 3)) each. An image that has not changed is not saved again."""
        shown = []
        for i, (name, images) in enumerate(rows):
            files = {}
            for label, image in images.items():
                digest = hashlib.blake2b(
                    image.tobytes() + str(image.shape).encode(), digest_size=16
                ).hexdigest()
                before, files[label] = self.memory["panel"].get(f"{i} {label}", ("", ""))
                if before != digest:
                    files[label] = f"epoch{epoch:03d}_panel{i}_{label}.png"
                    save_image(image, self.folder / "images" / files[label])
                    self.memory["panel"][f"{i} {label}"] = [digest, files[label]]
            shown.append([readable(name), self._figures(files, images)])
        self._add("panel", epoch, shown)

    def ended(self, epoch: int) -> None:
        """The epoch is over, whether or not its last images were worth a point of the curves."""
        self.memory["at"] = max(self.memory["at"], float(epoch))

    @staticmethod
    def _figures(files: dict[str, str], images: dict[str, np.ndarray]) -> list:
        """[label, URL, width, height] each."""
        return [[label, link(file), *images[label].shape[1::-1]] for label, file in files.items()]

    def text(self, epoch: int, message: str) -> None:
        self._add("text", epoch, readable(message), round(time.time(), 2))

    def close(self) -> None:
        self._flush()
        self._add(
            "end",
            "finished" if self.memory["at"] >= last_epoch(self.opt) else "stopped",
            round(time.time(), 2),
        )
        self._write_shell()

    def _add(self, kind: str, *values: Any) -> None:
        """Append a line at once, so that a reader never meets half of one; of a failed one nothing stays."""
        if not self.begun:
            self.begun = True
            self._begin()
        line = f"run({', '.join(json.dumps(value) for value in (kind, *values))})\n".encode()
        path = self.folder / "data.js"
        try:
            with path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError:
            os.truncate(path, self.memory["size"])
            raise
        self.memory["size"] += len(line)

    def _begin(self) -> None:
        with (self.folder / "data.js").open("ab") as file:
            file.truncate(min(self.memory["size"], file.tell()))
        self._add(
            "begin",
            {
                "epochs": last_epoch(self.opt),
                "batch": self.opt.batch_size,
                "time": round(time.time(), 2),
                "metric": self.opt.val_metric,
                "at": self.memory["at"],
            },
        )
        self._write_shell()

    def _write_shell(self) -> None:
        """What does not grow. It is all there is where scripts do not run."""
        opt = self.opt
        notes = [
            f"{opt.model} on {opt.dataroot}, {opt.n_epochs} + {opt.n_epochs_decay} epochs",
            self.memory["last"],
        ]
        rows = [
            row(f"Epoch {epoch}", files)
            for epoch, files in sorted(self.memory["shown"].items(), reverse=True)
        ]
        write_page(
            self.folder,
            f"Training {opt.name}",
            notes,
            rows,
            opt.display_winsize,
            ("page.js", "chart.js", "training.js"),
            "data.js",
            self.options,
        )


def options_table(opt: Namespace) -> tags.section:
    """The run's options, those first that differ from what they are without any flag."""
    from data import get_option_setter as dataset_options
    from models import get_option_setter as model_options
    from options.parser import Parser
    from options.train_options import NOT_RESUMED, TrainOptions

    parser = Parser(conflict_handler="resolve")
    TrainOptions().initialize(parser)
    for options, name in ((model_options, opt.model), (dataset_options, opt.dataset_mode)):
        options(name)(parser, True)
    values = {name: value for name, value in sorted(vars(opt).items()) if name not in NOT_RESUMED}
    changed = [name for name in values if str(values[name]) != str(parser.get_default(name))]
    section = tags.section(tags.h2("Options"), id="options")
    section.add(_table(values, changed))
    others = [name for name in values if name not in changed]
    section.add(tags.details(tags.summary("All others, at their defaults"), _table(values, others)))
    return section


def _table(values: dict, names: list[str]) -> tags.dl:
    table = tags.dl()
    for name in names:
        table.add(tags.div(tags.dt(name), tags.dd(readable(str(values[name])))))
    return table
