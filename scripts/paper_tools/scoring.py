"""Score the images of a test run in both directions with evaluate.py and segment_scores.py."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data.listing import is_image_file, stem
from options.flags.flag import Flag
from scripts.evaluate import HEADINGS
from scripts.paper_tools.jobs import ROOT
from scripts.segment_scores import SCORES
from util.checkpoint import STATE, load
from util.errors import UserError
from util.files import mismatch, read_json
from util.image.ranges import RANGES
from util.words import amount

# Options of programs that measure.
FLAGS = (
    Flag("features", str, None, "add FID and KID (see scripts/evaluate.py)", metavar="NETWORK"),
    Flag(
        "network",
        str,
        None,
        "segmentation network for labels -> photo, TorchScript or ONNX",
        metavar="FILE",
    ),
    Flag("network_range", tuple(RANGES), "-1..1", "value range of its input"),
)
Scores = dict[str, dict[str, float]]  # direction -> metric -> number
SIDES = {"AtoB": ("A", "B"), "BtoA": ("B", "A")}
# Labels of the input, the result and the target of a model with both directions.
LABELS = {"AtoB": ("real_A", "fake_B", "real_B"), "BtoA": ("real_B", "fake_A", "real_A")}

# The kinds (see util/files.py) of what the programs write.
SCORES_KIND = dict.fromkeys(SIDES, {str: float})
SETS = {"features": str, "rows": {"result": {"fid": float, "kid": float}}}
EVALUATION = {"name": str, "rows": {str: {str: (float, None)}}, "sets": (SETS, None)}
SEGMENTS = {"rows": {"result": dict.fromkeys(SCORES, float)}}


class Sources(NamedTuple):
    """Where evaluate.py finds the images of one direction, each DIR or DIR:LABEL."""

    input: str
    result: str
    target: str


@dataclass
class Scoring:
    """The metrics to measure, and the networks that they need.

    Attributes:
        paired: True if the test images are pairs.
        segments: options of segment_scores.py that name the classes, if B holds label maps.
        features: network for FID and KID, if wanted.
        network: segmentation network for labels -> photo, if there is one.
        network_range: value range of its input.
    """

    paired: bool
    segments: list[str]
    features: str | None
    network: str | None
    network_range: str

    def sources(
        self,
        images: Path,
        dataroot: Path,
        phase: str,
        labels: Mapping[str, tuple[str, str, str]] = LABELS,
    ) -> dict[str, Sources]:
        """Return where the images of a test run are, for each direction in ``labels``."""
        end = {x: self.ending(dataroot / f"{phase}{x}", x) for x in "AB"}
        return {
            side: Sources(
                f"{images}:{end[x]}{labels[side][0]}",
                f"{images}:{end[x]}{labels[side][1]}",
                f"{images}:{end[y]}{labels[side][2]}",
            )
            for side, (x, y) in SIDES.items()
            if side in labels
        }

    def commands(
        self, sources: Mapping[str, Sources], dataroot: Path, phase: str, out: Path
    ) -> list[list[str]]:
        """Return the commands that measure the images in the directions of ``sources``.

        They write ``evaluate.json``, ``AtoB.json`` and ``BtoA.json`` in ``out``.
        """
        end = {x: self.ending(dataroot / f"{phase}{x}", x) for x in "AB"}
        parts: list[str] = []
        for name, source in sources.items() if self.paired or self.features else ():
            parts += ["--fake", source.result, "--real", source.target]
            parts += ["--name", name, "--baseline_input", source.input]
            parts += ["--features", self.features] if self.features else []
            parts += [] if self.paired else ["--unpaired"]
            if name == "AtoB" and "--palette" in self.segments:
                parts += self.segments
        evaluate = ["scripts/evaluate.py", *parts, "--json", str(out / "evaluate.json")]
        commands = [evaluate] if parts else []
        if not self.segments:
            return commands
        truth = {x: f"{dataroot / (phase + x)}:{end[x][:-1]}".rstrip(":") for x in "AB"}
        program = ["scripts/segment_scores.py", *self.segments]
        if "AtoB" in sources:
            fake = ["--fake", sources["AtoB"].result, "--real", truth["B"]]
            commands.append([*program, *fake, "--json", str(out / "AtoB.json")])
        if self.network and "BtoA" in sources:
            # "=" because the value of the range may begin with a minus.
            network = ["--network", self.network, f"--network_range={self.network_range}"]
            # The true ids of Cityscapes at full size, as in the official score.
            ids = dataroot / f"{phase}B_ids"
            real = f"{ids}:gtFine_labelIds" if ids.is_dir() else truth["B"]
            fake = ["--fake", sources["BtoA"].result, "--real", real, "--photos", truth["A"]]
            commands.append([*program, *network, *fake, "--json", str(out / "BtoA.json")])
        return commands

    def ending(self, folder: Path, domain: str) -> str:
        """Return "A_" or "B_" if the files are named like ``1_A.jpg`` and ``1_B.jpg``, else "".

        The archives of pairs name them so; an archive that is still to be downloaded is assumed to.
        """
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        names = [name for name in names if is_image_file(name)]
        if self.paired and folder.name.startswith("test") and not folder.parent.is_dir():
            names = [f"1_{domain}.jpg"]
        marked = all(stem(name) + f"_{domain}" == Path(name).stem for name in names)
        return f"{domain}_" if names and marked else ""


def collect(out: Path) -> Scores:
    """Return the numbers that the commands have written to ``out``."""
    scores: Scores = {"AtoB": {}, "BtoA": {}}
    nothing: dict = {"evaluations": []}
    evaluated = read_json(out / "evaluate.json", {"evaluations": [EVALUATION]}, missing=nothing)
    for entry in evaluated["evaluations"]:
        row, metrics = entry["rows"].get("result", {}), scores[entry["name"]]
        metrics |= {heading: row[key] for key, heading in HEADINGS.items() if key in row}
        if entry["sets"]:
            sets, network = entry["sets"]["rows"]["result"], entry["sets"]["features"]
            metrics[f"FID ({network})"] = sets["fid"]
            metrics[f"KID x 1000 ({network})"] = 1000 * sets["kid"]
    for side in SIDES:
        if (out / f"{side}.json").is_file():
            row = read_json(out / f"{side}.json", SEGMENTS)["rows"]["result"]
            scores[side] |= {heading: row[key] for key, heading in SCORES.items()}
    return scores


def position_of(run: Path) -> dict:
    """Return how far the run in a folder has come. Raises UserError: its state does not show it."""
    state = load(run / STATE)
    kind = {"position": {"elapsed": float, "total": int, "validated": [[float]]}}
    if problem := mismatch(state, kind, "the state"):
        raise UserError(f"cannot read {run / STATE}: {problem}")
    return state["position"]


def commit() -> str:
    """Return the commit that is checked out, with "+" if files changed since; or "unknown"."""
    commit, changes = (
        subprocess.run(
            ["git", *words.split()], cwd=ROOT, capture_output=True, encoding="utf-8"
        ).stdout
        for words in (
            "rev-parse --short=12 HEAD",
            "status --porcelain --untracked-files=no -- *.py",
        )
    )
    return commit.strip() + ("+" if changes else "") or "unknown"


def machine(device: str) -> str:
    """Return the hardware of a training, e.g. ``NVIDIA H100`` or ``Intel Xeon, 1 thread``."""
    import torch

    if device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    info, threads = Path("/proc/cpuinfo"), torch.get_num_threads()
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    name = model[1].strip() if model else f"CPU {platform.machine()}"
    return f"{name}, {amount(threads, 'thread')}"
