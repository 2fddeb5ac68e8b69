"""The frozen command line: every official option keeps its name, type, choices and default, and ours are only added."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, TINY, Programs

from options.base_options import RENAMED
from options.test_options import TestOptions
from options.train_options import TrainOptions

INF = float("inf")
PROGRAMS = {"train": TrainOptions, "test": TestOptions}

# The official options (junyanz/pytorch-CycleGAN-and-pix2pix at da39a52): type, default, choices. bool: a flag.
BASE = {
    "dataroot": (str, None),
    "name": (str, "experiment_name"),
    "gpu_ids": (str, "0"),
    "checkpoints_dir": (str, "./checkpoints"),
    "model": (str, "cycle_gan"),
    "input_nc": (int, 3),
    "output_nc": (int, 3),
    "ngf": (int, 64),
    "ndf": (int, 64),
    "netD": (str, "basic", "basic n_layers pixel"),
    "netG": (str, "resnet_9blocks", "resnet_9blocks resnet_6blocks unet_256 unet_128"),
    "n_layers_D": (int, 3),
    "norm": (str, "instance", "instance batch none sync_batch sync_instance"),
    "init_type": (str, "normal", "normal xavier kaiming orthogonal"),
    "init_gain": (float, 0.02),
    "no_dropout": (bool, False),
    "dataset_mode": (str, "unaligned"),
    "direction": (str, "AtoB", "AtoB BtoA"),
    "serial_batches": (bool, False),
    "num_threads": (int, 4),
    "batch_size": (int, 1),
    "load_size": (int, 286),
    "crop_size": (int, 256),
    "max_dataset_size": (int, INF),
    "preprocess": (
        str,
        "resize_and_crop",
        "resize_and_crop crop scale_width scale_width_and_crop none",
    ),
    "no_flip": (bool, False),
    "display_winsize": (int, 256),
    "epoch": (str, "latest"),
    "load_iter": (int, 0),
    "verbose": (bool, False),
    "suffix": (str, ""),
    "use_wandb": (bool, False),
    "wandb_project_name": (str, "CycleGAN-and-pix2pix"),
}
TRAIN = BASE | {
    "display_freq": (int, 400),
    "display_ncols": (int, 4),
    "display_id": (int, 1),
    "display_server": (str, "http://localhost"),
    "display_env": (str, "main"),
    "display_port": (int, 8097),
    "update_html_freq": (int, 1000),
    "print_freq": (int, 100),
    "no_html": (bool, False),
    "save_latest_freq": (int, 5000),
    "save_epoch_freq": (int, 5),
    "save_by_iter": (bool, False),
    "continue_train": (bool, False),
    "epoch_count": (int, 1),
    "phase": (str, "train"),
    "n_epochs": (int, 100),
    "n_epochs_decay": (int, 100),
    "beta1": (float, 0.5),
    "lr": (float, 0.0002),
    "gan_mode": (str, "lsgan", "vanilla lsgan wgangp"),
    "pool_size": (int, 50),
    "lr_policy": (str, "linear", "linear step plateau cosine"),
    "lr_decay_iters": (int, 50),
}
TEST = BASE | {
    "model": (str, "test"),
    "load_size": (int, 256),
    "results_dir": (str, "./results/"),
    "aspect_ratio": (float, 1.0),
    "phase": (str, "test"),
    "eval": (bool, False),
    "num_test": (int, 50),
}
OFFICIAL = {"train": TRAIN, "test": TEST}

# Where a default of ours is another on purpose.
DEVIATIONS = {
    "train": {"gpu_ids": "auto"},
    "test": {
        "gpu_ids": "auto",
        "num_test": INF,
        "no_flip": True,
        "serial_batches": True,
        "num_threads": 0,
    },  # officially set after parsing, whatever is given
}
# Options that only we have. Whoever adds one adds it here.
BOTH = {"seed": (int, None), "no_exif": (bool, False)}
OURS = {
    "train": BOTH
    | {
        "keep": (int, 0),
        "cache_images": (str, None),
        "jpeg_draft": (bool, False),
        "deterministic": (bool, False),
        "on_bad_image": (str, "stop", "stop skip"),
        "dry_run": (bool, False),
        "accept_new_data": (bool, False),
        "use_tensorboard": (bool, False),
        "no_health": (bool, False),
        "accumulate": (int, 1),
        "ema": (float, 0.0),
        "amp": (str, "none", "none bf16 fp16"),
        "checkpoint_activations": (bool, False),
        "channels_last": (bool, False),
        "no_tf32": (bool, False),
        "compile": (bool, False),
        "cuda_graphs": (bool, False),
        "on_nonfinite": (str, "stop", "stop skip"),
        "stall_timeout": (float, 600),
        "panel": (str, None),
        "panel_size": (int, 4),
        "val_freq": (int, 0),
        "val_share": (float, 0.0),
        "val_metric": (str, "auto", "auto l1 psnr ssim cycle patches"),
    },
    "test": BOTH
    | {"ema": (bool, False), "save": (str, None), "format": (str, "png", "png jpg webp")},
}
WARM_STARTS = {
    "cycle_gan": ["init_G_A", "init_G_B", "init_D_A", "init_D_B"],
    "pix2pix": ["init_G", "init_D"],
    "colorization": ["init_G", "init_D"],
}  # training only

# Model -> changed defaults, changed defaults in training, options added in training, options added in tests.
PIX2PIX = (
    {"norm": "batch", "netG": "unet_256", "dataset_mode": "aligned"},
    {"pool_size": 0, "gan_mode": "vanilla"},
    {"lambda_L1": (float, 100.0)},
    {},
)
MODELS: dict[str, tuple[dict, dict, dict, dict]] = {
    "cycle_gan": (
        {"no_dropout": True},
        {},
        {"lambda_A": (float, 10.0), "lambda_B": (float, 10.0), "lambda_identity": (float, 0.5)},
        {},
    ),
    "pix2pix": PIX2PIX,
    "colorization": (
        PIX2PIX[0] | {"dataset_mode": "colorization", "input_nc": 1, "output_nc": 2},
        *PIX2PIX[1:],
    ),
    "template": ({"dataset_mode": "aligned"}, {}, {"lambda_regression": (float, 1.0)}, {}),
    "test": ({"dataset_mode": "single"}, {}, {}, {"model_suffix": (str, "")}),
}
DATASETS: dict[str, tuple[dict, dict]] = {
    "unaligned": ({}, {}),
    "aligned": ({}, {}),
    "single": ({}, {}),
    "colorization": ({"input_nc": 1, "output_nc": 2, "direction": "AtoB"}, {}),
    "template": (
        {"max_dataset_size": 10, "new_dataset_option": 2.0},
        {"new_dataset_option": (float, 1.0)},
    ),
}
CASES = [
    (program, model, None)
    for program in PROGRAMS
    for model in (None, *MODELS)
    if (program, model) != ("train", "test")
]
CASES += [(program, "cycle_gan", mode) for program in PROGRAMS for mode in DATASETS]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with an empty folder ``images``."""
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parse(program: str, *args: str) -> argparse.Namespace:
    return PROGRAMS[program]().parse(["--dataroot", "images", "--gpu_ids", "-1", *args])


def help_of(run: Programs, program: str, *args: str) -> str:
    """The help text with its line breaks undone."""
    return " ".join(getattr(run, program)(*args, "--help").ok().out.split())


@pytest.mark.parametrize(("program", "model", "mode"), CASES)
def test_frozen(program: str, model: str | None, mode: str | None) -> None:
    options = PROGRAMS[program]()
    actual_model = model or ("cycle_gan" if program == "train" else "test")
    opt = options.gather_options(
        (["--model", model] if model else []) + (["--dataset_mode", mode] if mode else [])
    )
    changed, in_training, added, in_tests = MODELS[actual_model]
    extra_defaults, extra = DATASETS[mode or "single"]
    expected = (
        OFFICIAL[program] | (added if program == "train" else in_tests) | extra | OURS[program]
    )
    if (program, actual_model) == ("train", "cycle_gan"):
        expected["lambda_GAN"] = (float, 1.0)  # ours
    if program == "train":
        expected |= dict.fromkeys(WARM_STARTS.get(actual_model, ()), (str, None))
    defaults = (
        {name: row[1] for name, row in expected.items()}
        | DEVIATIONS[program]
        | changed
        | extra_defaults
    )
    defaults |= (in_training if program == "train" else {}) | {
        k: v for k, v in (("model", model), ("dataset_mode", mode)) if v
    }

    actions = {action.dest: action for action in options.parser._actions if action.dest != "help"}
    assert actions.keys() == expected.keys()
    for name, (kind, _, *choices) in expected.items():
        action = actions[name]
        assert action.option_strings == [f"--{name}"]
        assert (bool if action.nargs == 0 else action.type or str) is kind, name
        assert set(action.choices or ()) == set(choices[0].split() if choices else ()), name
        assert getattr(opt, name) == defaults[name], name
        assert action.help, name


def test_every_official_option_parses(tmp_path, monkeypatch) -> None:
    """Nothing is refused, and each value arrives, when all options are given at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / "experiment_name").mkdir(parents=True)  # for --continue_train
    for program, table in OFFICIAL.items():
        skip = {"dataroot", "gpu_ids", "model", "dataset_mode"}
        args = [
            [f"--{name}"] + ([] if row[0] is bool else [str(3 if row[1] == INF else row[1])])
            for name, row in table.items()
            if name not in skip
        ]
        opt = parse(program, *sum(args, []), "--model", "cycle_gan", "--dataset_mode", "unaligned")
        assert {n: getattr(opt, n) for n in table.keys() - skip} == {
            n: True if row[0] is bool else 3 if row[1] == INF else row[1]
            for n, row in table.items()
            if n not in skip
        }
        assert set(opt.explicit_options) == table.keys()


def test_help_is_fast_and_light() -> None:
    """The best of three, as the machine may be busy."""
    seconds = []
    for program in ("train.py", "test.py", "train.py"):
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, ROOT / program, "--help"], capture_output=True, text=True, check=True
        )
        seconds.append(time.monotonic() - start)
        assert "--dataroot" in done.stdout and done.stderr == ""
    assert min(seconds) < 1
    code = (
        "import sys, runpy\ntry: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == "False\n"


@pytest.mark.parametrize(
    ("program", "args", "words"),
    [
        ("train", "--model cycle_gan", "--lambda_A --lambda_B --lambda_identity"),
        ("train", "--model pix2pix", "--lambda_L1"),
        ("train", "--model colorization", "--lambda_L1"),
        ("train", "--model template", "--lambda_regression"),
        ("train", "--dataset_mode template", "--new_dataset_option --lambda_A"),
        ("test", "--model test", "--model_suffix --num_test"),
        ("test", "--model cycle_gan --dataset_mode template", "--new_dataset_option --results_dir"),
    ],
)
def test_help_of_models_and_datasets(run: Programs, program: str, args: str, words: str) -> None:
    text = help_of(run, program, *args.split())
    for word in words.split():
        assert re.search(rf"{word}\b", text)
    assert run.files() == set()


def test_help_shows_what_there_is(run: Programs) -> None:
    text = help_of(run, "train")
    assert "colorization, cycle_gan, pix2pix, template, test" in text
    assert "aligned, colorization, single, template, unaligned" in text
    assert "{instance,batch,none,sync_batch,sync_instance}" in text and "default: 0.0002" in text
    assert "default: unet_256" in help_of(
        run, "train", "--model", "pix2pix"
    )  # the defaults that hold for this model


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_renamed_options(run: Programs, old: str, new: str) -> None:
    for args in ([f"--{old}", "3"], [f"--{old}=3"]):
        run.train("--dataroot", "x", *args).refused(2, f"--{old}", new)


def test_renamed_options_are_complete() -> None:
    assert {f"{old} {new.lstrip('-').split()[0]}" for old, new in RENAMED.items()} == {
        "loadSize load_size",
        "fineSize crop_size",
        "resize_or_crop preprocess",
        "which_direction direction",
        "which_model_netG netG",
        "which_model_netD netD",
        "niter n_epochs",
        "niter_decay n_epochs_decay",
        "how_many num_test",
        "nThreads num_threads",
        "batchSize batch_size",
        "which_epoch epoch",
        "identity lambda_identity",
        "no_lsgan gan_mode",
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lamda_A", "--lambda_A"),
        ("--lr_polcy=step", "--lr_policy"),
        ("-dataroot", "--dataroot"),
        ("—name", "--name"),
        ("--num_thread_count", "--num_threads"),
    ],
)
def test_unknown_option(run: Programs, typed: str, meant: str) -> None:
    run.train("--dataroot", "x", typed, "5").refused(
        2, typed.split("=")[0], f"did you mean {meant}?"
    )
    assert run.files() == set()


def test_option_file(elsewhere: Path) -> None:
    """train_opt.txt: between two rules, sorted, names right-aligned, and the default where it is another."""
    parse("train", "--name", "x", "--lr", "0.001", "--n_epochs", "7")
    text = Path("checkpoints/x/train_opt.txt").read_text()
    first, *lines, last = text.rstrip("\n").split("\n")
    assert (first, last) == (
        "----------------- Options ---------------",
        "----------------- End -------------------",
    )
    assert f"{'lr':>25}: {'0.001':<30}\t[default: 0.0002]" in lines
    assert f"{'beta1':>25}: {'0.5':<30}" in lines
    rows = [re.fullmatch(r" *(\w+): (.*?) *(\t\[default: (.*)\])?", line) for line in lines]
    assert all(rows)
    values = {row[1]: row[2] for row in rows if row}
    assert list(values) == sorted(values)
    assert TRAIN.keys() | MODELS["cycle_gan"][2].keys() <= values.keys()
    assert (values["n_epochs"], values["gpu_ids"], values["isTrain"], values["suffix"]) == (
        "7",
        "-1",
        "True",
        "",
    )


def test_suffix(unaligned: Path, run: Programs) -> None:
    name = "x_cycle_gan_resnet_6blocks_size34"
    suffix = ("--suffix", "{model}_{netG}_size{load_size}")
    run.train(
        "--dataroot",
        unaligned,
        "--name",
        "x",
        *suffix,
        *TINY,
        "--n_epochs",
        "1",
        "--n_epochs_decay",
        "0",
    ).ok()
    assert (run.runs / name / "latest_net_G_A.pth").is_file()
    run.test("--dataroot", unaligned, "--name", name).ok()
    assert (run.results / name / "test_latest" / "index.html").is_file()


def test_derived_values() -> None:
    first, second = parse("train"), parse("train")
    assert first.seed != second.seed  # drawn, and recorded
    assert (first.gpu_ids, first.device, first.isTrain) == ([], "cpu", True)
    assert parse("test").seed == 0


def test_changed_options() -> None:
    """``opt.changed`` compares with the defaults of the model, also when options come from a run."""
    first = parse("train", "--name", "x", "--model", "pix2pix", "--ngf", "8", "--norm", "batch")
    expected = {"model": "cycle_gan", "ngf": 64, "name": "experiment_name"}
    assert expected.items() <= first.changed.items()
    assert not {"norm", "netG", "dataset_mode", "pool_size"} & first.changed.keys()
    again = parse("train", "--name", "x", "--continue_train")
    assert again.changed == first.changed | {"continue_train": False}
    test = parse("test", "--name", "x")
    assert (test.changed["ngf"], test.changed["model"]) == (64, "test")
    for path in Path("checkpoints/x").iterdir():
        assert "changed" not in path.read_text() and "explicit" not in path.read_text()
