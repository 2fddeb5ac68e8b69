"""scripts/pack_run.py, and the archives that load_generator and test.py take."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs, pictures

from models import load_generator
from options.completion import find_run
from options.test_options import TestOptions
from util import packed_run
from util.checkpoint import save_state_dict
from util.errors import UserError
from util.packed_run import unpack_run

sys.path.insert(0, str(ROOT / "scripts"))
import pack_run
import translate

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """checkpoints/r after one epoch on private/data, and r.zip. Not to be written to."""
    run = Programs(tmp_path_factory.mktemp("pack"))
    data = run.folder / "private" / "data"
    for i, name in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(data / name, ["a.png", "b.png"], i)
    flags = ("--dataroot", data, "--name", "r", "--panel", data / "testA" / "a.png")
    more = ("--ema", "0.5", "--checkpoints_dir", run.folder / "checkpoints")
    run.train(*flags, *more, *TINY, *ONE_EPOCH).ok()
    pack(run, "r.zip", "--note", "A | test.", "--license", "cc-by-4.0")
    return run


def pack(run: Programs, output: str, *more: object) -> str:
    words = ("r", "--output", output, *more)
    return run.call(pack_run.main, "pack_run.py", *words).ok().out


def files(archive: Path) -> dict[str, bytes]:
    """The content of an archive, without its folder."""
    with zipfile.ZipFile(archive) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def test_an_archive_has_weights_options_samples_and_a_card(trained: Programs) -> None:
    packed, run = files(trained.folder / "r.zip"), trained.runs / "r"
    networks = ("G_A", "G_A_ema", "G_B", "G_B_ema")
    assert {f"latest_net_{net}.pth" for net in networks} == {n for n in packed if "_net_" in n}
    for net in networks:
        name = f"latest_net_{net}.pth"
        assert packed[name] == (run / name).read_bytes()
    samples = {"samples/1_real_A.png", "samples/1_fake_B.png"}
    samples |= {"samples/1_real_B.png", "samples/1_fake_A.png"}
    assert {name for name in packed if name.startswith("samples")} == samples
    page = run / "web" / "images"
    assert packed["samples/1_fake_B.png"] == (page / "epoch001_panel0_fake_B.png").read_bytes()
    card = packed["README.md"].decode()
    assert card.startswith('---\nlibrary_name: "pytorch"') and 'license: "cc-by-4.0"' in card
    assert "# r\n\nA | test.\n" in card and "| netG | resnet_6blocks |" in card
    assert "![1_fake_B](samples/1_fake_B.png)" in card and "--direction BtoA" in card
    digest = hashlib.sha256(packed["latest_net_G_A.pth"]).hexdigest()
    assert f"`{digest}`" in card


def test_an_archive_holds_no_private_paths(trained: Programs) -> None:
    """Neither folders of this computer, nor what its options say of them."""
    for name, content in files(trained.folder / "r.zip").items():
        assert str(trained.folder).encode() not in content, name
        assert b"private" not in content, name
    options = json.loads(files(trained.folder / "r.zip")["train_opt.json"])
    assert options["dataroot"] == "data" and options["ngf"] == 4
    assert not options.keys() & {"panel", "checkpoints_dir", "gpu_ids", "init_G_A", "display_id"}


def test_the_same_run_gives_the_same_archive(trained: Programs, tmp_path: Path) -> None:
    said = pack(trained, "again/r.zip", "--note", "A | test.", "--license", "cc-by-4.0")
    again = trained.folder / "again" / "r.zip"
    assert again.read_bytes() == (trained.folder / "r.zip").read_bytes()
    assert "dataroot" in said and "4 networks, 2 samples, " in said


def test_what_is_packed_is_chosen(trained: Programs) -> None:
    pack(trained, "d.zip", "--discriminators", "--samples", "0")
    names = files(trained.folder / "d.zip").keys()
    assert {"latest_net_D_A.pth", "latest_net_D_B.pth"} < names
    assert not any(name.startswith("samples") for name in names)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_load_generator_takes_an_archive(trained: Programs, direction: str, monkeypatch) -> None:
    """Same pixels as from the run, and no file is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(trained.folder / direction))
    (trained.folder / direction).mkdir()
    options = {"direction": direction, "gpu_ids": "-1"}
    from_archive = load_generator(trained.folder / "r.zip", **options)
    assert not list((trained.folder / direction).iterdir())
    from_run = load_generator(trained.runs / "r", **options)
    assert (from_archive(IMAGE) == from_run(IMAGE)).all()
    averaged = load_generator(str(trained.folder / "r.zip"), ema=True, **options)
    assert (averaged(IMAGE) != from_run(IMAGE)).any()


def test_the_programs_take_an_archive(trained: Programs, monkeypatch, tmp_path: Path) -> None:
    """Its results have its name; the unpacked files are removed when the program ends."""
    at_exit: list[tuple[Callable, str]] = []

    def register(call: Callable, path: str, **more: bool) -> None:
        at_exit.append((call, path))

    monkeypatch.setattr(packed_run.atexit, "register", register)
    data = trained.folder / "private" / "data"
    shutil.copy(trained.folder / "r.zip", trained.folder / "packed.ZIP")
    for name in ("packed.ZIP", "r"):
        said = trained.test("--dataroot", data, "--name", name, *CPU).ok().out
        assert ("packed.ZIP is unpacked for this test" in said) == (name == "packed.ZIP")
    results = [trained.results / name / "test_latest" / "images" for name in ("packed", "r")]
    names = sorted(path.name for path in results[0].iterdir())
    assert len(names) == 12
    for name in names:
        assert (results[0] / name).read_bytes() == (results[1] / name).read_bytes()
    assert len(at_exit) == 1 and Path(at_exit[0][1], "packed").is_dir()
    shutil.move(trained.folder / "packed.ZIP", trained.runs / "packed.ZIP")
    words = ("--input", data / "testA" / "a.png", "--output", "x.png", *CPU)
    trained.call(translate.main, "translate.py", "--name", "packed.ZIP", *words).ok()
    expected = (results[1] / "a_fake_B.png").read_bytes()
    assert (trained.folder / "x.png").read_bytes() == expected
    for call, path in at_exit:
        call(path)


def test_weights_alone_are_enough(trained: Programs) -> None:
    """A run of the official code has neither train_opt.json nor our page."""
    folder = trained.folder / "official"
    folder.mkdir()
    shutil.copy(trained.runs / "r" / "latest_net_G_A.pth", folder / "7_net_G.pth")
    words = ("official", "--epoch", "7", "--output", "o.zip")
    result = trained.call(pack_run.main, "pack_run.py", *words).ok()
    assert "No samples" in result.out
    assert files(trained.folder / "o.zip").keys() == {"latest_net_G.pth", "README.md"}
    translated = load_generator(trained.folder / "o.zip", gpu_ids="-1", crop_size=32)(IMAGE)
    assert (translated == load_generator(folder, epoch=7, gpu_ids="-1", crop_size=32)(IMAGE)).all()


def test_options_classes_of_a_fork_get_the_folder(trained: Programs, monkeypatch) -> None:
    """They parse the words that find_run adds."""
    monkeypatch.chdir(trained.folder)
    words = ["--dataroot", "private/data", "--name", "r.zip"]
    rules, added, opt = find_run(TestOptions(), words)
    assert opt.name == "r" and Path(opt.checkpoints_dir, "r", "latest_net_G_A.pth").is_file()
    assert added[:2] == [f"--checkpoints_dir={opt.checkpoints_dir}", "--name=r"]
    assert rules.run.options["ngf"] == 4


class Code:
    """Its pickle runs a program when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def crafted(folder: Path, kind: str, good: Path, mark: Path) -> Path:
    """Write an archive with a fault."""
    path, content = folder / "x.zip", files(good)
    if kind == "code":
        content = {"latest_net_G.pth": pickle.dumps({"a": Code(mark)}, 2)}
    if kind == "no weights":
        content = {"README.md": b""}
    if kind == "model file":
        (folder / "evil_model.py").write_text(f"open({str(mark)!r}, 'w')")
        options = {"model": str(folder / "evil_model.py"), "dataset_mode": "unaligned"}
        content["train_opt.json"] = json.dumps(options).encode()
    with path.open("wb") as file:
        pack_run.write_archive(file, "r", content)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        if kind == "upwards":
            archive.writestr("../escaped.pth", b"")
        if kind == "link":
            info = zipfile.ZipInfo("r/latest_net_G_A_link.pth")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
        if kind == "bomb":
            archive.writestr("r/b.pth", bytes(110 << 20))
        if kind == "two runs":
            archive.writestr("other/latest_net_G.pth", content["latest_net_G_A.pth"])
    if kind == "flipped":
        data = bytearray(path.read_bytes())
        data[data.index(content["latest_net_G_A.pth"]) + 5000] ^= 1
        path.write_bytes(data)
    if kind == "half":
        path.write_bytes(path.read_bytes()[:50_000])
    return path


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("code", "holds code"),
        ("no weights", "holds no weights"),
        ("two runs", "weights in several folders"),
        ("upwards", "would not be inside its folder"),
        ("link", "a link or a device"),
        ("bomb", "the content is larger than"),
        ("flipped", "Bad CRC-32"),
        ("half", "damaged"),
        ("model file", "a run folder may not choose"),
    ],
)
def test_hostile_archives(
    trained: Programs, tmp_path: Path, kind: str, problem: str, monkeypatch
) -> None:
    """One line each, nothing is executed, and nothing is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = crafted(tmp_path, kind, trained.folder / "r.zip", tmp_path / "mark")
    words = ("--dataroot", trained.folder / "private" / "data", "--name", path, *CPU)
    status = 2 if kind == "model file" else 1
    trained.test(*words).refused(status, problem)
    if kind != "model file":  # load_generator always uses the model test
        with pytest.raises(UserError, match=str(path) if kind != "code" else "holds code"):
            load_generator(path, gpu_ids="-1")
    assert not (tmp_path / "mark").exists() and not (tmp_path / "escaped.pth").exists()
    left = [p for p in (tmp_path / "temporary").iterdir() if not p.name.startswith("packed_run")]
    assert not left


def test_an_archive_unpacks_to_its_own_name(trained: Programs, tmp_path: Path) -> None:
    shutil.copy(trained.folder / "r.zip", tmp_path / "a b.zip")
    folder = unpack_run(tmp_path / "a b.zip", "--name", tmp_path)
    assert folder == tmp_path / "a b" and (folder / "train_opt.json").is_file()


@pytest.mark.parametrize(
    ("words", "status", "parts"),
    [
        ("x --output x.zip", 1, ['RUN: no run "x"']),
        ("r --output x.tar", 2, [".zip"]),
        ("r --output x.zip --epoch 7", 1, ["--epoch 7", "there are: latest"]),
        ("r --output x.zip --epoch ../r", 2, ["--epoch ../r: should be a number"]),
        ("bad --output x.zip", 1, ["latest_net_G.pth", "not a number"]),
        ("bad --output x.zip --epoch 2", 1, ["2_net_G.pth", "larger than the file"]),
    ],
)
def test_pack_run_refuses(trained: Programs, words: str, status: int, parts: list[str]) -> None:
    (trained.runs / "bad").mkdir(exist_ok=True)
    save_state_dict({"a": torch.tensor([torch.nan])}, trained.runs / "bad" / "latest_net_G.pth")
    torch.save({"a": torch.ones(1).expand(10**6)}, trained.runs / "bad" / "2_net_G.pth")
    trained.call(pack_run.main, "pack_run.py", *words.split()).refused(status, *parts)


def test_a_missing_archive_is_named(run: Programs) -> None:
    (run.folder / "data").mkdir()
    words = ("--dataroot", "data", "--name", "none.zip", *CPU)
    run.test(*words).refused(1, "--name none.zip: no such file")


def test_a_run_may_be_named_like_an_archive(trained: Programs) -> None:
    """As train.py allows it: its folder is read, and nothing is unpacked."""
    folder = shutil.copytree(trained.runs / "r", trained.runs / "folder.zip")
    data = trained.folder / "private" / "data"
    assert "unpacked" not in trained.test("--dataroot", data, "--name", folder.name, *CPU).ok().out
    from_run = load_generator(trained.runs / "r", gpu_ids="-1")
    assert (load_generator(folder, gpu_ids="-1")(IMAGE) == from_run(IMAGE)).all()
