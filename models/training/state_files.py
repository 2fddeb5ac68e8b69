"""The files of a saved training: state.pth, weight files, best.json and old states.

``state.pth`` is replaced atomically, and the weight files follow. A marker file exists while a save
is in progress; after a kill, :func:`recover` uses it to write the remaining files. A folder
therefore always holds the previous or the new state, and after :func:`recover` also the weight
files that belong to it.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from util import checkpoint, files
from util.checkpoint import STATE
from util.console import say
from util.errors import UserError
from util.files import Maybe, mismatch, read_json

MARKER = ".saving.json"
BEST = "best.json"
EARLIER = 3  # the number of states of earlier runs in the same folder to keep


def write_state(
    folder: Path,
    state: dict,
    names: Sequence[int | str],
    keep: int = 0,
    save_networks: Callable[[int | str], None] | None = None,
    before_write: Callable[[], None] = lambda: None,
) -> None:
    """Write ``state.pth``, then the weight files of each name.

    If the process is killed here, :func:`recover` writes the rest.

    Args:
        folder: the run's folder.
        state: has "number", unique to this save, and in state["model"]["networks"] the state dicts.
        names: of the weight files, e.g. ["latest", 20]; "best" also writes ``best.json``.
        keep: the number of earlier states to keep.
        save_networks: writes the weight files of a name; default: ``{name}_net_{network}.pth`` from
            ``state``.
        before_write: called before each file is written; an exception prevents it.
    """
    before_write()
    marker = json.dumps({"number": state["number"], "names": names})
    files.write_atomically(folder / MARKER, marker.encode())
    if keep > 0:
        _keep_current_state(folder, keep)
    before_write()
    files.write_atomically(folder / STATE, lambda file: torch.save(state, file))
    if save_networks:
        for name in names:
            before_write()
            save_networks(name)
    else:
        _write_weights(_weight_files(folder, names, state), before_write)
    before_write()
    if "best" in names:
        files.write_atomically(folder / BEST, _best(state))
    (folder / MARKER).unlink(missing_ok=True)


def recover(folder: Path) -> None:
    """Finish a save that was killed, and remove half-written files.

    Raises UserError: the marker or the state is damaged.
    """
    temporary = r"\.(?!test_).+\.(pth|json|html|txt)\.\w{8}"  # the names that write_atomically uses
    for path in [*folder.glob(".*"), *folder.glob("web/.*")]:
        if re.fullmatch(temporary, path.name):
            path.unlink()
    marker = folder / MARKER
    if not marker.is_file():
        return
    unfinished = read_json(marker, {"number": str, "names": [_file_name]})
    names = unfinished["names"]
    state = checkpoint.load(folder / STATE) if (folder / STATE).is_file() else {}
    if not mismatch(state, dict) and state.get("number") != unfinished["number"]:
        names = []  # killed before state.pth was replaced
    elif problem := mismatch(state, SAVED):
        raise UserError(
            f"{folder / STATE} or {marker} is damaged ({problem}); remove the second to resume "
            "from the first"
        )
    weights = _weight_files(folder, names, state) if names else {}
    best = _best(state) if "best" in names else None
    if weights:
        say(f"The last save in {folder} was interrupted; finishing it")
        _write_weights(weights)
    if best is not None:
        files.write_atomically(folder / BEST, best)
    marker.unlink()


def _file_name(value: object, name: str) -> str:
    """A kind (see util/files.py): an epoch, or a part of the name of a file in the run's folder."""
    right = re.fullmatch(r"\w[\w.-]*", str(value)) and not mismatch(value, (str, int))
    return "" if right else f"{name} is outside of the folder, or not the name of a save"


def _networks(value: Any, name: str) -> str:
    """A kind: name of a network -> weights."""
    if problem := mismatch(value, {str: {str: torch.Tensor}}, name):
        return problem
    files = all(not _file_name(key, name) and checkpoint.is_state_dict(value[key]) for key in value)
    return "" if files else f"{name} should be named weights"


SAVED = {"model": {"networks": _networks}, "position": {"best": Maybe({str: (str, float)})}}


def _weight_files(folder: Path, names: Sequence, state: dict) -> dict[Path, dict]:
    networks = state["model"]["networks"].items()
    return {folder / f"{name}_net_{net}.pth": value for name in names for net, value in networks}


def _write_weights(
    files: dict[Path, dict], before_write: Callable[[], None] = lambda: None
) -> None:
    for path, weights in files.items():
        before_write()
        checkpoint.save_state_dict(weights, path)


def _best(state: dict) -> bytes:
    return json.dumps(state["position"].get("best", {})).encode()


def keep_earlier_state(folder: Path) -> None:
    """Rename the state of an earlier run in ``folder``, unless that run did not train a step.

    ``EARLIER`` of them stay: the last one, and those with the most images.
    """
    current = folder / STATE
    if not current.is_file() or not _images_trained(current):
        return
    now, copies = time.strftime("%Y%m%d_%H%M%S"), 0
    while (kept := folder / f"earlier_{now}{f'_{copies}' if copies else ''}.pth").exists():
        copies += 1
    os.replace(current, kept)
    say(
        f"{folder} holds an earlier run; its state is kept as {kept.name} "
        f"(to resume it, rename that file to {STATE})"
    )
    pattern = r"earlier_\d{8}_\d{6}(_\d+)?\.pth"  # files that were given another name stay
    others = [p for p in folder.glob("earlier_*.pth") if re.fullmatch(pattern, p.name)]
    others = sorted({*others} - {kept}, key=_images_trained)
    for path in (surplus := others[: 1 - EARLIER]):
        path.unlink()
    if surplus:
        names = ", ".join(path.name for path in surplus)
        say(f"Removed {names}: the states of {EARLIER} earlier runs stay, the last and the longest")


def _images_trained(path: Path) -> float:
    """Return how many images a state was trained with; infinity if it cannot be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return float(state["position"]["total"])
    except Exception:  # an unreadable state may be repaired by its owner
        return math.inf


def _keep_current_state(folder: Path, keep: int) -> None:
    """Keep the present ``state.pth`` as ``state_TIME.pth``; of these the last ``keep`` stay."""
    current = folder / STATE
    if not current.is_file():
        return
    kept = sorted(folder.glob("state_*.pth"), key=lambda path: path.stat().st_mtime)
    if kept and kept[-1].samefile(current):  # the last save was killed after this step
        return
    for path in kept[: max(0, len(kept) - keep + 1)]:
        path.unlink()
    now = f"{time.strftime('%Y%m%d_%H%M%S')}_{time.time_ns() % 10**9:09d}"
    try:
        os.link(current, folder / f"state_{now}.pth")
    except OSError:  # the file system has no hard links
        shutil.copy2(current, folder / f"state_{now}.pth")
