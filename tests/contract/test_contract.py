"""Official names, signatures and commands; models other than CycleGAN from end to end."""

from __future__ import annotations

import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, pictures
from PIL import Image

from models import create_model
from options.parser import choose_device
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util.errors import UsageError

# The official parameters; our own may only follow them.
INIT = "init_type='normal' init_gain=0.02"
SIGNATURES = {
    "models.networks.define_G": (
        f"input_nc output_nc ngf netG norm='batch' use_dropout=False {INIT} gpu_ids"
    ),
    "models.networks.define_D": f"input_nc ndf netD n_layers_D=3 norm='batch' {INIT} gpu_ids",
    "models.networks.GANLoss": "gan_mode target_real_label=1.0 target_fake_label=0.0",
    "models.networks.get_scheduler": "optimizer opt",
    "models.networks.get_norm_layer": "norm_type='instance'",
    "models.networks.init_weights": f"net {INIT}",
    "models.networks.init_net": f"net {INIT} gpu_ids",
    "models.networks.cal_gradient_penalty": (
        "netD real_data fake_data device type='mixed' constant=1.0 lambda_gp=10.0"
    ),
    "models.base_model.BaseModel": "opt",
    "models.base_model.BaseModel.set_requires_grad": "self nets requires_grad=False",
    "models.base_model.BaseModel.modify_commandline_options": "parser is_train",
    "models.base_model.BaseModel.set_input": "self input",
    "models.base_model.BaseModel.setup": "self opt",
    "models.base_model.BaseModel.save_networks": "self epoch",
    "models.base_model.BaseModel.load_networks": "self epoch",
    "models.base_model.BaseModel.print_networks": "self verbose",
    **{
        f"models.base_model.BaseModel.{name}": "self"
        for name in (
            "forward",
            "optimize_parameters",
            "compute_visuals",
            "test",
            "eval",
            "update_learning_rate",
            "get_current_visuals",
            "get_current_losses",
            "get_image_paths",
        )
    },
    "models.create_model": "opt",
    "data.create_dataset": "opt",
    "data.base_dataset.BaseDataset": "opt",
    "data.base_dataset.BaseDataset.modify_commandline_options": "parser is_train",
    "data.base_dataset.get_params": "opt size",
    "data.base_dataset.get_transform": "opt params=None grayscale=False method convert=True",
    "data.CustomDatasetDataLoader": "opt",
    "data.find_dataset_using_name": "dataset_name",
    "data.get_option_setter": "dataset_name",
    "data.image_folder.ImageFolder": "root transform=None return_paths=False loader",
    "data.image_folder.default_loader": "path",
    "data.image_folder.is_image_file": "filename",
    "data.image_folder.make_dataset": "dir max_dataset_size=inf",
    "util.image_pool.ImagePool": "pool_size",
    "util.image_pool.ImagePool.query": "self images",
    "util.visualizer.Visualizer": "opt",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    """Names, order and defaults are the official ones; any default of gpu_ids and method."""
    function: object = pkgutil.resolve_name(name)
    official = SIGNATURES[name].split()
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    for wanted, parameter in zip(official, parameters, strict=False):
        assert wanted in (f"{parameter.name}={parameter.default!r}", parameter.name)
    assert len(parameters) >= len(official)
    assert all(p.default is not p.empty for p in parameters[len(official) :])


def test_a_model_gives_plain_dicts(
    aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks and losses come as dicts; attributes are those that custom files rely on."""
    monkeypatch.chdir(tmp_path)
    args = ["--dataroot", str(aligned), "--model", "pix2pix", *TINY]
    model = create_model(TrainOptions().parse(args, record=False))
    model.loss_D_real, model.loss_D_fake = torch.ones(()), 2
    model.loss_G_GAN, model.loss_G_L1 = 3.0, torch.zeros(1)
    losses = [("G_GAN", 3.0), ("G_L1", 0.0), ("D_real", 1.0), ("D_fake", 2.0)]
    assert list(model.get_current_losses().items()) == losses
    assert model.get_networks() == {"G": model.netG, "D": model.netD}
    assert (model.isTrain, model.gpu_ids, model.device) == (True, [], torch.device("cpu"))
    assert model.opt.name == "experiment_name"
    assert Path(model.save_dir) == Path("checkpoints/experiment_name")
    assert (model.optimizers, model.image_paths) == ([model.optimizer_G, model.optimizer_D], [])


def test_lists_of_names_are_looked_up_in_one_place() -> None:
    lookup = re.compile(
        r"getattr\([^)]*\b(loss_names|model_names|visual_names)"
        r"|for \w+ in \w+\.(loss|model|visual)_names"
    )
    folders = [ROOT / folder for folder in (".", "models", "data", "util", "options")]
    files = [path for folder in folders for path in folder.glob("*.py")]
    assert [p.name for p in files if lookup.search(p.read_text())] == ["base_model.py"]


PIX2PIX = "G_GAN G_L1 D_real D_fake"
RUNS = {
    "--model pix2pix": ("real_A fake_B real_B", PIX2PIX, "G D"),
    "--model colorization": ("real_A real_B_rgb fake_B_rgb", PIX2PIX, "G D"),
    "--model template": ("data_A data_B output", "G", "G"),
    "--model template --dataset_mode template": ("data_A data_B output", "G", "G"),
}


@pytest.mark.parametrize("flags", RUNS)
def test_other_models(run: Programs, tmp_path: Path, flags: str) -> None:
    """Train, resume, test with --name alone: files, labels and losses are the official ones."""
    labels, losses, nets = (words.split() for words in RUNS[flags])
    plain = "--dataset_mode" in flags  # the template's dataset takes a plain folder
    for phase in ("train", "val"):
        pictures(tmp_path / "data" / ("" if plain else phase), ["1.png", "2.jpg"], size=(80, 40))
    data = ("--dataroot", tmp_path / "data", "--name", "x")
    more = ("--ngf", "2", "--save_epoch_freq", "1", *flags.split())
    run.train(*data, *TINY, *ONE_EPOCH, *more).ok()
    run.train("--name", "x", "--continue_train", "--n_epochs", "2").ok()
    folder = run.runs / "x"
    saved = {p.name for p in folder.glob("*_net_*.pth")}
    assert saved == {f"{epoch}_net_{net}.pth" for epoch in (1, 2, "latest") for net in nets}
    lines = [line.partition(") ")[2] for line in (folder / "loss_log.txt").open()][1:]
    assert [re.findall(r"(\w+): -?\d+\.\d{3} ", line) for line in lines] == [losses] * 2
    shown = {p.name for p in (folder / "web" / "images").iterdir() if "panel" not in p.name}
    assert shown == {f"epoch00{epoch}_{label}.png" for epoch in (1, 2) for label in labels}
    run.test(*data, *CPU, "--phase", "val").ok()
    images = list((run.results / "x" / "val_latest" / "images").iterdir())
    assert {p.name for p in images} == {f"{stem}_{label}.png" for stem in "12" for label in labels}
    assert {Image.open(p).mode for p in images} == {"RGB"}


def test_colorization_needs_its_own_model(run: Programs, aligned: Path) -> None:
    """Model test is refused: this generator maps lightness to two channels of color."""
    model = ("--model", "colorization", "--name", "x")
    run.train("--dataroot", aligned, *TINY, *ONE_EPOCH, *model).ok()
    test = ("--dataroot", aligned / "test", "--name", "x", *CPU)
    run.test(*test, "--model", "test").refused(
        2, "--model test", "only test.py can: --model colorization"
    )
    run.test(*test).refused(1, "has no folder test")


FACADES = "--netG unet_256 --direction BtoA --dataset_mode aligned --norm batch"
OFFICIAL_COMMANDS: dict[str, dict[str, object]] = {  # in the official README and scripts
    "train --dataroot ./maps --name maps_cyclegan --model cycle_gan --pool_size 50 --no_dropout": {
        "netG": "resnet_9blocks"
    },
    "train --dataroot ./facades --name facades_pix2pix --model pix2pix --lambda_L1 100 "
    f"{FACADES} --pool_size 0": {"gan_mode": "vanilla", "lambda_L1": 100.0, "no_dropout": False},
    "train --dataroot ./colors --name color_pix2pix --model colorization": {
        "input_nc": 1,
        "output_nc": 2,
        "norm": "batch",
    },
    "test --dataroot ./maps --name maps_cyclegan --model cycle_gan --phase test --no_dropout": {
        "dataset_mode": "unaligned"
    },
    f"test --dataroot ./facades --name facades_pix2pix --model pix2pix {FACADES}": {
        "load_size": 256,
        "crop_size": 256,
    },
    "test --dataroot ./facades/testB --name facades_pix2pix --model test --netG unet_256 "
    "--direction BtoA --dataset_mode single --norm batch": {"no_dropout": False},
    "test --dataroot ./h2z/testA --name horse2zebra_pretrained --model test --no_dropout": {
        "dataset_mode": "single"
    },
}


@pytest.mark.parametrize("command", OFFICIAL_COMMANDS)
def test_official_commands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *args = command.split()
    Path(args[1]).mkdir(parents=True)
    opt = {"train": TrainOptions, "test": TestOptions}[program]().parse([*args, *CPU], record=False)
    assert {k: getattr(opt, k) for k in OFFICIAL_COMMANDS[command]} == OFFICIAL_COMMANDS[command]


@pytest.mark.parametrize(
    ("devices", "gpu_ids", "expected"),
    [
        (("cuda", "mps"), "auto", ([0], "cuda:0")),
        (("mps",), "auto", ([], "mps")),
        ((), "auto", ([], "cpu")),
        (("cuda",), "-1", ([], "cpu")),
        (("cuda",), "1", ([1], "cuda:1")),
        (("cuda",), "2", "--gpu_ids 2: 2 CUDA GPUs"),
        (("cuda",), "0,1", "--gpu_ids 0,1"),
        ((), "x", "--gpu_ids x"),
    ],
)
def test_devices(
    devices: tuple[str, ...],
    gpu_ids: str,
    expected: tuple | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in devices)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * ("cuda" in devices))
    monkeypatch.setattr("options.parser.require_supported", lambda gpu: None)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in devices)
    if isinstance(expected, tuple):
        assert choose_device(gpu_ids) == (expected[0], torch.device(expected[1]))
    else:
        with pytest.raises(UsageError, match=expected):
            choose_device(gpu_ids)
