"""The names of the official data package, on real files, with options made by hand."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, ROOT, TINY, Programs, picture
from PIL import Image
from samples import official_opt
from torch.utils.data import Dataset
from torchvision import transforms

import data
from data import create_dataset, image_folder
from data.base_dataset import __crop as crop
from data.base_dataset import __flip as flip
from data.base_dataset import __make_power_2 as make_power_2
from data.base_dataset import __scale_width as scale_width
from data.base_dataset import get_params, get_transform
from data.image_folder import IMG_EXTENSIONS, ImageFolder, default_loader, make_dataset
from util.errors import UserError


@pytest.mark.slow
def test_torchvision_is_imported_on_first_use() -> None:
    program = (
        "import sys, data, data.image_folder\n"
        "from data.base_dataset import get_transform\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_star_import_gives_the_modules_of_the_official_file() -> None:
    names: dict = {}
    exec("from data.base_dataset import *", names)
    modules = [names[name].__name__ for name in ("transforms", "np", "random", "data", "Image")]
    assert modules == [
        "torchvision.transforms", "numpy", "random", "torch.utils.data", "PIL.Image",
    ]  # fmt: skip


@pytest.mark.parametrize("generation", [{"gpu_ids": []}, {"device": torch.device("cpu")}])
@pytest.mark.parametrize("mode", ["unaligned", "aligned", "single", "colorization", "template"])
def test_options_made_by_hand(mode: str, generation: dict, tmp_path: Path) -> None:
    """The options of either generation are enough, and get the items that ours give."""
    for folder in ("trainA", "trainB", "train"):
        picture(tmp_path / folder / "x.png", size=(60, 30))
    changes = {"input_nc": 1, "output_nc": 2} if mode == "colorization" else {}
    if mode == "template":
        changes = {"new_dataset_option": 2.0}
    opt = official_opt(dataroot=str(tmp_path), dataset_mode=mode, **changes, **generation)
    loader = data.CustomDatasetDataLoader(opt)
    assert loader.load_data() is loader and loader.opt is opt
    batch = next(iter(loader))
    assert batch["A"].shape == (1, changes.get("input_nc", 3), 16, 16)
    assert all(isinstance(paths[0], str) for name, paths in batch.items() if "paths" in name)


def test_attributes_of_the_official_datasets(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB", "train"):
        picture(tmp_path / folder / "x.png")
    wanted = {
        "unaligned": "A_paths A_size B_paths B_size dir_A dir_B transform_A transform_B",
        "aligned": "AB_paths dir_AB input_nc output_nc",
        "single": "A_paths transform",
        "colorization": "AB_paths dir transform",
    }
    for mode, names in wanted.items():
        nc = {"input_nc": 1, "output_nc": 2} if mode == "colorization" else {}
        opt = official_opt(dataroot=str(tmp_path), **nc)
        attributes = vars(data.find_dataset_using_name(mode)(opt))
        assert {*names.split(), "root", "opt"} <= attributes.keys()


def test_the_size_of_a_domain_may_be_changed(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB"):
        for name in "abc":
            picture(tmp_path / folder / f"{name}.png")
    dataset = data.find_dataset_using_name("unaligned")(official_opt(dataroot=str(tmp_path)))
    dataset.A_size = dataset.B_size = 2
    assert [Path(dataset[i]["A_paths"]).stem for i in range(3)] == ["a", "b", "a"]
    assert len(dataset) == 2


@pytest.mark.parametrize("preprocess", ["resize_and_crop", "crop", "scale_width_and_crop", "none"])
def test_transforms_need_only_their_own_options(preprocess: str, tmp_path: Path) -> None:
    opt = Namespace(preprocess=preprocess, load_size=16, crop_size=16, no_flip=True)
    image = Image.open(picture(tmp_path / "x.png", size=(16, 20)))
    params = get_params(opt, image.size)
    same = get_transform(opt, params, False, transforms.InterpolationMode.BICUBIC, True)(image)
    assert torch.equal(get_transform(opt, params, method=Image.BICUBIC)(image), same)
    assert get_transform(opt, params, grayscale=True)(image).shape == (1, *same.shape[1:])
    steps = transforms.Compose([get_transform(opt, params, convert=False), transforms.ToTensor()])
    assert torch.allclose(steps(image) * 2 - 1, same, atol=1e-6)
    longer = get_transform(opt, params)
    longer.transforms.append(lambda tensor: -tensor)
    assert torch.equal(longer(image), -same)


@pytest.fixture
def extensions():
    """The list of extensions; it is restored afterwards."""
    before = list(IMG_EXTENSIONS)
    yield IMG_EXTENSIONS
    IMG_EXTENSIONS[:] = before


def test_extensions_may_be_appended(extensions: list[str], tmp_path: Path) -> None:
    for name in ("a.npy", "b.NPY", "c.dcm", "d.png", "e.txt"):
        (tmp_path / name).touch()
    assert ".png" in extensions and ".PNG" in extensions
    extensions.append(".npy")
    extensions += [".dcm"]
    names = [Path(path).name for path in make_dataset(str(tmp_path))]
    assert names == ["a.npy", "b.NPY", "c.dcm", "d.png"]
    assert image_folder.is_image_file("x.dcm") and not image_folder.is_image_file("x.txt")
    (tmp_path / "empty").mkdir()
    opt = official_opt(dataroot=str(tmp_path / "empty"), dataset_mode="single")
    with pytest.raises(UserError, match=r"tiff, webp, npy, dcm\)"):
        create_dataset(opt)


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    assert make_dataset(str(tmp_path)) == []
    with pytest.raises(AssertionError, match="has no folder nothing"):
        make_dataset(str(tmp_path / "nothing"))
    with pytest.raises(AssertionError):
        ImageFolder(str(tmp_path / "nothing"))
    with pytest.raises(RuntimeError, match="holds no images"):
        ImageFolder(str(tmp_path))


DATASET = """
from data.base_dataset import BaseDataset
from data.image_folder import make_dataset

class MineDataset(BaseDataset):
    def __init__(self, opt):
        BaseDataset.__init__(self, opt)
        self.paths = make_dataset(opt.dataroot + "/" + FOLDER)
    def __getitem__(self, index):
        return {}
    def __len__(self):
        return len(self.paths)
"""


@pytest.mark.parametrize(
    ("folder", "words"),
    [("missing", ("has no folder missing",)), ("empty", ("empty holds no images (jpg", "(len 0)"))],
)
def test_a_dataset_without_images(
    folder: str, words: tuple[str, ...], run: Programs, tmp_path: Path
) -> None:
    """A run with a dataset of a user says which folder it was."""
    file = tmp_path / "mine_dataset.py"
    file.write_text(DATASET.replace("FOLDER", repr(folder)))
    (tmp_path / "empty").mkdir()
    args = ("--dataroot", tmp_path, "--dataset_mode", file, *TINY, *ONE_EPOCH)
    result = run.train(*args)
    assert result.status == 1
    assert all(word in result.out + result.err for word in words)
    assert "Traceback" not in result.err


def test_image_folder(tmp_path: Path) -> None:
    picture(tmp_path / "b.png", 1, (9, 7), "L")
    picture(tmp_path / "sub" / "a.jpg", 2, (5, 6))
    folder = ImageFolder(str(tmp_path))
    assert isinstance(folder, Dataset) and [image.size for image in folder] == [(9, 7), (5, 6)]
    assert {image.mode for image in folder} == {"RGB"}
    paths = [str(tmp_path / "b.png"), str(tmp_path / "sub" / "a.jpg")]
    assert folder.imgs == paths == make_dataset(str(tmp_path))
    named = ImageFolder(str(tmp_path), lambda size: size[0], True, lambda p: Image.open(p).size)
    assert list(named) == [(9, paths[0]), (5, paths[1])]


def test_default_loader_leaves_the_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(tmp_path / "turned.jpg", exif=exif)
    assert default_loader(str(tmp_path / "turned.jpg")).size == (4, 2)


def test_private_helpers(tmp_path: Path) -> None:
    image = Image.open(picture(tmp_path / "x.png", size=(30, 21)))
    assert make_power_2(image, 4).size == (32, 20)  # 30 is halfway: the even multiple of 4
    assert make_power_2(image, base=16, method=Image.BICUBIC).size == (32, 16)
    assert make_power_2(image, 3) is image
    nearest = scale_width(image, 60, 10, transforms.InterpolationMode.NEAREST)
    assert np.array_equal(np.asarray(nearest)[::2, ::2], np.asarray(image))
    assert scale_width(image, 60, 50).size == (60, 50)  # never lower than the crop
    assert scale_width(image, 30, 21) is image
    assert np.array_equal(np.asarray(crop(image, (3, 2), 10)), np.asarray(image)[2:12, 3:13])
    assert crop(image, (0, 0), 30) is image and crop(image, (0, 0), 25).size == (25, 25)
    assert flip(image, False) is image
    assert np.array_equal(np.asarray(flip(image, True)), np.asarray(image)[:, ::-1])


def test_the_right_half_of_an_odd_width_is_whole(tmp_path: Path) -> None:
    """With a resize to one size, image B has the last column, too."""
    path = picture(tmp_path / "train" / "x.png", size=(41, 20))
    pair = Image.open(path)
    opt = official_opt(dataroot=str(tmp_path), load_size=16)
    item = data.find_dataset_using_name("aligned")(opt)[0]
    for name, box in (("A", (0, 0, 20, 20)), ("B", (20, 0, 41, 20))):
        wanted = get_transform(opt)(pair.crop(box))
        assert torch.equal(item[name], wanted)
