"""Images are written by threads: errors reach the caller, and only a few images wait in memory."""

import threading

import numpy as np
import pytest

from util import images
from util.errors import UserError


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
    release, started, most = threading.Event(), [0], []
    monkeypatch.setattr(images, "save_image", lambda *a: release.wait(5))
    writer = images.ImageWriter()
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
