"""The commands of README.md and docs run, in the order of each page, on tiny images and networks.

Those with a mark such as "needs the internet" are left out (see tests/documents.py). Sizes and
counts are made small by ``tiny`` in tests/documented_place.py. tests/options/test_documents.py
checks the options of all commands.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documented_place import Place
from documents import PAGES, SHELL, blocks, inline_commands
from projects import Server, server  # noqa: F401  # a fixture

# The shell asks this process to run programs, which it does in forks
PROGRAMS = r"""
ask() { printf '%s\x1f' "$@" >&$ASK; echo >&$ASK; read -r status <&$ANSWER; return "$status"; }
python() { ask "$@"; }
torchrun() { ask torchrun "$@"; }
"""
PREPARED = {"--name fusion": Place.use_two_inputs, "study.py score": Place.write_answers}
# Commands within sentences that do not run, besides those with a mark
NOT_RUN = {
    "python PROGRAM --help": "stands for any program",
    "python datasets/make_phantoms.py DATA": "has been run to make DATA",
    "python -m visdom.server": "needs the internet, and runs until it is stopped",
    "python -m visdom.server --hostname 127.0.0.1": "as above",
    'python -c "import visdom; print(visdom.__path__[0])"': "the package is optional",
    "python scripts/benchmark.py --against BEFORE --only step": "needs another checkout",
    "python scripts/benchmark.py --against OFFICIAL --only input": "needs the official code",
    "python scripts/check_data.py": "takes the options of train.py",
}
WRITES = ("--output", "--out", "--json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Place:  # noqa: F811
    return Place(tmp_path_factory.mktemp("checkout"), server)


def shell(place: Place, code: str) -> None:
    """Run shell code; it stops at the first error. Raises AssertionError: a command failed."""
    questions, ask = os.pipe()
    answer, answers = os.pipe()
    place.log = ""
    process = subprocess.Popen(
        ["bash", "-ec", PROGRAMS + code],
        cwd=place.folder,
        env=os.environ | {"ASK": str(ask), "ANSWER": str(answer)},
        pass_fds=(ask, answer),
    )
    os.close(ask)
    os.close(answer)
    with open(questions) as lines, open(answers, "w") as out:
        for line in lines:
            out.write(f"{place.python(line.split(chr(31))[:-1])}\n")
            out.flush()
    assert process.wait() == 0, f"{code}\n{place.log}"
    assert "Traceback" not in place.log, place.log


def run_python(place: Place, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute Python code in this process; programs that it starts run as in :func:`shell`."""

    def started(words: list[str], check: bool) -> None:
        assert words[0] == sys.executable and check
        assert place.python(words[1:]) == 0, place.log

    monkeypatch.setattr(subprocess, "run", started)
    exec(compile(code, "<documented>", "exec"), {"__name__": "__main__"})


def runnable(page: Path) -> list[tuple[str, str]]:
    """The (language, code) of each block of a page, and then of its commands in sentences."""
    found = []
    for block in blocks(page):
        if block.language in SHELL:
            code = "\n".join(command.text for command in block.commands() if not command.mark)
            found.append(("bash", code))
        elif block.language == "python" and not block.mark:
            found.append(("python", block.code))
    for command in inline_commands(page):
        complete = command.text.startswith("python ") and "..." not in command.text
        if complete and not command.mark and command.text not in NOT_RUN:
            found.append(("bash", command.text))
    return [(language, code) for language, code in found if code]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if runnable(page)], ids=lambda page: page.name
)
def test_commands_run(place: Place, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    for language, code in runnable(page):
        if code in place.done:
            continue
        place.done.add(code)
        for text, prepare in PREPARED.items():
            if text in code:
                prepare(place)
        if language == "python":
            run_python(place, code, monkeypatch)
        else:
            shell(place, code)
        words = shlex.split(code, comments=True) if language == "bash" else []
        for flag, path in zip(words, words[1:], strict=False):
            if flag in WRITES:
                assert (place.folder / path).exists(), f"{code}\nno {path}\n{place.log}"


def test_commands_that_do_not_run_exist() -> None:
    texts = {command.text for page in PAGES for command in inline_commands(page)}
    assert NOT_RUN.keys() <= texts
