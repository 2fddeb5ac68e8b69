"""Names of runs and files: none leaves its folder, none is empty, none writes to the terminal."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import CPU, ONE_EPOCH, QUIET, TINY, Programs, pictures

from models import load_generator
from models.training.facts import resume_command
from options.parser import Parser
from scripts import check_data, download_model, evaluate, paper, plot, sheet, translate
from util import errors
from util.errors import UserError

HOSTILE = "a\nerror: b\r\x1b[2J\x9b1m\u202etxt\u2028\x7f\tc\udcff"
ESCAPED = r"a\nerror: b\r\x1b[2J\x9b1m\u202etxt\u2028\x7f\tc\udcff"


def test_printable() -> None:
    """Names in any language stay readable; what a terminal would act on is escaped."""
    assert errors.printable(HOSTILE) == ESCAPED
    readable = "雪 ñ é 写真\u3000\xa0👩\u200d🎨 عربى.png"
    assert errors.printable(readable) == readable


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


@pytest.mark.parametrize(
    "args",
    [
        "--name ../x",
        "--name x/../../y",
        "--name /tmp/x",
        "--name ..",
        "--name .",
        "--name ./",
        "--suffix /../..",
        "--suffix /../../{netG}",
        "--suffix ../../../../tmp/x",
        "--suffix {model.__class__}",
        "--suffix {gpu_ids[0]}",
        "--phase ../x",
        "--phase /tmp",
    ],
)
def test_names_stay_in_their_folder(run: Programs, unaligned: Path, args: str) -> None:
    """One line names the option; nothing is written, and nothing is read from elsewhere."""
    (run.folder / "x").mkdir()
    (run.folder / "x" / "train_opt.json").write_text("{damaged")
    before = run.files()
    flag = args.split()[0]
    for program in (run.train, run.test):
        program("--dataroot", unaligned, *args.split(), *CPU).refused(2, f"{flag} ")
    if flag != "--phase":
        run.train("--continue_train", *args.split()).refused(2, f"{flag} ")
    words = ("--input", unaligned / "testA", "--output", "out", *args.split())
    run.call(translate.main, "translate.py", *words).refused(2, f"{flag} ")
    assert run.files() == before


@pytest.mark.parametrize("suffix", ["/../x", "x/y", "\n", " "])
def test_the_suffix_of_a_generator_stays_in_the_run(
    run: Programs, unaligned: Path, suffix: str
) -> None:
    words = ("--dataroot", unaligned, "--model", "test", "--model_suffix", suffix)
    run.test(*words).refused(
        2, f"--model_suffix {errors.printable(suffix)}: should be part of a name"
    )


def test_names_in_sub_folders(run: Programs, unaligned: Path) -> None:
    """They are allowed, with a suffix, too; errors suggest them."""
    common = ("--dataroot", unaligned, "--name", "exp/run1", *CPU)
    run.train(*common, *TINY, *ONE_EPOCH, "--suffix", "{netG}").ok()
    assert (run.runs / "exp" / "run1_resnet_6blocks" / "latest_net_G_A.pth").is_file()
    run.test(*common, "--suffix", "{netG}", "--netG", "resnet_6blocks").ok()
    for name in ("exp/run1_resnet_6block", "exp/run1"):
        there = "(there are: exp/run1_resnet_6blocks); did you mean exp/run1_resnet_6blocks?"
        result = run.test("--dataroot", unaligned, "--name", name, *CPU)
        result.refused(1, f'no run "{name}" in checkpoints {there}')
    line = 'no run "exp" in checkpoints (there are: exp/run1_resnet_6blocks)'
    run.test("--dataroot", unaligned, "--name", "exp", *CPU).refused(1, line)
    run.train("--continue_train", "--name", "exp").refused(1, line)


def test_empty_values(run: Programs, unaligned: Path) -> None:
    """An unset variable of a shell script is named, instead of meaning the working folder."""
    data, flags = ("--dataroot", unaligned), ("name", "checkpoints_dir", "dataroot", "model")
    for flag in (*flags, "phase", "epoch", "init_G_A", "init_D_B", "panel", "display_server"):
        run.train(*data, f"--{flag}=").refused(2, f"--{flag} '': should not be empty")
        run.train(*data, f"--{flag}", "", *TINY).refused(2, f"--{flag} '': should not be empty")
    run.train(*data, "--panel", "a.png", "").refused(2, "--panel ''")
    for flag in (*flags, "results_dir", "dataset_mode", "save"):
        run.test(*data, f"--{flag}", "").refused(2, f"--{flag} '': should not be empty")
    run.train(*data, "--checkpoints", "").refused(2, "--checkpoints_dir ''")
    run.train(*data, "").refused(2, "--dataroot ''")
    assert run.files() == set()
    run.train(*data, "--suffix", "", *TINY, *ONE_EPOCH, "--cache_images", "").ok()
    run.test(*data, "--suffix=", "--model_suffix", "", "--model", "test", *CPU).ok()


def test_empty_values_of_other_programs(run: Programs, unaligned: Path) -> None:
    programs = {
        plot: ("--runs", "x", "--output", "c.png", "--checkpoints_dir"),
        sheet: ("--output", "c.png", "--labels", "x", "--images"),
        evaluate: ("--real", unaligned, "--fake"),
        translate: ("--output", "c.png", "--input"),
        check_data: ("--dataroot",),
        download_model: ("horse2zebra", "--checkpoints_dir"),
        paper: ("run", "maps", "--dataroot"),
    }
    for program, words in programs.items():
        result = run.call(program.main, "program.py", *words, "")
        assert result.refused(2, f"{words[-1]} ''"), program
    run.call(download_model.main, "download_model.py", "").refused(2, "''")
    assert run.files() == set()


def test_missing_runs(run: Programs, unaligned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program lists the runs that exist, and suggests the nearest name."""
    monkeypatch.chdir(run.folder)
    for i in range(12):
        (run.runs / f"horse{i:02}").mkdir(parents=True)
        (run.runs / f"horse{i:02}" / "loss_log.txt").touch()
    (run.runs / "no run").mkdir()
    (run.runs / ".cache").mkdir()
    listed = 'no run "hors" in checkpoints (there are: horse00, horse01, '
    listed += "horse02, horse03, horse04, horse05, horse06, horse07, horse08, horse09, ... 12 in "
    listed += "all); did you mean horse"
    before, name = run.files(), ("--name", "hors")
    run.test("--dataroot", unaligned, *name).refused(1, listed)
    pairs = ("--model", "pix2pix", "--dataset_mode", "unaligned")
    run.test("--dataroot", unaligned, *name, *pairs).refused(1, listed)
    run.train("--continue_train", *name).refused(1, listed)
    words = ("--input", unaligned / "testA", "--output", "out", *name)
    run.call(translate.main, "translate.py", *words).refused(1, listed)
    run.call(plot.main, "plot.py", "--output", "c.png", "--runs", "hors").refused(1, listed)
    for folder in (run.runs / "hors", "checkpoints/hors"):
        with pytest.raises(UserError, match='no run "hors" in .*checkpoints .*did you mean horse'):
            load_generator(folder)
    with pytest.raises(UserError, match="should be the folder of a run"):
        load_generator("")
    assert run.files() == before


def test_missing_runs_in_paths(run: Programs, unaligned: Path) -> None:
    """Programs that read folders of a run name the part of the path that is missing."""
    (run.runs / "horses" / "web").mkdir(parents=True)
    (run.results / "zebras").mkdir(parents=True)
    folder = "checkpoints/horse/web/images"
    words = ("--labels", "real_A", "--epochs", "1", "--output", "s.png", "--images", folder)
    line = "checkpoints has no folder horse; it has horses/; did you mean horses?"
    run.call(sheet.main, "sheet.py", *words).refused(1, line)
    words = ("--real", unaligned / "testA", "--fake", "results/zebra/test_latest/images:fake_B")
    line = "results has no folder zebra; it has zebras/; did you mean zebras?"
    run.call(evaluate.main, "evaluate.py", *words).refused(1, line)
    for program in (run.train, run.check):
        data = str(unaligned)[:-1]
        program("--dataroot", data).refused(2, f"{data}: no such folder; did you mean unaligned0?")
    run.train("--dataroot", "nowhere/at/all").refused(
        2, "--dataroot nowhere/at/all: no such folder"
    )


@pytest.mark.parametrize("name", ["-x", "--epoch", "a b", "it's", "exp/$HOME"])
def test_the_line_to_resume_with_works(name: str) -> None:
    """Typed into a shell, it names the same run."""
    opt = Namespace(name=name, checkpoints_dir="my runs", model="a b.py", dataset_mode="single")
    words = shlex.split(resume_command(opt))
    parser = Parser()
    parser.add_argument("--continue_train", action="store_true")
    for flag in vars(opt):
        parser.add_argument(f"--{flag}")
    parsed = parser.parse_args(words[words.index("train.py") + 1 :])
    assert vars(parsed) == vars(opt) | {"continue_train": True, "dataset_mode": None}
