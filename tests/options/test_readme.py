"""The README and the pages in docs: their links, and programs and packages that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from documents import PAGES, shell_words
from parsing import PROGRAMS

LINK = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')


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


def test_test_commands_write_to_folders_of_their_own() -> None:
    """No test command of the README replaces the results of another one."""
    folders = []
    for _, program, *words in shell_words(ROOT / "README.md"):
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
