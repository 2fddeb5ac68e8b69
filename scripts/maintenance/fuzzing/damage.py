"""Cases of damaged and crafted files: the inputs of every program, one at a time."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.image_file import FORMATS
from scripts.maintenance.fuzzing.cases import Case, Program

Change = Callable[[Path], Any]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\1\0\0\0\0"
HTML = b"<!doctype html><title>404</title>not found\n"
LOOSE = ("text", "json lines")  # kinds of which a part may be lost: nobody computes with them


def damage_cases(program: Program) -> Iterator[Case]:
    """Yield the cases of all files that ``program`` reads."""
    for path, kind in program.files.items():
        for name, change in changes_of(kind).items():
            exact = kind not in LOOSE and name not in VALID and not POSSIBLE.match(name)
            exact = exact and (kind, name) != ("image", "folder")  # it holds no images
            exact = exact and not (kind == "array" and name.startswith("bit"))  # has no checksum
            yield Case(
                f"{program.name}:{path}:{name}",
                program,
                damaged=path,
                exact=exact,
                before=partial(apply, change, path),
                wait=1.5 * program.slow,
            )


@cache
def changes_of(kind: str) -> dict[str, Change]:
    """Return what can happen to a file of this kind."""
    return dict(broken()) | dict(CRAFTED[kind]())


def apply(change: Change, path: str, place: Path) -> None:
    """Change the file ``path`` in the scratch folder ``place``, which may not have it yet."""
    file = place / path
    file.parent.mkdir(parents=True, exist_ok=True)
    change(file)


def broken() -> Iterator[tuple[str, Change]]:
    """Yield damages of any file: truncated, flipped, replaced by other things."""
    yield "empty", partial(put, content=b"")
    yield "half", partial(cut, share=0.5)
    yield "almost", partial(cut, share=0.98)
    yield "ten bytes", partial(cut, share=0.0)
    for seed in range(6):
        yield f"bit {seed}", partial(flip, seed=seed)
    yield "zeros", lambda path: put(path, bytes(old_size(path)))
    yield "noise", lambda path: put(path, random.Random(0).randbytes(old_size(path)))
    yield "html", lambda path: put(path, HTML)
    yield "png", lambda path: put(path, PNG)
    yield "folder", replaced(lambda path: path.mkdir())
    for name, target in (("dangling", "nothere"), ("endless", "/dev/zero"), ("null", "/dev/null")):
        yield f"{name} link", replaced(partial(link, target=target))
    yield "loop", replaced(lambda path: path.symlink_to(path.name))
    yield "fifo", replaced(lambda path: os.mkfifo(path))
    yield "unreadable", forbid
    yield "128 MB", grow


def old_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 100


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes() if path.is_file() else b"a text"
    path.write_bytes(content[: max(10, int(len(content) * share))])


def flip(path: Path, seed: int) -> None:
    """Flip one bit at a place that depends on the seed."""
    content = bytearray(path.read_bytes() if path.is_file() else b"a text of some length")
    at = random.Random(seed).randrange(len(content))
    content[at] ^= 1 << seed
    path.write_bytes(content)


def forbid(path: Path) -> None:
    path.touch()
    path.chmod(0)


def grow(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 27)


def replaced(make: Change) -> Change:
    def change(path: Path) -> None:
        path.unlink(missing_ok=True)
        make(path)

    return change


def link(path: Path, target: str) -> None:
    path.symlink_to(target)


def crafted_images() -> Iterator[tuple[str, Change]]:
    """Yield unusual images, most of them valid."""
    rng = np.random.default_rng(0)
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB", "HSV"):
        yield f"mode {mode}", partial(save_mode, mode=mode)
    for size in ((1, 1), (1, 500), (500, 1), (3000, 3000)):
        array = rng.integers(0, 255, (size[1], size[0]), np.uint8)
        yield f"{size[0]}x{size[1]}", partial(save_as, image=Image.fromarray(array), kind="PNG")
    yield "bomb", save_bomb
    pages = [Image.new("RGB", (16, 16), (i * 80, 0, 0)) for i in range(3)]
    for kind in ("TIFF", "GIF", "WEBP", "PNG"):
        more: dict[str, Any] = {"save_all": True, "append_images": pages[1:]}
        yield f"3 pages {kind}", partial(save_as, image=pages[0], kind=kind, **more)
    for kind in ("JPEG", "BMP", "PPM", "TIFF", "WEBP", "EPS", "PDF", "ICO", "TGA"):
        yield f"as {kind}", partial(save_as, image=pages[2], kind=kind)
    yield "svg", lambda path: put(path, b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "rotated", partial(save_as, image=pages[1], kind="PNG", exif=exif)
    yield "bad profile", partial(save_as, image=pages[1], kind="PNG", icc_profile=b"nonsense")


def crafted_arrays() -> Iterator[tuple[str, Change]]:
    """Yield NumPy files of other types, shapes and values."""
    shape = (16, 16, 2)
    for kind in ("f2", ">f4", "f8", "i2", "u1", "?", "c8", "U3", "M8[s]", "V4"):
        yield f"type {kind}", partial(save_array, array=np.zeros(shape, kind))
    yield "pickle", partial(save_array, array=np.full(shape, None))
    for odd in (
        (),
        (0, 16, 2),
        (16,),
        (16, 16),
        (16, 16, 3),
        (2, 16, 16),
        (1, 16, 16, 2),
        (1, 1, 2),
    ):
        yield f"shape {odd}", partial(save_array, array=np.zeros(odd, np.float32))
    for value in (np.nan, np.inf, -np.inf, 1e30):
        yield f"value {value}", partial(save_array, array=np.full(shape, value, np.float32))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (900000, 900000, 2), }"
    start = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little")
    yield "huge", partial(put, content=start + header)


def save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)


def save_bomb(path: Path) -> None:
    """Write an image of 900 megapixels in about 110 KB."""
    save_as(path, Image.new("1", (30_000, 30_000)), "PNG")


def save_mode(path: Path, mode: str) -> None:
    base = (
        Image.open(path, formats=FORMATS).convert("RGB")
        if path.is_file()
        else Image.new("RGB", (16, 16))
    )
    if mode == "I;16":
        image = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    elif mode == "LAB":
        image = Image.new("LAB", (16, 16))
    else:
        image = base.convert(mode)
    png = mode in ("1", "L", "LA", "P", "RGBA", "I;16")
    save_as(
        path, image.convert("RGB") if mode in ("HSV", "YCbCr") else image, "PNG" if png else "TIFF"
    )


def save_as(path: Path, image: Image.Image, kind: str, **more: Any) -> None:
    with path.open("w+b") as file:  # TIFF reads what it has written
        image.copy().save(file, format=kind, **more)  # saving leaves settings in the image


DOCUMENTS = {
    "list": b"[]", "null": b"null", "word": b'"x"', "number": b"1e999", "object": b"{}",
    "not utf-8": b'{"a": "\xff"}',
    "nan": b'{"epoch": NaN, "total": Infinity, "losses": {"a": -1e400}}',
    "deep": b"[" * 100_000, "digits": b"9" * 10_000, "twice": b"{}{}", "nul": b'{"a\\u0000": 1}',
    "wrong": b'{"epoch": "x", "share": null, "total": [], "losses": 5, "model": 7, "name": {}}',
    "utf-16": '{"epoch": 1}'.encode("utf-16"), "surrogate": b'{"\\udcff": "\\udcff"}',
}  # fmt: skip


def crafted_json() -> Iterator[tuple[str, Change]]:
    for name, text in DOCUMENTS.items():
        yield name, partial(put, content=text)


def crafted_lines() -> Iterator[tuple[str, Change]]:
    """Yield odd lines in place of the file, and after its own."""
    for name, text in DOCUMENTS.items():
        yield name, partial(put, content=text + b"\n")
        yield f"then {name}", partial(append, content=text + b"\n")


def append(path: Path, content: bytes) -> None:
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + content)


ODD: dict[str, Any] = {
    "null": None, "text": "x", "minus": -1, "nan": float("nan"), "inf": float("inf"), "list": [],
    "object": {"a": 1}, "true": True, "huge": 10**30, "up": "../../x", "nul": "a\0\nb", "half": 0.5,
}  # fmt: skip
KEYS = (
    "model", "dataset_mode", "name", "checkpoints_dir", "dataroot", "input_nc", "output_nc", "ngf",
    "ndf", "netG", "netD", "norm", "no_dropout", "direction", "seed", "preprocess", "load_size",
    "crop_size", "batch_size", "num_threads", "lr", "beta1", "n_epochs", "n_epochs_decay",
    "lr_policy", "pool_size", "init_type", "panel", "panel_size", "gpu_ids", "epoch", "phase",
    "lambda_A", "gan_mode", "given", "isTrain", "device", "ema", "amp", "suffix",
    "max_dataset_size", "serial_batches", "display_id", "save_epoch_freq",
    "stall_timeout",    "val_metric", "accumulate",
)  # fmt: skip


def crafted_options() -> Iterator[tuple[str, Change]]:
    """Yield saved options with one odd value each, and other documents."""
    yield from crafted_json()
    for key in KEYS:
        for name, value in ODD.items():
            yield f"{key} {name}", partial(set_key, key=key, value=value)


def set_key(path: Path, key: str, value: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def none() -> Iterator[tuple[str, Change]]:
    return iter(())


def late(name: str) -> Callable[[], Iterator[tuple[str, Change]]]:
    """Return the crafted files of a kind that needs PyTorch, which --help should not wait for."""

    def crafted() -> Iterator[tuple[str, Change]]:
        from scripts.maintenance.fuzzing import tensors

        yield from getattr(tensors, name)()

    return crafted


CRAFTED: dict[str, Callable[[], Iterator[tuple[str, Change]]]] = {
    "array": crafted_arrays,
    "image": crafted_images,
    "json": crafted_json,
    "json lines": crafted_lines,
    "options": crafted_options,
    "weights": late("crafted_weights"),
    "script": none,
    "state": late("crafted_state"),
    "text": none,
}
# Values of a state that another run might have had.
POSSIBLE = re.compile(r"value \d+ (zero|list|half|true|huge|missing|none|dict)")
# Other valid files: what is written may differ from what the untouched file gives.
VALID = {name for name, _ in (*crafted_images(), *crafted_arrays())} | {"png"}
VALID |= {f"{key} {name}" for key in KEYS for name in ODD} | {"object", "nan", "surrogate", "nul"}
