"""Reads the result files of a study, and leaves out those that cannot be right."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from util.console import warn
from util.errors import UserError
from util.files import read_json, real_path
from util.words import amount

RESULT_VERSION = 1
TRIAL = {"first": str, "second": str, "answer": str, "shown": ([float], None)}
TRIAL |= {"late": int, "response": float}
SCREEN = {"image": float}
RESULT: dict[str, Any] = {
    "version": int,
    "study": str,
    "group": str,
    "participant": str,
    "session": str,
    "started": float,
    "finished": float,
    "reloads": int,
    "screen": SCREEN,
    "practice": [TRIAL],
    "trials": [TRIAL],
}
SHORTEST, LONGEST = 0.9, 1.1  # share of the time that an image is to be shown
INTERRUPTED = 0.1  # share of the scored trials that may be interrupted
CLOCKS = 5000  # milliseconds by which the clock of a computer may be set back in a session


@dataclass
class Session:
    """The scored trials of one participant.

    Attributes:
        group: token of the method in the key.
        fooled: for each scored trial, True if the generated image was taken for the real one.
        image: width of the images on the screen, in CSS pixels.
    """

    group: str
    fooled: list[bool]
    image: float


class OtherStudy(UserError):
    """A result file belongs to another study than the key."""


def result_files(sources: list[Path], key: Path) -> list[Path]:
    """Return the files among ``sources``, and the .json files of the folders, without the key.

    Raises:
        UserError: a source is missing, or a folder has no such file.
    """
    files: list[Path] = []
    for source in sources:
        if not source.exists():
            raise UserError(f"--answers {source}: there is no such file or folder")
        found = sorted(source.rglob("*.json")) if source.is_dir() else [source]
        found = [path for path in found if real_path(path) != real_path(key)]
        if not found:
            raise UserError(f"--answers {source}: holds no result files (.json)")
        files += found
    return list(dict.fromkeys(files))


def read_sessions(files: list[Path], key: dict[str, Any]) -> list[Session]:
    """Return the sessions that are complete and consistent; warn about each other one.

    A participant who took part several times counts with the session that began first.

    Raises:
        UserError: no session is left, or all files belong to another study.
    """
    results: list[tuple[Path, dict]] = []
    problems: list[UserError] = []
    for path in files:
        try:
            results.append((path, checked(read_json(path, RESULT), key, path)))
        except UserError as error:
            problems.append(error)
    if not results and all(isinstance(problem, OtherStudy) for problem in problems):
        raise UserError(
            f"--key is of study {key['study']}, but of the {amount(len(files), 'result file')} "
            f"none is; {problems[0]}"
        )
    sessions: list[Session] = []
    seen: set[str] = set()
    for path, result in sorted(results, key=lambda item: item[1]["started"]):
        person = result["participant"] and f"participant {result['participant']}"
        if again := {f"session {result['session']}", person} & seen:
            problems.append(UserError(f"{path}: {min(again)} is in an earlier result already"))
            continue
        seen |= {f"session {result['session']}", person} - {""}
        sessions.append(session_of(result, key))
    if not sessions and len(problems) == 1:
        raise problems[0]
    for problem in problems:
        warn(f"left out: {problem}")
    if not sessions:
        raise UserError(f"--answers: none of the {len(files)} result files can be used")
    return sessions


def checked(result: dict, key: dict[str, Any], path: Path) -> dict:
    """Return a result. Raises UserError, or OtherStudy, if it does not fit the key."""
    if result["study"] != key["study"]:
        raise OtherStudy(f"{path}: belongs to study {result['study']}, not {key['study']}")
    if problem := problem_of(result, key):
        raise UserError(f"{path}: {problem}")
    return result


def problem_of(result: dict, key: dict[str, Any]) -> str:
    """Return why a result of this study cannot be right, or ""."""
    if result["version"] != RESULT_VERSION:
        return f"has version {result['version']}, should be {RESULT_VERSION}"
    if result["group"] not in key["groups"]:
        return "names a group that the study does not have"
    group = key["groups"][result["group"]]
    for part, pool, count in (
        ("practice", "practice", key["practice"]),
        ("trials", "scored", key["trials"]),
    ):
        trials = result[part]
        if len(trials) != count:
            return f"has {len(trials)} {part}, should have {count}"
        known = {frozenset((pair["real"], pair["fake"])) for pair in group[pool]}
        pairs = Counter(frozenset((trial["first"], trial["second"])) for trial in trials)
        if unknown := pairs.keys() - known:
            return f"has images that are no pair of its group: {' '.join(sorted(min(unknown)))}"
        if max(pairs.values(), default=0) > 1:
            return "has a pair twice"
        if any(trial["answer"] not in ("first", "second") for trial in trials):
            return 'has an answer other than "first" and "second"'
    return problem_of_times(result, key)


def problem_of_times(result: dict, key: dict[str, Any]) -> str:
    """Return why the times of a result cannot be right, or too many trials were interrupted."""
    wanted, total, interrupted = 1000 * key["seconds"], 0.0, 0
    for part in ("practice", "trials"):
        for trial in result[part]:
            shown = trial["shown"] or []
            times = [*shown, trial["response"]]
            if not all(math.isfinite(time) and time >= 0 for time in times):
                return "has a time that is negative or not finite"
            if trial["shown"] is not None and len(shown) != 2:
                return "has a trial without the times of its two images"
            if any(time < SHORTEST * wanted for time in shown):
                return f"has an image that was shown for less than {SHORTEST * wanted:g} ms"
            total += sum(times)
            if part == "trials":
                interrupted += not shown or max(shown) > LONGEST * wanted
    if not total <= result["finished"] - result["started"] + CLOCKS:
        return "took less time than its trials together"
    if interrupted > INTERRUPTED * len(result["trials"]):
        trials = amount(interrupted, "scored trial")
        return f"was interrupted in {trials} by a reload, another window or a slow computer"
    return ""


def session_of(result: dict, key: dict[str, Any]) -> Session:
    """Return what is scored of a checked result."""
    real = {pair["real"] for pair in key["groups"][result["group"]]["scored"]}
    fooled = [trial[trial["answer"]] not in real for trial in result["trials"]]
    return Session(result["group"], fooled, result["screen"]["image"])
