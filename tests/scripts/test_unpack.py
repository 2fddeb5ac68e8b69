"""Untrusted archives: nothing outside the folder, no links or devices, a bounded size."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import download
from util.download import catalogue, command, unpack
from util.errors import UserError


def tar_with(name: str, kind: bytes, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as bundle:
        good, bad = tarfile.TarInfo("set/train/1.jpg"), tarfile.TarInfo(name)
        good.size, bad.type, bad.linkname = 4, kind, link
        bundle.addfile(good, io.BytesIO(b"good"))
        bundle.addfile(bad)
    return out.getvalue()


def tar_with_headers(compression: str, size: int, count: int = 1, pax: bool = True) -> bytes:
    """A tar archive of ``count`` empty files, each with a header of ``size`` bytes before it."""
    out, long = io.BytesIO(), "x" * size
    form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=out, mode=f"w:{compression}", format=form) as bundle:  # type: ignore
        for i in range(count):
            info = tarfile.TarInfo(f"set/{i}.jpg" if pax else long)
            info.pax_headers = {"comment": long} if pax else {}
            bundle.addfile(info)
    return out.getvalue()


def sparse_tar() -> bytes:
    """A file of 512 bytes that the archive declares as one of 1 GiB with a hole."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as bundle:
        info = tarfile.TarInfo("set/hole.jpg")
        info.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": "600000"}
        info.size = 512
        bundle.addfile(info, io.BytesIO(bytes(512)))
    return out.getvalue()


def zip_with(
    name: str, mode: int = 0, body: bytes = b"evil", method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        info = zipfile.ZipInfo("x")
        info.filename, info.external_attr, info.compress_type = (name, mode << 16, method)
        bundle.writestr("set/train/1.jpg", b"good")
        bundle.writestr(info, body)
    return out.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "zip upwards": lambda: zip_with("set/../../evil.jpg"),
    "zip absolute": lambda: zip_with("/tmp/evil.jpg"),
    "zip empty": lambda: zip_with(""),
    "zip backslash": lambda: zip_with("..\\evil.jpg"),
    "zip link": lambda: zip_with("set/link", 0o120777),
    "zip pipe": lambda: zip_with("set/pipe", 0o010666),
    "zip name": lambda: zip_with(f"set/{'x' * 300}.jpg"),
    "zip into": lambda: zip_with("set/train/1.jpg/x/2.jpg"),
    "zip bomb": lambda: zip_with("set/bomb.jpg", body=bytes(2 << 20)),
    "zip twice": lambda: zip_with("set/train/1.jpg"),
    "zip unusual": lambda: zip_with("set/2.jpg", method=zipfile.ZIP_BZIP2),
    "tar unusual": sparse_tar,
    "tar header": lambda: tar_with_headers("gz", 2 << 20),
    "tar header bz2": lambda: tar_with_headers("bz2", 2 << 20),
    "tar header xz": lambda: tar_with_headers("xz", 2 << 20),
    "tar header plain": lambda: tar_with_headers("", 2 << 20),
    "tar header longname": lambda: tar_with_headers("gz", 2 << 20, pax=False),
    "tar bomb of headers": lambda: tar_with_headers("gz", 1 << 19, count=20),
    "tar upwards": lambda: tar_with("../evil.jpg", tarfile.REGTYPE),
    "tar absolute": lambda: tar_with("/evil.jpg", tarfile.REGTYPE),
    "tar link": lambda: tar_with("set/link", tarfile.SYMTYPE, "/etc/passwd"),
    "tar hard link": lambda: tar_with("set/link", tarfile.LNKTYPE, "/etc/passwd"),
    "tar device": lambda: tar_with("set/zero", tarfile.CHRTYPE),
    "tar pipe": lambda: tar_with("set/pipe", tarfile.FIFOTYPE),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", list(HOSTILE))
def test_a_hostile_archive_leaves_nothing(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "SLACK", 1 << 20)
    words = (
        "damaged"
        if case in ("zip name", "zip into")
        else "link or a device"
        if case.split()[1] in ("link", "hard", "device", "pipe")
        else "content is larger"
        if "bomb" in case
        else "unusual"
        if "unusual" in case
        else "a header is larger than 1 MiB"
        if "header" in case
        else "duplicate"
        if "twice" in case
        else "not be inside its folder"
    )
    archive, home = tmp_path / "archive", tmp_path / "home"
    home.mkdir()
    archive.write_bytes(HOSTILE[case]())
    with pytest.raises(UserError, match=words) as error:
        unpack.unpack(archive, home / "new")
    assert type(error.value) is UserError  # after a WriteError the archive would be kept
    assert list(home.iterdir()) == [] and sorted(p.name for p in tmp_path.iterdir()) == [
        "archive",
        "home",
    ]


def test_a_tar_is_unpacked_too_and_the_limit_is_exact(tmp_path: Path) -> None:
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(tar_with("set/val", tarfile.DIRTYPE))
    unpack.unpack(archive, tmp_path / "out", limit=10240)
    assert (tmp_path / "out/set/train/1.jpg").read_bytes() == b"good" and (
        tmp_path / "out/set/val"
    ).is_dir()
    with pytest.raises(UserError, match="larger than"):
        unpack.unpack(archive, tmp_path / "again", limit=10239)
    assert not (tmp_path / "again").exists()


def hidden_in_zip(first: bool) -> bytes:
    """A zip of two members whose directory lists only the first, or only the second one."""
    whole = zip_with("set/train/2.jpg")
    start = whole.index(b"PK\1\2")
    second, end = whole.index(b"PK\1\2", start + 1), whole.index(b"PK\5\6")
    listed = whole[start:second] if first else whole[second:end]
    record = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(listed), start, 0)
    return whole[:start] + listed + record


def tar_with_hole() -> bytes:
    """A tar of three files whose second header was lost, as by a download with a hole."""
    whole = bytearray(tar_with_headers("", 10, count=3))
    whole[2048:4096] = bytes(2048)
    return bytes(whole)


def tar_of_the_far_future() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as bundle:
        info = tarfile.TarInfo("set/1.jpg")
        info.pax_headers = {"mtime": "1e400"}
        bundle.addfile(info)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [hidden_in_zip(True), hidden_in_zip(False), tar_with_hole(), tar_of_the_far_future()],
    ids=["zip first", "zip second", "tar", "time"],
)
def test_an_archive_that_hides_files_is_damaged(tmp_path: Path, content: bytes) -> None:
    """The directory of a zip must list all members, and nothing may follow the end of a tar."""
    (tmp_path / "set").write_bytes(content)
    with pytest.raises(UserError, match="it is damaged: ") as error:
        unpack.unpack(tmp_path / "set", tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_ordinary_zips(tmp_path: Path) -> None:
    """Also an empty one, one that was written to a pipe, and a self-extracting one."""
    stream = io.BytesIO()
    stream.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(stream, "w") as bundle:
        for name in ("set/1.jpg", "set/2.jpg"):
            bundle.writestr(name, b"good")
    with zipfile.ZipFile(tmp_path / "empty", "w"):
        pass
    (tmp_path / "stream").write_bytes(stream.getvalue())
    (tmp_path / "program").write_bytes(b"#!/bin/sh\n" * 9 + zip_with("set/2.jpg"))
    for name, files in (("empty", 0), ("stream", 2), ("program", 2)):
        unpack.unpack(tmp_path / name, tmp_path / "out")
        assert sum(path.is_file() for path in (tmp_path / "out").rglob("*")) == files
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_ordinary_tars_of_all_compressions(tmp_path: Path, compression: str) -> None:
    archive = tmp_path / "set.tar"
    archive.write_bytes(tar_with_headers(compression, 3000, count=3))
    unpack.unpack(archive, tmp_path / "out")
    assert len(list((tmp_path / "out/set").iterdir())) == 3


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_cut_tar_is_one_line(tmp_path: Path, compression: str, share: float) -> None:
    """Also one that ends between two members, or in the checksum after all of them."""
    archive = tmp_path / "set.tar"
    content = tar_with_headers(compression, 500, count=7)
    end = round(share * len(content)) if compression else round(share * 7) * 2048
    archive.write_bytes(content[:end])
    with pytest.raises(UserError, match="not an archive, or it is damaged: .+") as error:
        unpack.unpack(archive, tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    archive = tmp_path / "set.tar"
    content = bytearray(tar_with_headers("", 500, count=7))
    content[3 * 2048 + 150] ^= 1  # in a checksum
    archive.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        unpack.unpack(archive, tmp_path / "out")


def test_an_empty_archive_and_an_old_tarfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python before 3.10.12 and 3.11.4 has no extraction filter."""
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w"):
        pass
    unpack.unpack(archive, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
    archive.write_bytes(tar_with("set/val", tarfile.DIRTYPE))
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(UserError, match="needs Python 3.10.12"):
        unpack.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_old_python_is_refused_before_a_tar_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def obtain(item: catalogue.Item, *_: object) -> None:
        pytest.fail(f"{item.file} is downloaded")

    monkeypatch.setattr(command, "obtain", obtain)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(UserError, match="needs Python 3.10.12"):
        maps = catalogue.find(catalogue.ALL_DATASETS, "maps", "pix2pix")
        download.download(maps, tmp_path / "maps", [])


@pytest.mark.skipif(os.name == "nt", reason="file names cannot contain a colon on this system")
def test_names_with_colons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos may be named after the time they were taken; on Windows the names are changed."""
    archive = tmp_path / "archive"
    archive.write_bytes(zip_with("set/train/2010-09-07 12:01:26.jpg"))
    unpack.unpack(archive, tmp_path / "here")
    assert (tmp_path / "here/set/train/2010-09-07 12:01:26.jpg").is_file()
    archive.write_bytes(zip_with("C:evil.jpg"))
    with monkeypatch.context() as windows:
        windows.setattr(unpack, "WINDOWS", True)
        unpack.unpack(archive, tmp_path / "there")
    assert (tmp_path / "there/C_evil.jpg").is_file()
