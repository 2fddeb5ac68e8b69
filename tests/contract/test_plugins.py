"""Models and datasets written for the official code run unmodified, from inside and outside the repository, and from Python."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, picture
from PIL import Image

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = {
    "--model": ("models", "legacy_pix_model.py"),
    "--dataset_mode": ("data", "legacy_pair_dataset.py"),
}
LOSSES = ["G_GAN", "G_L1", "G_TV", "D_real", "D_fake"]


@pytest.fixture
def dropped() -> Iterator[list[str]]:
    """The files in models/ and data/ of this repository, and the flags that choose them."""
    copies = [ROOT / folder / name for folder, name in FILES.values()]
    try:
        for copy in copies:
            shutil.copy(FIXTURES / copy.name, copy)
        importlib.invalidate_caches()
        yield ["--model", "legacy_pix", "--dataset_mode", "legacy_pair"]
    finally:
        for copy in copies:
            copy.unlink(missing_ok=True)
        importlib.invalidate_caches()


@pytest.fixture
def outside(tmp_path: Path) -> list[str]:
    """The same files in a folder of their own, chosen by path."""
    return [
        word
        for flag, (_, name) in FILES.items()
        for word in (flag, str(shutil.copy(FIXTURES / name, tmp_path / name)))
    ]


@pytest.fixture(params=["dropped", "outside"])
def flags(request: pytest.FixtureRequest) -> list[str]:
    return request.getfixturevalue(request.param)


def options(run: Programs, file: str = "test_opt.txt") -> dict[str, str]:
    return dict(re.findall(r"^ *(\w+): (\S*)", (run.runs / "x" / file).read_text(), re.MULTILINE))


def write(
    folder: Path,
    name: str,
    body: str,
    imports: str = "from models.template_model import TemplateModel",
) -> str:
    path = folder / name
    path.write_text(f"{imports}\n\n\n{body}\n")
    return str(path)


def test_train_continue_test(run: Programs, aligned: Path, flags: list[str]) -> None:
    common = ("--dataroot", aligned, "--name", "x", "--panel_size", "1", *TINY, *flags)
    result = run.train(*common, *ONE_EPOCH, "--legacy_mode", "tv", "--legacy_scale", "0.5").ok()
    folder = run.runs / "x"
    assert {p.name for p in folder.glob("latest*")} == {"latest_net_G.pth", "latest_net_D.pth"}
    assert {p.name for p in (folder / "web" / "images").iterdir() if "panel" not in p.name} == {
        f"epoch001_{label}.png" for label in ("real_A", "fake_B", "real_B")
    }
    found = options(run, "train_opt.txt")
    expected = {
        "legacy_mode": "tv",
        "lambda_L1": "10.0",
        "pool_size": "3",
        "norm": "batch",
        "legacy_noise": "0.1",
    }
    assert {k: found[k] for k in expected} == expected
    line = (folder / "loss_log.txt").read_text().splitlines()[1]
    assert re.findall(r"(\w+): -?\d", line.partition(")")[2]) == LOSSES and line in result.out
    assert "object at 0x" not in result.out  # what it is trained on, in words

    assert (
        "epoch 2"
        in run.train("--continue_train", "--name", "x", "--n_epochs", "2").ok().out.lower()
    )
    assert (folder / "notes.txt").read_text().count(
        "visuals"
    ) == 4  # of each epoch: the last batch, and the panel

    run.test("--dataroot", aligned, "--name", "x", *CPU).ok()
    found = options(run)
    assert (found["model"], found["dataset_mode"]) == (flags[1], flags[3])
    assert (found["legacy_scale"], found["legacy_noise"]) == ("0.5", "0.1")
    images = run.results / "x" / "test_latest" / "images"
    assert {p.name for p in images.iterdir()} == {
        f"p{i}_{label}.png" for i in (0, 1) for label in ("real_A", "fake_B", "real_B")
    }
    with Image.open(images / "p0_fake_B.png") as image:
        assert 60 < min(image.getdata(0)) <= max(image.getdata(0)) < 194  # half the range


def test_listed_in_help(run: Programs, dropped: list[str]) -> None:
    text = " ".join(run.train("--help").ok().out.split())
    assert "cycle_gan, legacy_pix, pix2pix" in text and "colorization, legacy_pair, single" in text
    run.train("--model", "legacy_pics").refused(2, "did you mean legacy_pix?")


def test_own_options_in_help(run: Programs, flags: list[str]) -> None:
    text = " ".join(run.train(*flags, "--help").ok().out.split())
    assert "--legacy_mode {plain,tv}" in text and "noise on A" in text


def test_seeds_reach_custom_datasets(run: Programs, aligned: Path, outside: list[str]) -> None:
    """Its random numbers depend on the seed, not on the number of worker processes."""
    for name, more in ("a", "0"), ("b", "2"):
        run.train(
            "--dataroot",
            aligned,
            "--name",
            name,
            *TINY,
            *ONE_EPOCH,
            *outside,
            "--num_threads",
            more,
        ).ok()
    a, b = (torch.load(run.runs / name / "latest_net_G.pth", weights_only=True) for name in "ab")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_unreadable_image_in_a_custom_dataset(
    run: Programs, tmp_path: Path, outside: list[str]
) -> None:
    picture(tmp_path / "set" / "train" / "good.png", size=(80, 40))
    (tmp_path / "set" / "train" / "bad.png").write_bytes(b"no image")
    run.train("--dataroot", tmp_path / "set", *TINY, *outside).refused(1, "bad.png")


KINDS = """class KindsModel(TemplateModel):
    @staticmethod
    def modify_commandline_options(parser, is_train=True):
        TemplateModel.modify_commandline_options(parser, is_train)
        parser.add_argument("--tag", action="append", help="may be given again")
        parser.add_argument("--louder", action="count", default=0)
        parser.add_argument("--where", type=Path, default=Path("here"))
        parser.add_argument("--scales", type=int, nargs="+", default=[1, 2])
        parser.add_argument("--pair", type=lambda text: tuple(text.split(",")), default="a,b")
        return parser

    def __init__(self, opt):
        super().__init__(opt)
        assert (opt.tag, opt.louder, opt.where) == (["a", "b"], 2, Path("there")), opt
        assert (opt.scales, tuple(opt.pair)) == ([3, 4], ("a", "b")), opt
"""


def test_all_kinds_of_options(run: Programs, aligned: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "kinds_model.py",
        KINDS,
        "from pathlib import Path\n\nfrom .template_model import TemplateModel",
    )
    run.train(
        "--dataroot",
        aligned,
        *TINY,
        *ONE_EPOCH,
        "--model",
        path,
        "--name",
        "x",
        "--tag",
        "a",
        "--tag",
        "b",
        "--louder",
        "--louder",
        "--where",
        "there",
        "--scales",
        "3",
        "4",
    ).ok()
    run.test("--dataroot", aligned, "--name", "x", *CPU).ok()


@pytest.mark.parametrize(
    "line",
    [
        "self.learning_rate = opt.lr",
        "self.networks = [self.netG]",
        "self.epoch = 0",
        "self.note = self.save_dir + '/note.txt'",
        "self.metric = 0",
        "self.schedulers = []",
    ],
)
def test_names_of_their_own(run: Programs, aligned: Path, tmp_path: Path, line: str) -> None:
    """Attributes that the official BaseModel leaves to its users, or gives them as they are used here."""
    body = f"class OwnModel(TemplateModel):\n    def __init__(self, opt):\n        super().__init__(opt)\n        {line}"
    run.train(
        "--dataroot", aligned, *TINY, *ONE_EPOCH, "--model", write(tmp_path, "own_model.py", body)
    ).ok()
    assert (run.runs / "experiment_name" / "latest_net_G.pth").is_file()


OVERRIDES = """class OverridesModel(TemplateModel):
    def update_learning_rate(self):
        for group in self.optimizers[0].param_groups:
            group["lr"] = 0.0

    def save_networks(self, epoch):
        super().save_networks(epoch)
        print("saved", epoch)

    def load_networks(self, epoch):
        super().load_networks(epoch)
        print("loaded", epoch)
"""


def test_overridden_methods(run: Programs, aligned: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "overrides_model.py", OVERRIDES)
    assert (
        "saved latest"
        in run.train("--dataroot", aligned, *TINY, *ONE_EPOCH, "--model", path).ok().out
    )
    assert "loaded latest" in run.test("--dataroot", aligned, *CPU).ok().out


def test_wrong_files(run: Programs, aligned: Path, tmp_path: Path) -> None:
    common = ("--dataroot", aligned, *TINY)
    path = write(tmp_path, "empty_model.py", "X = 3")
    run.train(*common, "--model", path).refused(2, "empty_model.py", "emptymodel", "BaseModel")
    path = write(tmp_path, "plain_model.py", "class PlainModel:\n    pass")
    run.train(*common, "--model", path).refused(2, "plain_model.py", "BaseModel")
    run.train(*common, "--dataset_mode", tmp_path / "no_dataset.py").refused(
        2, "--dataset_mode", "no_dataset.py", "no such file"
    )
    assert run.files() == set()


@pytest.fixture
def script(tmp_path: Path, aligned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a script or notebook: options come from sys.argv."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "my_train.py",
            "--dataroot",
            str(aligned),
            "--name",
            "x",
            *TINY,
            "--model",
            "pix2pix",
            "--netG",
            "resnet_6blocks",
            "--n_epochs",
            "1",
            "--n_epochs_decay",
            "3",
        ],
    )


def test_driven_from_python(
    script: None, aligned: Path, run: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official training and test loops, word for word."""
    from data import create_dataset
    from models import create_model, networks
    from options.test_options import TestOptions
    from options.train_options import TrainOptions
    from util.visualizer import Visualizer

    opt = TrainOptions().parse()
    assert isinstance(opt, Namespace) and opt.isTrain and opt.gpu_ids == []
    dataset = create_dataset(opt)
    dataset_size = len(dataset)
    assert dataset_size == 3
    model = create_model(opt)
    model.setup(opt)
    visualizer = Visualizer(opt)
    rates = []
    for epoch in range(opt.epoch_count, opt.n_epochs + opt.n_epochs_decay + 1):
        visualizer.reset()
        model.update_learning_rate()
        rates.append(model.optimizers[1].param_groups[0]["lr"] / opt.lr)
        for i, data in enumerate(dataset):
            model.set_input(data)
            model.optimize_parameters()
            losses = model.get_current_losses()
            model.compute_visuals()
            visualizer.display_current_results(model.get_current_visuals(), epoch, i == 0)
            visualizer.print_current_losses(epoch, i + 1, losses, 0.1, 0.1)
            visualizer.plot_current_losses(epoch, float(i + 1) / dataset_size, losses)
        model.save_networks("latest")
        model.save_networks(epoch)
    assert rates == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])
    assert list(losses) == ["G_GAN", "G_L1", "D_real", "D_fake"] and all(
        isinstance(v, float) for v in losses.values()
    )
    assert model.get_image_paths()[0] in map(str, (aligned / "train").iterdir())
    assert isinstance(
        networks.get_scheduler(model.optimizers[0], opt), torch.optim.lr_scheduler.LRScheduler
    )
    state = {k: v.clone() for k, v in model.netG.state_dict().items()}
    model.load_networks(1)
    assert any(not torch.equal(v, state[k]) for k, v in model.netG.state_dict().items())
    model.load_networks("latest")
    assert all(torch.equal(v, state[k]) for k, v in model.netG.state_dict().items())

    monkeypatch.setattr(
        sys, "argv", ["my_test.py", "--dataroot", str(aligned), "--name", "x", *CPU, "--eval"]
    )
    opt = TestOptions().parse()
    opt.num_threads, opt.batch_size, opt.serial_batches, opt.no_flip, opt.display_id = (
        0,
        1,
        True,
        True,
        -1,
    )
    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    model.eval()
    for i, data in enumerate(dataset):
        if i >= opt.num_test:
            break
        model.set_input(data)
        model.test()
        visuals = model.get_current_visuals()
        assert list(visuals) == ["real_A", "fake_B", "real_B"] and visuals["fake_B"].shape == (
            1,
            3,
            32,
            32,
        )
        assert model.get_image_paths() == [str(aligned / "test" / f"p{i}.png")]
        assert not visuals["fake_B"].requires_grad
    assert i == 1
