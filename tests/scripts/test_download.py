"""Downloads from a faulty server: results are complete or absent, and the next call resumes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch
from conftest import Programs
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
from scripts import download_model
from util.download import catalogue, transfer
from util.errors import UserError


def test_a_dataset_is_downloaded_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(server, tmp_path)
    assert is_complete(tmp_path) and files(tmp_path) == ["horse2zebra"]
    assert (tmp_path / "horse2zebra/trainA/2.jpg").read_bytes() == hashlib.shake_128(
        b"trainA2"
    ).digest(10_000)
    get(server, tmp_path)
    assert len(server.ranges) == 1
    assert "exists already: testA 1, testB 1, trainA 3, trainB 2" in capsys.readouterr().out
    (tmp_path / "horse2zebra/trainA/2.jpg").unlink()
    with pytest.raises(UserError, match="trainA has 2 images instead of 3"):
        get(server, tmp_path)


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        (["slow"], 1),
        (["cut"], 2),
        (["cut", "cut", "cut", "cut"], 5),
        (["cut", "no ranges"], 2),
        (["stall", "stall"], 3),
        (["503"], 2),
    ],
)
def test_a_broken_transfer_is_resumed(
    server: Server, tmp_path: Path, faults: list[str], ranges: int
) -> None:
    server.faults = list(faults)
    get(server, tmp_path)
    assert is_complete(tmp_path) and files(tmp_path) == ["horse2zebra"]
    assert len(server.ranges) == ranges
    if "cut" in faults:
        assert server.ranges[1] == f"bytes={len(zipped()) // 2}-"


def test_the_next_call_resumes(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "404"]
    words = "could not download horse2zebra.zip.*HTTP Error 404: Not Found.*--mirror"
    with pytest.raises(UserError, match=f"(?s){words}"):
        get(server, tmp_path)
    assert files(tmp_path) == [".cyclegan-horse2zebra.zip.part"]
    (tmp_path / ".horse2zebra.unpacking/trainA").mkdir(parents=True)  # of a killed process
    get(server, tmp_path)
    assert is_complete(tmp_path) and files(tmp_path) == ["horse2zebra"]
    assert server.ranges[-1] == f"bytes={len(zipped()) // 2}-"


# Recorded fields, downloaded content, message
WRONG: dict[str, tuple[dict[str, object], bytes, str]] = {
    "checksum": (
        {"sha256": "0" * 64},
        zipped(),
        f"SHA-256 is {hashlib.sha256(zipped()).hexdigest()}, expected 0000",
    ),
    "size": ({}, zipped() + b"more", "bytes, expected"),
    "no archive": ({"sha256": "", "size": 0}, b"sorry" * 1000, "not an archive"),
    "half an archive": ({"sha256": "", "size": 0}, zipped()[:50_000], "not an archive"),
    "damaged": (
        {"sha256": "", "size": 0},
        zipped().replace(hashlib.shake_128(b"testA0").digest(100), b"x" * 100),
        "damaged",
    ),
    "counts": ({"sha256": "", "size": 0}, zipped((3, 2, 1, 0)), "testB has 0 images instead of 1"),
    "hostile": ({"sha256": "", "size": 0}, zipped(top="../"), "not be inside its folder"),
    "no images": (
        {"sha256": "", "size": 0, "images": ""},
        zipped((0, 0, 0, 0)),
        "no folders of images",
    ),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_wrong_content_leaves_nothing(server: Server, tmp_path: Path, case: str) -> None:
    known, body, words = WRONG[case]
    server.files[PATH] = body
    with pytest.raises(UserError, match=words):
        get(server, tmp_path, **known)
    assert files(tmp_path) == []
    server.files[PATH] = zipped()
    get(server, tmp_path)
    assert is_complete(tmp_path)


def test_after_a_wrong_response_the_next_host_is_tried(server: Server, tmp_path: Path) -> None:
    server.faults = ["page", "404", *["bad length"] * 3, ""]
    download.download(item(), tmp_path / "horse2zebra", [server.url] * 4)
    assert is_complete(tmp_path) and len(server.ranges) == 6


def test_a_part_of_another_file_is_discarded(server: Server, tmp_path: Path) -> None:
    for part in (b"x" * 1000, b"x" * 200_000):  # shorter and longer than the file
        (tmp_path / ".cyclegan-horse2zebra.zip.part").write_bytes(part)
        get(server, tmp_path)
        assert is_complete(tmp_path)
        (tmp_path / "horse2zebra").rename(tmp_path / f"done{len(part)}")


def test_a_part_of_another_file_without_a_checksum(server: Server, tmp_path: Path) -> None:
    """Only the complete archive or file of weights shows that the halves do not belong together."""
    (tmp_path / ".cyclegan-horse2zebra.zip.part").write_bytes(b"x" * 1000)
    get(server, tmp_path, sha256="", size=0)
    assert is_complete(tmp_path) and server.ranges == ["bytes=1000-", None]
    buffer = io.BytesIO()
    torch.save({"model.1.weight": torch.zeros(3)}, buffer)
    server.files["/cyclegan/pretrained_models/sat2map.pth"] = buffer.getvalue()
    (tmp_path / ".cyclegan-sat2map.pth.part").write_bytes(b"x" * 100)
    out = download_model.download(
        catalogue.find(catalogue.ALL_MODELS, "sat2map", None), tmp_path, [server.url]
    )
    assert out.read_bytes() == buffer.getvalue() and server.ranges[2:] == ["bytes=100-", None]


def test_an_unknown_checksum_is_noted_and_then_required(server: Server, tmp_path: Path) -> None:
    unknown: dict[str, object] = {"sha256": "", "size": 0}
    get(server, tmp_path, **unknown)
    (tmp_path / "horse2zebra").rename(tmp_path / "old")
    server.files[PATH] = zipped(top="")  # no folder around the splits
    with pytest.raises(UserError, match="expected"):
        get(server, tmp_path, **unknown)
    assert files(tmp_path) == [".checksums.json", "old"]
    download.download(item(**unknown), tmp_path / "horse2zebra", [server.url], checked=False)
    assert is_complete(tmp_path)


def test_a_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and while downloading, and while unpacking; the last two by a limited file size."""
    resource = pytest.importorskip("resource")
    with monkeypatch.context() as small:
        small.setattr(transfer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
        with pytest.raises(UserError, match="0.1 MiB are needed, 0.0 MiB are free"):
            get(server, tmp_path)
    assert files(tmp_path) == []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # smaller than the archive; smaller than an image in it
    for limit, left in ((50_000, 50_000), (9_000, len(zipped()))):
        if limit == 9_000:
            (tmp_path / ".cyclegan-horse2zebra.zip.part").write_bytes(zipped())
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
            with pytest.raises(UserError, match="cannot (write|unpack).* free some space"):
                get(server, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert files(tmp_path) == [".cyclegan-horse2zebra.zip.part"]
        assert (tmp_path / ".cyclegan-horse2zebra.zip.part").stat().st_size == left
    get(server, tmp_path)
    assert is_complete(tmp_path) and files(tmp_path) == ["horse2zebra"]


def test_another_dataset_in_the_folder_is_not_changed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "horse2zebra/train").mkdir(parents=True)
    (tmp_path / "horse2zebra/train/1.jpg").write_bytes(b"other")
    with pytest.raises(
        UserError, match="is not horse2zebra of --kind cyclegan: it has train; choose another"
    ):
        get(server, tmp_path)
    assert not server.ranges


def test_models(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"model.1.weight": torch.zeros(3)}, buffer)
    model = catalogue.find(catalogue.ALL_MODELS, "sat2map", "pix2pix")
    path, checkpoints = "/pix2pix/models-pytorch/sat2map.pth", tmp_path / "checkpoints"
    for wrong in (b"no weights", zipped()):
        server.files[path] = wrong
        with pytest.raises(UserError, match="not a file of weights"):
            download_model.download(model, checkpoints, [server.url])
        assert files(checkpoints) == []
    server.files[path], server.faults = buffer.getvalue(), ["cut"]
    out = download_model.download(model, checkpoints, [server.url])
    assert (
        out == checkpoints / "sat2map_pretrained/latest_net_G.pth"
        and out.read_bytes() == buffer.getvalue()
    )
    assert files(checkpoints) == [".checksums.json", "sat2map_pretrained"]
    requests = len(server.ranges)
    download_model.download(model, checkpoints, [server.url])
    assert len(server.ranges) == requests
    with pytest.raises(
        UserError, match="is not sat2map of --kind pix2pix as first downloaded|could not"
    ):
        out.write_bytes(b"other")
        download_model.download(model, checkpoints, [server.url])


def test_the_command_lines(server: Server, run: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ALL_DATASETS", [item()])
    monkeypatch.setenv("CYCLEGAN_MIRROR", f"{server.url}/nothing {server.url}/")
    assert (
        "trainA 3"
        in run.call(download.main, "download.py", "horse2zebra", "--out", "here").ok().out
    )
    assert (run.folder / "here/testB/0.jpg").exists()
    run.call(download.main, "download.py", "cityscapes").refused(
        1, "licence", "prepare_cityscapes_dataset.py --gtFine_dir"
    )
    run.call(download.main, "download.py", "horse2zebr").refused(
        2, "did you mean horse2zebra?", "--list"
    )
    run.call(download.main, "download.py").refused(2, "--list")
    assert "Cityscapes" in run.call(download.main, "download.py", "--list").ok().out.replace(
        "cityscapes", "Cityscapes"
    )
    run.call(download_model.main, "download_model.py", "day2night", "--kind", "cyclegan").refused(
        2, "it is of --kind pix2pix"
    )
    assert "style_ukiyoe" in run.call(download_model.main, "download_model.py", "--list").ok().out
