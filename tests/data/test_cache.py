"""--cache_images: the same pixels without decoding again."""

import os

import pytest
import samples
import torch
from conftest import picture
from PIL import Image, ImageOps
from samples import batches, equal

from data.base_dataset import get_transform
from data.unaligned_dataset import UnalignedDataset
from util.errors import UserError

jpegs = samples.jpegs


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
    assert equal(plain, batches(**changes, cache_images=str(tmp_path / "c")))
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "c").iterdir()}
    assert len(made) == (6 if mode == "unaligned" else 3)  # one file per image
    monkeypatch.setattr(
        "data.dataset_of_images.read_image", lambda *a, **k: pytest.fail("decoded again")
    )
    if not more.get("num_threads"):
        assert equal(plain, batches(**changes, cache_images=str(tmp_path / "c")))
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


class Inverted(UnalignedDataset):
    def __init__(self, opt):
        super().__init__(opt)
        self.transform_A.transforms.insert(1, ImageOps.invert)


class Nearest(UnalignedDataset):
    def __init__(self, opt):
        super().__init__(opt)
        self.transform_A = get_transform(opt, method=Image.Resampling.NEAREST)


@pytest.mark.parametrize("dataset", [Inverted, Nearest])
def test_custom_transforms(jpegs, tmp_path, monkeypatch, dataset) -> None:
    """Steps after the resize are applied to cached images; another filter has its own files."""
    cached = {"dataroot": str(jpegs), "cache_images": str(tmp_path / "c")}
    usual = batches(**cached)
    monkeypatch.setattr("data.find_dataset_using_name", lambda name: dataset)
    plain = batches(dataroot=str(jpegs))
    assert not equal(usual, plain)
    assert equal(plain, batches(**cached)) and equal(plain, batches(**cached))
    assert len([*(tmp_path / "c").iterdir()]) == (6 if dataset is Inverted else 9)
