"""Servers that loop, lie or never end, and archives with another layout than the expected one."""

from __future__ import annotations

import io
import threading
import zipfile
from pathlib import Path

import pytest
from downloads import (
    PATH,
    files,
    get,
    is_complete,
    item,
    serving,  # noqa: F401
    zipped,
)
from flaky_server import Server

from datasets import download
from util.download import catalogue, command, transfer
from util.errors import UserError


@pytest.mark.parametrize("fault", ["redirect", "ftp", "endless", "huge", "digits", "drip"])
@pytest.mark.parametrize("checked", [True, False])
def test_a_hostile_server_costs_one_line(
    server: Server, tmp_path: Path, fault: str, checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops and responses without an end or with a false length end, and the next host is tried."""
    reasons = {
        "redirect": "infinite loop",
        "ftp": "unknown url type: ftp",
        "endless": "it sends more than",
        "huge": "far too many" if not checked else "100000000000000 bytes, expected",
        "digits": "unexpected Content-Length: 999",
        "drip": "slower than 1000 bytes",
    }
    monkeypatch.setattr(command, "SLACK", 100_000)
    monkeypatch.setattr(transfer, "TIMEOUT", 0.3 if fault == "drip" else 0.4)
    fields: dict[str, object] = {} if checked else {"sha256": ""}
    repeated = 3 if fault in ("digits", "drip") else 1
    server.faults = [fault] * repeated
    with pytest.raises(UserError, match=reasons[fault]) as error:
        get(server, tmp_path, **fields)
    assert "\n" not in str(error.value) and not (tmp_path / "horse2zebra").exists()
    server.faults = [fault] * repeated
    if fault == "redirect":
        return  # its loop lasts for all hosts of this server
    download.download(item(**fields), tmp_path / "horse2zebra", [server.url] * 2)
    assert is_complete(tmp_path)


def test_a_false_length_beyond_the_disk(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size that a host claims is no reason to give up, unless it is the recorded one."""
    usages = iter([1000, 10**9])
    free = lambda _: type("Usage", (), {"free": next(usages)})  # noqa: E731
    monkeypatch.setattr(transfer.shutil, "disk_usage", free)
    download.download(item(sha256=""), tmp_path / "horse2zebra", [server.url] * 2)
    assert is_complete(tmp_path) and len(server.ranges) == 2


def test_after_a_damaged_archive_the_next_host_is_tried(server: Server, tmp_path: Path) -> None:
    with Server() as other:
        other.files[PATH] = b"\x1f\x8b damaged"
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        download.download(item(sha256=""), tmp_path / "horse2zebra", [other.url, server.url])
        other.shutdown()
        thread.join()
    assert is_complete(tmp_path) and len(other.ranges) == len(server.ranges) == 1


def test_the_part_file_is_no_link(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("my notes")
    (tmp_path / ".cyclegan-horse2zebra.zip.part").symlink_to("mine.txt")
    with pytest.raises(UserError, match="part should be a file; move it away"):
        get(server, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "my notes"


# Folder around the splits -> files beside it -> what the line says
WRAPPED = {
    "": ("", ""),
    "horse2zebra/": ("", ""),
    "data/horse2zebra/": ("", ""),
    "train/": ("", ""),
    "top/": ("README.md", "left out beside top: README.md"),
    "a/b/": ("a/extra/1.jpg", "left out beside b: extra"),
}


@pytest.mark.parametrize("top", list(WRAPPED))
def test_the_folders_around_the_splits_are_removed(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], top: str
) -> None:
    beside, line = WRAPPED[top]
    body = io.BytesIO(zipped(top=top))
    with zipfile.ZipFile(body, "a") as bundle:
        if beside:
            bundle.writestr(beside, b"text")
    server.files[PATH] = body.getvalue()
    get(server, tmp_path, sha256="", size=0)
    assert is_complete(tmp_path) and files(tmp_path / "horse2zebra") == [
        "testA",
        "testB",
        "trainA",
        "trainB",
    ]
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("checked", [True, False])
def test_an_archive_of_another_kind_is_refused(
    server: Server, tmp_path: Path, checked: bool
) -> None:
    for names, words in (
        (["train/1.jpg", "val/1.jpg"], "it has train, val"),
        (["TrainA/1.jpg"], "it has TrainA"),
        (["1.jpg", "trainA/readme.txt"], "it has no folders of images"),
        (["x/trainA/1.jpg", "y/trainA/1.jpg"], "holds several datasets: x, y"),
    ):
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as bundle:
            for name in names:
                bundle.writestr(name, b"image")
        server.files[PATH] = body.getvalue()
        unknown = item(sha256="", size=0, images="")
        with pytest.raises(UserError, match=words):
            download.download(unknown, tmp_path / "horse2zebra", [server.url], checked)
        assert files(tmp_path) == []


def test_the_small_sets_of_pairs(server: Server, tmp_path: Path) -> None:
    """They lie among the datasets of CycleGAN, but hold pairs."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as bundle:
        bundle.writestr("mini_pix2pix/train/1.jpg", b"image")
    server.files["/cyclegan/datasets/mini_pix2pix.zip"] = body.getvalue()
    mini = catalogue.find(catalogue.ALL_DATASETS, "mini_pix2pix", None)
    for _ in range(2):
        download.download(mini, tmp_path / "mini", [server.url])
        assert files(tmp_path / "mini") == ["train"]
    assert len(server.ranges) == 1
