"""Both pages in a real browser: no error, no request outside, and every control does what it says."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from chromium import BINARY, Browser
from conftest import ONE_EPOCH, TINY, Programs, pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="no Chromium here (apt-get install chromium)"),
]

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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on files of odd names, its results, and metrics of them."""
    from scripts import evaluate

    folder = tmp_path_factory.mktemp("browser")
    run, data = Programs(folder), folder / "data"
    for i, name in enumerate(("trainA", "trainB", "testA", "testB")):
        pictures(data / name, ODD, i)
    run.train(
        "--dataroot",
        data,
        "--name",
        NAME,
        *TINY,
        *ONE_EPOCH,
        "--n_epochs_decay",
        "1",
        "--print_freq",
        "2",
        "--panel_size",
        "8",
        "--batch_size",
        "4",
        "--val_freq",
        "1",
        "--val_share",
        "0.1",
    ).ok()
    run.test("--dataroot", data, "--name", NAME).ok()
    images = run.results / NAME / "test_latest" / "images"
    run.call(
        evaluate.main,
        "evaluate.py",
        "--page",
        "--fake",
        f"{images}:fake_B",
        "--real",
        f"{images}:real_B",
    ).ok()
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    quiet = type(
        "Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *args: None}
    )
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(quiet, directory=str(folder))
    ) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()


@pytest.mark.parametrize("scheme", ["file", "http"])
@pytest.mark.parametrize("page", ["checkpoints/NAME/web/", "results/NAME/test_latest/"])
def test_opens(browser: Browser, folder: Path, server: str, scheme: str, page: str) -> None:
    """With every image there, nothing in the console, nothing asked for elsewhere, and no scrolling sideways on a phone."""
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
        assert (
            NAME
            in browser.js("document.querySelector('h1').textContent")
            == browser.js("document.title")
        )


def text(browser: Browser, selector: str) -> list[str]:
    return browser.js(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)"
    )


def test_training_page(browser: Browser, folder: Path) -> None:
    browser.open((folder / "checkpoints" / NAME / "web" / "index.html").as_uri())
    assert (
        text(browser, ".state") == ["finished"] and "2 epochs" in text(browser, "#status .note")[0]
    )
    assert sorted(text(browser, "#rows .slide h2"))[:3] == sorted([*ODD, "Latest batch"])[:3]
    assert text(browser, "#rows .slide output") == ["epoch 2"] * 9
    assert "n_epochs1" in text(browser, "#options > dl > div") and "beta10.5" in text(
        browser, "#options details dl div"
    )
    before = browser.js("document.querySelector('figure:nth-child(2) img').src")
    browser.js(
        "(() => { const s = document.querySelector('.slide input'); s.value = 0; s.dispatchEvent(new Event('input')) })()"
    )
    assert text(browser, "#rows .slide output")[:2] == ["epoch 1", "epoch 2"]
    assert (
        "epoch001_panel0_fake_B"
        in browser.js("document.querySelector('figure:nth-child(2) img').src")
        != before
    )
    legends = {
        word.split()[0]: word.split()[1]
        for word in text(browser, ".chart:not(.wide) .legend button")
    }
    assert not {"–", "NaN"} & {legends["val_patches"], legends["val_cycle"]}
    assert "val_patches" not in {
        word.split()[0] for word in text(browser, ".chart.wide .legend button")
    }
    assert {"D_A", "cycle_B"} <= {
        word.split()[0] for word in text(browser, ".chart.wide .legend button")
    }
    best = json.loads((folder / "checkpoints" / NAME / "best.json").read_text())
    told = next(title for title in text(browser, ".chart h2") if title.startswith("Validation"))
    assert told.startswith(f"Validation: {best['metric']} ")
    assert told.endswith(f", best {best['value']:.5g} in epoch {best['epoch']}")
    drawn = (
        "(() => { const c = document.querySelector('.chart.wide canvas'); return c.toDataURL() })()"
    )
    whole = browser.js(drawn)
    browser.js("document.querySelector('.chart.wide').scrollIntoView()")
    x, y, width = browser.js(
        "(() => { const r = document.querySelector('.chart.wide canvas').getBoundingClientRect();"
        " return [r.x, r.y + 100, r.width] })()"
    )
    browser.mouse("mouseMoved", x + width / 2, y)
    assert text(browser, ".chart.wide .tip")[0].startswith("after 1 epoch\nD_A")
    browser.mouse("mousePressed", x + width * 0.6, y, 1)
    browser.mouse("mouseMoved", x + width * 0.8, y, 1)
    browser.mouse("mouseReleased", x + width * 0.8, y)
    assert browser.js("[view.from > 1, view.to < 2]") == [True, True] and browser.js(drawn) != whole
    browser.js("document.querySelector('#curves .bar button:last-child').click()")
    assert browser.js("view.from") is None and browser.js(drawn) == whole
    assert browser.errors == []


def test_refreshes_only_while_it_lives(browser: Browser, folder: Path) -> None:
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
        assert text(browser, ".warning") == ["now <b> (epoch 2)"]
        data.write_text(whole)
        browser.js("new Promise((done) => { again(); setTimeout(done, 300) })")
        assert text(browser, ".state") == ["finished"] and text(browser, ".warning") == []
        data.write_text(
            "\n".join([*lines[:-1], 'run("text", 2, "long ago", 1e9)']) + "\n"
        )  # killed: no last line
        browser.open((data.parent / "index.html").as_uri())
        assert text(browser, ".state") == ["no updates"] and browser.js("alive()") is False
    finally:
        data.write_text(whole)
    assert browser.errors == []


def test_results_page(browser: Browser, folder: Path) -> None:
    browser.open((folder / "results" / NAME / "test_latest" / "index.html").as_uri())
    names = "[...document.querySelectorAll('.row h2')].map((each) => each.firstChild.textContent)"
    assert sorted(browser.js(names)) == sorted(name[:-4] for name in ODD)
    assert text(browser, ".row figcaption") == [
        "real_A",
        "fake_B",
        "rec_A",
        "real_B",
        "fake_A",
        "rec_B",
    ] * len(ODD)
    orders = browser.js("[...document.querySelectorAll('option')].map((each) => each.value)")
    assert orders[0] == "" and {"-fake_B PSNR (dB)", "+fake_B SSIM", "+fake_B L1"} <= set(orders)
    for sign in "+-":
        browser.js(f"order.value = '{sign}fake_B L1'; order.dispatchEvent(new Event('change'))")
        values = [float(each.split()[-1]) for each in text(browser, ".row h2 small:nth-of-type(3)")]
        assert values == sorted(values, reverse=sign == "-") and len(set(values)) > 1
    browser.js("search.value = 'SCRIPT alert'; search.dispatchEvent(new Event('input'))")
    assert browser.js(names) == ["<script>alert(1)<_script>"] and text(
        browser, ".sticky .note"
    ) == [f"1 of {len(ODD)} images"]
    browser.js("search.value = ''; search.dispatchEvent(new Event('input'))")
    browser.js("document.querySelectorAll('.row')[1].querySelectorAll('a')[1].click()")
    first, second = browser.js(names)[:2]
    large = "[document.querySelector('dialog b').textContent, document.querySelector('dialog small').textContent]"
    assert browser.js(large) == [second, "fake_B"]
    for key, shown in (
        ("ArrowLeft", [second, "real_A"]),
        ("ArrowUp", [first, "real_A"]),
        ("ArrowRight", [first, "fake_B"]),
        ("c", [first, "real_A → fake_B"]),
    ):
        browser.key(key)
        assert browser.js(large) == shown
    x, y, width = browser.js(
        "(() => { const r = document.querySelector('.stage').getBoundingClientRect();"
        " return [r.x, r.y + r.height / 2, r.width] })()"
    )
    for kind, place, buttons in (
        ("mousePressed", 0.5, 1),
        ("mouseMoved", 0.25, 1),
        ("mouseReleased", 0.25, 0),
    ):
        browser.mouse(kind, x + width * place, y, buttons)
    assert (
        15
        < float(
            browser.js(
                "document.querySelector('.stage').style.getPropertyValue('--cut').replace('%', '')"
            )
        )
        < 35
    )
    browser.js("document.querySelector('dialog').close()")
    assert browser.errors == []


def test_thousands_of_results(browser: Browser, tmp_path: Path) -> None:
    """Only what is near the window is in the document."""
    from util.pages.page import row, write_metrics, write_page

    (tmp_path / "images").mkdir()
    picture = pictures(tmp_path / "images", ["x.png"]) / "x.png"
    rows = [
        row(f"name {i}", dict.fromkeys(("real", "fake"), picture.name), (40, 40))
        for i in range(5000)
    ]
    write_metrics(tmp_path, {})
    write_page(tmp_path, "Many", [], rows, 256, ("page.js", "results.js"), "metrics.js")
    browser.open((tmp_path / "index.html").as_uri())
    for place in (0, 0.5, 1):
        browser.js(
            f"new Promise((done) => {{ scrollTo(0, {place} * document.documentElement.scrollHeight);"
            " setTimeout(done, 200) })"
        )
        near = browser.js(
            "[...document.querySelectorAll('.row')].map((each) => [each.getBoundingClientRect().top,"
            " each.textContent]).filter(([top]) => top > 0 && top < innerHeight).map((each) => each[1])"
        )
        assert near and browser.js("document.querySelectorAll('*').length") < 3000
    assert near[-1].startswith("name 4999")
