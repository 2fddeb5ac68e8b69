"""The short way from files to batches: bytes until the model's device, a cache; pixels equal the plain path bit for bit."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image, ImageOps
from test_loader import options
from torchvision import transforms as v1
from torchvision.transforms import functional as v1f

from data import create_dataset
from data.base_dataset import get_transform, to_tensor
from data.image_folder import read_image
from data.transforms import images_to_float
from data.unaligned_dataset import UnalignedDataset
from util.errors import UserError
from util.seeds import derived_seed

TO_TENSOR = v1.Compose([v1.ToTensor(), v1.Normalize((0.5,), (0.5,))])


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory) -> Path:
    """trainA, trainB: JPEGs of several sizes; train: pairs."""
    root = tmp_path_factory.mktemp("jpegs")
    for i in range(3):
        picture(root / "trainA" / f"{i}.jpg", i, (64 + 8 * i, 60))
        picture(root / "trainB" / f"{i}.jpg", i + 9, (40, 57 + i))
        picture(root / "train" / f"{i}.jpg", i + 20, (128, 60))
    return root


def batches(**changes) -> list[dict]:
    loader = create_dataset(options(**changes))
    found = [batch for _ in range(2) for batch in loader]
    loader.close()
    return found


def same(one: list[dict], other: list[dict]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys()
        and all(
            torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a
        )
        for a, b in zip(one, other, strict=True)
    )


class PlainUnaligned(UnalignedDataset):
    """As the official dataset does it, with torchvision's last steps."""

    def __getitem__(self, index: int) -> dict:
        a, b = index % len(self.A_paths), random.randrange(len(self.B_paths))
        fit = get_transform(self.opt, convert=False)
        A, B = (TO_TENSOR(fit(read_image(path))) for path in (self.A_paths[a], self.B_paths[b]))
        return {"A": A, "B": B, "A_paths": self.A_paths[a], "B_paths": self.B_paths[b]}


@pytest.mark.parametrize(
    "preprocess", ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
)
def test_batches_equal_the_plain_path(jpegs, monkeypatch, preprocess) -> None:
    changes = {"dataroot": str(jpegs), "preprocess": preprocess, "num_threads": 0}
    ours = batches(**changes)
    assert ours[0]["A"].dtype == torch.float32 and ours[0]["A"].is_contiguous()
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: PlainUnaligned)
    assert same(ours, batches(**changes))


def test_all_256_levels_equal_to_tensor_and_normalize() -> None:
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    pixels = torch.from_numpy(np.asarray(image).copy())[None]
    assert torch.equal(images_to_float({"A": pixels})["A"], TO_TENSOR(image))


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
    """What is drawn is part of it: left, top, flip."""
    for i, (name, how) in enumerate(KINDS.items()):
        picture(tmp_path / "x.tiff", i, (37 + 9 * i, 61 - 4 * i))
        image, how = Image.open(tmp_path / "x.tiff"), dict(how)
        if "exif" in how:
            exif = Image.Exif()
            exif[0x0112] = how.pop("exif")
            how["exif"] = exif
        mode = name.split(".")[0]
        (image.convert(mode) if mode in ("L", "CMYK", "P", "RGBA", "1") else image).save(
            tmp_path / name, **how
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
    for number, (path, found) in enumerate(ours):
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
            found, TO_TENSOR(v1f.hflip(image) if random.random() > 0.5 else image)
        ), path


@pytest.mark.parametrize("kind", ["L", "LA", "RGB", "RGBA", "1", "F"])
def test_get_transform_gives_what_torchvision_gives(kind) -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    image = (
        Image.fromarray(array[..., 0].astype(np.float32))
        if kind == "F"
        else Image.fromarray(array).convert(kind)
    )
    made = get_transform(options(preprocess="none", no_flip=True))(image)
    assert torch.equal(made, TO_TENSOR(image))


def test_tensors_are_made_without_asking_cuda(monkeypatch) -> None:
    """In a forked loader process that fails where the program uses a GPU; custom datasets call to_tensor there."""
    monkeypatch.setattr(torch.Tensor, "is_pinned", None, raising=False)
    assert to_tensor(Image.new("RGB", (4, 3))).shape == (3, 3, 4)


def test_torchvisions_names_of_filters() -> None:
    image, opt = (
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)),
        options(no_flip=True),
    )
    opt.isTrain = False
    made = [
        get_transform(opt, method=method)(image)
        for method in (v1.InterpolationMode.BILINEAR, Image.Resampling.BILINEAR, 2)
    ]
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
    assert not torch.equal(made[0], get_transform(opt)(image))


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        ("unaligned", {}),
        ("unaligned", {"input_nc": 1, "output_nc": 4, "preprocess": "scale_width_and_crop"}),
        ("unaligned", {"preprocess": "none", "num_threads": 2}),
        ("aligned", {}),
        ("aligned", {"input_nc": 1, "output_nc": 2}),
        ("colorization", {"input_nc": 1, "output_nc": 2}),
    ],
)
def test_a_cache_changes_no_pixel(jpegs, tmp_path, mode, more, monkeypatch) -> None:
    changes = {"dataroot": str(jpegs), "dataset_mode": mode, **more}
    plain = batches(**changes)
    assert same(plain, batches(**changes, cache_images=str(tmp_path / "c")))
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "c").iterdir()}
    assert len(made) == (6 if mode == "unaligned" else 3)  # one file per image
    monkeypatch.setattr(
        "data.base_dataset.read_image", lambda *a, **k: pytest.fail("decoded again")
    )
    if not more.get("num_threads"):
        assert same(plain, batches(**changes, cache_images=str(tmp_path / "c")))
    assert made == {p: p.stat().st_mtime_ns for p in (tmp_path / "c").iterdir()}


def test_the_cache_follows_the_file_and_the_options(tmp_path) -> None:
    def first(**changes):
        opt = {
            "dataroot": str(tmp_path),
            "cache_images": "",
            "checkpoints_dir": str(tmp_path / "runs"),
            **changes,
        }
        return batches(dataset_mode="single", **opt)[0]["A"]

    picture(tmp_path / "x.png", 1)
    before = first()
    cached = [*(tmp_path / "runs" / ".cache").iterdir()]
    assert len(cached) == 1
    assert torch.equal(first(), before)
    cached[0].write_bytes(cached[0].read_bytes()[:-9])  # damaged: made again
    assert torch.equal(first(), before)
    assert not torch.equal(first(load_size=30), before)
    picture(tmp_path / "x.png", 2)
    os.utime(tmp_path / "x.png", (1, 1))
    assert not torch.equal(first(), before)


def test_a_cache_that_cannot_be_written(jpegs, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--cache_images: cannot write"):
        batches(dataroot=str(jpegs), cache_images=str(tmp_path / "file"))


def test_drafts_are_near_and_only_where_asked_for(jpegs) -> None:
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
    assert same(plain, fast)  # nothing is resized


class Doubled(UnalignedDataset):
    """A user's subclass that works on the floats."""

    def __getitem__(self, index: int) -> dict:
        item = super().__getitem__(index)
        return item | {"A": item["A"] * 2, "mask": torch.ones(1, 2, 2, dtype=torch.uint8)}


def test_subclasses_get_and_give_what_they_did(jpegs, monkeypatch) -> None:
    plain = batches(dataroot=str(jpegs))
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: Doubled)
    for batch, other in zip(plain, batches(dataroot=str(jpegs)), strict=True):
        assert torch.equal(other["A"], batch["A"] * 2)
        assert other["mask"].dtype == torch.uint8


# Batches that a program keeps


def test_a_first_pass_left_at_once(jpegs) -> None:
    """PyTorch throws away the batches that its workers have prepared."""
    loaders = [create_dataset(options(dataroot=str(jpegs), num_threads=n)) for n in (0, 2)]
    for loader in loaders:
        next(iter(loader))
    assert same(*([batch for _ in range(4) for batch in loader] for loader in loaders))


@pytest.mark.parametrize("dataset", [UnalignedDataset, Doubled])
def test_batches_that_are_kept_do_not_change(jpegs, monkeypatch, dataset) -> None:
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: dataset)
    loader = create_dataset(options(dataroot=str(jpegs), num_threads=1))
    kept = [batch for _ in range(4) for batch in loader]
    assert same(kept[:6], batches(dataroot=str(jpegs)))
