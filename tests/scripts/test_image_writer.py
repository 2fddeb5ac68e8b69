"""Images are written by threads: errors reach the caller, and only a few images wait in memory."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from util.errors import UserError
from util.image import writing

sys.path.append(str(Path(__file__).resolve().parents[2] / "datasets"))
import prepare


def test_an_image_that_cannot_be_written(tmp_path) -> None:
    writer = writing.ImageWriter()
    (tmp_path / "blocked.png").mkdir()
    writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "fine.png")
    writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "blocked.png")
    with pytest.raises(UserError, match=r"cannot write .*blocked\.png: "):
        writer.close()
    assert (tmp_path / "fine.png").is_file()
    with pytest.raises(UserError):
        writer.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "later.png")


def test_few_images_wait_at_a_time(tmp_path, monkeypatch) -> None:
    release, started, most = threading.Event(), [0], []
    monkeypatch.setattr(writing, "save_image", lambda *a: release.wait(5))
    writer = writing.ImageWriter()
    limit = writer.limit

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


def test_links_are_not_written_through(tmp_path) -> None:
    """A results folder from elsewhere may hold links in place of the images that test.py writes."""
    mine = tmp_path / "mine.txt"
    mine.write_text("precious")
    for target in (mine, tmp_path / "nowhere"):
        (tmp_path / "a.png").symlink_to(target)
        with pytest.raises(UserError, match=r"cannot write .*a\.png: it is a link"):
            writing.save_image(np.zeros((4, 4, 3), np.uint8), tmp_path / "a.png")
        (tmp_path / "a.png").unlink()
    assert mine.read_text() == "precious" and sorted(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
@pytest.mark.parametrize("save", [writing.save_image, prepare.write_image])
def test_a_file_that_is_cut_off_is_an_error(tmp_path, name, save) -> None:
    """The last block is written in part, as on a disk that becomes full: Pillow does not see it."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    save(Image.fromarray(noise), tmp_path / name)
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 10, before[1]))
    try:
        with pytest.raises(UserError, match="cannot write .*: File too large"):
            save(Image.fromarray(noise), tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
