"""Several inputs of a domain: trainA1, trainA2, ... are joined as bands, matched by name."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CPU, TINY, Programs, picture
from PIL import Image
from rasters import ramp, write_pages, write_tif

from data import create_dataset
from data.aligned_dataset import AlignedDataset
from data.listing import remarks
from data.single_dataset import SingleDataset
from data.unaligned_dataset import UnalignedDataset
from models.training.panel import Panel
from models.translation.value_images import ValueImages
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util import values
from util.errors import UserError

NAMES = ("x/a", "x/b", "c")


def options(root: Path, *words: object, test: bool = False) -> Namespace:
    flags = ("--dataroot", root, "--preprocess", "none", *CPU, "--name", "x", *words)
    flags = (*flags, "--model", "cycle_gan") if test else (*flags, "--no_flip")
    return (TestOptions if test else TrainOptions)().parse([str(word) for word in flags])


def floats(path: Path, bands: int, seed: int) -> np.ndarray:
    array = np.random.default_rng(seed).uniform(0, 1, (8, 8, bands)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return array


@pytest.fixture
def two_inputs(tmp_path: Path) -> Path:
    """Gray in trainA1, RGB in trainA2 with another extension, RGB in trainB."""
    for seed, name in enumerate(NAMES):
        picture(tmp_path / "trainA1" / f"{name}.png", seed, (8, 8), "L")
        picture(tmp_path / "trainA2" / f"{name}.bmp", seed + 10, (8, 8))
        picture(tmp_path / "trainB" / f"{name}_other.png", seed + 20, (8, 8))
    remarks.clear()
    return tmp_path


def test_8_bit_inputs_are_joined(two_inputs: Path) -> None:
    dataset = UnalignedDataset(options(two_inputs, "--input_nc", 4, "--output_nc", 3))
    assert any("trainA1 and trainA2: the bands of 3 images" in line for line in remarks)
    for i, name in enumerate(sorted(NAMES)):
        item = dataset[i]
        assert item["A_paths"] == str(two_inputs / "trainA1" / f"{name}.png")
        files = two_inputs / "trainA1" / f"{name}.png", two_inputs / "trainA2" / f"{name}.bmp"
        one, two = (np.asarray(Image.open(file)) for file in files)
        expected = np.dstack([one, two]).transpose(2, 0, 1) / 127.5 - 1
        assert np.abs(item["A"].numpy() - expected).max() < 1e-6
        assert item["B"].shape == (3, 8, 8)
    assert dataset.values["B"] is None


def test_input_nc_is_the_sum(two_inputs: Path) -> None:
    with pytest.raises(
        UserError, match=r"trainA: .*4 bands, but --input_nc is 3: give --input_nc 4"
    ):
        UnalignedDataset(options(two_inputs, "--input_nc", 3, "--output_nc", 3))
    with pytest.raises(UserError, match=r"4 bands, but --output_nc is 3"):
        UnalignedDataset(options(two_inputs, "--direction", "BtoA"))


def test_bands_are_chosen_from_all_inputs(two_inputs: Path) -> None:
    dataset = UnalignedDataset(options(two_inputs, "--input_nc", 2, "--bands_A", 4, 1))
    gray = np.asarray(Image.open(two_inputs / "trainA1" / "c.png"))
    blue = np.asarray(Image.open(two_inputs / "trainA2" / "c.bmp"))[..., 2]
    found = (dataset[0]["A"].numpy() + 1) * 127.5
    assert np.abs(found - np.stack([blue, gray])).max() < 1e-3


def test_floats_of_three_inputs_of_b(tmp_path: Path) -> None:
    arrays = [
        floats(tmp_path / f"trainB{i}" / "s.npy", bands, i) for i, bands in ((1, 1), (2, 2), (3, 1))
    ]
    floats(tmp_path / "trainA" / "s.npy", 2, 9)
    flags = ("--input_nc", 2, "--output_nc", 4, "--value_range", 0, 1)
    item = UnalignedDataset(options(tmp_path, *flags))[0]
    expected = np.concatenate(arrays, 2).transpose(2, 0, 1) * 2 - 1
    assert np.abs(item["B"].numpy() - expected).max() < 1e-6
    with pytest.raises(UserError, match=r"trainB holds float32.*--value_range_B"):
        UnalignedDataset(options(tmp_path, *flags[:4], "--value_range_A", 0, 1))


@pytest.mark.parametrize(
    ("removed", "words"),
    [
        ("trainA2/x/b.bmp", r"trainA1/x/b\.png has no partner trainA2/x/b\.\*"),
        ("trainA1/c.png", r"trainA2/c\.bmp has no partner trainA1/c\.\*"),
    ],
)
def test_a_file_without_a_partner_is_named(two_inputs: Path, removed: str, words: str) -> None:
    (two_inputs / removed).unlink()
    with pytest.raises(UserError, match=words):
        UnalignedDataset(options(two_inputs, "--input_nc", 4))


def test_what_does_not_match_is_named(two_inputs: Path) -> None:
    flags = options(two_inputs, "--input_nc", 4)
    picture(two_inputs / "trainA2" / "c.jpg")
    with pytest.raises(UserError, match=r"c\.bmp and .*c\.jpg have the same name"):
        UnalignedDataset(flags)
    (two_inputs / "trainA2" / "c.jpg").unlink()
    picture(two_inputs / "trainA2" / "c.bmp", size=(8, 9))
    with pytest.raises(UserError, match=r"8x8 pixels, its partner .*c\.bmp uint8 of 8x9"):
        UnalignedDataset(flags)[0]
    (two_inputs / "trainA2").rename(two_inputs / "trainA3")
    with pytest.raises(UserError, match="trainA1 and trainA3, but no trainA2"):
        UnalignedDataset(flags)


def test_a_folder_without_a_number_comes_first(two_inputs: Path) -> None:
    picture(two_inputs / "trainA" / "only.png", 1, (8, 8))
    assert len(UnalignedDataset(options(two_inputs)).A_paths) == 1
    assert any("trainA is used, and not trainA1 and trainA2" in line for line in remarks)


def test_partners_stay_together_in_parts_of_a_folder(two_inputs: Path) -> None:
    limited = UnalignedDataset(options(two_inputs, "--input_nc", 4, "--max_dataset_size", 2))
    assert [Path(path).name for path in limited.A_paths] == ["c.png", "a.png"]
    held_out = ("--input_nc", 4, "--val_share", 0.3, "--val_freq", 1)
    training = UnalignedDataset(options(two_inputs, *held_out))
    assert len(training.A_paths) == 2
    for path, partners in training.partners.items():
        assert [Path(p).stem for p in partners] == [Path(path).stem]


def test_pairs_in_folders(two_inputs: Path) -> None:
    """Pairs of files, here with two inputs, get the same crop and flip."""
    for name in NAMES:
        (two_inputs / "trainB" / f"{name}_other.png").rename(two_inputs / "trainB" / f"{name}.png")
    flags = ("--model", "pix2pix", "--input_nc", 4, "--direction", "AtoB")
    crops = ("--preprocess", "resize_and_crop", "--load_size", 8, "--crop_size", 4)
    opt = options(two_inputs, *flags, *crops)
    opt.no_flip = False
    dataset = AlignedDataset(opt)
    A, B = (str(two_inputs / f"train{domain}" / "c.png") for domain in ("A1", "B"))
    item = dataset[0]
    assert (item["A_paths"], item["B_paths"]) == (A, B) and len(dataset) == 3
    picture(two_inputs / "trainA2" / "c.bmp").write_bytes(Path(B).read_bytes())
    for _ in range(5):
        item = dataset[0]
        assert item["A"].shape == (4, 4, 4) and (item["A"][1:] == item["B"]).all()
    picture(Path(B), size=(8, 9))
    with pytest.raises(UserError, match="are a pair, but have 8x8 and 8x9 pixels"):
        dataset[0]
    Path(B).unlink()
    with pytest.raises(UserError, match=r"trainA1/c\.png has no partner trainB/c\.\*"):
        AlignedDataset(opt)


def test_several_pages_among_inputs_are_no_bands_unless_they_are_chosen(tmp_path: Path) -> None:
    pytest.importorskip("tifffile")
    pages = ramp("uint16", 0, 65535, 3)
    write_pages(tmp_path / "trainA1" / "a.tif", pages)
    for folder in ("trainA2", "trainB"):
        write_tif(tmp_path / folder / "a.tif", pages[..., :1])
    flags = ("--input_nc", 4, "--output_nc", 1)
    with pytest.raises(UserError, match=r"several pages; .*--bands_A 1 2 3 4 and --input_nc 4"):
        UnalignedDataset(options(tmp_path, *flags))
    item = UnalignedDataset(options(tmp_path, *flags, "--bands_A", 1, 2, 3, 4))[0]
    assert item["A"].shape[0] == 4


def test_headers_of_inputs_do_not_read_their_pixels(
    two_inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnalignedDataset, "read_inputs", None)
    dataset = UnalignedDataset(options(two_inputs, "--input_nc", 4))
    assert dataset.values["A"] is not None and dataset.values["A"].channels == 4


def panel(opt: Namespace) -> list[dict]:
    """The items that the page shows after each epoch."""
    shown = Panel(opt, None)
    shown.load()
    return shown.items


def test_the_panel_finds_all_inputs_of_its_files(two_inputs: Path) -> None:
    """Also if the dataset of the panel has other files than those."""
    for number in (1, 2):
        shutil.copytree(two_inputs / f"trainA{number}", two_inputs / f"testA{number}")
    shutil.copytree(two_inputs / "trainB", two_inputs / "testB")
    flags = ("--input_nc", 4, "--seed", 1, "--panel")
    expected = UnalignedDataset(options(two_inputs, *flags[:-1]))[1]["A"]
    for folder in ("testA1", "trainA1"):
        (item,) = panel(options(two_inputs, *flags, two_inputs / folder / "x" / "a.png"))
        assert torch.equal(item["A"][0], expected)
    with pytest.raises(UserError, match=r"--panel: .*c\.bmp: give the image in .*trainA1"):
        panel(options(two_inputs, *flags, two_inputs / "trainA2" / "c.bmp"))
    alone = picture(two_inputs / "alone.png", size=(8, 8))
    with pytest.raises(UserError, match=r"--panel: .*alone\.png: it holds 3 bands, .* for 4"):
        panel(options(two_inputs, *flags, alone))


def test_no_alpha_is_invented_in_place_of_a_missing_input(two_inputs: Path) -> None:
    """RGB pictures are not made RGBA where a run joins a gray and an RGB picture."""
    rules = UnalignedDataset(options(two_inputs, "--input_nc", 4)).values
    assert rules["A"] is not None and rules["A"].inputs == 2
    values.save(two_inputs / "runs" / "x", rules)
    where = ("--dataroot", two_inputs / "trainB", "--checkpoints_dir", two_inputs / "runs")
    opt = options(two_inputs, "--input_nc", 4, *where, test=True)
    message = r"holds 3 bands, but this run joins those of 2 inputs, 4 in all: give these inputs"
    with pytest.raises(UserError, match=message):
        SingleDataset(opt)
    images = ValueImages(opt, rules, print)
    for image in (str(two_inputs / "trainB" / "c_other.png"), Image.new("RGB", (8, 8))):
        with pytest.raises(UserError, match="it holds 3 bands, and the rule is for 4"):
            images.to_input(images.array_of(image))
    for path in (two_inputs / "trainB").rglob("*.png"):
        Image.open(path).convert("RGBA").save(path)
    assert SingleDataset(opt)[0]["A"].shape == (4, 8, 8)


def test_pictures_with_a_range_of_their_own_get_no_alpha_without_a_word(two_inputs: Path) -> None:
    flags = ("--output_nc", 4, "--value_range_B", 0, 300, "--input_nc", 4)
    UnalignedDataset(options(two_inputs, *flags))
    assert any("trainB: 3 of 3 images without alpha" in line for line in remarks)


def test_one_sided_tests(two_inputs: Path) -> None:
    for number in (1, 2):
        (two_inputs / f"trainA{number}").rename(two_inputs / f"testA{number}")
    opt = options(two_inputs, "--input_nc", 4, test=True)
    dataset = SingleDataset(opt)
    assert len(dataset) == 3 and dataset[2]["A"].shape == (4, 8, 8)


def test_the_check_of_data_looks_at_all_inputs(run: Programs, two_inputs: Path) -> None:
    words = ("--dataroot", two_inputs, *TINY, "--preprocess", "none", "--netD", "pixel")
    found = run.check(*words, "--input_nc", 4)
    assert found.status == 0 and "trainA1: 3 images" in found.out and "trainA2: 3" in found.out
    assert "give --input_nc 4" in run.check(*words).out


def test_files_are_counted_once_as_left_out(run: Programs, two_inputs: Path) -> None:
    """The folders of pairs are listed several times."""
    for name in NAMES:
        (two_inputs / "trainB" / f"{name}_other.png").rename(two_inputs / "trainB" / f"{name}.png")
    for folder in ("trainA1", "trainB"):
        (two_inputs / folder / "notes.txt").write_text("no image")
    create_dataset(options(two_inputs, "--model", "pix2pix", "--input_nc", 4))
    assert any("Files left out by their extension: 2 .txt" in line for line in remarks)
    assert sum("are joined" in line for line in remarks) == 1
