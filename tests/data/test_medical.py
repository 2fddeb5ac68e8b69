"""DICOM and NIfTI files, made by the libraries that read them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from conftest import CPU, ONE_EPOCH, ROOT, TINY, Programs
from medical import write_dicom, write_nifti

from data.dicom_dataset import DicomDataset, is_dicom
from data.nifti_dataset import NiftiDataset
from options.train_options import TrainOptions
from util.errors import UserError

HU = np.linspace(-1024, 3071, 32 * 32).round().reshape(32, 32)


def options(root: Path, mode: str, *words: object) -> Namespace:
    flags = ("--dataroot", root, "--dataset_mode", mode, "--preprocess", "none", "--no_flip")
    return TrainOptions().parse([str(word) for word in (*flags, *CPU, "--name", "x", *words)])


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """Two CTs in each domain; one has a name without an extension, one is a text."""
    for domain in "AB":
        for name in ("a.dcm", "series/1.2.840.7"):
            write_dicom(tmp_path / "data" / f"train{domain}" / name, HU + 1024)
        (tmp_path / "data" / f"train{domain}" / "notes.txt").write_text("no image")
    return tmp_path / "data"


def test_a_ct_is_in_hounsfield_units(ct: Path) -> None:
    dataset = DicomDataset(options(ct, "dicom", "--value_range", -1024, 3071))
    assert len(dataset) == 2 and is_dicom(str(ct / "trainA" / "series" / "1.2.840.7"))
    item = dataset[1]
    rule = dataset.values["A"]
    assert rule is not None and item["A"].shape == (1, 32, 32)
    assert np.abs(rule.from_unit(item["A"][0].numpy()) - HU).max() < 1e-3


def test_the_range_is_asked_for_in_hounsfield_units(ct: Path) -> None:
    with pytest.raises(UserError, match=r"-1024\D+3071.*--value_range_A"):
        DicomDataset(options(ct, "dicom"))


def test_rescaling_and_min_is_white(tmp_path: Path) -> None:
    stored = np.arange(4).reshape(2, 2)
    white = {"PhotometricInterpretation": "MONOCHROME1"}
    unsigned = {**white, "BitsStored": 12, "RescaleIntercept": 0}
    cases: list[tuple[dict, list]] = [
        ({"RescaleSlope": 0.5, "RescaleIntercept": 10}, [10, 10.5, 11, 11.5]),
        ({"RescaleSlope": None, "RescaleIntercept": None}, [0, 1, 2, 3]),
        (unsigned, [4095, 4094, 4093, 4092]),
        ({**white, "PixelRepresentation": 1}, [-1025, -1026, -1027, -1028]),
    ]
    for tags, expected in cases:
        write_dicom(tmp_path / "x.dcm", stored, **tags)
        values = DicomDataset.read_array(None, str(tmp_path / "x.dcm"))  # type: ignore[arg-type]
        assert values.dtype == np.float32 and values.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PhotometricInterpretation": "RGB"}, "colours"),
        ({"NumberOfFrames": 3}, "3 frames"),
        ({"PixelData": b"12"}, r"x\.dcm"),
    ],
)
def test_what_is_refused(tmp_path: Path, tags: dict, words: str) -> None:
    write_dicom(tmp_path / "x.dcm", HU + 1024, **tags)
    with pytest.raises(UserError, match=words):
        DicomDataset.read_array(None, str(tmp_path / "x.dcm"))  # type: ignore[arg-type]


def test_slices_of_volumes(tmp_path: Path) -> None:
    """A volume that is stored from front to back and from right to left is turned to RAS+."""
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(np.int16)
    write_nifti(tmp_path / "trainA" / "one.nii.gz", volume)
    write_nifti(tmp_path / "trainB" / "two.nii", volume[::-1, ::-1], np.diag([-1, -1, 1, 1]))
    limits = ("--value_range", 0, 119)
    for axis, count in ((0, 4), (1, 5), (2, 6)):
        dataset = NiftiDataset(options(tmp_path, "nifti", *limits, "--slice_axis", axis))
        assert len(dataset) == count
        assert dataset.A_paths[3].endswith("trainA/one.nii.gz/one_0003")
        for paths in (dataset.A_paths, dataset.B_paths):
            found = dataset.read_array(paths[3])[..., 0]
            assert (found == np.take(volume, 3, axis).T[::-1]).all()
    assert [path[-8:] for path in dataset.B_paths[:2]] == ["two_0000", "two_0001"]


def test_bands_and_scale_of_volumes(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(
        np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2).astype(np.int16), np.eye(4)
    )
    image.header.set_slope_inter(0.5, -7)
    for domain in "AB":
        (tmp_path / f"train{domain}").mkdir()
        nibabel.save(image, tmp_path / f"train{domain}" / "x.nii")
    stored = np.asarray(nibabel.load(tmp_path / "trainA" / "x.nii").dataobj)
    flags = ("--value_range", -7, 100, "--input_nc", 2, "--output_nc", 2)
    dataset = NiftiDataset(options(tmp_path, "nifti", *flags))
    found = dataset.read_array(dataset.A_paths[1])
    assert found.shape == (3, 2, 2)
    assert np.allclose(found, np.rot90(stored[:, :, 1]))
    (tmp_path / "trainA" / "x.nii").write_bytes(b"0" * 400)
    with pytest.raises(UserError, match=r"x\.nii"):
        NiftiDataset(options(tmp_path, "nifti", *flags))


def test_headers_are_read_without_pixels(ct: Path, tmp_path: Path) -> None:
    """Their type and bands are those of the arrays, whatever the orientation."""
    flags = ("--value_range", -1024, 3071)
    dicom = DicomDataset(options(ct, "dicom", *flags))
    volume = np.arange(4 * 5 * 6 * 2).reshape(4, 5, 6, 2).astype(np.int16)
    turned = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    for domain in "AB":
        write_nifti(tmp_path / "nii" / f"train{domain}" / "x.nii", volume, turned)
    for axis in range(3):
        more = ("--input_nc", 2, "--output_nc", 2, "--slice_axis", axis)
        nifti = NiftiDataset(options(tmp_path / "nii", "nifti", *flags, *more))
        for dataset in (dicom, nifti):
            header, array = (
                f(dataset.A_paths[0]) for f in (dataset.describe_file, dataset.read_array)
            )
            assert (header.dtype, header.channels) == (array.dtype.name, array.shape[2])
            assert header.size == array.shape[1::-1]


@pytest.mark.parametrize("copied", [False, True])
def test_check_data_reads_the_files(run: Programs, ct: Path, copied: bool) -> None:
    """So it does with a copy of the dataset file, which users make for their own format."""
    mode = "dicom"
    if copied:
        text = (ROOT / "data" / "dicom_dataset.py").read_text()
        (run.folder / "ours_dataset.py").write_text(text.replace("DicomDataset", "OursDataset"))
        mode = str(run.folder / "ours_dataset.py")
    write_dicom(ct / "trainB" / "b.dcm", HU + 1024, PixelData=b"12")
    tiny = [word for word in TINY if word != "--input_nc"]
    words = ("--dataroot", ct, "--dataset_mode", mode, *tiny, "--crop_size", 32, "--load_size", 34)
    report = run.check(*words)
    assert report.status == 1
    assert "trainA: 2 images, all 32x32\n  float32 in 1 band, -1024 to 3071 (1 %: " in report.out
    assert "give --value_range_A -1024 3071\n" in report.out
    assert "trainB: 1 image of 3 cannot be read: trainB/b.dcm (" in report.out
    (ct / "trainB" / "b.dcm").unlink()
    report = run.check(*words, "--value_range", -1000, 3071)
    assert report.status == 0 and "2 images with values outside of -1000..3071" in report.out


def test_check_data_reads_volumes(run: Programs, tmp_path: Path) -> None:
    volume = np.linspace(0, 1200, 32 * 32 * 3).reshape(32, 32, 3).astype(np.int16)
    for domain in "AB":
        write_nifti(tmp_path / "data" / f"train{domain}" / "v.nii.gz", volume)
    words = ("--dataset_mode", "nifti", "--crop_size", 32, "--load_size", 32)
    report = run.check("--dataroot", tmp_path / "data", *TINY, *words)
    assert "trainA: 3 images, all 32x32" in report.out
    assert "  float32 in 1 band, 0 to 1200 (1 %: 11.71, 50 %: 599.5, 99 %: 1187)" in report.out
    assert "; give --value_range_A 0 1200" in report.out


@pytest.mark.slow
def test_a_training_on_dicom_files(run: Programs, ct: Path) -> None:
    (ct / "trainA").rename(ct / "testA")
    (ct / "trainB").rename(ct / "testB")
    (ct / "trainA").symlink_to(ct / "testA")
    (ct / "trainB").symlink_to(ct / "testB")
    where = ("--dataroot", ct, "--dataset_mode", "dicom", "--name", "x", "--preprocess", "none")
    tiny = [word for word in TINY if word != "--input_nc"]
    run.train(*where, *tiny, *ONE_EPOCH, "--value_range", "-1024", "3071").ok()
    run.test(*where, *CPU).ok()
    assert list((run.results / "x" / "test_latest" / "images").glob("a_fake_B.tif"))
