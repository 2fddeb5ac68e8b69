"""Odd folders, files, links and names given to the preparation tools and the other programs."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Programs, picture, pictures
from PIL import Image

sys.path.append(str(ROOT / "datasets"))  # Python does this for a script
import combine_A_and_B
import edges
import make_atlas
import make_dataset_aligned
import prepare_cityscapes_dataset
from prepare import write_image

from options.parser import full_name
from scripts import evaluate, plot, sheet
from scripts.figures.drawing import shown
from util.errors import UserError
from util.image.writing import save_image

COMBINE = ("combine_A_and_B.py", "--fold_A", "fa", "--fold_B", "fb", "--fold_AB", "ab")
CITY = ("--gtFine_dir", "g", "--leftImg8bit_dir", "l", "--output_dir", "out")


@pytest.fixture
def folds(run: Programs) -> Programs:
    """The folders fa and fb with the split train, three pairs."""
    for seed, fold in enumerate(("fa", "fb")):
        pictures(run.folder / fold / "train", ["0.png", "1.png", "2.png"], seed)
    return run


def test_a_loop_of_links_as_output(folds: Programs) -> None:
    (folds.folder / "loop").symlink_to("loop")
    words = "Too many levels of symbolic links"
    folds.call(combine_A_and_B.main, *COMBINE[:-1], "loop").refused(1, words)
    folds.call(edges.main, "edges.py", "--input", "fa", "--output", "loop").refused(1, words)


def test_a_link_is_replaced_and_not_followed(folds: Programs) -> None:
    mine = picture(folds.folder / "mine.png")
    content = mine.read_bytes()
    out = folds.folder / "ab/train"
    out.mkdir(parents=True)
    (out / "0.png").symlink_to(mine)
    (out / "1.png.tmp").symlink_to(mine)
    folds.call(combine_A_and_B.main, *COMBINE).ok()
    assert mine.read_bytes() == content and not (out / "0.png").is_symlink()


def test_many_failures_are_one_line(folds: Programs) -> None:
    pictures(folds.folder / "fb/train", ["0.png", "1.png"], size=(9, 9))
    result = folds.call(combine_A_and_B.main, *COMBINE)
    result.refused(1, "2 of 3 failed, the others are done: the images", "0.png is 40x40", "; ")


def test_a_name_without_a_stem(folds: Programs) -> None:
    picture(folds.folder / "fa/train/_A.png")
    picture(folds.folder / "fb/train/_B.png")
    result = folds.call(combine_A_and_B.main, *COMBINE, "--use_AB")
    result.refused(1, "cannot write ab/train/.png: unknown file extension")


def test_what_is_left_out_is_said(folds: Programs) -> None:
    picture(folds.folder / "fa/train/more/9.png")
    (folds.folder / "fa/val").symlink_to("nowhere")
    result = folds.call(combine_A_and_B.main, *COMBINE).ok()
    assert "images in sub-folders are left out: fa/train has more" in result.err
    assert "the split val is skipped: there is no fa/val" in result.err


def test_a_file_instead_of_the_dataset(run: Programs) -> None:
    (run.folder / "file").write_text("text")
    words = "--dataset-path file: is a file, should be a folder"
    program = ("make_dataset_aligned.py", "--dataset-path", "file")
    run.call(make_dataset_aligned.main, *program).refused(1, words)


def city(run: Programs) -> None:
    for split in ("train", "val"):
        frame = f"{split}/x/x_0_0"
        picture(run.folder / f"g/{frame}_gtFine_color.png")
        picture(run.folder / f"g/{frame}_gtFine_labelIds.png", mode="L")
        picture(run.folder / f"l/{frame}_leftImg8bit.png")


def test_label_ids_replace_links_and_are_missed(run: Programs) -> None:
    city(run)
    mine, out = run.folder / "mine.txt", run.folder / "out/testB_ids"
    mine.write_text("my notes")
    out.mkdir(parents=True)
    (out / "0_gtFine_labelIds.png").symlink_to(mine)
    program = ("prepare_cityscapes_dataset.py", *CITY)
    assert not run.call(prepare_cityscapes_dataset.main, *program).ok().err
    assert mine.read_text() == "my notes" and not (out / "0_gtFine_labelIds.png").is_symlink()
    ids = run.folder / "g/val/x/x_0_0_gtFine_labelIds.png"
    ids.unlink()
    ids.mkdir()
    result = run.call(prepare_cityscapes_dataset.main, *program).ok()
    assert "1 of 1 test frames have no label ids, e.g. g/val/x/x_0_0" in result.err


METRICS = '{{"epoch": 1, "iters": 1, "share": 1, "total": 1, "losses": {{"{}": {}}}}}\n'
LOSS_LOG = "(epoch: {}, iters: {}, time: {}, data: 0.1) {} \n"


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("metrics.jsonl", METRICS.format("G", 1e308) + METRICS.format("G", -1e308), "cannot draw"),
        ("metrics.jsonl", METRICS.replace('"{}": {}', "").format(), "no losses"),
        ("loss_log.txt", LOSS_LOG.format(1, 10, "1.2.3", "G: 1"), "loss_log.txt: could not"),
        ("loss_log.txt", LOSS_LOG.format(1, 10, 0.1, "G: abc"), "'abc' in the line (epoch: 1"),
        ("loss_log.txt", LOSS_LOG.format(1, 10, 0.1, ""), "no losses"),
        ("loss_log.txt", LOSS_LOG.format("9" * 20, 10, 0.1, "G: 1"), "no losses"),
        ("metrics.jsonl", METRICS.replace('"{}": {}', ", ".join(f'"k{i}": 1' for i in range(61)))
         .format(), "61 panels, at most 60"),
    ],
)  # fmt: skip
def test_logs_that_cannot_be_drawn(run: Programs, file: str, text: str, words: str) -> None:
    pytest.importorskip("matplotlib")
    (run.folder / "one").mkdir()
    (run.folder / "one" / file).write_text(text)
    result = run.call(plot.main, "plot.py", "--runs", "one", "--output", "o.png")
    result.refused(1, words)
    assert not (run.folder / "o.png").exists()


def test_odd_names_are_drawn(run: Programs) -> None:
    """Names are no formulas; iters may be 0."""
    pytest.importorskip("matplotlib")
    for name in ("_one", "two"):
        (run.folder / name).mkdir()
    (run.folder / "_one/metrics.jsonl").write_text(METRICS.format("$\\\\frac{$", 1))
    (run.folder / "two/loss_log.txt").write_text(LOSS_LOG.format(1, 0, 0.1, "G: 1"))
    run.call(plot.main, "plot.py", "--runs", "_one", "two", "--output", "o.svg").ok()
    assert " _one" in (run.folder / "o.svg").read_text()
    assert shown("a\ud800") == "a\\ud800"


@pytest.fixture
def page(run: Programs) -> Programs:
    """The folder page with two images of the labels real_A and fake_B."""
    for label in ("real_A", "fake_B"):
        pictures(run.folder / "page", [f"0_{label}.png", f"1_{label}.png"])
    return run


SHEET = ("sheet.py", "--images", "page", "--labels", "real_A", "fake_B", "--output")


def test_sheets_have_an_end(page: Programs) -> None:
    picture(page.folder / "page/0_fake_B.png", size=(60_000, 1))
    page.call(sheet.main, *SHEET, "o.png").refused(1, "200 million pixels with page/0_fake_B.png")
    picture(page.folder / "page/0_fake_B.png", size=(5_000, 1))
    picture(page.folder / "page/1_fake_B.png", size=(1, 1))
    rows = ["0", *["1"] * 400]
    page.call(sheet.main, *SHEET, "o.png", "--rows", *rows).refused(1, "million pixels with it")
    assert not (page.folder / "o.png").exists()


def test_a_sheet_does_not_replace_its_images(page: Programs) -> None:
    content = (page.folder / "page/0_real_A.png").read_bytes()
    page.call(sheet.main, *SHEET, "page/0_real_A.png").refused(1, "one of the images of the sheet")
    assert (page.folder / "page/0_real_A.png").read_bytes() == content


def test_epochs_before_the_first_image(run: Programs) -> None:
    picture(run.folder / "page/epoch005_0_fake_B.png")
    program = ("sheet.py", "--images", "page", "--labels", "fake_B", "--output", "o.png")
    run.call(sheet.main, *program, "--epochs", "1").refused(
        1, "column fake_B, epoch 1 has no images"
    )


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("x.mean((1, 2, 3))", "a real result per image, not real numbers of shape (1,)"),
        ("x.sum()", "a real result per image"),
        ("x[:0]", "a real result per image, not real numbers of shape (0, 3, 16, 16)"),
        ("torch.zeros(2, 5)", "a real result per image"),
        ("torch.zeros(len(x), 0)", "a real result per image"),
        ("torch.complex(x, x)", "not complex numbers"),
        ("torch.zeros(1, 65537)", "65537 numbers for an image, at most 65536"),
    ],
)
def test_networks_that_return_something_else(page: Programs, network: str, words: str) -> None:
    import torch

    from util.image.features import load_features

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return eval(network, {"torch": torch, "x": x})

    traced = torch.jit.trace(Odd(), torch.zeros(1, 3, 16, 16), check_trace=False)
    traced.save(str(page.folder / "net.pt"))
    load_features.cache_clear()
    program = ("evaluate.py", "--fake", "page:fake_B", "--real", "page:real_A", "--unpaired")
    options = ("--features", "net.pt", "--features_size", "16")
    page.call(evaluate.main, *program, *options).refused(1, words)


@pytest.mark.parametrize("write", [write_image, save_image])
@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65501), (".webp", 16384), (".JPEG", 70000)])
def test_formats_with_a_longest_side(
    tmp_path: Path,
    write: Callable[[Image.Image, Path], None],
    suffix: str,
    side: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The encoders print text of their own, or raise errors of many types."""
    path = tmp_path / f"long{suffix}"
    with pytest.raises(UserError, match=f"{side}x1 pixels, and the longest side"):
        write(Image.new("RGB", (side, 1)), path)
    assert not capfd.readouterr().err and not path.exists()


@pytest.mark.parametrize(
    "suffix",
    [
        "{ngf:1000000000}",
        "{ngf:{ngf}}",
        "{netG:>999}",
        "{ngf.x}",
        "{ngf[0]}",
        "{0}",
        "{}",
        "}",
        "{x}",
    ],
)
def test_suffixes_are_short(suffix: str) -> None:
    with pytest.raises(UserError, match="--suffix") as error:
        full_name(Namespace(name="x", suffix=suffix, ngf=64, netG="unet"))
    assert len(str(error.value)) < 200


def test_suffixes_with_a_format(run: Programs) -> None:
    opt = Namespace(name="x", suffix="{lr:.4f}_{ngf:>4}_{netG!r:.2}", lr=0.1, ngf=64, netG="unet")
    assert full_name(opt) == "x_0.1000_  64_'u"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG", "cannot read lines: it is damaged (not UTF-8 text)"),
        (None, "cannot read lines: No such file"),
        (b"@lines\n", "--palette @lines: should be R,G,B"),
    ],
)
def test_files_of_options(page: Programs, content: bytes | None, words: str) -> None:
    """A file that names itself, or that is no text, ends in one line."""
    if content:
        (page.folder / "lines").write_bytes(content)
    program = ("evaluate.py", "--fake", "page:fake_B", "--real", "page:real_A")
    result = page.call(evaluate.main, *program, "--palette", "@lines")
    result.refused(2 if "should" in words else 1, words)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_the_photo_of_the_atlas(run: Programs) -> None:
    os.mkfifo(run.folder / "bmng.jpg")
    run.call(make_atlas.main, "make_atlas.py", ".", "out").refused(1, "bmng.jpg: it is not a file")
    program = ("make_atlas.py", ".", "out", "--size", "300")
    run.call(make_atlas.main, *program).refused(2, "--size 300: should be at most --block 256")
