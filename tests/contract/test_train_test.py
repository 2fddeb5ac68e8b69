"""A CycleGAN on a tiny set: train.py, then test.py, and every file that they write."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import torch
from conftest import TINY, Programs
from PIL import Image
from tiny_runs import A_SIDE, B_SIDE, Page, names, train

LOSSES = ["D_A", "G_A", "cycle_A", "idt_A", "D_B", "G_B", "cycle_B", "idt_B"]
NETS = ["D_A", "D_B", "G_A", "G_B"]
LOG_LINE = re.compile(
    r"\(epoch: (\d+), iters: (\d+), time: \d+\.\d{3}, data: \d+\.\d{3}\) ((?:\w+: -?\d+\.\d{3} )+)"
)


def weights(folder: Path, epoch: str = "latest", nets: list[str] = NETS) -> dict[str, torch.Tensor]:
    return {
        f"{net}.{key}": value
        for net in nets
        for key, value in torch.load(folder / f"{epoch}_net_{net}.pth", weights_only=True).items()
    }


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def log_of(run: Programs, name: str = "x") -> list[tuple[int, int, list[str]]]:
    """Of each line of loss_log.txt: (epoch, iters, names of the losses)."""
    header, *lines = (run.runs / name / "loss_log.txt").read_text().splitlines()
    assert re.fullmatch(r"=+ Training Loss \(.+\) =+", header)
    matches = [LOG_LINE.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [(int(m[1]), int(m[2]), re.findall(r"(\w+): ", m[3])) for m in matches if m]


def test_files_of_training(run: Programs, unaligned: Path) -> None:
    """If no frequency is reached, each epoch still logs and shows images, and the end saves."""
    result = train(run, unaligned, "--n_epochs_decay", "1")
    folder = run.runs / "x"
    labels = [*A_SIDE, "idt_B", *B_SIDE, "idt_A"]
    panel = {
        f"web/images/epoch{epoch:03d}_panel{i}_{label}.png"
        for epoch, i in itertools.product((0, 1, 2), range(3))
        for label in A_SIDE + B_SIDE
        if epoch == 0 or not label.startswith("real")  # real images stay the same
    }
    ours = {"train_opt.json", "state.pth", ".lock", "metrics.jsonl"}
    assert names(folder) - ours == {
        *(f"latest_net_{net}.pth" for net in NETS),
        "train_opt.txt",
        "loss_log.txt",
        "web/index.html",
        "web/data.js",
        *panel,
        *(f"web/images/epoch{epoch:03d}_{label}.png" for epoch in (1, 2) for label in labels),
    }
    assert log_of(run) == [(1, 5, LOSSES), (2, 5, LOSSES)]
    for line in (folder / "loss_log.txt").read_text().splitlines()[1:]:
        assert line.strip() in result.out
    for word in ("4 images A, 5 images B", "on cpu", "seed 1", "parameters", "index.html"):
        assert word in result.out
    assert "0.0002" in result.out and "0.0001" in result.out  # learning rates

    page = Page(folder / "web" / "index.html")
    on_page = {n for n in names(folder) - panel if n.startswith("web/")} - {"web/index.html"}
    linked = {p.relative_to(folder).as_posix() for p in page.files}
    assert linked == on_page | {"web/../../index.html"}  # the index of all runs
    assert page.words.index("Epoch 2") < page.words.index("Epoch 1")
    assert [w for w in page.words if w in labels] == labels * 2


def test_files_of_testing(run: Programs, unaligned: Path) -> None:
    train(run, unaligned)
    result = run.test("--dataroot", unaligned, "--name", "x").ok()
    folder = run.results / "x" / "test_latest"
    images = {  # translations of B are named after the files of B
        f"images/{side}{i}_{label}.png"
        for side, count, labels in (("a", 2, A_SIDE), ("b", 3, B_SIDE))
        for i in range(count)
        for label in labels
    }
    assert names(folder) == {"index.html", "metrics.js", *images}
    page = Page(folder / "index.html")
    assert {p.relative_to(folder).as_posix() for p in page.files} == {"metrics.js", *images}
    assert [w for w in page.words if w in A_SIDE + B_SIDE] == (A_SIDE + B_SIDE) * 3
    assert {Image.open(folder / name).size for name in images} == {(32, 32)}
    assert str(Path("results/x/test_latest/index.html")) in result.out
    assert (run.runs / "x" / "test_opt.txt").is_file()


def test_frequencies_are_crossed(run: Programs, unaligned: Path) -> None:
    """With batches of 3, counts go 3, 6 | 9, 12; a frequency fires when a multiple is crossed."""
    flags = (
        "--n_epochs_decay 1 --batch_size 3 --print_freq 4 --save_latest_freq 5 --save_by_iter "
        "--save_epoch_freq 2 --display_freq 7 --update_html_freq 7"
    )
    train(run, unaligned, *flags.split())
    assert [line[:2] for line in log_of(run)] == [(1, 6), (2, 3), (2, 6)]
    folder = run.runs / "x"
    saved = {m[1] for n in names(folder, "*.pth") if (m := re.match(r"(.+)_net_", n))}
    assert saved == {"iter_6", "iter_12", "2", "latest"}
    latest = weights(folder)
    assert equal(latest, weights(folder, "2")) and equal(latest, weights(folder, "iter_12"))
    assert not equal(latest, weights(folder, "iter_6"))
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
    """BtoA exchanges the domains: real_A is an image of folder B."""
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
    """--continue_train starts from official weights; a learning rate of 0 does not change them."""
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
    """A run that is resumed ends with the same weights as a run that was never stopped."""
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
    run.train("--dataroot", unaligned, *TINY, "--init_G_A", "no.pth").refused(1, "--init_G_A: ")
    run.train("--name", "x", "--continue_train", "--init_G_A", source).refused(
        2, "--init_G_A", "--continue_train"
    )


def test_a_run_that_cannot_be_written(run: Programs, unaligned: Path) -> None:
    """A test only reads the run: its list of options is left out, and one line says so."""
    train(run, unaligned, "--n_epochs_decay", "0", "--no_html")
    (run.runs / "x" / "test_opt.txt" / "blocked").mkdir(parents=True)
    result = run.test("--dataroot", unaligned, "--name", "x").ok()
    assert result.out.count("cannot write checkpoints/x/test_opt.txt") == 1
    assert len(list((run.results / "x" / "test_latest" / "images").iterdir())) == 15


def test_options_of_the_test(run: Programs, unaligned: Path) -> None:
    train(run, unaligned)
    folder = run.results / "x" / "test_latest" / "images"
    test = ("--dataroot", unaligned, "--name", "x")
    result = run.test(*test, "--num_test", "1", "--aspect_ratio", "2").ok()
    assert "--num_test 1" in result.out and "3 images" in result.out
    expected = {f"a0_{label}.png" for label in A_SIDE} | {f"b0_{label}.png" for label in B_SIDE}
    assert names(folder) == expected
    assert Image.open(folder / "a0_fake_B.png").size == (32, 64)
    flags = "--aspect_ratio 0.5 --results_dir out --save fake_B rec_B --format jpg --batch_size 2"
    run.test(*test, *flags.split()).ok()
    folder = run.folder / "out" / "x" / "test_latest" / "images"
    expected = {"a0_fake_B", "a1_fake_B", "b0_rec_B", "b1_rec_B", "b2_rec_B"}
    assert names(folder) == {f"{name}.jpg" for name in expected}
    assert Image.open(folder / "a0_fake_B.jpg").size == (64, 32)


def test_larger_batches_of_the_test_write_equal_images(run: Programs, unaligned: Path) -> None:
    """With instance norm, up to rounding: a batch is summed in another order. The last is short."""
    train(run, unaligned)
    images: list[dict[str, np.ndarray]] = []
    for size in ("1", "2"):
        flags = ("--batch_size", size, "--results_dir", f"results{size}")
        run.test("--dataroot", unaligned, "--name", "x", *flags).ok()
        folder = run.folder / f"results{size}" / "x" / "test_latest" / "images"
        images.append({name: np.asarray(Image.open(folder / name), int) for name in names(folder)})
    one_by_one, batches = images
    assert one_by_one.keys() == batches.keys() and len(batches) == 2 * 3 + 3 * 3
    differences = [np.abs(one_by_one[name] - batches[name]) for name in batches]
    assert max(d.max() for d in differences) <= 1 and np.mean(np.stack(differences)) < 0.001
