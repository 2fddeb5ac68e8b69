"""The charts of the training page in Chromium, with mouse, keys and fingers."""

from __future__ import annotations

import pytest
from chromium import NEEDS_CHROMIUM, Browser
from simulated_pages import EPOCHS

pytest_plugins = ["chromium", "simulated_pages"]
pytestmark = NEEDS_CHROMIUM

LOSSES = ".large .chart:first-child"


def test_validation_is_beside_the_losses(page: Browser) -> None:
    losses, validation = (page.box(f".large .chart:nth-child({i})") for i in (1, 2))
    assert losses[1] == validation[1] and losses[0] + losses[2] < validation[0]
    titles = page.texts(".chart:not([hidden]) h2")
    assert titles[1].startswith("Validation: patches 6, best 5 in epoch 5")
    assert titles[-2:] == ["Health of the discriminators", "Health of the generators"]


def test_rarely_measured_values_are_drawn(page: Browser) -> None:
    """As with --print_freq below 50: every second point has no health measurement."""
    drawn = """(() => {
        const { canvas } = charts.%s;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] > 100 && data[i + 2] - data[i] > 60) return true;
        return false;
    })()"""  # a pixel of the first line, which is blue
    for name in ("discriminators", "generators", "losses", "rate"):
        assert page.js(drawn % name), name
    lines = page.texts(".chart:nth-child(4) .legend button")
    assert [line.split()[0] for line in lines] == ["change_G_A"] and "–" not in lines[0]


def test_marks_and_their_texts(page: Browser) -> None:
    assert page.texts(".marks span") == ["best epoch", "resumed", "warning"]
    marks = page.js("view.marks.map(({ x, kind }) => [kind, x])")
    assert sorted(marks) == [["best", 5], ["resumed", 3], ["warning", 2], ["warning", 4]]
    x, y, width, _ = page.box(f"{LOSSES} canvas")
    for epoch, words in ((5, "best epoch: 5"), (3, "resumed here"), (2, "warning: loss")):
        page.mouse("mouseMoved", x + page.js(f"charts.losses.px({epoch})"), y + 100)
        assert page.texts(f"{LOSSES} .tip")[0].endswith(words)


def test_a_spike_does_not_squash_the_curves(page: Browser) -> None:
    slider = "document.querySelector('[aria-label=Smoothing]')"
    page.js(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
    low, high = page.js("[charts.losses.low, charts.losses.high]")
    assert low == 0 and high < 12
    page.click("#curves .bar button")
    assert page.js("logTicks(charts.losses.low, charts.losses.high, 7)") == [0.5, 1, 2, 5]


def test_the_learning_rate_starts_at_zero(page: Browser) -> None:
    assert page.js("[charts.rate.low, charts.rate.steps]") == [0, True]


def test_values_by_keys(page: Browser) -> None:
    page.js("charts.losses.canvas.focus()")
    tip = f"{LOSSES} .tip"
    page.key("End")
    assert page.texts(tip)[0].startswith(f"after {EPOCHS} epochs\nD_A  0.2")
    page.key("Home")
    assert page.texts(tip)[0].startswith("after 0.08")
    page.key("ArrowRight")
    assert page.texts(tip)[0].startswith("after 0.1667 epochs")
    page.key("+")
    assert page.js("view.to") == pytest.approx(EPOCHS / 2, abs=0.2)
    page.key("-")
    assert page.js("view.to") is None
    page.key("Escape", 27)
    assert page.js("charts.losses.tip.hidden")


def test_legend_by_keys(page: Browser) -> None:
    page.js("document.querySelector('.legend button').focus()")
    page.key(" ", 32, " ")
    assert page.js("[...charts.losses.off]") == ["D_A"]
    assert page.js("document.activeElement.textContent").startswith("D_A")  # still focused


def test_values_by_touch(browser: Browser, url: str) -> None:
    """A tap shows the values until the next tap elsewhere; a finger can move along a chart."""
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    try:
        browser.open(url, width=420)
        x, y, width, height = browser.box(f"{LOSSES} canvas")
        tip = "charts.losses.tip"
        browser.touch("touchStart", (x + width - 8, y + height / 2))
        browser.touch("touchEnd")
        assert browser.js(f"{tip}.textContent").startswith(f"after {EPOCHS} epochs\nD_A")
        assert browser.js(f"{tip}.hidden") is False
        browser.touch("touchStart", (x + width - 8, y + height / 2))
        for step in range(1, 6):
            browser.touch("touchMove", (x + width - 8 - 30 * step, y + height / 2))
        browser.touch("touchEnd")
        assert not browser.js(f"{tip}.textContent").startswith(f"after {EPOCHS} epochs")
        left, _, tip_width, _ = browser.box(f"{LOSSES} .tip")
        assert left >= 0 and left + tip_width <= 420
        x, y, width, height = browser.box("#curves h2")
        browser.touch("touchStart", (x + 3, y + 3))
        browser.touch("touchEnd")
        assert browser.js(f"{tip}.hidden") is True
        assert browser.errors == []
    finally:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
