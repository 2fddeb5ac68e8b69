"""What a test run is measured with: the commands of evaluate.py and segment_scores.py for both directions, and their numbers."""

from __future__ import annotations

import json
import platform
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from data.image_folder import is_image_file, stem
from scripts.arguments import colour
from scripts.evaluate import HEADINGS
from scripts.evaluation.ranges import RANGES
from scripts.segment_scores import SCORES
from util.console import say
from util.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
Scores = dict[str, dict[str, float]]  # direction: metric: number
SIDES = {"AtoB": ("A", "B"), "BtoA": ("B", "A")}


def add_options(parser: ArgumentParser) -> None:
    """The options that say what to measure with."""
    add = parser.add_argument
    add(
        "--features",
        metavar="NETWORK",
        help="add FID and KID on these features (see scripts/evaluate.py)",
    )
    add(
        "--network",
        metavar="FILE",
        help="segmentation network for labels -> photo, TorchScript or ONNX",
    )
    add(
        "--network_range",
        choices=list(RANGES),
        default="-1..1",
        help="of the values that it takes (default: -1..1)",
    )


def execute(argv: Sequence[str | Path]) -> None:
    """Run one of our programs. Raises UserError: it failed, and has said why."""
    say("\n$ " + shown(argv))
    status = subprocess.run([sys.executable, *map(str, argv)], cwd=ROOT, check=False).returncode
    if status:
        raise UserError(
            f"{argv[0]} ended with status {status}; mend what it says and give the same command again, which goes on "
            "from here"
        )


def shown(argv: Sequence[str | Path]) -> str:
    """A command line for people, to be given in the project's folder."""
    return shlex.join(["python", *map(str, argv)]).replace(f"{ROOT}/", "")


def endings(dataroot: Path, phase: str, paired: bool) -> dict[str, str]:
    """ "A_" and "B_" where the files of the domains are named ``1_A.jpg`` and ``1_B.jpg``, as archives name pairs; else ""."""
    found = {}
    for domain in "AB":
        folder = dataroot / f"{phase}{domain}"
        names = (
            [path.name for path in folder.iterdir() if is_image_file(path.name)]
            if folder.is_dir()
            else []
        )
        if (
            paired and phase == "test" and not dataroot.is_dir()
        ):  # of an archive that is not there yet
            names = [f"1_{domain}.jpg"]
        marked = bool(names) and all(stem(name) + f"_{domain}" == Path(name).stem for name in names)
        found[domain] = f"{domain}_" if marked else ""
    return found


def commands(
    images: Path, dataroot: Path, phase: str, paired: bool, how: Namespace, out: Path
) -> list[list[str]]:
    """What measures the images of a test run in both directions.

    ``how``: ``features``, ``network``, ``network_range``; ``segments``: flags that name the classes, where B holds label maps.
    Numbers go to ``evaluate.json``, ``AtoB.json`` and ``BtoA.json`` in ``out``.
    """
    end, found = endings(dataroot, phase, paired), []
    parts: list[str] = []
    for name, (x, y) in SIDES.items() if paired or how.features else ():
        parts += [
            "--fake",
            f"{images}:{end[x]}fake_{y}",
            "--real",
            f"{images}:{end[y]}real_{y}",
            "--name",
            name,
            "--baseline_input",
            f"{images}:{end[x]}real_{x}",
        ]
        parts += ["--features", how.features] if how.features else []
        parts += [] if paired else ["--unpaired"]
        parts += how.segments if name == "AtoB" and how.segments[:1] == ["--palette"] else []
    if parts:
        found.append(["scripts/evaluate.py", *parts, "--json", str(out / "evaluate.json")])
    truth = {
        domain: f"{dataroot / (phase + domain)}:{end[domain][:-1]}".rstrip(":") for domain in "AB"
    }
    if how.segments:
        found.append(
            [
                "scripts/segment_scores.py",
                *how.segments,
                "--fake",
                f"{images}:{end['A']}fake_B",
                "--real",
                truth["B"],
                "--json",
                str(out / "AtoB.json"),
            ]
        )
    if how.segments and how.network:  # = before the range, for it begins with a minus
        network = ["--network", how.network, f"--network_range={how.network_range}"]
        ids = (
            dataroot / f"{phase}B_ids"
        )  # of Cityscapes, at full size: the truth of the official score
        real = f"{ids}:gtFine_labelIds" if ids.is_dir() else truth["B"]
        found.append(
            [
                "scripts/segment_scores.py",
                *how.segments,
                *network,
                "--fake",
                f"{images}:{end['B']}fake_A",
                "--real",
                real,
                "--photos",
                truth["A"],
                "--json",
                str(out / "BtoA.json"),
            ]
        )
    return found


def collect(out: Path) -> Scores:
    """The numbers that these commands have left in ``out``."""
    scores: Scores = {"AtoB": {}, "BtoA": {}}
    if (out / "evaluate.json").is_file():
        for entry in json.loads((out / "evaluate.json").read_text())["evaluations"]:
            row = entry["rows"].get("result", {})
            scores[entry["name"]] |= {
                heading: row[key] for key, heading in HEADINGS.items() if key in row
            }
            if entry["sets"]:
                sets = entry["sets"]["rows"]["result"]
                scores[entry["name"]] |= {
                    f"FID ({entry['sets']['features']})": sets["fid"],
                    f"KID x 1000 ({entry['sets']['features']})": 1000 * sets["kid"],
                }
    for name in SIDES:
        if (out / f"{name}.json").is_file():
            row = json.loads((out / f"{name}.json").read_text())["rows"]["result"]
            scores[name] |= {heading: row[key] for key, heading in SCORES.items()}
    return scores


def palette_flags(colours: Sequence[str]) -> list[str]:
    """``--palette`` and the colours R,G,B. Raises UserError: one is none."""
    for text in colours:
        try:
            colour(text)
        except ValueError:
            raise UserError(f"--palette {text}: should be R,G,B with levels 0 to 255") from None
    return ["--palette", *colours] if colours else []


def commit() -> str:
    """The commit that is checked out, with a + where files were changed; "unknown" outside of a repository."""
    told = [
        subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
        for words in (
            ("rev-parse", "--short=12", "HEAD"),
            ("status", "--porcelain", "--untracked-files=no", "--", "*.py"),
        )
    ]
    return told[0] + ("+" if told[1] else "") or "unknown"


def machine(device: str) -> str:
    """What a training ran on, e.g. ``NVIDIA H100`` or ``Intel Xeon, 1 thread``."""
    import torch

    if device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    told = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    threads = torch.get_num_threads()
    return f"{told[1].strip() if told else f'CPU {platform.machine()}'}, {threads} thread{'s' if threads > 1 else ''}"
