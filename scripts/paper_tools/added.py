"""Another method's images in the comparison: ``paper.py baselines --add NAME=DIR``."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from scripts.paper_tools import jobs, samples, scoring
from scripts.paper_tools.runs import Run
from util.console import say
from util.errors import UserError
from util.files import write_atomically


def add(args: Namespace, name: str, folder: Path, runs: Sequence[Run]) -> None:
    """Score the images in ``folder`` and write their record.

    They lie in ``folder/AtoB`` and ``folder/BtoA`` under the names of the test images, or in
    ``folder`` as test.py writes them (STEM_fake_B.png and STEM_fake_A.png).

    Args:
        runs: the trainings; the real images of a finished one are the targets.

    Raises:
        UserError: there are no such images, or no run has finished.
    """
    sources, parts = find(args, name, folder, runs)
    key = f"added_{quote(name, safe='')}"
    out = args.work / "scores" / key
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    place = jobs.Place(log=args.work / "logs" / f"{key}.txt")
    failed = None
    try:
        for argv in args.scoring.commands(sources, args.dataroot, "test", out):
            jobs.execute(argv, place)
    except jobs.Interrupted:
        raise
    except UserError as error:
        failed = str(error)
    record = {"row": name, "side": "", "seed": 0, "failed": failed, "scores": scoring.collect(out)}
    record |= {"variety": {}, "reconstruction": {}, "hours": 0.0, "images": 0, "updates": 0}
    record |= {"parameters": 0, "commit": "", "machine": ""}
    for side, (images, label) in parts.items():
        strip = args.record_folder / f"strip_{name}_{side}.png"
        samples.draw_strip(args.dataroot, side, images, label, strip)
    write_atomically(args.record_folder / f"{key}-0.json", json.dumps(record, indent=1).encode())
    say(f"{name}: {'failed: ' + failed if failed else 'scored'}")


def find(
    args: Namespace, name: str, folder: Path, runs: Sequence[Run]
) -> tuple[dict[str, scoring.Sources], dict[str, tuple[Path, str]]]:
    """Return, for each direction, the sources for scoring, and the folder and label of the images.

    Raises:
        UserError: as in :func:`add`.
    """
    how: scoring.Scoring = args.scoring
    sources: dict[str, scoring.Sources] = {}
    parts: dict[str, tuple[Path, str]] = {}
    for side, (x, y) in scoring.SIDES.items():
        folder_of_side, label = (folder / side, "") if (folder / side).is_dir() else (folder, "")
        end = how.ending(args.dataroot / f"test{x}", x)
        if folder_of_side == folder:
            label = f"fake_{y}"
            if not any(folder.rglob(f"*_{label}.*")):
                continue
            source = f"{folder}:{end}{label}"
        else:
            source = f"{folder_of_side}:{end[:-1]}".rstrip(":")
        real = real_images(args, side, runs)
        sources[side] = real._replace(result=source)
        parts[side] = (folder_of_side, label)
    if not sources:
        raise UserError(
            f"--add {name}={folder}: has neither the folders AtoB and BtoA nor images named "
            "STEM_fake_B.png or STEM_fake_A.png"
        )
    return sources, parts


def real_images(args: Namespace, side: str, runs: Sequence[Run]) -> scoring.Sources:
    """Return the sources of a run that has written both real images of a direction."""
    how: scoring.Scoring = args.scoring
    for run in runs:
        images = run.images("latest")
        if side in run.labels and images.is_dir():
            return how.sources(images, args.dataroot, "test", run.labels)[side]
    raise UserError(f"--add: no run has finished that shows the real images of {side}")
