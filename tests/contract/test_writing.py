"""Files are written atomically, or not at all."""

import contextlib
import resource
import stat

import pytest

from util import files
from util.errors import UserError


@contextlib.contextmanager
def files_no_larger_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(b"old")
    with (
        files_no_larger_than(1000),
        pytest.raises(UserError, match=r"--name: cannot write .*latest_net_G.pth"),
    ):
        files.write_atomically(path, b"new" * 1000, "--name")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_good_write_replaces_the_file_with_usual_rights(tmp_path):
    path = tmp_path / "a" / "b" / "x"
    files.write_atomically(path, b"old, and longer")
    with path.open("rb") as reader:
        files.write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        assert reader.read() == b"old, and longer"  # an open file keeps its old content
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert list(path.parent.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("file/x", "file/deeper/x", "folder"):
        with pytest.raises(UserError, match=f"cannot write {tmp_path / name}"):
            files.write_atomically(tmp_path / name, b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
