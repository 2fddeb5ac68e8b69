"""A person's ways through the results page in Chromium: metrics, search, address, comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from chromium import NEEDS_CHROMIUM, Browser
from simulated_pages import LABELS, simulated_results

pytest_plugins = ["chromium"]
pytestmark = NEEDS_CHROMIUM

COUNT = 30
PSNR = "fake_B PSNR (dB)"
NAMES = "[...document.querySelectorAll('.row h2')].map((title) => title.textContent)"
STATE = "location.hash.slice(1)"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return simulated_results(tmp_path_factory.mktemp("results"), COUNT).as_uri()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Browser]:
    browser.open("about:blank")  # else an address that differs only after # would not load
    browser.open(url)
    yield browser
    assert browser.errors == []


def address(page: Browser) -> dict[str, str]:
    """The state in the address, which is written a moment after a change."""
    page.js("new Promise((done) => setTimeout(done, 300))")
    return {key: values[0] for key, values in parse_qs(page.js(STATE)).items()}


def enter(page: Browser, text: str) -> None:
    page.js("search.focus(); search.value = ''")
    page.call("Input.insertText", text=text)


def test_mean_deviation_and_histogram_on_top(page: Browser) -> None:
    assert page.texts(".card b") == [PSNR, "fake_B mine"]
    assert page.texts(".card > span:nth-child(2)") == ["24.8 ± 2.9", "2.8 ± 2.1"]
    assert page.texts(".card small")[0] == f"20.0 to 29.7, {COUNT} images"
    bars = page.js("document.querySelectorAll('.card:first-child rect').length")
    assert bars == 24
    assert page.box(".card")[1] < page.box(".row")[1]


def test_metrics_are_under_their_image(page: Browser) -> None:
    captions = page.texts(".row:first-child figcaption")
    assert captions == ["real_A", "fake_BPSNR (dB) 20mine 0", *LABELS[2:]]
    image, text = page.box(".row figure:nth-child(2) img"), page.box("figcaption small")
    assert text[1] > image[1] and image[0] <= text[0] < image[0] + image[2]


def test_worst_first(page: Browser) -> None:
    options = page.js("[...order.options].map((option) => option.textContent)")
    assert options[1:3] == [f"{PSNR}, worst first", f"{PSNR}, best first"]
    page.js("order.value = order.options[2].value; order.dispatchEvent(new Event('change'))")
    assert page.js(NAMES)[0] == f"n{COUNT - 1:04}"
    page.click(".card")  # the worst first; a second click: the best first
    assert page.js(NAMES)[0] == "n0000"
    page.click(".card")
    assert page.js(NAMES)[0] == f"n{COUNT - 1:04}"


def test_comparison_with_the_true_image(page: Browser) -> None:
    title = "dialog span > small"
    page.click(".row figure:nth-child(2) a")
    page.key("t")
    assert page.texts(title) == ["fake_B → real_B"]
    assert "with real_B (true image)" in page.texts("dialog option")
    page.key("c")
    page.key("c")
    assert page.texts(title) == ["real_A → fake_B"]
    page.key("ArrowRight")
    assert page.texts(title) == ["real_A → rec_A"]
    page.key("t")  # rec_A has no true image in another column
    assert page.texts(title) == ["real_A → rec_A"]


def test_no_match(page: Browser) -> None:
    enter(page, "nowhere")
    assert page.texts("#rows") == ["No match: no name contains “nowhere”. Clear the search"]
    assert page.texts(".sticky .note") == [f"0 of {COUNT} images"]
    page.click(".nothing button")
    assert len(page.js(NAMES)) >= 20 and page.js("document.activeElement === search")


def test_state_in_the_address(page: Browser, url: str) -> None:
    """A link shows the same rows, order, size and image, with its comparison."""
    assert address(page) == {}
    enter(page, "n000")
    page.js("order.value = '-fake_B mine'; order.dispatchEvent(new Event('change'))")
    page.js("size.value = 320; size.dispatchEvent(new Event('input'))")
    state = {"search": "n000", "sort": "-fake_B mine", "size": "320"}
    assert address(page) == state
    page.click(".row:nth-child(2) figure:nth-child(2) a")
    page.key("t")
    name = page.js(NAMES)[1]
    state |= {"row": name, "label": "fake_B", "with": "real_B"}
    assert address(page) == state
    link, names = page.js("location.href"), page.js(NAMES)
    page.open("about:blank")
    page.open(link)
    assert page.js(NAMES) == names and page.js("viewer.isOpen()")
    assert page.texts("dialog b") + page.texts("dialog span > small") == [name, "fake_B → real_B"]
    assert page.js("[search.value, size.value]") == ["n000", "320"]
    page.key("Escape", 27)
    assert "row" not in address(page)
    page.js("location.hash = 'search=n0001'")  # a link on another page, or the button Back
    page.wait("document.querySelectorAll('.row').length === 1")
    page.open("about:blank")
    page.open(url + "#sort=%2Bno such&row=none&size=x")  # of another page
    assert page.js("order.value") == "" and not page.js("viewer.isOpen()")


def test_keys(page: Browser) -> None:
    page.key("/", 191, "/")
    assert page.js("document.activeElement === search && search.value") == ""
    page.js("document.querySelector('.row:nth-child(3) a').focus()")
    top = page.js("document.activeElement.getBoundingClientRect().top")
    assert top > page.box(".sticky")[3]  # not behind the bar
    page.key("Enter", 13, "\r")
    page.key("ArrowDown")
    page.key("Escape", 27)
    row = "document.activeElement.closest('.row')?.querySelector('h2').textContent"
    page.wait(f"{row} === 'n0003'")


def test_touch(browser: Browser, url: str) -> None:
    """On a phone, a tap enlarges an image, and a drag moves the border between two."""
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    try:
        browser.open(url, width=420, height=800)
        x, y, width, height = browser.box(".row figure:nth-child(2) a")
        browser.touch("touchStart", (x + width / 2, y + height / 2))
        browser.touch("touchEnd")
        browser.wait("viewer.isOpen()")
        browser.click("dialog button[title*='(c)']")
        x, y, width, height = browser.box(".stage")
        browser.touch("touchStart", (x + width / 2, y + height / 2))
        for share in (0.4, 0.3, 0.25):
            browser.touch("touchMove", (x + width * share, y + height / 2))
        browser.touch("touchEnd")
        cut = browser.js("document.querySelector('.stage').style.getPropertyValue('--cut')")
        assert 15 < float(cut.replace("%", "")) < 35
        assert browser.js("document.querySelector('dialog').scrollWidth") <= 420
        assert browser.errors == []
    finally:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_print_shows_all_rows(page: Browser) -> None:
    assert len(page.js(NAMES)) <= COUNT
    page.js("dispatchEvent(new Event('beforeprint'))")
    assert len(page.js(NAMES)) == COUNT
    page.call("Emulation.setEmulatedMedia", media="print")
    shown = "[...document.querySelectorAll('button, select, input')].filter((e) => e.offsetParent)"
    assert page.js(f"{shown}.map((element) => element.className)") == ["card", "card"]


def test_1000_rows_stay_fast(browser: Browser, tmp_path: Path) -> None:
    """Opening, searching, sorting; typical: 0.3 s, 10 ms and 10 ms."""
    page = simulated_results(tmp_path, 1000)
    start = time.monotonic()
    browser.open(page.as_uri())
    assert browser.texts(".sticky .note") == ["1000 images"]
    opened = time.monotonic() - start
    sort, find = browser.js("""(() => {
        const time = (action) => {
            const start = performance.now();
            action();
            document.body.offsetHeight;
            return performance.now() - start;
        };
        const find = () => {
            search.value = "99";
            search.dispatchEvent(new Event("input"));
        };
        return [time(() => document.querySelector(".card").click()), time(find)];
    })()""")
    print(f"opened in {opened:.2f} s; sorted in {sort:.0f} ms, found in {find:.0f} ms")
    assert opened < 8 and sort < 1000 and find < 1000
    assert browser.texts(".sticky .note") == ["19 of 1000 images"]
    assert browser.errors == []
