"""Files that are no good images: named by check_data and by training, never a crash; and what check_data says of good sets."""
from __future__ import annotations

import os
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs, Result, picture, pictures
from PIL import Image

PAGE = b"<!doctype html><title>404</title>" * 20


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG file: length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int) -> bytes:
    """A PNG file that says it is so large and holds one pixel."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1:]


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


# Each makes a file out of a good one with the same ending. Training stops at these.
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty.png": lambda _: b"", "empty.jpg": lambda _: b"", "zeros.png": lambda _: bytes(5000), "text.png": lambda _: b"hello\n",
    "page.jpg": lambda _: PAGE, "random.jpg": lambda _: bytes(range(256)) * 9, "signature.png": lambda good: good[:5],
    "header.png": lambda good: good[:25], "half.png": half, "header.jpg": lambda good: good[:20], "half.jpg": half,
    "end.jpg": lambda good: good[:-30], "last.jpg": lambda good: good[:-2], "bomb.png": lambda _: header(60000, 60000),
    "large.png": lambda _: header(11000, 11000), "nothing.png": lambda _: header(0, 5), "half.webp": half, "half.tif": half,
    "half.bmp": half, "half.ppm": half, "numbers.ppm": lambda _: b"P6 xx 50 255\n",
    "size_sum.png": lambda good: flipped(good, 29), "pixels.png": lambda good: flipped(good, good.index(b"IDAT") + 40)}
# Training reads these, and check_data says what is odd about them.
ODD: dict[str, Callable[[bytes], bytes]] = {
    "gif.jpg": lambda _: gif(), "no_end.png": lambda good: good[:-12],
    "pixel_sum.png": lambda good: flipped(good, len(good) - 13)}


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
    from scripts import check_data
    return run.call(check_data.main, "check_data.py", "--dataroot", data, *TINY, *ONE_EPOCH, *more)


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
    """One line, by both; and training leaves a state behind that goes on when the file has been mended."""
    data = set_with({name: BROKEN[name]})
    found = check(run, data)
    assert (found.status, found.err) == (1, "")
    [line] = [line for line in found.out.splitlines() if line.startswith("problem: ")]
    assert "trainA: 1 image of 1 cannot be read" in line and name in line
    train(run, data).refused(1, data / "trainA" / name)
    picture(data / "trainA" / name)
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
    assert [len(re.findall(f"left out: .*{name}", result.err)) for name in ("half.jpg", "empty.png", "good.png")] == [1, 1, 0]


def test_file_names_are_data(run: Programs, set_with: Callable[..., Path]) -> None:
    """Neither a line break nor a terminal's control characters nor bytes that are no text get through."""
    data = set_with()
    folder = os.fsencode(data / "trainA")
    os.mkdir(folder)
    for name in (b"a\nb.png", b"\x1b[31mred.png", b"\xff.png"):
        with open(os.path.join(folder, name), "wb"):
            pass
    [line] = [line for line in check(run, data).out.splitlines() if line.startswith("problem: ")]
    assert r"trainA/a\nb.png" in line and r"trainA/\x1b[31mred.png" in line and r"trainA/\udcff.png" in line


# Good sets

def test_healthy(run: Programs, unaligned: Path) -> None:
    before = run.files()
    found = check(run, unaligned, "--n_epochs_decay", "3", "--save_epoch_freq", "2").ok()
    assert run.files() == before and found.err == ""
    lines = found.out.splitlines()
    assert lines[:4] == ["trainA: 4 images, all 40x40", "trainB: 5 images, all 40x40", "testA: 2 images, all 40x40",
                         "testB: 3 images, all 40x40"]
    assert "Learning rate: epochs 1-1 at 0.0002, then falling to 5e-05 in epoch 4" in lines
    assert "  epoch 1: 0.0002, epoch 2: 0.00015, epoch 3: 0.0001, epoch 4: 5e-05" in lines
    assert "Steps: 5 per epoch of 5 images, 20 in all" in lines
    assert lines[-1] == "Nothing would stop the training" and not re.search("problem|note", found.out)
    assert run.train("--dry_run", "--dataroot", unaligned, *TINY, *ONE_EPOCH, "--n_epochs_decay", "3", "--save_epoch_freq", "2"
                     ).ok().out == found.out
    assert run.files() == before


def test_estimates(run: Programs, unaligned: Path) -> None:
    """Within a few percent of the bytes on disk; memory is more than the weights, gradients and Adam's two moments."""
    more = ("--n_epochs_decay", "3", "--save_epoch_freq", "2", "--pool_size", "4", "--ngf", "8", "--ndf", "8")
    found = check(run, unaligned, *more).ok()
    total, state, memory = (float(number) for number in re.findall(
        r"Disk: about ([\d.]+) MB for 3 sets .* state of ([\d.]+) MB.*\nMemory: about ([\d.]+) MB", found.out)[0])
    train(run, unaligned, *more).ok()
    files = {p.name: p.stat().st_size / 1e6 for p in (run.runs / "x").glob("*.pth")}
    assert state == pytest.approx(files["state.pth"], rel=0.1)
    assert total == pytest.approx(sum(files.values()), rel=0.1)
    weights = sum(size for name, size in files.items() if name.startswith("latest"))
    assert 3 * weights < memory < 20 * weights


def test_unbalanced_and_duplicated(run: Programs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data / "trainA", [f"{i}.png" for i in range(2)], 1)
    pictures(data / "trainB", [f"{i}.png" for i in range(6)], 2)
    pictures(data / "testA", ["0.png"], 3)
    Image.open(data / "trainA" / "1.png").save(data / "testA" / "other_name.tif")  # the same pixels in other bytes
    shutil.copy(data / "trainB" / "3.png", data / "trainB" / "copy.png")
    found = check(run, data).ok()
    notes = [line for line in found.out.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: 1 image more than once, equal in every pixel, in testA and trainA: trainA/1.png = testA/other_name.tif",
        "note: 1 image more than once, equal in every pixel, in trainB: trainB/3.png = trainB/copy.png",
        "note: trainB has 7 images, trainA 2: an epoch shows each image of trainA about 4 times"]


def test_modes(run: Programs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data / "trainB", ["b.png"])
    modes = {"l.png": "L", "rgba.png": "RGBA", "la.png": "LA", "cmyk.jpg": "CMYK", "p.png": "P", "bit.png": "1"}
    for name, mode in modes.items():
        picture(data / "trainA" / name, mode=mode)
    picture(data / "trainA" / "deep.png", mode="L")
    Image.open(data / "trainA" / "deep.png").convert("I;16").save(data / "trainA" / "deep.png")
    found = check(run, data).ok()
    for kind, name in {"grayscale": "l", "alpha": "rgba", "gray with alpha": "la", "palette": "p", "black and white": "bit",
                       "CMYK": "cmyk", "16 bits per channel": "deep"}.items():
        assert re.search(rf"note: 1 image, {kind}, converted by training: trainA/{name}\.", found.out), kind
    train(run, data).ok()


def test_too_small(run: Programs, unaligned: Path, aligned: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(unaligned, tmp_path / "copy"))
    picture(data / "trainB" / "small.png", size=(90, 20))
    found = check(run, data, "--preprocess", "crop")
    assert (found.status, "problem: trainB: 1 image of 6 too small for --crop_size 32: trainB/small.png (90x20)" in found.out
            ) == (1, True)
    assert "widths 40 to 90 (median 40), heights 20 to 40 (median 40), 2 sizes, most often 40x40 (5)" in found.out
    assert check(run, data, "--preprocess", "none", "--batch_size", "2").status == 1
    check(run, data, "--preprocess", "none").ok()
    check(run, data).ok()
    found = check(run, data, "--load_size", "16", "--crop_size", "8")
    assert found.status == 1 and "problem: images of 8x8 are too small for this discriminator" in found.out
    pairs = ("--model", "pix2pix", "--netG", "resnet_6blocks", "--preprocess", "crop")
    check(run, aligned, *pairs).ok()  # halves of 40x40
    assert check(run, aligned, *pairs, "--crop_size", "41").status == 1


@pytest.mark.parametrize("args", ["--model pix2pix --netG unet_128", "--model colorization --netG resnet_6blocks",
                                  "--model template", "--model template --dataset_mode template"])
def test_other_layouts(run: Programs, aligned: Path, args: str) -> None:
    found = check(run, aligned, *args.split()).ok()
    first = ".: 5 images" if args.endswith("_mode template") else "train: 3 images, all 80x40\ntest: 2 images, all 80x40"
    assert found.out.startswith(first) and "Disk: about" in found.out and "Memory: about" in found.out


def test_missing_folder(run: Programs, tmp_path: Path) -> None:
    pictures(tmp_path / "data" / "trainA", ["a.png"])
    check(run, tmp_path / "data").refused(1, "has no folder trainB")


def test_as_a_program(unaligned: Path) -> None:
    import subprocess
    script = Path(__file__).parents[1] / "scripts" / "check_data.py"
    done = subprocess.run([sys.executable, script, "--dataroot", unaligned, *TINY], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
