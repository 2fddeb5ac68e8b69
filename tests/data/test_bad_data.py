"""Files that are no good images: named by check_data and by training, never a crash."""

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
    """Of a PNG file: length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int) -> bytes:
    """A PNG file that says it is so large and holds one pixel."""
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


# Each makes a file out of a good one with the same ending. Training stops at these.
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
# Training reads these, and check_data says what is odd about them.
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
def set_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A set whose trainA holds the files that a function has written into it."""
    monkeypatch.chdir(tmp_path)

    def make(*bad: dict) -> Path:
        pictures(tmp_path / "data" / "trainB", ["b.png"])
        for names in bad:
            write(tmp_path / "data" / "trainA", names)
        return tmp_path / "data"

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_each_is_named(run: Programs, set_with: Callable[..., Path], name: str) -> None:
    """One line, by both."""
    data = set_with({name: BROKEN[name]})
    found = check(run, data)
    assert (found.status, found.err) == (1, "")
    [line] = [line for line in found.out.splitlines() if line.startswith("problem: ")]
    assert "trainA: 1 image of 1 cannot be read" in line and name in line
    train(run, data).refused(1, data / "trainA" / name)


def test_mended(run: Programs, set_with: Callable[..., Path]) -> None:
    """Training leaves a state behind that goes on when the file has been mended."""
    data = set_with({"half.jpg": half})
    train(run, data).refused(1, "half.jpg")
    picture(data / "trainA" / "half.jpg")
    run.train("--continue_train", "--name", "x").ok()


def test_all_are_named_at_once(run: Programs, set_with: Callable[..., Path]) -> None:
    data = set_with(BROKEN, ODD)
    found = check(run, data)
    assert f"trainA: {len(BROKEN)} images of {len(BROKEN) + len(ODD)} cannot be read" in found.out
    assert f"and {len(BROKEN) - 3} more" in found.out
    found = check(run, data, "--verbose", "--num_threads", "3")
    [line] = [line for line in found.out.splitlines() if line.startswith("problem: ")]
    assert set(re.findall(r"trainA/(\w+\.\w+)", line)) == BROKEN.keys()
    [line] = [line for line in found.out.splitlines() if "damaged or misnamed" in line]
    assert set(re.findall(r"trainA/(\w+\.\w+)", line)) == ODD.keys()


def test_odd_ones_train(run: Programs, set_with: Callable[..., Path]) -> None:
    data = set_with(ODD)
    assert check(run, data).ok().out.count("damaged or misnamed") == 1
    train(run, data).ok()


def test_folders_links_and_rights(run: Programs, set_with: Callable[..., Path]) -> None:
    """A folder named like an image is none; a link to nothing and a file that may not be read are named."""
    data = set_with()
    picture(data / "trainA" / "good.png")
    (data / "trainA" / "folder.jpg").mkdir()
    found = check(run, data).ok()
    assert "1 folder named like an image: trainA/folder.jpg" in found.out
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
def test_no_permission(run: Programs, set_with: Callable[..., Path]) -> None:
    data = set_with()
    path = picture(data / "trainA" / "secret.png")
    path.chmod(0)
    assert "secret.png (Permission denied)" in check(run, data).out
    train(run, data).refused(1, path, "Permission denied")


def test_broken_files_in_worker_processes(run: Programs, set_with: Callable[..., Path]) -> None:
    data = set_with({"half.jpg": half})
    train(run, data, "--num_threads", "2").refused(1, data / "trainA" / "half.jpg")


def test_skipping(run: Programs, set_with: Callable[..., Path]) -> None:
    """With --on_bad_image skip they are no problem, unless none is left."""
    data = set_with({"half.jpg": half, "empty.png": BROKEN["empty.png"]})
    assert check(run, data, "--on_bad_image", "skip").status == 1
    result = train(run, data, "--on_bad_image", "skip")
    assert result.status == 1 and result.err.endswith("error: none of the images can be read\n")
    picture(data / "trainA" / "good.png")
    found = check(run, data, "--on_bad_image", "skip").ok()
    assert "note: trainA: 2 images of 3 cannot be read" in found.out
    result = train(run, data, "--on_bad_image", "skip").ok()
    assert "left out 2 times" in result.out
    assert [
        len(re.findall(f"left out: .*{name}", result.err))
        for name in ("half.jpg", "empty.png", "good.png")
    ] == [1, 1, 0]


def test_file_names_are_data(run: Programs, set_with: Callable[..., Path]) -> None:
    """Neither a line break nor a terminal's control characters nor bytes that are no text get through."""
    data = set_with()
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
