"""A whole CycleGAN on a tiny set: train.py, then test.py, and every file they leave."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs, Result, pictures
from PIL import Image

LOSSES = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
NETS = ["D_A", "D_B", "G_A", "G_B"]
A_SIDE, B_SIDE = ["real_A", "fake_B", "rec_A"], ["real_B", "fake_A", "rec_B"]
LOG_LINE = re.compile(
    r"\(epoch: (\d+), iters: (\d+), time: \d+\.\d{3}, data: \d+\.\d{3}\) ((?:\w+: -?\d+\.\d{3} )+)"
)


class Page(HTMLParser):
    """Reads a page: its tags must be balanced. ``files``: what it shows and links to; ``words``: its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.files: list[Path] = []
        self.words: list[str] = []
        self.folder = path.parent
        text = path.read_text(encoding="utf-8")
        assert text.lower().startswith("<!doctype html>")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br", "hr", "link", "input"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                if value == "data:,":  # no icon
                    continue
                link = urlsplit(value or "")
                assert link.scheme == link.netloc == link.query == link.fragment == "", (
                    value
                )  # works from file://
                self.files.append(self.folder / unquote(link.path))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] not in ("style", "script"):
            self.words.append(data.strip())


def train(run: Programs, data: Path, *more: object, name: str = "x") -> Result:
    return run.train("--dataroot", data, "--name", name, *TINY, *ONE_EPOCH, *more).ok()


def weights(folder: Path, epoch: str = "latest", nets: list[str] = NETS) -> dict[str, torch.Tensor]:
    return {
        f"{net}.{key}": value
        for net in nets
        for key, value in torch.load(folder / f"{epoch}_net_{net}.pth", weights_only=True).items()
    }


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def names(folder: Path, pattern: str = "*") -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob(pattern) if p.is_file()}


def log_of(run: Programs, name: str = "x") -> list[tuple[int, int, list[str]]]:
    """(epoch, iters, names of the losses) of each line."""
    header, *lines = (run.runs / name / "loss_log.txt").read_text().splitlines()
    assert re.fullmatch(r"=+ Training Loss \(.+\) =+", header)
    found = [LOG_LINE.fullmatch(line) for line in lines]
    return [
        (int(m[1]), int(m[2]), re.findall(r"(\w+): ", m[3]))
        for m in found
        if m or pytest.fail(f"log lines: {lines}")
    ]


def test_files(run: Programs, unaligned: Path) -> None:
    """Frequencies that are never reached: each epoch still logs, shows, and the end saves."""
    result = train(run, unaligned, "--n_epochs_decay", "1")
    folder = run.runs / "x"
    labels = [*A_SIDE, "idt_B", *B_SIDE, "idt_A"]
    panel = {
        f"web/images/epoch{e:03d}_panel{i}_{label}.png"
        for e, i in itertools.product((1, 2), range(3))
        for label in A_SIDE + B_SIDE
        if e == 1 or not label.startswith("real")
    }  # which stay as they are
    ours = {"train_opt.json", "state.pth", ".lock", "metrics.jsonl"}
    assert names(folder) - ours == {
        *(f"latest_net_{net}.pth" for net in NETS),
        "train_opt.txt",
        "loss_log.txt",
        "web/index.html",
        "web/data.js",
        *panel,
        *(f"web/images/epoch{e:03d}_{label}.png" for e in (1, 2) for label in labels),
    }
    assert log_of(run) == [(1, 5, LOSSES), (2, 5, LOSSES)]
    page = Page(folder / "web" / "index.html")
    assert {p.relative_to(folder).as_posix() for p in page.files} == {
        n for n in names(folder) - panel if n.startswith("web/")
    } - {"web/index.html"}
    assert page.words.index("Epoch 2") < page.words.index("Epoch 1")
    assert [w for w in page.words if w in labels] == labels * 2
    for line in (folder / "loss_log.txt").read_text().splitlines()[1:]:
        assert line.strip() in result.out
    for word in (
        "4 images A, 5 images B",
        "on cpu",
        "seed 1",
        "parameters",
        "0.0002",
        "0.0001",
        "index.html",
    ):
        assert word in result.out

    result = run.test("--dataroot", unaligned, "--name", "x").ok()
    folder = run.results / "x" / "test_latest"
    images = {
        f"images/{stem}_{label}.png"
        for side, count, labels in (("a", 2, A_SIDE), ("b", 3, B_SIDE))
        for stem in (f"{side}{i}" for i in range(count))
        for label in labels
    }
    assert names(folder) == {
        "index.html",
        "metrics.js",
        *images,
    }  # B's images are named after B's files
    page = Page(folder / "index.html")
    assert {p.relative_to(folder).as_posix() for p in page.files} == {"metrics.js", *images}
    assert [w for w in page.words if w in A_SIDE + B_SIDE] == (A_SIDE + B_SIDE) * 3
    assert {Image.open(folder / name).size for name in images} == {(32, 32)}
    assert str(Path("results/x/test_latest/index.html")) in result.out
    assert (run.runs / "x" / "test_opt.txt").is_file()


def test_frequencies_are_crossed(run: Programs, unaligned: Path) -> None:
    """With batches of 3, counts go 3, 6 | 9, 12: each multiple that is passed counts; losses are never skipped."""
    train(
        run,
        unaligned,
        "--n_epochs_decay",
        "1",
        "--batch_size",
        "3",
        "--print_freq",
        "4",
        "--save_latest_freq",
        "5",
        "--save_by_iter",
        "--save_epoch_freq",
        "2",
        "--display_freq",
        "7",
        "--update_html_freq",
        "7",
    )
    assert [line[:2] for line in log_of(run)] == [(1, 6), (2, 3), (2, 6)]
    saved = {m[1] for n in names(run.runs / "x", "*.pth") if (m := re.match(r"(.+)_net_", n))}
    assert saved == {"iter_6", "iter_12", "2", "latest"}
    folder = run.runs / "x"
    assert equal(weights(folder), weights(folder, "2")) and equal(
        weights(folder), weights(folder, "iter_12")
    )
    assert not equal(weights(folder, "iter_6"), weights(folder, "iter_12"))
    run.test("--dataroot", unaligned, "--name", "x", "--load_iter", "6").ok()
    run.test("--dataroot", unaligned, "--name", "x", "--epoch", "2").ok()
    assert {p.name for p in (run.results / "x").iterdir()} == {"test_latest_iter6", "test_2"}


def test_seeds(run: Programs, unaligned: Path) -> None:
    for name, more in (
        ("a", ""),
        ("b", "--num_threads 2"),
        ("c", "--seed 2"),
        ("d", "--no_html --print_freq 1"),
    ):
        train(run, unaligned, *more.split(), name=name)
    first, *others = (weights(run.runs / name) for name in "abcd")
    assert [equal(first, other) for other in others] == [True, False, True]
    assert not (run.runs / "d" / "web").exists()


def test_directions_name_networks_by_role(run: Programs, unaligned: Path) -> None:
    """BtoA swaps the loaded domains: real_A is then an image of folder B."""
    for direction in ("AtoB", "BtoA"):
        train(run, unaligned, "--direction", direction, "--batch_size", "5", name=direction)
        run.test("--dataroot", unaligned, "--name", direction).ok()
    files = names(run.results / "BtoA" / "test_latest" / "images")
    assert {"b2_real_A.png", "b2_fake_B.png", "a1_real_B.png", "a1_fake_A.png"} <= files
    assert not files & {"a0_real_A.png", "b0_real_B.png"}
    pixels = {
        n: Image.open(run.results / n).tobytes()
        for n in ("AtoB/test_latest/images/b2_real_B.png", "BtoA/test_latest/images/b2_real_A.png")
    }
    assert len(set(pixels.values())) == 1


def test_warm_start(run: Programs, unaligned: Path) -> None:
    """--continue_train in a folder of official files starts from the weights: at rate 0 they stay as they are."""
    train(run, unaligned)
    before = weights(run.runs / "x")
    (run.runs / "y").mkdir()
    for net in NETS:
        (run.runs / f"x/latest_net_{net}.pth").rename(run.runs / f"y/latest_net_{net}.pth")
    result = train(run, unaligned, "--continue_train", "--lr", "0", name="y")
    assert equal(before, weights(run.runs / "y"))
    assert all(f"latest_net_{net}.pth" in result.out for net in NETS) and "fresh" in result.out
    for net in NETS:
        (run.runs / f"y/latest_net_{net}.pth").rename(run.runs / f"y/5_net_{net}.pth")
    train(run, unaligned, "--continue_train", "--epoch", "5", "--lr", "0", name="y")
    assert equal(before, weights(run.runs / "y"))
    run.train("--dataroot", unaligned, "--name", "z", *TINY, "--continue_train").refused(
        1, "no run"
    )


def test_continued(run: Programs, unaligned: Path) -> None:
    """--continue_train alone goes on where a run stopped, and ends with the weights of one that never stopped."""
    train(run, unaligned, "--n_epochs", "2", name="whole")
    train(run, unaligned)
    run.train("--name", "x", "--continue_train", "--n_epochs", "2").ok()
    assert equal(weights(run.runs / "whole"), weights(run.runs / "x"))
    assert log_of(run) == log_of(run, "whole") == [(1, 5, LOSSES), (2, 5, LOSSES)]


def test_init_files(run: Programs, unaligned: Path) -> None:
    train(run, unaligned)
    source = run.runs / "x" / "latest_net_G_A.pth"
    result = train(run, unaligned, "--init_G_A", source, "--lr", "0", name="y")
    assert "Fresh networks: G_B, D_A, D_B" in result.out
    assert equal(weights(run.runs / "x", nets=["G_A"]), weights(run.runs / "y", nets=["G_A"]))
    run.train("--dataroot", unaligned, *TINY, "--init_G_A", "no.pth").refused(1, "no.pth")
    run.train("--name", "x", "--continue_train", "--init_G_A", source).refused(
        2, "--init_G_A", "--continue_train"
    )


def test_options_of_the_test(run: Programs, unaligned: Path) -> None:
    train(run, unaligned)
    folder = run.results / "x" / "test_latest" / "images"
    result = run.test(
        "--dataroot", unaligned, "--name", "x", "--num_test", "1", "--aspect_ratio", "2"
    ).ok()
    assert "--num_test 1" in result.out and "3 images" in result.out
    assert names(folder) == {f"a0_{label}.png" for label in A_SIDE} | {
        f"b0_{label}.png" for label in B_SIDE
    }
    assert Image.open(folder / "a0_fake_B.png").size == (32, 64)
    run.test(
        "--dataroot",
        unaligned,
        "--name",
        "x",
        "--aspect_ratio",
        "0.5",
        "--results_dir",
        "out",
        "--save",
        "fake_B",
        "rec_B",
        "--format",
        "jpg",
        "--batch_size",
        "2",
    ).ok()
    folder = run.folder / "out" / "x" / "test_latest" / "images"
    assert names(folder) == {
        "a0_fake_B.jpg",
        "a1_fake_B.jpg",
        "b0_rec_B.jpg",
        "b1_rec_B.jpg",
        "b2_rec_B.jpg",
    }
    assert Image.open(folder / "a0_fake_B.jpg").size == (64, 32)


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
    """Names are kept, sub-folders too, and each link on each page leads to its file."""
    data = tmp_path / "data <b>'50%' #1 雪"
    for i, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(data / folder, ODD, i)
    name = "a run's <b> & 100% #1 雪"
    train(run, data, "--batch_size", str(len(ODD)), name=name)
    run.test("--dataroot", data, "--name", name).ok()
    for folder in (run.runs / name / "web", run.results / name / "test_latest"):
        page = Page(folder / "index.html")
        files = {p.relative_to(folder).as_posix() for p in page.files} - {"data.js", "metrics.js"}
        assert files == {f"images/{n}" for n in names(folder / "images") if "_panel" not in n}
        assert any(name in words for words in page.words)
    assert names(run.results / name / "test_latest" / "images") == {
        f"{stem.rpartition('.')[0]}_{label}.png" for stem in ODD for label in A_SIDE + B_SIDE
    }
    assert {stem.rpartition(".")[0] for stem in ODD} <= set(page.words)


def test_linked_folders(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Sub-folders are kept where the folders of images are links, as on machines with a separate data disk."""
    train(run, unaligned)
    pictures(tmp_path / "disk", ["u/1.png", "v/1.png"])
    (tmp_path / "linked").mkdir()
    for folder in ("testA", "testB"):
        (tmp_path / "linked" / folder).symlink_to(tmp_path / "disk")
    run.test("--dataroot", tmp_path / "linked", "--name", "x", "--save", "fake_B").ok()
    assert names(run.results / "x" / "test_latest" / "images") == {
        "u/1_fake_B.png",
        "v/1_fake_B.png",
    }


def test_nothing_is_overwritten(run: Programs, unaligned: Path, tmp_path: Path) -> None:
    """Two images of one stem in one folder give two results."""
    train(run, unaligned)
    pictures(tmp_path / "twins", ["same.png", "same.jpg"])
    run.test("--dataroot", tmp_path / "twins", "--name", "x", "--save", "fake").ok()
    assert len(names(run.results / "x" / "test_latest" / "images")) == 2
