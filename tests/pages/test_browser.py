"""Both pages in Chromium: no errors, no requests to other servers, and working controls."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from chromium import NEEDS_CHROMIUM, Browser
from conftest import ONE_EPOCH, TINY, Programs, pictures

from models.translation.results import SCRIPTS
from scripts import evaluate
from util.pages.page import row, write_metrics, write_page

pytest_plugins = ["chromium"]
pytestmark = NEEDS_CHROMIUM

ODD = [
    "a space.png",
    'it\'s "quoted".png',
    "50% #1?.png",
    "<script>alert(1)<_script>.png",
    "a&amp;b.png",
    "雪 ñ é.png",
    "%41.png",
    "x" * 196 + ".png",
]
NAME = "a <script>alert(1)</script> & 100% #1? 雪".replace("/", "_")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on files with odd names, its results, and their metrics."""
    folder = tmp_path_factory.mktemp("browser")
    run, data = Programs(folder), folder / "data"
    for i, name in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(data / name, ODD, i)
    flags = ("--n_epochs_decay", "1", "--print_freq", "2", "--panel_size", "8")
    flags += ("--batch_size", "4", "--val_freq", "1", "--val_share", "0.1")
    run.train("--dataroot", data, "--name", NAME, *TINY, *ONE_EPOCH, *flags).ok()
    run.test("--dataroot", data, "--name", NAME).ok()
    images = run.results / NAME / "test_latest" / "images"
    pairs = ("--fake", f"{images}:fake_B", "--real", f"{images}:real_B")
    run.call(evaluate.main, "evaluate.py", "--page", *pairs).ok()
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.mark.parametrize("scheme", ["file", "http"])
@pytest.mark.parametrize("page", ["checkpoints/NAME/web/", "results/NAME/test_latest/"])
def test_opens(browser: Browser, folder: Path, server: str, scheme: str, page: str) -> None:
    """All images load, nothing is requested elsewhere, and phones need no sideways scrolling."""
    base = server if scheme == "http" else folder.as_uri() + "/"
    for width, dark in (1400, False), (420, True):
        browser.open(base + quote(page.replace("NAME", NAME)) + "index.html", width, dark=dark)
        shown = browser.js("""(async () => {
            const images = [...document.images];
            images.forEach((image) => { image.loading = "eager"; });
            await Promise.all(images.map((image) => image.decode()));
            return [images.length, images.filter((image) => !image.naturalWidth).length];
        })()""")
        assert shown == [6 * len(ODD) + (8 if "web" in page else 0), 0]
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith((base, "data:"))] == []
        assert browser.js("document.documentElement.scrollWidth") <= width
        title = browser.js("document.title")
        assert NAME in browser.js("document.querySelector('h1').textContent") in title


LOSSES = ".large .chart:first-child"


def text(browser: Browser, selector: str) -> list[str]:
    elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
    return browser.js(f"{elements}.map((element) => element.textContent)")


def rectangle(browser: Browser, selector: str) -> tuple[float, float, float, float]:
    """Returns x, y, width and height of an element in the window."""
    box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
    return browser.js(f"(({{ x, y, width, height }}) => [x, y, width, height])({box})")


@pytest.fixture
def training_page(browser: Browser, folder: Path) -> Iterator[Browser]:
    browser.open((folder / "checkpoints" / NAME / "web" / "index.html").as_uri())
    yield browser
    assert browser.errors == []


def test_state_and_options_of_a_training(training_page: Browser) -> None:
    assert text(training_page, ".state") == ["finished"]
    assert "2 epochs" in text(training_page, "#status .note")[0]
    assert "n_epochs1" in text(training_page, "#options > dl > div")
    assert "beta10.5" in text(training_page, "#options details dl div")


def test_sliders_of_epochs(training_page: Browser) -> None:
    names = text(training_page, "#rows .slide h2")
    assert sorted(names) == sorted([*ODD, "Latest batch"])
    assert text(training_page, "#rows .slide output") == ["epoch 2"] * 9
    source = "document.querySelector('figure:nth-child(2) img').src"
    before = training_page.js(source)
    training_page.js(
        "(() => { const slider = document.querySelector('.slide input'); slider.value = 0;"
        " slider.dispatchEvent(new Event('input')) })()"
    )
    assert text(training_page, "#rows .slide output")[:2] == ["epoch 0", "epoch 2"]
    assert "epoch000_panel0_fake_B" in training_page.js(source) != before


def test_numbers_of_the_charts(training_page: Browser, folder: Path) -> None:
    """Losses are in the large chart, all other numbers in the small ones."""
    numbers = dict(line.split(maxsplit=1) for line in text(training_page, ".chart button"))
    assert not {"–", "NaN"} & {numbers["val_patches"], numbers["val_cycle"]}
    losses = {line.split()[0] for line in text(training_page, f"{LOSSES} button")}
    assert {"D_A", "cycle_B"} <= losses and "val_patches" not in losses
    best = json.loads((folder / "checkpoints" / NAME / "best.json").read_text())
    titles = text(training_page, ".chart h2")
    title = next(title for title in titles if title.startswith("Validation"))
    assert title.startswith(f"Validation: {best['metric']} ")
    assert title.endswith(f", best {best['value']:.4g} in epoch {best['epoch']}")


def test_pointer_and_zoom_of_a_chart(training_page: Browser) -> None:
    drawn = f"document.querySelector('{LOSSES} canvas').toDataURL()"
    whole = training_page.js(drawn)
    training_page.js(f"document.querySelector('{LOSSES}').scrollIntoView()")
    x, y, width, _ = rectangle(training_page, f"{LOSSES} canvas")
    y += 100
    training_page.mouse("mouseMoved", x + width / 2, y)
    assert text(training_page, f"{LOSSES} .tip")[0].startswith("after 1 epoch\nD_A")
    training_page.mouse("mousePressed", x + width * 0.6, y, 1)
    training_page.mouse("mouseMoved", x + width * 0.8, y, 1)
    training_page.mouse("mouseReleased", x + width * 0.8, y)
    assert training_page.js("[view.from > 1, view.to < 2]") == [True, True]
    assert training_page.js(drawn) != whole
    training_page.js("document.querySelector('#curves .bar button:last-child').click()")
    assert training_page.js("view.from") is None and training_page.js(drawn) == whole


def test_the_page_is_read_again_only_while_the_training_runs(
    browser: Browser, folder: Path
) -> None:
    data = folder / "checkpoints" / NAME / "web" / "data.js"
    whole = data.read_text()
    lines = whole.splitlines()
    alive = f'run("text", 2, "now <b>", {browser.js("Date.now() / 1000")})'
    try:
        for last, state, lives in ([alive], "running", True), ([], "finished", False):
            data.write_text("\n".join([*(lines[:-1] if last else lines), *last]) + "\n")
            browser.open((data.parent / "index.html").as_uri())
            assert text(browser, ".state") == [state] and browser.js("alive()") is lives
        data.write_text("\n".join([*lines[:-1], alive]) + "\n")
        browser.open((data.parent / "index.html").as_uri())
        assert text(browser, "#warnings .warning") == ["now <b> (epoch 2)"]
        data.write_text(whole)
        browser.js("new Promise((done) => { again(); setTimeout(done, 300) })")
        assert text(browser, ".state") == ["finished"]
        assert text(browser, "#warnings .warning") == []
        data.write_text(
            "\n".join([*lines[:-1], 'run("text", 2, "long ago", 1e9)']) + "\n"
        )  # killed: no last line
        browser.open((data.parent / "index.html").as_uri())
        assert text(browser, ".state") == ["no updates"] and browser.js("alive()") is False
    finally:
        data.write_text(whole)
    assert browser.errors == []


NAMES = "[...document.querySelectorAll('.row h2')].map((title) => title.firstChild.textContent)"


@pytest.fixture
def results_page(browser: Browser, folder: Path) -> Iterator[Browser]:
    browser.open((folder / "results" / NAME / "test_latest" / "index.html").as_uri())
    yield browser
    assert browser.errors == []


def test_rows_of_results(results_page: Browser) -> None:
    assert sorted(results_page.js(NAMES)) == sorted(name[:-4] for name in ODD)
    labels = ["real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"]
    names = "[...document.querySelectorAll('.row figure')].map((figure) => viewer.name(figure))"
    assert results_page.js(names) == labels * len(ODD)


def test_sorting_results_by_a_metric(results_page: Browser) -> None:
    options = "[...document.querySelectorAll('option')].map((option) => option.value)"
    orders = results_page.js(options)
    assert orders[0] == "" and {"-fake_B PSNR (dB)", "+fake_B SSIM", "+fake_B L1"} <= set(orders)
    for sign in "+-":
        results_page.js(
            f"order.value = '{sign}fake_B L1'; order.dispatchEvent(new Event('change'))"
        )
        lines = text(results_page, ".row figure:nth-child(2) small:nth-of-type(3)")
        assert all(line.startswith("L1 ") for line in lines)
        values = [float(line.split()[-1]) for line in lines]
        assert values == sorted(values, reverse=sign == "-") and len(set(values)) > 1


def test_searching_results(results_page: Browser) -> None:
    results_page.js("search.value = 'SCRIPT alert'; search.dispatchEvent(new Event('input'))")
    assert results_page.js(NAMES) == ["<script>alert(1)<_script>"]
    assert text(results_page, ".sticky .note") == [f"1 of {len(ODD)} images"]


def test_enlarged_images(results_page: Browser) -> None:
    """Keys move between images and rows; the slider compares input and output."""
    results_page.js("document.querySelectorAll('.row')[1].querySelectorAll('a')[1].click()")
    first, second = results_page.js(NAMES)[:2]

    def title() -> list[str]:
        return text(results_page, "dialog b") + text(results_page, "dialog span > small")

    assert title() == [second, "fake_B"]
    for key, expected in (
        ("ArrowLeft", [second, "real_A"]),
        ("ArrowUp", [first, "real_A"]),
        ("ArrowRight", [first, "fake_B"]),
        ("c", [first, "real_A → fake_B"]),
    ):
        results_page.key(key)
        assert title() == expected
    x, y, width, height = rectangle(results_page, ".stage")
    y += height / 2
    results_page.mouse("mousePressed", x + width / 2, y, 1)
    results_page.mouse("mouseMoved", x + width / 4, y, 1)
    results_page.mouse("mouseReleased", x + width / 4, y)
    cut = results_page.js("document.querySelector('.stage').style.getPropertyValue('--cut')")
    assert 15 < float(cut.replace("%", "")) < 35
    results_page.js("document.querySelector('dialog').close()")


def test_thousands_of_results(browser: Browser, tmp_path: Path) -> None:
    """Only rows near the window are in the document."""
    (tmp_path / "images").mkdir()
    picture = pictures(tmp_path / "images", ["x.png"]) / "x.png"
    images = dict.fromkeys(("real", "fake"), picture.name)
    rows = [row(f"name {i}", images, (40, 40)) for i in range(5000)]
    write_metrics(tmp_path, {})
    write_page(tmp_path, "Many", [], rows, 256, SCRIPTS, "metrics.js")
    browser.open((tmp_path / "index.html").as_uri())
    for place in (0, 0.5, 1):
        scroll = f"scrollTo(0, {place} * document.documentElement.scrollHeight)"
        browser.js(f"new Promise((done) => {{ {scroll}; setTimeout(done, 200) }})")
        near = browser.js(
            "[...document.querySelectorAll('.row')].filter((row) => {"
            " const { top } = row.getBoundingClientRect(); return top > 0 && top < innerHeight; })"
            ".map((row) => row.textContent)"
        )
        assert near and browser.js("document.querySelectorAll('*').length") < 3000
    assert near[-1].startswith("name 4999")
