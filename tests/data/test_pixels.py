"""uint8 until the model's device: the same bits as Pillow and torchvision; drafts of JPEGs."""

import random

import pytest
import samples
import torch
from conftest import picture
from PIL import Image, ImageOps
from samples import batches, equal, options
from torchvision import transforms as v1
from torchvision.transforms import functional as v1f

from data import create_dataset
from data.base_dataset import get_transform
from data.image_file import read_image
from data.unaligned_dataset import UnalignedDataset
from util.seeds import derived_seed

jpegs = samples.jpegs
TO_TENSOR = v1.Compose([v1.ToTensor(), v1.Normalize((0.5,), (0.5,))])


class PlainUnaligned(UnalignedDataset):
    """The official dataset: floats by torchvision's ToTensor and Normalize."""

    def __getitem__(self, index: int) -> dict:
        a, b = index % len(self.A_paths), random.randrange(len(self.B_paths))
        resize = get_transform(self.opt, convert=False)
        A, B = (TO_TENSOR(resize(read_image(path))) for path in (self.A_paths[a], self.B_paths[b]))
        return {"A": A, "B": B, "A_paths": self.A_paths[a], "B_paths": self.B_paths[b]}


@pytest.mark.parametrize(
    "preprocess", ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
)
def test_batches_equal_the_plain_path(jpegs, monkeypatch, preprocess) -> None:
    changes = {"dataroot": str(jpegs), "preprocess": preprocess, "num_threads": 0}
    ours = batches(**changes)
    assert ours[0]["A"].dtype == torch.float32 and ours[0]["A"].is_contiguous()
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: PlainUnaligned)
    assert equal(ours, batches(**changes))


KINDS = {
    "0.jpg": {},
    "progressive.jpg": {"progressive": True, "subsampling": 0},
    "turned.jpg": {"exif": 6},
    "mirrored.png": {"exif": 2},
    "L.jpg": {},
    "CMYK.jpg": {},
    "P.png": {},
    "RGBA.png": {},
    "1.png": {},
    "0.webp": {},
    "0.bmp": {},
}


@pytest.mark.parametrize(
    ("load_size", "crop_size", "batch_size"), [(24, 16, 1), (24, 16, 2), (90, 77, 3), (16, 16, 1)]
)
def test_every_kind_of_image_equals_pillow_and_torchvision(
    tmp_path, load_size, crop_size, batch_size
) -> None:
    """Left, top and flip are drawn in this order."""
    for i, (name, settings) in enumerate(KINDS.items()):
        picture(tmp_path / "x.tiff", i, (37 + 9 * i, 61 - 4 * i))
        image, settings = Image.open(tmp_path / "x.tiff"), dict(settings)
        if "exif" in settings:
            exif = Image.Exif()
            exif[0x0112] = settings.pop("exif")
            settings["exif"] = exif
        mode = name.split(".")[0]
        (image.convert(mode) if mode in ("L", "CMYK", "P", "RGBA", "1") else image).save(
            tmp_path / name, **settings
        )
        (tmp_path / "x.tiff").unlink()
    changes = {
        "dataroot": str(tmp_path),
        "dataset_mode": "single",
        "serial_batches": True,
        "seed": 7,
    }
    ours = [
        image
        for batch in batches(
            **changes,
            load_size=load_size,
            crop_size=crop_size,
            batch_size=batch_size,
            num_threads=2,
        )
        for image in zip(batch["A_paths"], batch["A"], strict=True)
    ]
    assert len(ours) == 2 * len(KINDS)
    for number, (path, pixels) in enumerate(ours):
        random.seed(derived_seed(7, 1 + number // len(KINDS), number % len(KINDS)))
        left, top = (
            (random.randint(0, load_size - crop_size) for _ in range(2))
            if load_size > crop_size
            else (0, 0)
        )
        image = v1f.resize(
            ImageOps.exif_transpose(Image.open(path)).convert("RGB"),
            [load_size, load_size],
            v1.InterpolationMode.BICUBIC,
        )
        image = v1f.crop(image, top, left, crop_size, crop_size)
        assert torch.equal(
            pixels, TO_TENSOR(v1f.hflip(image) if random.random() > 0.5 else image)
        ), path


def test_drafts_are_close_and_only_made_on_request(jpegs) -> None:
    plain, fast = (
        batches(dataroot=str(jpegs), jpeg_draft=draft, serial_batches=True)
        for draft in (False, True)
    )
    assert [a["A_paths"] for a in plain] == [b["A_paths"] for b in fast]
    difference = torch.stack(
        [(a["A"] - b["A"]).abs().mean() for a, b in zip(plain, fast, strict=True)]
    )
    assert 0 < difference.mean() < 0.05
    plain, fast = (
        batches(dataroot=str(jpegs), jpeg_draft=draft, preprocess="crop") for draft in (False, True)
    )
    assert equal(plain, fast)  # nothing is resized


class Doubled(UnalignedDataset):
    """A custom subclass that changes the floats."""

    def __getitem__(self, index: int) -> dict:
        item = super().__getitem__(index)
        return item | {"A": item["A"] * 2, "mask": torch.ones(1, 2, 2, dtype=torch.uint8)}


def test_subclasses_get_floats_and_their_bytes_stay_bytes(jpegs, monkeypatch) -> None:
    plain = batches(dataroot=str(jpegs))
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: Doubled)
    for batch, other in zip(plain, batches(dataroot=str(jpegs)), strict=True):
        assert torch.equal(other["A"], batch["A"] * 2)
        assert other["mask"].dtype == torch.uint8


# Batches that a program keeps


def test_a_first_pass_left_after_one_batch(jpegs) -> None:
    """PyTorch discards the batches that its workers have prepared."""
    loaders = [create_dataset(options(dataroot=str(jpegs), num_threads=n)) for n in (0, 2)]
    for loader in loaders:
        next(iter(loader))
    assert equal(*([batch for _ in range(4) for batch in loader] for loader in loaders))


@pytest.mark.parametrize("dataset", [UnalignedDataset, Doubled])
def test_batches_that_are_kept_do_not_change(jpegs, monkeypatch, dataset) -> None:
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: dataset)
    loader = create_dataset(options(dataroot=str(jpegs), num_threads=1))
    kept = [batch for _ in range(4) for batch in loader]
    assert equal(kept[:6], batches(dataroot=str(jpegs)))
