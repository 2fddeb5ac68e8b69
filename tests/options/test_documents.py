"""The commands of the documents, checked without running them.

tests/scripts/test_documented_commands.py runs those that have no mark.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from pathlib import Path

import pytest
from command_checks import Wrong, check
from conftest import ROOT
from documents import PAGES, SHELL, Block, Command, blocks, inline_commands, is_command, spans

# Options that docs/options.md leaves out: of fuzz.py, torchrun and visdom, and the start of a name
OTHERS = {"--help", "--all", "--match", "--case", "--shutdown-timeout", "--hostname", "--init_"}
LANGUAGES = (*SHELL, "python", "json", "text", "bibtex")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the files of options that the commands read."""
    monkeypatch.syspath_prepend(str(ROOT / "datasets"))  # its programs import each other
    monkeypatch.chdir(tmp_path)
    [block] = [b for b in blocks(ROOT / "docs/configuration.md") if b.language == "json"]
    for name in ("base.json", "checkpoints/first/train_opt.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code)
    (tmp_path / "colours.txt").write_text("1,2,3\n4,5,6\n")  # @colours.txt of evaluate.py


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Path) -> None:
    """The programs of each command exist and take its options and values."""
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.page}:{block.line}: {block.language!r}"
        for command in block.commands() if block.language in SHELL else ():
            check(command)
    for command in inline_commands(page):
        check(command)


def test_commands_of_help() -> None:
    """The commands in the help of all programs are right, too."""
    count = 0
    for path in sorted([*ROOT.glob("scripts/**/*.py"), *ROOT.glob("datasets/*.py")]):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for part in re.findall(r"^(?: {4}.*(?:\n|$))+", text, re.MULTILINE):
            code = textwrap.dedent(part)
            if code.startswith("python "):
                name = path.relative_to(ROOT).as_posix()
                commands = Block(name, 0, "bash", code).commands()
                count += len(list(map(check, commands)))
    assert count > 50


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("python train.py --dataroot x --no_such 1", "--no_such"),
        ("python train.py --dataroot x --n_epochs many", "--n_epochs many: should be"),
        ("python train.py --dataroot x --model pix2pix --lambda_A 3", "--lambda_A"),
        ("python train.py --name x", "--dataroot"),
        ("train.py --no_such", "--no_such"),
        ("python no_such.py", "no program no_such.py"),
        ("cd x && python scripts/sheet.py --images x --labels y", "--output"),
        ("for x in 1 2; do python scripts/index.py --no_such $x; done", "--no_such"),
        ("python scripts/paper.py ablate --dataroot x -- --no_such", "--no_such"),
        ("python scripts/paper.py no_such", "no_such"),
        ("python scripts/translate.py --input a --output b.png --no_such", "--no_such"),
        ("python scripts/evaluate.py --no_such ...", "--no_such"),
        ("python -m no_such", "no module"),
        ("OMP_NUM_THREADS=1 torchrun --no_such 2 train.py --dataroot x", "torchrun does not take"),
        ("torchrun --nproc_per_node 2 train.py --dataroot x --no_such", "--no_such"),
        ("make no_such", "the Makefile has"),
        ("bash scripts/no_such.sh x", "no file"),
        ("pip install no_such", "no_such is in none of"),
        ('pip install -e ".[no_such]"', "no extra"),
        ("uv sync --extra no_such", "no extra"),
        ("uv run scripts/no_such.py", "no program"),
        ("no_such x", "no_such is in no table"),
    ],
)
def test_wrong_commands_are_found(text: str, reason: str) -> None:
    with pytest.raises(Wrong, match=re.escape(reason)):
        check(Command("README.md", 1, text))


def test_marks_and_lines() -> None:
    """A mark alone on a line is that of all commands below it, others are of their command."""
    code = (
        "git pull  # takes hours\n# a heading\nx=1 y='# no'\npython a.py \\\n    --n $x # hm\n"
        "# needs a GPU, and time\nls | head\n"
    )
    found = Block("README.md", 10, "bash", code).commands()
    assert [(c.line, c.mark, list(c.simple())) for c in found] == [
        (11, "takes hours", [["git", "pull"]]),
        (13, "", []),
        (15, "", [["python", "a.py", "--n", "1"]]),
        (17, "needs a GPU", [["ls"], ["head"]]),
    ]
    console = Block("README.md", 1, "console", "$ ls  # needs ffmpeg\nls a\n")
    assert [(c.mark, c.text) for c in console.commands()] == [("needs ffmpeg", "ls")]


def test_commands_in_sentences() -> None:
    assert all(map(is_command, ("python a.py", "a.py --x", "A=1 make demo", "pip install x")))
    assert not any(map(is_command, ("a.py", "make", "--x 1", "make_sinks()", "A=1", "checkpoints")))


def test_marks_in_sentences() -> None:
    found = {command.text: command.mark for command in inline_commands(ROOT / "README.md")}
    assert found["python scripts/check_gpu.py"] == "needs a GPU"
    assert found["python datasets/download.py horse2zebra"] == "needs the internet"
    assert found["python train.py --help"] == ""


def test_options_in_sentences() -> None:
    """Options that a page names without a program exist in at least one program."""
    reference = (ROOT / "docs/options.md").read_text(encoding="utf-8")  # of all programs
    known = {*re.findall(r"^\| `(--[\w-]+)`", reference, re.MULTILINE), *OTHERS}
    for page in PAGES:
        for line, text, _ in spans(page):
            for flag in () if is_command(text) else re.findall(r"(?<![\w-])--\w[\w-]*", text):
                assert flag in known, f"{page.name}:{line}: {flag}"


def test_json_blocks() -> None:
    """Each is one JSON value, or one in each line."""
    for page in PAGES:
        for block in blocks(page):
            lines = block.code.splitlines() if block.language == "json" else []
            assert all(isinstance(json.loads(line), dict) for line in lines), block
