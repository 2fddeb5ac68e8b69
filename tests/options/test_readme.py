"""The README and the pages in docs: their links, their commands, and programs that they name."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from parsing import PROGRAMS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')
FLAG = re.compile(r"--\w+(?:-\w+)*")


def links(text: str) -> Iterator[str]:
    """The link targets of a Markdown page, code left out."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    yield from (first or second for first, second in LINK.findall(text))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """The links of ``text``, a page at ``page``, whose file or heading does not exist."""
    wrong = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and (
            not target.exists() or (anchor and anchor not in anchors(target))
        ):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_broken_links_are_found() -> None:
    text = '[a](x.md) [b](README.md#no-such) [c](README.md#train) <img src="no.png"> `[d](no.md)`'
    assert broken(ROOT / "README.md", text) == ["x.md", "README.md#no-such", "no.png"]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each ``python PROGRAM ...`` in code; "..." and comments are left out."""
    parts = text.split("```")  # text and code in turns
    lines = "".join(parts[1::2]).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`(python [^`]*)`", "".join(parts[::2]))
    for line in lines:
        if re.match(r"python \S+\.py", line):
            yield shlex.split(line, comments=True)[1:]


def known_flags(program: str, words: list[str]) -> set[str]:
    """The options of a program, with those of the model and dataset that ``words`` name."""
    if program in ("train.py", "test.py"):
        options = PROGRAMS[program.removesuffix(".py")]()
        words = shlex.split(shlex.join(words).replace("--dataroot ...", "--dataroot x"))
        left_out = ("...", "--help", "--continue_train")  # the last needs a run
        chosen = [word.removesuffix(".zip") for word in words if word not in left_out]
        options.gather_options(chosen)
        return set(options.parser._option_string_actions)
    if program == "scripts/check_data.py":  # takes the options of train.py
        return known_flags("train.py", words)
    names = runpy.run_path(str(ROOT / program))
    parser = (names if "build_parser" in names else names["main"].__globals__)["build_parser"]()
    flags = set(parser._option_string_actions)
    if program == "scripts/translate.py":  # passes on those of test.py
        flags |= known_flags("test.py", [])
    for action in parser._actions:
        for sub in action.choices.values() if isinstance(action.choices, dict) else ():
            flags |= set(sub._option_string_actions)
    return flags


# Of the other page with commands, configuration.md, test_documented_commands.py runs each
COMMANDS = {
    page.relative_to(ROOT).as_posix(): found
    for page in PAGES
    if page.name != "configuration.md"
    if (found := list(commands(page.read_text(encoding="utf-8"))))
}


@pytest.mark.parametrize("page", COMMANDS)
def test_commands(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command names a program that exists and options that it has.

    Options after "--" are for train.py.
    """
    monkeypatch.syspath_prepend(str(ROOT / "datasets"))
    for program, *words in COMMANDS[page]:
        at = words.index("--") if "--" in words else len(words)
        for name, part in ((program, words[:at]), ("train.py", words[at + 1 :])):
            flags = {flag for word in part for flag in FLAG.findall(word) if word.startswith("--")}
            assert flags <= known_flags(name, part), (name, part)


def test_test_commands_write_to_folders_of_their_own() -> None:
    """No test command of the README replaces the results of another one."""
    folders = []
    for program, *words in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        if program == "test.py" and "--dataroot" in words:
            opt = PROGRAMS["test"]().gather_options([word.removesuffix(".zip") for word in words])
            folders.append((str(opt.results_dir), opt.name))
    assert len(folders) >= 6
    assert len(set(folders)) == len(folders), folders


def test_every_program_is_named() -> None:
    """A user finds every program in scripts from the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in ROOT.glob("scripts/*.py"):
        if "run_main(" in path.read_text(encoding="utf-8"):
            assert path.name in text, path.name


def test_packages_of_the_install_command() -> None:
    """The command without make installs what requirements.txt requires."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[<>=]", line)[0] for line in lines if line and line[0] != "#"}
    command = "pip install torch torchvision numpy pillow dominate tqdm"
    assert names - {"visdom", "tornado"} == set(command.split()[2:])
    for page in ("README.md", "docs/faq.md"):
        assert command in (ROOT / page).read_text(encoding="utf-8")
