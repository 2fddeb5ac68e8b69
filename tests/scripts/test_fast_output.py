"""test.py with batches and threads saves the same files, pixel by pixel, as one by one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ONE_EPOCH, TINY, picture
from PIL import Image

from models.translation import batching
from util import images
from util.errors import UserError


@pytest.fixture(scope="module")
def trained(unaligned, tmp_path_factory):
    """A folder with a run, and 12 test images of two sizes."""
    from conftest import Programs

    folder = tmp_path_factory.mktemp("trained")
    Programs(folder).train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    for i in range(12):
        picture(folder / "in" / f"{i:02d}.png", i, (40, 40) if i < 10 else (44, 40))
    return folder


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {p.name: np.asarray(Image.open(p)) for p in sorted(folder.rglob("*.png"))}


@pytest.mark.parametrize("exact", [True, False])
def test_batches_save_what_one_by_one_saves(trained, run, monkeypatch, exact) -> None:
    """Also where a batch is not bit-equal: then there are none."""
    shutil.copytree(trained / "checkpoints", run.runs)
    sizes: list[int] = []
    plain_run = batching.run

    def counted(model, batch, seed):
        plain_run(model, batch, seed)
        sizes.append(len(model.real))
        if (
            len(model.real) > 1 or exact
        ):  # a network whose result does not depend on the size of the batch, or does
            model.fake = (
                model.real * 0.7 if exact else torch.nextafter(model.fake, torch.tensor(9.0))
            )

    monkeypatch.setattr(batching, "run", counted)
    monkeypatch.setattr(batching, "MOST_IMAGES", 3)
    args = ("--dataroot", trained / "in", "--name", "x", "--gpu_ids", "-1", "--preprocess", "none")
    run.test(*args, "--results_dir", "together").ok()
    assert sizes == ([1, 1, 1, 3, 3, 3, 1, 1, 1] if exact else [1, 1, 1, 3, *[1] * 9])
    monkeypatch.setattr(batching, "MOST_IMAGES", 1)
    run.test(*args, "--results_dir", "alone").ok()
    together, alone = (pixels(run.folder / name) for name in ("together", "alone"))
    assert together.keys() == alone.keys() and len(alone) == 24
    assert all((together[name] == alone[name]).all() for name in alone)


def test_where_images_of_a_batch_meet_there_are_none(trained, run, monkeypatch) -> None:
    shutil.copytree(trained / "checkpoints", run.runs)
    sizes: list[int] = []
    plain_run = batching.run
    monkeypatch.setattr(
        batching,
        "run",
        lambda m, batch, seed: (plain_run(m, batch, seed), sizes.append(len(batch["A"]))),
    )
    monkeypatch.setattr(batching, "OURS", set())  # as a custom model
    run.test("--dataroot", trained / "in", "--name", "x", "--gpu_ids", "-1", "--num_test", 10).ok()
    assert sizes == [1] * 10


def test_an_image_that_cannot_be_written(tmp_path) -> None:
    writer = images.ImageWriter()
    (tmp_path / "blocked.png").mkdir()
    writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "fine.png")
    writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "blocked.png")
    with pytest.raises(UserError, match=r"cannot write .*blocked\.png: "):
        writer.close()
    assert (tmp_path / "fine.png").is_file()
    with pytest.raises(UserError):
        writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "later.png")


def test_few_images_wait_at_a_time(tmp_path, monkeypatch) -> None:
    import threading

    release, started, most = threading.Event(), [0], []
    monkeypatch.setattr(images, "save_image", lambda *a: release.wait(5))
    writer = images.ImageWriter()
    limit = writer.most

    def produce():
        for i in range(limit + 3):
            writer.save(np.zeros((2, 2, 3), np.uint8), tmp_path / f"{i}.png")
            started[0] += 1

    thread = threading.Thread(target=produce)
    thread.start()
    thread.join(0.3)
    most.append(started[0])
    release.set()
    thread.join(5)
    writer.close()
    assert most == [limit] and started == [limit + 3]
