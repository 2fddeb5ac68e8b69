"""A person's ways through the training page in Chromium: mouse, keys, fingers, paper."""

from __future__ import annotations

import base64
import time
from pathlib import Path

from chromium import NEEDS_CHROMIUM, Browser
from simulated_pages import EPOCHS, simulated_training, warning

pytest_plugins = ["chromium", "simulated_pages"]
pytestmark = NEEDS_CHROMIUM

TITLE = "dialog span > small"
IMAGE = "document.querySelector('.stage > img')"
# The epoch of an image that has loaded, by its file, and its description.
SHOWN = """(async (image) => {
    await image.decode();
    return image.src.match(/epoch(\\d+)/)[1] + " " + image.alt;
})"""


def shown_image(page: Browser, image: str = IMAGE) -> str:
    return page.js(f"{SHOWN}({image})")


def test_slider_through_the_epochs_in_the_large_view(page: Browser) -> None:
    """It moves the row, too; its keys are those of any slider, and , . work everywhere."""
    page.click(".row figure:nth-child(2) a")
    assert page.texts(TITLE) == [f"fake_B, epoch {EPOCHS}"]
    x, y, width, height = page.box("dialog input[aria-label='Epoch']")
    for kind, buttons in ("mousePressed", 1), ("mouseReleased", 0):
        page.mouse(kind, x + width / 2, y + height / 2, buttons)
    assert page.texts(TITLE) == ["fake_B, epoch 3"]
    assert shown_image(page) == "003 fake_B, epoch 3"
    assert page.texts(".row output")[0] == "epoch 3"
    page.key("ArrowRight", 39)  # the slider has the focus
    assert page.texts(TITLE) == ["fake_B, epoch 4"]
    page.key(",")
    page.key(",")
    page.key(".")
    assert shown_image(page) == "003 fake_B, epoch 3"


def test_two_epochs_side_by_side(page: Browser) -> None:
    page.click(".row figure:nth-child(2) a")
    page.key("e")
    assert page.texts(TITLE) == [f"fake_B, epoch 0 → fake_B, epoch {EPOCHS}"]
    assert shown_image(page) == f"00{EPOCHS} fake_B, epoch {EPOCHS}"
    assert shown_image(page, "document.querySelector('.stage .over')") == "000 fake_B, epoch 0"
    x, y, width, height = page.box("dialog input[aria-label='Epoch on the left']")
    for kind, buttons in ("mousePressed", 1), ("mouseReleased", 0):
        page.mouse(kind, x + width / 3, y + height / 2, buttons)
    assert page.texts(TITLE) == [f"fake_B, epoch 2 → fake_B, epoch {EPOCHS}"]
    page.key(",")
    assert page.texts(".stage span") == ["fake_B, epoch 2", "fake_B, epoch 5"]
    x, y, width, height = page.box(".stage")
    page.mouse("mousePressed", x + width / 2, y + height / 2, 1)
    page.mouse("mouseMoved", x + width / 4, y + height / 2, 1)
    page.mouse("mouseReleased", x + width / 4, y + height / 2)
    cut = page.js("document.querySelector('.stage').style.getPropertyValue('--cut')")
    assert 15 < float(cut.replace("%", "")) < 35
    page.key("ArrowRight", 39)  # the next image, as ever
    assert page.texts(TITLE)[0].startswith("rec_A, epoch 2 → rec_A")
    page.js("partner = document.querySelector('dialog select'); partner.value = 'real_A'")
    page.js("partner.dispatchEvent(new Event('change'))")
    assert page.texts(TITLE) == ["real_A → rec_A, epoch 5"]


def test_a_first_panel_and_its_name(page: Browser) -> None:
    assert page.texts("#panel .head h2") == ["Test images"]
    page.js("player.show(0)")
    assert page.texts("#panel output") == ["epoch 0"] * 3


def test_playing_with_speed_and_pause(page: Browser) -> None:
    """From the last epoch it begins anew; the large view follows, and the space bar pauses."""
    page.js("player.speed.value = 1")
    page.click("#panel .head button")
    assert page.texts("#panel .head button") == ["Pause"]
    assert page.texts("#panel output")[0] == "epoch 0"
    page.js("player.speed.value = 5")
    page.wait("player.output.textContent === 'epoch 2'")
    page.click(".row figure:nth-child(2) a")
    page.js("document.querySelector('dialog').focus()")
    page.key(" ", 32, " ")
    paused = page.texts(TITLE)
    assert page.texts(".times button") == ["Play"]
    page.js("new Promise((done) => setTimeout(done, 300))")
    assert page.texts(TITLE) == paused
    page.js("document.querySelector('dialog').close()")
    page.js("player.speed.value = 1")
    start = time.monotonic()
    page.js("player.show(0); player.toggle()")
    page.wait("player.output.textContent === 'epoch 3'")
    page.js("player.toggle()")
    assert time.monotonic() - start > 1.5  # epochs 1, 2 and 3 at once, after 1 s and after 2 s


def test_focus_returns_from_the_large_view(page: Browser) -> None:
    page.js("document.querySelector('.row figure:nth-child(2) a').focus()")
    page.key("Enter", 13, "\r")
    assert page.js("viewer.isOpen()")
    page.key("ArrowDown")
    page.key("ArrowRight")
    page.key("Escape", 27)
    assert not page.js("viewer.isOpen()")
    focused = "document.activeElement.closest('.row')?.querySelector('h2').textContent"
    page.wait(f"{focused} === 'second.png'")
    assert page.js("document.activeElement.querySelector('img').alt") == "rec_A"


def test_small_images_have_sharp_pixels(page: Browser) -> None:
    styles = "[...document.images].map((image) => getComputedStyle(image).imageRendering)"
    assert set(page.js(styles)[:12]) == {"pixelated"}
    size = page.box("#panel figure img")[2]
    assert size % 8 == 0 and size > 100  # whole pixels of 8 x 8
    page.click(".row figure:nth-child(2) a")
    page.wait(f"getComputedStyle({IMAGE}).imageRendering === 'pixelated'")


def test_run_facts(page: Browser) -> None:
    rows = dict(zip(page.texts("#facts dt"), page.texts("#facts dd"), strict=True))
    assert rows.pop("Command") == "python train.py --name 'x y' Copy"
    assert float(rows.pop("Images per second")) > 0 and rows.pop("Resumes") == "1"
    facts = {"Commit": "abc1234", "Device": "cpu", "PyTorch": "2.5", "Parameters": "1 M"}
    assert rows == facts
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    page.click("#facts button")
    page.wait("document.querySelector('#facts button').textContent === 'Copied'")
    assert page.js("getSelection().toString()") == "python train.py --name 'x y'"


def test_warnings_link_to_their_explanation(page: Browser) -> None:
    shown = page.texts("#warnings .warning")
    assert shown[0] == f"{warning('loss')} (epoch 2) What does this mean?"
    visible = "article:not([hidden]) h3"
    titles = page.texts(visible)
    assert [title.split(":")[0] for title in titles] == ["loss", "change"]
    page.click("#warnings .warning:nth-child(2) a")
    assert page.texts("article:target h3") == [titles[1]]
    assert (
        0 <= page.js("document.querySelector('article:target').getBoundingClientRect().top") < 900
    )


def test_progress_in_the_title_of_the_tab(browser: Browser, url: str) -> None:
    browser.open(url)
    assert browser.js("document.title") == "✓ Training x"
    browser.js("data.end = null; data.time = Date.now() / 1000; data.points.length = 50; draw()")
    percent = browser.js("Math.floor(100 * data.points[49].x / 6)")
    assert browser.js("document.title") == f"{percent} % Training x"


def test_print(page: Browser) -> None:
    """No controls, light charts even on a dark screen, and all of it on paper."""
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = "button, select, input, dialog"
    count = f"[...document.querySelectorAll('{hidden}')].filter((one) => one.offsetParent).length"
    assert page.js(count) == page.js("document.querySelectorAll('.legend button').length")
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--bg')"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="", features=dark)
    assert page.js(colour) == "#141517"
    page.js("dispatchEvent(new Event('beforeprint'))")
    assert page.js(colour) == "#fafaf8"
    page.js("dispatchEvent(new Event('afterprint'))")
    assert page.js(colour) == "#141517"
    pdf = page.call("Page.printToPDF", printBackground=True)["data"]
    assert len(base64.b64decode(pdf)) > 20_000


def test_200_epochs_stay_fast(browser: Browser, tmp_path: Path) -> None:
    """Opening, moving the slider, and moving along a chart; typical: 0.4 s, 5 ms and 1 ms."""
    page = simulated_training(tmp_path, 200, steps=50, health_every=3)
    start = time.monotonic()
    browser.open(page.as_uri())
    assert browser.js("data.points.length") > 10_000
    opened = time.monotonic() - start
    slide, hover, draw = browser.js("""(() => {
        const time = (count, action) => {
            const start = performance.now();
            for (let i = 0; i < count; i++) action(i);
            return (performance.now() - start) / count;
        };
        const { canvas } = charts.losses;
        const move = (i) => canvas.dispatchEvent(new PointerEvent("pointermove",
            { clientX: canvas.getBoundingClientRect().left + 60 + 3 * i, clientY: 0 }));
        return [time(50, (i) => player.show(4 * i)), time(50, move), time(3, draw)];
    })()""")
    print(f"opened in {opened:.2f} s; slider {slide:.1f} ms, pointer {hover:.1f} ms, {draw:.0f} ms")
    assert opened < 8 and slide < 100 and hover < 50 and draw < 3000
    assert browser.errors == []
