"""The verdict on a fork: what becomes of its files, and what does not work here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.fork import options
from scripts.fork.names import official
from scripts.fork.placement import Placement, own_parts, sort_files
from scripts.fork.project import ROOT, Project
from scripts.fork.sources import Checkout, Finding, Fork
from scripts.fork.uses import Uses

ONLY_DISPLAY = {"util.visualizer"}  # training works without the fork's changes to it
OPTIONS = {"options.base_options", "options.train_options", "options.test_options"}


@dataclass
class Verdict:
    """The result for one checkout.

    Attributes:
        files: what becomes of the files.
        findings: what does not work, and remarks, in the order of files and lines.
        packages: packages to install that requirements.txt does not name.
    """

    checkout: Checkout
    files: Placement
    findings: list[Finding]
    packages: set[str]


def judge(fork: Fork) -> list[Verdict]:
    """A verdict for each checkout; that of the first one also has the unreadable files."""
    verdicts = [_judge(checkout) for checkout in fork.checkouts]
    if verdicts:
        verdicts[0].findings[:] = sorted([*fork.findings, *verdicts[0].findings])
    return verdicts


def _judge(checkout: Checkout) -> Verdict:
    files = sort_files(checkout)
    project = Project(files.placed)
    known = options.ours()
    declared = {name for module in project.placed.values() for name in options.declared(module)}
    own_tables = OPTIONS & files.changed.keys()
    if own_tables:  # without the choices of our tables
        known = dict.fromkeys(known, ())
    known |= dict.fromkeys(declared, ())
    replaced, own = files.indexed(), options.quoted(project.placed.values())
    findings: list[Finding] = []
    packages: set[str] = set()
    for module in project.placed.values():
        uses = Uses(project, module, replaced)
        for line, _, text in uses.problems():
            findings.append(Finding(module.path, line, text))
        for line, text in options.attributes(module, set(known)):
            findings.append(Finding(module.path, line, text))
        for line, words in options.in_strings(module):
            findings += [Finding(module.path, line, t) for t in options.refused(words, known, own)]
        packages |= uses.packages
    for path, text in checkout.scripts.items():
        for line, words in options.commands(text):
            findings += [Finding(path, line, t) for t in options.refused(words, known, own)]
    findings += _remarks(files)
    unique = {(f.path, f.line, f.text): f for f in findings}
    return Verdict(checkout, files, sorted(unique.values()), _to_install(packages))


def _remarks(files: Placement) -> Iterator[Finding]:
    for name, (source, reason) in files.replaced.items():
        parts = ", ".join(own_parts(name, source) or ["all"])
        text = f"changed in the fork ({parts}), and not used here: {reason}. Move what your files "
        text += "need into files and classes of their own"
        yield Finding(source.path, 0, text, works=name in ONLY_DISPLAY)
    for name, source in files.ignored.items():
        row = official()["programs"].get(f"{name.replace('.', '/')}.py")
        if row and row["status"] == "absent":
            yield Finding(source.path, 0, f"has no place here: {row['note']}", works=True)


# Packages whose import has another name than the one to install.
INSTALL = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "SimpleITK": "SimpleITK",
}


def _to_install(packages: set[str]) -> set[str]:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    wanted = {INSTALL.get(name, name) for name in packages - sys.stdlib_module_names}
    return {name for name in wanted if name.lower() not in text.lower()}
