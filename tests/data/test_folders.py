"""Walking a folder of images: links, hidden and unreadable folders, files that are no images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs, picture, pictures

from data.listing import HELPER_FOLDERS, image_paths
from util.errors import UserError


def names(folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in image_paths(str(folder))]


def test_links_to_folders_end(tmp_path: Path) -> None:
    """Each folder counts once, however many links lead to it."""
    pictures(tmp_path / "trainA", [f"{i}.png" for i in range(5)])
    (tmp_path / "trainA" / "loop").symlink_to(".")
    assert len(names(tmp_path / "trainA")) == 5
    for one, other in (("x", "y"), ("y", "x")):
        picture(tmp_path / "crossed" / one / f"{one}.png")
        (tmp_path / "crossed" / one / "link").symlink_to(tmp_path / "crossed" / other)
    assert names(tmp_path / "crossed") == ["x/link/y.png", "x/x.png"]
    picture(tmp_path / "elsewhere" / "deep" / "z.png")
    for link in ("a", "b"):
        (tmp_path / "twice").mkdir(exist_ok=True)
        (tmp_path / "twice" / link).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "deep" / "up").symlink_to(tmp_path / "twice")
    (tmp_path / "twice" / "itself").symlink_to("itself")
    assert names(tmp_path / "twice") == ["a/deep/z.png"]


def test_hidden_and_helper_folders(tmp_path: Path) -> None:
    """They are left out below the given folder, which may itself lie in or be one."""
    root = tmp_path / ".data" / "@eaDir" / ".set"
    picture(root / "x.png")
    picture(root / "sub" / "y.png")
    for helper in (".ipynb_checkpoints", ".thumbnails", *HELPER_FOLDERS):
        picture(root / helper / "x.png")
        picture(root / "sub" / helper / "deeper" / "x.png")
    assert names(root) == ["sub/y.png", "x.png"]


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "trainA" / "x.png")
    secret = tmp_path / "trainA" / "sub" / "secret"
    picture(secret / "y.png")
    scandir = os.scandir

    def refuse(path: str) -> object:  # tests may run as root, who may read everything
        if str(path) == str(secret):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=f"cannot read the folder {secret}: Permission denied"):
        image_paths(str(tmp_path / "trainA"))


def test_other_files_are_counted(run: Programs, tmp_path: Path) -> None:
    """One line when a training or a test starts, and none if there are no such files."""
    data = tmp_path / "data"
    pictures(data / "trainA", ["a.png", "b.png"])
    picture(data / "trainB" / "c.png")
    args = ("--dataroot", data, *TINY, *ONE_EPOCH, "--name", "x")
    assert "left out" not in run.train(*args).ok().out
    for name in ("trainA/1.jfif", "trainA/sub/2.JFIF", "trainA/3.gif", "trainB/4.pgm", "trainB/5"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).touch()
    (data / "trainA" / ".DS_Store").touch()
    line = "Files left out by their extension: 2 .jfif, 1 .gif, 1 .pgm, 1 without extension (images"
    for result in (
        run.train(*args, "--epoch_count", "1"),
        run.test("--dataroot", data, "--name", "x", "--model", "cycle_gan", "--phase", "train"),
    ):
        assert result.ok().out.count("left out") == 1 and line in result.out
    with pytest.raises(UserError, match=r"holds no images \(jpg, .*, but other files: 1 .gif"):
        (tmp_path / "gifs").mkdir()
        (tmp_path / "gifs" / "x.gif").touch()
        image_paths(str(tmp_path / "gifs"))
