"""Judge what a case did: a result is bad if it is a traceback, a crash, a hang, or silent.

Silent is what a user cannot see. A program that ends with status 0 is silent if

- an option has another value than the one that was typed (changed, clamped, rounded to zero), or
  is not finite;
- another option than the one that was typed has another value than in the untouched run;
- an option that must have an effect has none (``Program.effective``);
- a text is empty but the program went on;
- a file was damaged, or the surroundings were, and pixels, weights, or the list of files differ
  from the untouched run;
- check_data.py says that nothing would stop a training that stops (``Session.keep_promise``);
- a file of the user was changed or deleted, or one appeared outside of the working folder;

and no line of its output names that option, value or file. A larger ``--ngf`` that makes a larger
network is not silent: the value was honoured. A program that fails without a line is silent, too.
"""

from __future__ import annotations

import math
import os
import re
import signal
import tempfile
from dataclasses import dataclass

from scripts.maintenance.fuzzing.cases import Case
from scripts.maintenance.fuzzing.child import Outcome
from scripts.maintenance.fuzzing.scratch import Files
from scripts.maintenance.fuzzing.values import same_number
from util.errors import printable

BAD = ("traceback", "crash", "hang", "silent")
KINDS = ("ok", "error", "poor", *BAD)
TRACEBACK = re.compile(r"Traceback \(most recent call last\)|Exception ignored|Exception in thread")
CRASH = re.compile(r"terminate called|Segmentation fault|Fatal Python error|core dumped")
PLACE = re.compile(r'\s+File ".*", line')
RESULT = re.compile(r"place/(?!in/|odd/).*\.(pth|pt|png|jpg|json)$")
OPTIONS_THAT_FOLLOW = {  # option -> those that take their value from it
    "model": "*",
    "dataset_mode": "*",
    "name": "*",
    "checkpoints_dir": "*",
    "suffix": "name",
    "load_size": "crop_size",
    "crop_size": "load_size",
    "input": "dataroot",
    "fake": "name",
    "preprocess": "load_size crop_size",
    "epoch": "*",
    "load_iter": "*",
    "dataroot": "model name",
}


@dataclass
class Untouched:
    """A run without anything odd: its options, and the files that are always equal."""

    final: dict
    options: list[str]  # those that other cases should not change
    files: Files  # "?" for those that differ between two runs, such as logs with times

    @staticmethod
    def of(first: Outcome, second: Outcome) -> Untouched:
        files = {p: h if second.after.get(p) == h else "?" for p, h in first.after.items()}
        files |= {p: "?" for p in second.after if p not in files}
        # Two runs in the same second, at the same speed, have equal logs by chance
        files |= {p: "?" for p in files if p.endswith("loss_log.txt")}
        # A slow program runs only once, and may be stopped before it has derived all its options
        options = [option.dest for option in first.options if second is not first]
        return Untouched(first.final, options, files)


def judge(case: Case, outcome: Outcome, untouched: Untouched) -> tuple[str, str]:
    """Return one of ``KINDS``, and the reason in one line."""
    text = outcome.out + outcome.err
    if outcome.exception or TRACEBACK.search(text):
        lines = (outcome.exception or text[TRACEBACK.search(text).start() :]).strip().splitlines()  # type: ignore[union-attr]
        if signal.SIGINT in case.ends and "KeyboardInterrupt" in lines[-1] and not own(lines):
            return "ok", "Ctrl-C before or after the program"
        return "traceback", f"{where(lines)}{lines[-1][:200]}"
    if outcome.hung or outcome.terminated:
        return judge_unfinished(case, outcome)
    if outcome.status < 0 and -outcome.status not in case.ends:
        if -outcome.status == signal.SIGXCPU:
            return "hang", "used all of its CPU time"
        return "crash", signal.Signals(-outcome.status).name
    if CRASH.search(text):
        return "crash", CRASH.search(text).group()  # type: ignore[union-attr]
    if outcome.status > 0:
        return judge_error(case, outcome)
    reason = silent_reason(case, outcome, untouched)
    return ("silent", reason) if reason else ("ok", "")


def where(lines: list[str]) -> str:
    """Return the innermost place of the project in a traceback."""
    places = own(lines) or [line for line in lines if PLACE.match(line)] or [""]
    found = re.search(r'([^/"]+/?[^/"]+)", line (\d+)', places[-1])
    return f"{found[1]}:{found[2]}: " if found else ""


def own(lines: list[str]) -> list[str]:
    """Return the places of a traceback that are in the project."""
    others = "site-packages", "/lib/python", "/fuzzing/", "<frozen"
    return [x for x in lines if PLACE.match(x) and not any(other in x for other in others)]


def judge_unfinished(case: Case, outcome: Outcome) -> tuple[str, str]:
    """A program that still works when the time is up may have been asked for that much work."""
    asked = case.option is not None and case.option.dest in case.program.work.split()
    if case.program.slow or asked:
        return "ok", "still working when it was stopped"
    return "hang", f"stopped after {outcome.seconds:.0f} s"


def judge_error(case: Case, outcome: Outcome) -> tuple[str, str]:
    """A good error is one line that starts with ``error``, after warnings perhaps."""
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith("warning")]
    if case.quiet:
        return "ok", ""
    if not lines and not outcome.out.strip():
        return "silent", f"status {outcome.status} without a line"
    if not lines and case.program.name == "check_data":
        return "error", "a report"
    if len(errors) != 1 or not errors[0].startswith("error"):
        return "poor", f"{len(errors)} lines: {' | '.join(errors or lines)[:300]}"
    if case.option and case.option.flag and case.option.flag not in errors[0]:
        value = printable(case.value)
        parts = {value[:40].strip(), value.split("/")[-1][:40].strip()}
        names = {case.option.flag.lstrip("-"), *parts} - {""}
        if not any(name in errors[0] for name in names):
            return "poor", f"names neither option nor value: {errors[0][:300]}"
    if any(len(line) > 1500 for line in errors):
        return "poor", f"a line of {max(map(len, errors))} characters"
    if re.search(r"[\x00-\x08\x0b-\x1f]", outcome.err):
        return "poor", f"control characters are printed: {errors[0][:200]!r}"
    return "error", errors[0][:300]


def silent_reason(case: Case, outcome: Outcome, untouched: Untouched) -> str:
    """Return why status 0 is not good, or "" if it is; see the module's docstring."""
    text = outcome.out + outcome.err
    if case.quiet:
        return ""
    reason = ""
    if case.option:
        reason = option_reason(case, outcome, untouched, text)
        named = [case.option.flag or case.option.dest]
    else:
        named = [os.path.basename(case.damaged), "warning", "error"]
        same = {path for path, h in outcome.after.items() if outcome.before.get(path) == h}
        different = differences(untouched.files, outcome.after, {f"place/{case.damaged}"})
        named += [os.path.basename(path) for path in different]
        different = [path for path in different if path not in same]
        if different and case.exact:
            reason = f"differs from the untouched run: {', '.join(different[:4])}"
        # Without notes, a limit has kept the child from writing them.
        elif case.exact and not case.damaged and other_options(outcome, untouched):
            reason = "other options than in the untouched run"
    if any(name and name in text for name in named):
        reason = ""
    return reason or harm(case, outcome)


def option_reason(case: Case, outcome: Outcome, untouched: Untouched, text: str) -> str:
    """Return why an option's value was not honoured, or ""."""
    option, value = case.option, case.value
    assert option is not None
    if option.kind == "switch":
        return "a switch took a value"
    if not value and untouched.final.get(option.dest) not in ("", None):
        return "an empty value was accepted"
    parsed, final = outcome.parsed.get(option.dest), outcome.final.get(option.dest)
    if option.kind == "number":
        if isinstance(parsed, float) and not math.isfinite(parsed):
            return "" if option.unlimited and parsed > 0 else f"{parsed} was accepted"
        for seen in (parsed, final):
            if not str(seen).startswith("[") and not same_number(value, seen):
                return f"{value[:40]!r} became {seen!r}"
    elif isinstance(parsed, str) and not parsed.startswith("[") and parsed not in (value, "None"):
        meant = os.path.normpath(value)
        if os.path.normpath(parsed) != meant and not parsed.endswith(meant.lstrip("./")):
            return f"{value[:40]!r} became {parsed!r}"
    return follow_reason(case, outcome, untouched, text)


def follow_reason(case: Case, outcome: Outcome, untouched: Untouched, text: str) -> str:
    """Return which other option changed, or why the option had no effect, or ""."""
    option = case.option
    assert option is not None
    follow = OPTIONS_THAT_FOLLOW.get(option.dest, "").split()
    for name in untouched.options:
        before, after = untouched.final.get(name), outcome.final.get(name)
        if name == option.dest or name in follow or "*" in follow or f"--{name}" in text:
            continue
        if after != before and not is_temporary(after):
            return f"--{name} {before!r} became {after!r}"
    changed = outcome.final.get(option.dest) != untouched.final.get(option.dest)
    if option.dest in case.program.effective.split() and changed:
        written = [p for p, h in untouched.files.items() if RESULT.search(p) and h != "?"]
        if written and not differences(untouched.files, outcome.after, set()):
            return "no effect"
    return ""


def other_options(outcome: Outcome, untouched: Untouched) -> bool:
    """True if a run that recorded its options had others than the untouched run."""
    return bool(outcome.final) and any(
        outcome.final.get(name) != untouched.final.get(name)
        and not is_temporary(outcome.final.get(name))
        for name in outcome.final.keys() | untouched.final.keys()
    )


def is_temporary(value: object) -> bool:
    """True for a path in a temporary folder, which has a random name in each run."""
    return str(value).startswith(("SLOT/tmp/", f"{tempfile.gettempdir()}/"))


def differences(before: Files, after: Files, ignored: set[str]) -> list[str]:
    """Return the paths that only one of two runs has, or that differ though they should not."""
    return [
        path
        for path in sorted(before.keys() | after.keys())
        if path not in ignored
        # Caches of libraries; the images of a study, which have other random names in each run
        and not path.startswith(("home/", "place/study/images/"))
        and not any(path.startswith(f"{name}/") for name in ignored)
        and "?" not in (before.get(path), after.get(path))
        and before.get(path) != after.get(path)
    ]


def harm(case: Case, outcome: Outcome) -> str:
    """Return which file of the user was changed, or which appeared outside of the folder, or ""."""
    given = {os.path.normpath(f"place/{case.value}")} if case.option else set()
    for path, before in outcome.before.items():
        users = path.startswith(("place/in/", "place/odd/"))
        if users and path not in given and before not in ("d", outcome.after.get(path)):
            return f"changed or deleted {path}"
    honoured = case.value.startswith(("..", "/")) and case.option and case.option.dest not in LOCAL
    for path in outcome.after.keys() - outcome.before.keys():
        if not path.startswith(("place/", "tmp", "home/")) and not honoured:
            return f"wrote {path}, outside of the working folder"
        if path.startswith("tmp/") and not case.program.slow:
            return f"left {path} behind"
    return ""


LOCAL = ("name", "suffix", "epoch", "phase")  # names inside of a folder, never paths out of it
