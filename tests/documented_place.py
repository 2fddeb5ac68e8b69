"""A folder like a checkout after some trainings, with tiny data of all names in the documents."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
from conftest import ROOT, picture, pictures
from documents import blocks
from medical import write_dicom, write_nifti
from projects import Server, own_process
from rasters import write_tif
from study_files import answers

SOURCES = ("data", "models", "options", "util", "scripts", "docs")
# Test images in demo.md
PAIRS = ("0288_0252", "0928_0828", "1376_1180", "2112_0348", "2880_0124", "4160_1212")
TINY = shlex.split(
    "--max_dataset_size 2 --n_epochs 1 --n_epochs_decay 0 --ngf 2 --ndf 2 --num_threads 0"
)
SMALL = shlex.split("--load_size 36 --crop_size 32")
FULL = shlex.split("--load_size 64 --crop_size 64")  # of datasets/atlas, whose pairs are compared
ADDED = {  # sizes and counts after the words of a command; of two values, the last one counts
    "test.py": "--num_threads 0",
    "cogan": "--latent_starts 1 --latent_steps 3",
    "scripts/train_segmenter.py": "--epochs 1 --width 4",
    "scripts/study.py make": "--practice 1 --trials 2",
    "datasets/make_lakes.py": "--train 2 --test 2",
    "datasets/make_phantoms.py": "--size 32 --train 4 --test 2",
}
# Commands that end with another status than 0
STATUS = {"scripts/check_data.py --dataroot DATA": 1}  # the page then gives the missing options
CITYSCAPES = """
    datasets/prepare_cityscapes_dataset.py --gtFine_dir gtFine --leftImg8bit_dir leftImg8bit
    --output_dir datasets/cityscapes --png
"""
EXAMPLE = ["--dataroot", "./datasets/example", "--name", "example"]  # for "..."


def tiny(words: list[str]) -> list[str]:
    """Return the words of a command of the documents with small sizes and counts."""
    words = [new for word in words for new in (EXAMPLE if word == "..." else [word])]
    if words[0] in ("train.py", "scripts/check_data.py") and "--help" not in words:
        more = TINY if {"pix2pix", "cogan"} & {*words} else [*TINY, *SMALL]
        more = [*more, *FULL] if "datasets/atlas" in words else more
        return [*words, *more, *(["--n_epochs", "2"] if "--continue_train" in words else [])]
    keys = [words[0], " ".join(words[:2])]
    keys += ["cogan"] if words[0] == "test.py" and "maps_cogan" in words else []
    return words + [new for key in keys for new in ADDED.get(key, "").split()]


class Place:
    """The folder, and a shell whose ``python`` runs programs by :class:`projects.Server`.

    Attributes:
        log: what has been run, and its output.
        done: code of the documents that has been run.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server, self.log = folder, server, ""
        self.done: set[str] = set()
        self.copy_project()
        self.make_data()
        self.make_runs()

    def python(self, words: list[str]) -> int:
        """Run a program with small sizes and counts; returns 0 if it ends as it should."""
        full = tiny(words)
        if words[0] == "torchrun":
            at = words.index("train.py")
            full = [*words[:at], *tiny(words[at:])]
            done = own_process(self.folder, ["-m", "torch.distributed.run", *full[1:]])
        else:
            done = self.server.run(self.folder, full)
        self.log += f"$ {shlex.join(full)}\n{done.out}{done.err}"
        return done.status - STATUS.get(shlex.join(words), 0)

    def copy_project(self) -> None:
        for name in SOURCES:
            shutil.copytree(ROOT / name, self.folder / name)
        for path in (*ROOT.glob("*.py"), *ROOT.glob("*.txt"), *ROOT.glob("datasets/*.py")):
            target = self.folder / path.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(path, target)

    def make_data(self) -> None:
        data = self.folder / "datasets"
        for side in ("trainA", "trainB", "testA", "testB"):
            files = sorted((ROOT / "datasets/atlas" / side).iterdir())[:4]
            if side.startswith("test"):
                files = [next((ROOT / "datasets/atlas" / side).glob(f"{x}.*")) for x in PAIRS]
            (data / "atlas" / side).mkdir(parents=True)
            for file in files:
                shutil.copy(file, data / "atlas" / side)
            for name in ("horse2zebra", "maps", "NAME", "example"):
                pictures(data / name / side, [f"{i}.png" for i in range(4)])
            if side.startswith("test"):
                shutil.copytree(data / "example" / side, data / "example" / f"val{side[-1]}")
        for part in ("train", "test"):
            names = ["1.png", "2.png"]
            pictures(data / "facades_pix2pix" / part, names, size=(80, 40))
            for side in "AB":
                pictures(self.folder / side / part, names)
        pictures(self.folder / "photos", ["a.jpg", "b.jpg", "train/c.jpg"])
        pictures(self.folder / "frames", ["frame_00001.png", "frame_00002.png"])
        pictures(self.folder, ["horse.jpg", "mosaic.tif", "mosaics/a.tif"])
        self.make_cityscapes()
        self.make_scans()
        fork = self.folder / "FOLDER/models"
        fork.mkdir(parents=True)
        shutil.copy(ROOT / "tests/fixtures/legacy_pix_model.py", fork)
        [options] = [x for x in blocks(ROOT / "docs/configuration.md") if x.language == "json"]
        (self.folder / "base.json").write_text(options.code)

    def make_cityscapes(self) -> None:
        for part in ("train/ulm", "val/lindau"):
            for shot in range(2):
                stem = f"{part}/{part.split('/')[1]}_{shot:06d}_000019"
                picture(self.folder / f"leftImg8bit/{stem}_leftImg8bit.png", shot, (64, 32))
                picture(self.folder / f"gtFine/{stem}_gtFine_color.png", shot, (64, 32))
                picture(self.folder / f"gtFine/{stem}_gtFine_labelIds.png", shot, (64, 32), "L")
        self.python(
            [
                "datasets/prepare_cityscapes_dataset.py",
                "--gtFine_dir",
                "gtFine",
                "--leftImg8bit_dir",
                "leftImg8bit",
                "--output_dir",
                "datasets/cityscapes",
                "--png",
            ]
        )
        images = self.folder / "results/cityscapes/test_latest/images"
        for i in (1, 2):
            picture(images / f"{i}_A_fake_B.png", i, (256, 256))

    def make_scans(self) -> None:
        """Write slices as TIFF, DICOM and NIfTI files to DATA, and those of two inputs."""
        self.python(["datasets/make_phantoms.py", "DATA"])
        values = np.linspace(0, 4095, 32 * 32).round().reshape(32, 32)
        for side in ("trainA", "trainB", "testA", "testB"):
            for i in range(2):
                write_dicom(self.folder / "DATA" / side / f"{i}.dcm", values)
            volume = np.repeat(values[..., None], 3, axis=2).astype(np.int16)
            write_nifti(self.folder / "DATA" / side / "volume.nii.gz", volume)

    def use_two_inputs(self) -> None:
        for number in (1, 2):
            for i in range(2):
                array = np.full((32, 32, 1), 1000 * i + number, np.uint16)
                write_tif(self.folder / f"DATA/trainA{number}/{i}.tif", array)
        (self.folder / "DATA/trainA").rename(self.folder / "DATA/trainA_of_one_input")

    def make_runs(self) -> None:
        """Train three runs, and copy them to the names in the documents."""
        data = ["--dataroot", "datasets/maps", "--name"]
        assert not self.python(["train.py", *data, "horse2zebra"])
        held_out = ["--val_freq", "1", "--val_share", "0.5"]
        assert not self.python(["train.py", *data, "atlas_1", *held_out]), self.log
        atlas = ["--dataroot", "datasets/atlas", "--name", "atlas"]
        assert not self.python(["train.py", *atlas, "--ema", "0.9"])
        assert not self.python(["test.py", *atlas])
        runs, results = self.folder / "checkpoints", self.folder / "results"
        for name in ("other_run", "bigan"):
            shutil.copytree(runs / "atlas", runs / name)
        for name in ("atlas_2", "atlas_3", "other_1", "other_2"):
            shutil.copytree(runs / "atlas_1", runs / name)
        for name in ("NAME", "RUN", "maps_cyclegan"):
            shutil.copytree(runs / "horse2zebra", runs / name)
        shutil.copytree(results / "atlas", results / "NAME")
        for path in (runs / "horse2zebra").glob("latest_net_*"):
            shutil.copy(path, runs / "NAME" / path.name.replace("latest", "50"))
        for path in (runs / "atlas/web/images").glob("epoch001_*"):
            for epoch in ("epoch010", "epoch100"):
                shutil.copy(path, path.with_name(path.name.replace("epoch001", epoch)))
        weights = runs / "horse2zebra_pretrained/latest_net_G.pth"
        weights.parent.mkdir()
        shutil.copy(runs / "horse2zebra/latest_net_G_A.pth", weights)

    def write_answers(self) -> None:
        """Write the result of a participant of the study that has been made."""
        key = json.loads((self.folder / "study_key.json").read_text())
        (self.folder / "answers").mkdir()
        result = answers(key, 1, lambda random: random.random() < 0.5)
        (self.folder / "answers/1.json").write_text(json.dumps(result))
