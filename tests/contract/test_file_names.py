"""Names of images with unusual characters, in links and sub-folders, lead to correct results."""

from __future__ import annotations

from pathlib import Path

from conftest import Programs, pictures
from tiny_runs import A_SIDE, B_SIDE, Page, names, train

ODD = [
    "a space.png",
    'it\'s "quoted".png',
    "50% #1?.png",
    "<script>alert(1)<_script>.png",
    "a&amp;b.png",
    "雪 ñ é.png",
    "v1.5.x.png",
    "sub/v1.5.x.png",
    "sub/deep er/c.PNG",
    "-n.png",
    "%41.png",
    "a+b;c=d.jpeg",
]


def test_odd_names(run: Programs, tmp_path: Path) -> None:
    """Names and sub-folders are kept, and every link of every page leads to its file."""
    data = tmp_path / "data <b>'50%' #1 雪"
    for i, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(data / folder, ODD, i)
    name = "a run's <b> & 100% #1 雪"
    train(run, data, "--batch_size", str(len(ODD)), name=name)
    run.test("--dataroot", data, "--name", name).ok()
    for folder in (run.runs / name / "web", run.results / name / "test_latest"):
        page = Page(folder / "index.html")
        files = {p.relative_to(folder).as_posix() for p in page.files} - {"data.js", "metrics.js"}
        files.discard("../../index.html")  # the page of all runs
        assert files == {f"images/{n}" for n in names(folder / "images") if "_panel" not in n}
        assert any(name in words for words in page.words)
    assert names(run.results / name / "test_latest" / "images") == {
        f"{stem.rpartition('.')[0]}_{label}.png" for stem in ODD for label in A_SIDE + B_SIDE
    }
    assert {stem.rpartition(".")[0] for stem in ODD} <= set(page.words)


def test_linked_folders(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Sub-folders are kept if the folders of images are links, e.g. to a separate data disk.

    The page counts numbers in names as numbers.
    """
    train(run, unaligned)
    pictures(tmp_path / "disk", ["u/10.png", "u/2.png", "v/1.png"])
    (tmp_path / "linked").mkdir()
    for folder in ("testA", "testB"):
        (tmp_path / "linked" / folder).symlink_to(tmp_path / "disk")
    run.test("--dataroot", tmp_path / "linked", "--name", "x", "--save", "fake_B").ok()
    assert names(run.results / "x" / "test_latest" / "images") == {
        "u/10_fake_B.png",
        "u/2_fake_B.png",
        "v/1_fake_B.png",
    }
    page = Page(run.results / "x" / "test_latest" / "index.html")
    assert [word for word in page.words if "/" in word][-3:] == ["u/2", "u/10", "v/1"]


def test_nothing_is_overwritten(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Two images of one folder that differ in their suffix alone give two results."""
    train(run, unaligned)
    pictures(tmp_path / "twins", ["same.png", "same.jpg"])
    run.test("--dataroot", tmp_path / "twins", "--name", "x", "--save", "fake").ok()
    assert len(names(run.results / "x" / "test_latest" / "images")) == 2
