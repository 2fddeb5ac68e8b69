"""Models and datasets written for the official code run unmodified, here and from elsewhere."""

from __future__ import annotations

import importlib
import re
import shutil
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
LABELS = ["real_A", "fake_B", "real_B"]


@pytest.fixture
def dropped() -> Iterator[list[str]]:
    """Copy the files into models/ and data/; the flags that choose them by name."""
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
    """Copy the files into another folder; the flags that choose them by path."""
    return [
        word
        for flag, (_, name) in FILES.items()
        for word in (flag, str(shutil.copy(FIXTURES / name, tmp_path / name)))
    ]


@pytest.fixture(params=["dropped", "outside"])
def flags(request: pytest.FixtureRequest) -> list[str]:
    return request.getfixturevalue(request.param)


def saved_options(run: Programs, file: str) -> dict[str, str]:
    return dict(re.findall(r"^ *(\w+): (\S*)", (run.runs / "x" / file).read_text(), re.MULTILINE))


def write(
    folder: Path,
    name: str,
    body: str,
    imports: str = "from models.template_model import TemplateModel",
) -> str:
    """Write a plug-in; returns its path."""
    path = folder / name
    path.write_text(f"{imports}\n\n\n{body}\n")
    return str(path)


def test_train_continue_test(run: Programs, aligned: Path, flags: list[str]) -> None:
    common = ("--dataroot", aligned, "--name", "x", "--panel_size", "1", *TINY, *flags)
    result = run.train(*common, *ONE_EPOCH, "--legacy_mode", "tv", "--legacy_scale", "0.5").ok()
    folder = run.runs / "x"
    assert {p.name for p in folder.glob("latest*")} == {"latest_net_G.pth", "latest_net_D.pth"}
    shown = {p.name for p in (folder / "web" / "images").iterdir() if "panel" not in p.name}
    assert shown == {f"epoch001_{label}.png" for label in LABELS}
    options = saved_options(run, "train_opt.txt")
    expected = {"legacy_mode": "tv", "lambda_L1": "10.0", "pool_size": "3", "norm": "batch"}
    assert {k: options[k] for k in expected} == expected and options["legacy_noise"] == "0.1"
    line = (folder / "loss_log.txt").read_text().splitlines()[1]
    assert re.findall(r"(\w+): -?\d", line.partition(")")[2]) == LOSSES and line in result.out
    assert "object at 0x" not in result.out  # the dataset is described in words

    again = flags if flags[1].endswith(".py") else []  # a run folder may not choose files to run
    result = run.train("--continue_train", "--name", "x", "--n_epochs", "2", *again).ok()
    assert "epoch 2" in result.out.lower()
    # compute_visuals runs for the panel before the first step, and in each of two epochs for the
    # last batch and for the panel.
    assert (folder / "notes.txt").read_text().count("visuals") == 5

    run.test("--dataroot", aligned, "--name", "x", *CPU, *again).ok()
    options = saved_options(run, "test_opt.txt")
    assert (options["model"], options["dataset_mode"]) == (flags[1], flags[3])
    assert (options["legacy_scale"], options["legacy_noise"]) == ("0.5", "0.1")
    images = run.results / "x" / "test_latest" / "images"
    written = {p.name for p in images.iterdir()}
    assert written == {f"p{i}_{label}.png" for i in (0, 1) for label in LABELS}
    with Image.open(images / "p0_fake_B.png") as image:
        assert 60 < min(image.getdata(0)) <= max(image.getdata(0)) < 194  # half the range


def test_listed_in_help(run: Programs, dropped: list[str]) -> None:
    text = " ".join(run.train("--help").ok().out.split())
    assert "cycle_gan, legacy_pix, pix2pix" in text and "legacy_pair, nifti, single" in text
    run.train("--model", "legacy_pics").refused(2, "did you mean legacy_pix?")


def test_own_options_in_help(run: Programs, flags: list[str]) -> None:
    text = " ".join(run.train(*flags, "--help").ok().out.split())
    assert "--legacy_mode {plain,tv}" in text and "noise on A" in text


def test_seeds_reach_custom_datasets(run: Programs, aligned: Path, outside: list[str]) -> None:
    """Random numbers depend on the seed, not on the number of worker processes."""
    common = ("--dataroot", aligned, *TINY, *ONE_EPOCH, *outside)
    for name, threads in ("a", "0"), ("b", "2"):
        run.train(*common, "--name", name, "--num_threads", threads).ok()
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
    """Options with any action, type or number of values arrive, in training and from the run."""
    imports = "from pathlib import Path\n\nfrom .template_model import TemplateModel"
    path = write(tmp_path, "kinds_model.py", KINDS, imports)
    own = "--tag a --tag b --louder --louder --where there --scales 3 4"
    common = ("--dataroot", aligned, "--name", "x")
    run.train(*common, *TINY, *ONE_EPOCH, "--model", path, *own.split()).ok()
    run.test("--dataroot", aligned, "--name", "x", "--model", path, *CPU).ok()


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
    """A model may set any attribute that the official BaseModel does not use otherwise."""
    body = (
        "class OwnModel(TemplateModel):\n    def __init__(self, opt):\n"
        f"        super().__init__(opt)\n        {line}"
    )
    path = write(tmp_path, "own_model.py", body)
    run.train("--dataroot", aligned, *TINY, *ONE_EPOCH, "--model", path).ok()
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
    result = run.train("--dataroot", aligned, *TINY, *ONE_EPOCH, "--model", path).ok()
    assert "saved latest" in result.out
    assert "loaded latest" in run.test("--dataroot", aligned, "--model", path, *CPU).ok().out


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
