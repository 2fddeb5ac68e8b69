"""scripts/share_page.py: pages of trainings and results as one file, and what is left out."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, needs_chromium
from conftest import ONE_EPOCH, ROOT, TINY, Programs, pictures
from PIL import Image

from util.pages.page import link, row, write_metrics, write_page

sys.path.insert(0, str(ROOT / "scripts"))
import share_page

from scripts.sharing import inline
from util.errors import UserError

ODD = ["a space.png", 'it\'s "50%" #1?.png', "</script><b>.png".replace("/", "_"), "雪&amp;.png"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """checkpoints/r after two epochs, and results/r of four images. Not to be written to."""
    run = Programs(tmp_path_factory.mktemp("share"))
    for i, name in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(run.folder / "data" / name, ODD, i)
    flags = ("--dataroot", run.folder / "data", "--name", "r")
    more = ("--n_epochs_decay", "1", "--panel_size", "2")
    run.train(*flags, *TINY, *ONE_EPOCH, *more).ok()
    run.test(*flags).ok()
    return run


def share(run: Programs, page: object, *more: object) -> tuple[str, str]:
    """Share a page; return the file's text and what the program printed."""
    result = run.call(share_page.main, "share_page.py", page, "--output", "out/x.html", *more).ok()
    return (run.folder / "out" / "x.html").read_text(), result.out


def contents(page: str) -> list[bytes]:
    """The images in a page, as they are in the page's scripts and in its HTML."""
    return [base64.b64decode(text) for text in re.findall(r'data:image/\w+;base64,([^#"]+)#', page)]


def test_a_training(made: Programs) -> None:
    """Every image of the panel is inside, once, and nothing is loaded from elsewhere."""
    web = made.runs / "r" / "web"
    page, said = share(made, "r")
    names = set(re.findall(r"images/(epoch00\d_panel[^\"]+\.png)", (web / "data.js").read_text()))
    assert len(names) > 10
    listed = json.loads(re.search(r"var sharedImages = (\[.*?\])\n", page)[1])
    stored = [base64.b64decode(url.split(",")[1].rstrip("#")) for url in listed]
    assert {(web / "images" / name).read_bytes() for name in names} <= set(stored)
    assert len(stored) == len(set(listed))
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script src" not in page
    assert "All runs" in (web / "index.html").read_text() and "All runs" not in page
    assert "All images are the original files" in page and "All images are the original" in said
    assert page.count('<section class="row"') == 1, "readers without scripts see the newest epoch"


def test_results(made: Programs) -> None:
    """Metrics still belong to their images, which are at places that only scripts use."""
    folder = made.folder / "with_metrics" / "test_latest"
    shutil.copytree(made.results / "r" / "test_latest", folder)
    files = sorted((folder / "images").glob("*_fake_B.png"))
    write_metrics(folder, {link(file.name): {"L1 </script>": float("nan")} for file in files})
    page, _ = share(made, "with_metrics")
    assert set(contents(page)) == {file.read_bytes() for file in (folder / "images").iterdir()}
    assert page.count("data:image/png") == len(list((folder / "images").iterdir()))
    for file in files:
        assert f'<a href="#{link(file.name)}"' in page and f'"#{link(file.name)}": {{"L1' in page
    assert "L1 </script>" not in page, "text of the data cannot end the script"


@pytest.fixture
def large(run: Programs) -> Programs:
    """results/x with 30 rows of noise, which takes 65 kB a row as text."""
    folder, rows = run.results / "x", []
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(30):
        files = {label: f"{i}_{label}.png" for label in ("real_A", "fake_B")}
        for file in files.values():
            noise = rng.integers(0, 256, (90, 90, 3), np.uint8)
            Image.fromarray(noise).save(folder / "images" / file, compress_level=0)
        rows.append(row(str(i), files))
    write_page(folder, "x", [], rows, 256, ("page.js", "results.js"), "metrics.js")
    return run


@pytest.mark.parametrize(
    ("limit", "quality", "rows"), [(20, "original", 30), (1.2, "quality 92", 30), (0.25, "75", 12)]
)
def test_large_pages_are_made_smaller(
    large: Programs, limit: float, quality: str, rows: int
) -> None:
    """First the images, then their number; the page and the program say so."""
    page, said = share(large, "results/x", "--max_mb", limit)
    assert 0.5 * limit < len(page.encode()) / 1e6 <= limit or quality == "original"
    shown = [int(number) for number in re.findall(r"<h2>(\d+)</h2>", page)]
    assert len(shown) == rows if rows == 30 else 3 < len(shown) < 30
    assert shown[0] == 0 and shown[-1] == 29
    note = re.search(r'<p class="note" id="shared">(.*?)</p>', page)[1]
    assert quality in note and (rows == 30 or f"Shown are {len(shown)} of 30 rows" in note)
    assert set(note.rstrip(".").split(". ")) <= set(said.splitlines())


def test_batches_of_a_training_are_left_out_first(made: Programs, monkeypatch) -> None:
    monkeypatch.setattr(inline, "QUALITIES", inline.QUALITIES[-1:])
    web = made.runs / "r" / "web"
    limit = 10**9
    for batches, epochs in ((2, 3), (1, 3), (1, 2), (1, 1)):  # the panel has an epoch 0
        page = inline.SharedPage(web)
        text = page.fit(limit, lambda: None).decode()
        assert text.count('run("images"') == batches and text.count('run("panel"') == epochs
        for count, total, kind in ((batches, 2, "training"), (epochs, 3, "validation")):
            note = f"Shown are {count} of {total} epochs of the {kind} images, evenly spread"
            assert (note in page.notes) == (count < total)
        limit = len(text.encode()) - 100
    with pytest.raises(UserError, match="with as few images as possible"):
        inline.SharedPage(web).fit(limit, lambda: None)


def test_only_images_of_the_page_are_taken(large: Programs, tmp_path: Path) -> None:
    """A page from elsewhere cannot make this program mail a file of its user."""
    page = large.results / "x"
    picture, secret = page / "images" / "0_real_A.png", tmp_path / "secret.png"
    picture.rename(secret)
    picture.symlink_to(secret)
    html = (page / "index.html").read_text()
    html = html.replace("images/1_real_A.png", "../../../secret.png")
    (page / "index.html").write_text(html.replace("images/2_real_A.png", f"{secret}"))
    (page / "images" / "3_real_A.png").write_bytes(b"not an image")
    text, said = share(large, "results/x")
    assert secret.read_bytes() not in contents(text)
    assert "1 image could not be read: images/3_real_A.png" in said


def test_the_home_folder_is_not_named(large: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    page = large.results / "x"
    html = (page / "index.html").read_text().replace("<h1>x", "<h1>/home/alice/x /home/alice2")
    (page / "index.html").write_text(html)
    write_metrics(page, {"/home/alice/data": {"L1": 1.0}})
    text, _ = share(large, "results/x")
    assert "<h1>~/x /home/alice2" in text and "/home/alice/" not in text


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("nothing --output x.html", ['RUN_OR_RESULTS: no run "nothing"']),
        ("results/empty --output x.html", ["there is no page results/empty/index.html"]),
        ("results/x --output results/x/y.html", ["--output", "in the folder of the page"]),
        ("results/long --output x.html --max_mb 0.1", ["--max_mb 0.1", "still has 0.2"]),
    ],
)
def test_refusals(run: Programs, words: str, parts: list[str]) -> None:
    for name, page in (("empty", ""), ("x", "<html>"), ("long", "x" * 200_000)):
        (run.results / name).mkdir(parents=True)
        if page:
            (run.results / name / "index.html").write_text(page)
    run.call(share_page.main, "share_page.py", *words.split()).refused(1, *parts)


def test_page_of_other_programs(made: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is too large to be one of ours is not searched for images."""
    monkeypatch.setattr(inline, "LARGEST", 1 << 10)
    words = ("r", "--checkpoints_dir", made.runs, "--output", made.folder / "large.html")
    made.call(share_page.main, "share_page.py", *words).refused(1, "index.html: larger than 0 MB")


def test_one_of_several_tests_is_chosen(made: Programs) -> None:
    for name in ("test_1", "test_2"):
        shutil.copytree(made.results / "r" / "test_latest", made.folder / "two" / name)
    words = ("share_page.py", "two", "--output", "x.html")
    made.call(share_page.main, *words).refused(1, "choose one of two/test_1, two/test_2")


@pytest.mark.slow
@needs_chromium
def test_shared_pages_in_a_browser(made: Programs, tmp_path: Path) -> None:
    """Moved elsewhere, both pages show all images and request nothing; the controls work."""
    images = made.results / "r" / "test_latest" / "images"
    metrics = {link(file.name): {"L1": 3.25} for file in images.glob("*_fake_B.png")}
    write_metrics(images.parent, metrics)
    browser = Browser(tmp_path / "profile")
    try:
        for name, page, count in (("training", "r", 20), ("results", "results/r", 24)):
            text, _ = share(made, page)
            (tmp_path / f"{name}.html").write_text(text)
            browser.open((tmp_path / f"{name}.html").as_uri())
            loaded = "Promise.all([...document.images].map((image) => image.decode()))"
            browser.js(f"{loaded}.then(() => true)")
            assert browser.js("document.images.length") >= count
            assert browser.js("[...document.images].every((image) => image.naturalWidth === 32)")
            assert not browser.errors
            others = [url for url in browser.requests if not url.startswith("data:")]
            assert others == [(tmp_path / f"{name}.html").as_uri()]
            if name == "training":
                source = "document.querySelectorAll('#panel figure img')[1].src"
                before = browser.js(source)
                browser.js(
                    "slider = document.querySelector('#panel .row input');"
                    "slider.value = 0; slider.dispatchEvent(new Event('input'))"
                )
                assert browser.js(source) != before
            else:
                assert "3.25" in browser.js("document.querySelector('.row').textContent")
            browser.js("document.querySelector('figure a').click()")
            assert (
                browser.js("document.querySelector('dialog img').src.slice(0, 11)") == "data:image/"
            )
    finally:
        browser.close()
