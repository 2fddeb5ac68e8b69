"""Names of runs and files: none leaves its folder, none is empty, none writes to the terminal."""

from __future__ import annotations

from pathlib import Path

from conftest import CPU, ONE_EPOCH, QUIET, TINY, Programs, pictures

from scripts import translate
from util.errors import printable

HOSTILE = "a\nerror: b\r\x1b[2J\x9b1m\u202etxt\u2028\x7f\tc\udcff"
ESCAPED = r"a\nerror: b\r\x1b[2J\x9b1m\u202etxt\u2028\x7f\tc\udcff"


def test_printable() -> None:
    """Names in any language stay readable; what a terminal would act on is escaped."""
    assert printable(HOSTILE) == ESCAPED
    readable = "雪 ñ é 写真\u3000\xa0👩\u200d🎨 عربى.png"
    assert printable(readable) == readable


def test_programs_escape_names(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Of a run, a folder and an image; in ``train_opt.txt``, too."""
    name, shown = "x\n\x1b[31m", r"x\n\x1b[31m"
    data = pictures(tmp_path / "data\n1" / "trainA", ["1.png"]).parent
    pictures(data / "trainB", ["2\r.png"])
    common = ("--dataroot", data, "--name", name)
    result = run.train(*common, *TINY, *ONE_EPOCH, "--verbose", "--ema", "0.5").ok()
    text = (run.runs / name / "train_opt.txt").read_text()
    for output in (result.out, result.err, text):
        assert not set(output) & set("\x1b\r")
    assert f" name: {shown} " in text and f"Training {shown} " in result.out
    assert result.out.count("\ndropout") == 0 and "(cycle_gan) on" in result.out
    (data / "trainB" / "2\r.png").write_bytes(b"none")
    run.train(*common, *TINY).refused(1, r"2\r.png")
    run.check("--dataroot", data, *QUIET)
    run.train("--dataroot", f"{data}\x1b[2J").refused(2, r"data\n1\x1b[2J: no such folder")
    run.test("--dataroot", data, "--name", "\x9bm").refused(1, r"\x9bm")
    words = ("--input", data / "no\n.png", "--output", "o.png", "--name", name, *CPU)
    run.call(translate.main, "translate.py", *words).refused(1, r"no\n.png")
