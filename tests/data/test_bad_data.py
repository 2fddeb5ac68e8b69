"""Damaged images: check_data and training name the file; nothing crashes."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs, Result, picture, pictures

PAGE = b"<!doctype html><title>404</title>" * 20


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int) -> bytes:
    """A PNG file with one pixel whose header claims this size."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(bytes(4)))
        + chunk(b"IEND", b"")
    )


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


# Each function turns a good file with the same extension into one that stops a training.
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty.png": lambda _: b"",
    "empty.jpg": lambda _: b"",
    "zeros.png": lambda _: bytes(5000),
    "text.png": lambda _: b"hello\n",
    "page.jpg": lambda _: PAGE,
    "random.jpg": lambda _: bytes(range(256)) * 9,
    "signature.png": lambda good: good[:5],
    "header.png": lambda good: good[:25],
    "half.png": half,
    "header.jpg": lambda good: good[:20],
    "half.jpg": half,
    "end.jpg": lambda good: good[:-30],
    "last.jpg": lambda good: good[:-2],
    "bomb.png": lambda _: header(60000, 60000),
    "large.png": lambda _: header(11000, 11000),
    "nothing.png": lambda _: header(0, 5),
    "half.webp": half,
    "half.tif": half,
    "half.bmp": half,
    "half.ppm": half,
    "numbers.ppm": lambda _: b"P6 xx 50 255\n",
    "size_sum.png": lambda good: flipped(good, 29),
    "pixels.png": lambda good: flipped(good, good.index(b"IDAT") + 40),
}
# Training reads these; check_data reports them as damaged or misnamed.
ODD: dict[str, Callable[[bytes], bytes]] = {
    "gif.jpg": lambda _: gif(),
    "no_end.png": lambda good: good[:-12],
    "pixel_sum.png": lambda good: flipped(good, len(good) - 13),
}


def gif() -> bytes:
    path = Path("x.gif").resolve()
    data = picture(path).read_bytes()
    path.unlink()
    return data


def write(folder: Path, names: dict[str, Callable[[bytes], bytes]]) -> list[Path]:
    folder.mkdir(exist_ok=True, parents=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(names[path.name](picture(path, size=(60, 50)).read_bytes()))
    return paths


def check(run: Programs, data: Path, *more: object) -> Result:
    return run.check("--dataroot", data, *TINY, *ONE_EPOCH, *more)


def train(run: Programs, data: Path, *more: object) -> Result:
    return run.train("--dataroot", data, "--name", "x", *TINY, *ONE_EPOCH, *more)


@pytest.fixture
def dataset_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that makes a dataset whose trainA holds the given files."""
    monkeypatch.chdir(tmp_path)

    def make(*bad: dict) -> Path:
        pictures(tmp_path / "data" / "trainB", ["b.png"])
        for names in bad:
            write(tmp_path / "data" / "trainA", names)
        return tmp_path / "data"

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_each_is_named(run: Programs, dataset_with: Callable[..., Path], name: str) -> None:
    """check_data and training each report it in one line."""
    data = dataset_with({name: BROKEN[name]})
    report = check(run, data)
    assert (report.status, report.err) == (1, "")
    [line] = [line for line in report.out.splitlines() if line.startswith("problem: ")]
    assert "trainA: 1 image of 1 cannot be read" in line and name in line
    train(run, data).refused(1, data / "trainA" / name)


def test_repaired(run: Programs, dataset_with: Callable[..., Path]) -> None:
    """A training that stopped at a damaged file resumes once the file is repaired."""
    data = dataset_with({"half.jpg": half})
    train(run, data).refused(1, "half.jpg")
    picture(data / "trainA" / "half.jpg")
    run.train("--continue_train", "--name", "x").ok()


def test_all_are_named_at_once(run: Programs, dataset_with: Callable[..., Path]) -> None:
    data = dataset_with(BROKEN, ODD)
    report = check(run, data)
    assert f"trainA: {len(BROKEN)} images of {len(BROKEN) + len(ODD)} cannot be read" in report.out
    assert f"and {len(BROKEN) - 3} more" in report.out
    report = check(run, data, "--verbose", "--num_threads", "3")
    [line] = [line for line in report.out.splitlines() if line.startswith("problem: ")]
    assert set(re.findall(r"trainA/(\w+\.\w+)", line)) == BROKEN.keys()
    [line] = [line for line in report.out.splitlines() if "damaged or misnamed" in line]
    assert set(re.findall(r"trainA/(\w+\.\w+)", line)) == ODD.keys()


def test_odd_ones_train(run: Programs, dataset_with: Callable[..., Path]) -> None:
    data = dataset_with(ODD)
    assert check(run, data).ok().out.count("damaged or misnamed") == 1
    train(run, data).ok()


def test_folders_links_and_rights(run: Programs, dataset_with: Callable[..., Path]) -> None:
    """Folders named like images are ignored; broken links and pipes are reported."""
    data = dataset_with()
    picture(data / "trainA" / "good.png")
    (data / "trainA" / "folder.jpg").mkdir()
    report = check(run, data).ok()
    assert "1 folder named like an image: trainA/folder.jpg" in report.out
    train(run, data).ok()
    (data / "trainA" / "good.png").unlink()
    link = data / "trainA" / "link.png"
    link.symlink_to(data / "nowhere.png")
    assert "link.png (No such file or directory)" in check(run, data).out
    train(run, data).refused(1, link, "No such file")
    link.unlink()
    os.mkfifo(data / "trainA" / "pipe.png")
    assert "pipe.png (it is not a file)" in check(run, data).out
    train(run, data).refused(1, data / "trainA" / "pipe.png", "not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(run: Programs, dataset_with: Callable[..., Path]) -> None:
    data = dataset_with()
    path = picture(data / "trainA" / "secret.png")
    path.chmod(0)
    assert "secret.png (Permission denied)" in check(run, data).out
    train(run, data).refused(1, path, "Permission denied")


def test_broken_files_in_worker_processes(run: Programs, dataset_with: Callable[..., Path]) -> None:
    data = dataset_with({"half.jpg": half})
    train(run, data, "--num_threads", "2").refused(1, data / "trainA" / "half.jpg")


def test_skipping(run: Programs, dataset_with: Callable[..., Path]) -> None:
    """With --on_bad_image skip they stop nothing unless no image is left."""
    data = dataset_with({"half.jpg": half, "empty.png": BROKEN["empty.png"]})
    assert check(run, data, "--on_bad_image", "skip").status == 1
    result = train(run, data, "--on_bad_image", "skip")
    assert result.status == 1 and result.err.endswith("error: none of the images can be read\n")
    picture(data / "trainA" / "good.png")
    report = check(run, data, "--on_bad_image", "skip").ok()
    assert "note: trainA: 2 images of 3 cannot be read" in report.out
    result = train(run, data, "--on_bad_image", "skip").ok()
    assert "left out 2 times" in result.out
    assert [
        len(re.findall(f"left out: .*{name}", result.err))
        for name in ("half.jpg", "empty.png", "good.png")
    ] == [1, 1, 0]


def test_file_names_are_data(run: Programs, dataset_with: Callable[..., Path]) -> None:
    """Line breaks, control characters and bytes that are not UTF-8 are printed escaped."""
    data = dataset_with()
    folder = os.fsencode(data / "trainA")
    os.mkdir(folder)
    for name in (b"a\nb.png", b"\x1b[31mred.png", b"\xff.png"):
        with open(os.path.join(folder, name), "wb"):
            pass
    [line] = [line for line in check(run, data).out.splitlines() if line.startswith("problem: ")]
    assert (
        r"trainA/a\nb.png" in line
        and r"trainA/\x1b[31mred.png" in line
        and r"trainA/\udcff.png" in line
    )
