"""``--config FILE``: options of a JSON file count as if typed, and the command line wins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from parsing import parse

from util.errors import UserError

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of options and return its name. The working folder holds ``images``."""
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)

    def write(content: Any = None, **options: Any) -> str:
        Path("options.json").write_text(json.dumps(content or options))
        return "options.json"

    return write


def refused(file: str, *words: str, program: str = "train") -> str:
    with pytest.raises(UserError) as error:
        parse(program, "--config", file, *words, record=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_values_count_as_typed(write: Write) -> None:
    """Text, numbers, switches, lists and options of the model; null leaves the default."""
    panel = ["a b.jpg", "c.jpg"]
    file = write(lr=0.001, name="x", netG="unet_128", no_flip=True, panel=panel, lambda_A=5)
    typed = ["--no_flip", "--panel", *panel, "--lambda_A", "5", "--name", "x"]
    expected = parse("train", *typed, "--lr", "1e-3", "--netG", "unet_128", record=False)
    opt = parse("train", "--config", file, record=False)
    found, wanted = vars(opt), vars(expected) | {"config": file, "seed": opt.seed}
    wanted["changed"] |= {"config": None}
    wanted["explicit_options"] = sorted([*wanted["explicit_options"], "config"])
    assert found == wanted
    file = write(display_id=-1, no_html=False, beta1=None, note="")
    opt = parse("train", "--config", file, record=False)
    assert (opt.display_id, opt.no_html, opt.beta1, opt.note) == (-1, False, 0.5, "")
    assert opt.explicit_options == ["config", "dataroot", "display_id", "gpu_ids", "note"]


def test_the_command_line_wins(write: Write) -> None:
    file = write(lr=0.001, lambda_A=5, panel=["a.jpg"], model="pix2pix", netG="resnet_6blocks")
    words = "--lr 0.002 --lambda_A 3 --panel b.jpg c.jpg --model cycle_gan"
    opt = parse("train", *words.split(), "--config", file, record=False)
    assert (opt.lr, opt.lambda_A, opt.panel) == (0.002, 3, ["b.jpg", "c.jpg"])
    assert (opt.model, opt.netG) == ("cycle_gan", "resnet_6blocks")


def test_the_record_of_a_run(write: Write, capsys: pytest.CaptureFixture) -> None:
    """Everything but what belongs to that call; test.py takes the networks, but no random crops."""
    call = ["--suffix", "s", "--epoch_count", "2", "--verbose"]
    words = ["--name", "x", "--ngf", "8", "--lambda_B", "4", "--seed", "7", "--ema", "0.9", *call]
    first = parse("train", *words, "--load_size", "99", "--crop_size", "64")
    record = "checkpoints/x_s/train_opt.json"
    capsys.readouterr()
    opt = parse("train", "--config", record, "--name", "y", record=False)
    assert "--config checkpoints/x_s/train_opt.json: " in capsys.readouterr().out
    again = {"name", "suffix", "epoch_count", "verbose", "explicit_options", "changed", "config"}
    assert {k: v for k, v in vars(opt).items() if k not in again} == {
        k: v for k, v in vars(first).items() if k not in again
    }
    assert (opt.name, opt.epoch_count, opt.suffix, opt.verbose) == ("y", 1, "", False)
    opt = parse("test", "--config", record, "--name", "x_s", record=False)
    assert (opt.model, opt.ngf, opt.name, opt.ema, opt.phase) == (
        "cycle_gan",
        8,
        "x_s",
        False,
        "test",
    )
    assert (opt.seed, opt.load_size, opt.crop_size) == (0, 64, 64)
    opt = parse("train", "--continue_train", "--name", "x_s", "--config", record, record=False)
    assert opt.continue_train and opt.ngf == 8


def test_one_file_for_both_programs(write: Write) -> None:
    """Each program leaves out what only the other one has."""
    file = write(name="x", n_epochs=3, lambda_A=5, num_test=7, ngf=8)
    opt = parse("train", "--config", file, record=False)
    assert (opt.name, opt.n_epochs, opt.lambda_A, opt.ngf) == ("x", 3, 5, 8)
    opt = parse("test", "--config", file, "--model", "cycle_gan", record=False)
    assert (opt.name, opt.num_test, opt.ngf) == ("x", 7, 8) and not hasattr(opt, "n_epochs")


def test_models_that_the_command_line_replaces(write: Write, capsys: pytest.CaptureFixture) -> None:
    """Options of the file's own model are left out; a model without a training can be tested."""
    parse("train", "--name", "x", "--lambda_B", "4")
    record = "checkpoints/x/train_opt.json"
    words = ["--config", record, "--name", "y"]
    assert parse("test", *words, "--model", "test", record=False).model == "test"
    opt = parse("train", *words, "--model", "pix2pix", record=False)
    assert opt.model == "pix2pix" and not hasattr(opt, "lambda_B")
    assert " left out" in capsys.readouterr().out
    file = write(model="test", model_suffix="_A", lambda_A=5, name="x")
    assert "unknown option lambda_A" in refused(file, program="test")
    opt = parse("train", "--config", file, "--model", "cycle_gan", record=False)
    assert opt.lambda_A == 5


WRONG: dict[str, tuple[Any, str]] = {
    "unknown": ({"lamda_A": 5}, "unknown option lamda_A; did you mean lambda_A?"),
    "abbreviated": ({"lambda_ident": 5}, "unknown option lambda_ident; did you mean lambda_id"),
    "of another model": ({"lambda_L1": 5}, "unknown option lambda_L1"),
    "no option": ({"-x": 5}, "'-x' is no option"),
    "help": ({"help": True}, "'help' is no option"),
    "out of range": ({"lr": 7e9}, "--lr 7000000000.0: should be a finite number"),
    "no number": ({"lambda_A": "x"}, "--lambda_A x: should be a finite number"),
    "a fraction": ({"n_epochs": 1.5}, "--n_epochs 1.5: should be a whole number"),
    "no choice": ({"netG": "resnet_7blocks"}, "resnet_7blocks"),
    "a dict": ({"lr": {"G": 1}}, "lr is a value of type dict; should be text"),
    "nested": ({"panel": [["a.jpg"]]}, "panel is a value of type list"),
    "true for a number": ({"lr": True}, "--lr"),
    "text for a switch": ({"no_flip": "yes"}, "--no_flip"),
    "empty": ({"name": ""}, "--name '': should not be empty"),
    "code": ({"model": "evil_model.py"}, "model is code in a file"),
    "code of a dataset": ({"dataset_mode": "/x/e.py"}, "give it again: --dataset_mode /x/e.py"),
    "no object": ([1], "options.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(write: Write, case: str) -> None:
    content, words = WRONG[case]
    message = refused(write(content))
    assert words in message and "--config" in message and "options.json" in message


def test_files_that_cannot_be_read(write: Write) -> None:
    assert refused("no.json").startswith("--config: cannot read no.json: ")
    Path("bad.json").write_text("{")
    assert "bad.json" in refused("bad.json")


def test_code_counts_only_from_the_command_line(
    write: Write, capsys: pytest.CaptureFixture
) -> None:
    """Neither a path in the file nor an option that a model would execute runs anything."""
    ours = (ROOT / "models/pix2pix_model.py").read_text()
    Path("mine_model.py").write_text(ours.replace("Pix2Pix", "Mine"))
    file = write(model="evil_model.py")
    opt = parse("train", "--config", file, "--model", "mine_model.py", record=False)
    assert opt.model.endswith("/mine_model.py")
    executed = 'parser.add_argument("--rule", type=eval)\n        return parser'
    source = ours.replace("Pix2Pix", "Mine").replace("return parser", executed, 1)
    assert executed in source
    Path("rule_model.py").write_text(source.replace("MineModel", "RuleModel"))
    file = write(rule="print('executed')")
    capsys.readouterr()
    assert "rule is executed by its model" in refused(file, "--model", "rule_model.py")
    assert "executed" not in capsys.readouterr().out


def test_a_model_with_an_option_of_this_name(write: Write) -> None:
    """The option of a project's own model takes the place of ours."""
    text = (ROOT / "models/pix2pix_model.py").read_text().replace("Pix2Pix", "Own")
    declared = 'parser.add_argument("--config", type=int)\n        return parser'
    Path("own_model.py").write_text(text.replace("return parser", declared, 1))
    opt = parse("train", "--model", "own_model.py", "--config", "5", record=False)
    assert opt.config == 5
