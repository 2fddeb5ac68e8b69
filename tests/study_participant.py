"""A scripted participant, who takes part in a perceptual study in a headless Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chromium import Browser

STATE = """(() => {
    const main = [...document.querySelectorAll("main")].find((screen) => !screen.hidden);
    if (!main) return "";
    return main.id === "trial" ? main.className || "watching" : main.id;
})()"""


class Participant:
    """Answers each trial with "first" or "second".

    Attributes:
        touch: True to answer by touch, else by the keyboard, and by the mouse in every third trial.
        shots: folder for a screenshot of each kind of screen, or None.
    """

    def __init__(self, browser: Browser, touch: bool = False, shots: Path | None = None) -> None:
        self.browser, self.touch, self.shots = browser, touch, shots
        self.taken: set[str] = set()

    def open(self, url: str, width: int, height: int) -> None:
        self.browser.call("Emulation.setTouchEmulationEnabled", enabled=self.touch)
        self.browser.open(url, width, height)
        self.wait("welcome", "end", "problem")

    def reopen(self, url: str, width: int, height: int, shows: str, seconds: float = 20) -> None:
        """Open the page again and again, until ``shows`` is true.

        Chromium keeps a page's storage in another process: on a busy machine, a page that is opened
        right after a change can still find the old content.
        """
        end = time.monotonic() + seconds
        self.open(url, width, height)
        while not self.js(shows):
            assert time.monotonic() < end, (shows, self.js(STATE))
            time.sleep(0.5)
            self.open(url, width, height)

    def start(self) -> None:
        """Give consent and start, once all images are loaded."""
        assert self.js("document.querySelector('#start').disabled")
        self.press("#agree")
        self.until("!document.querySelector('#start').disabled")
        self.press("#start")

    def answer_all(self, choose: Callable[[list[str]], str]) -> None:
        """Take part to the end. ``choose`` gets the names of the two images that were shown."""
        number = 0
        for state in self.states():
            if state == "asking":
                pair = self.js("nextPair(session)")
                self.answer(choose(pair), number % 3 == 2)
                number += 1
            elif state in ("feedback", "between"):
                self.press("#next" if state == "feedback" else "#continue")

    def answer(self, place: str, by_mouse: bool = False) -> None:
        if self.touch or by_mouse:
            self.press(f"#{place}")
        else:
            self.browser.key("1" if place == "first" else "ArrowRight")

    def states(self) -> Iterator[str]:
        """Yield each new state of the page; take a screenshot of each kind."""
        state = ""
        while state != "end":
            state = str(self.js(STATE))
            if state == "watching":
                self.until(f"document.querySelector('.frame img') !== null || {STATE} === 'asking'")
                self.shot("image")
                self.wait("asking")
                state = "asking"
            self.shot(state)
            yield state
            if state != "end":
                self.until(f"{STATE} !== {json.dumps(state)}")

    def press(self, selector: str) -> None:
        """Click or touch the middle of an element."""
        box = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{box}.scrollIntoView({{ block: 'nearest' }})")
        x, y = self.js(
            f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])"
            f"({box}.getBoundingClientRect())"
        )
        if self.touch:
            call = self.browser.call
            call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
            call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            self.browser.mouse("mousePressed", x, y, 1)
            self.browser.mouse("mouseReleased", x, y)

    def js(self, expression: str) -> object:
        return self.browser.js(expression)

    def wait(self, *states: str) -> None:
        self.until(f"{json.dumps(states)}.includes({STATE})")

    def until(self, condition: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.js(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def shot(self, name: str) -> None:
        if self.shots and name not in self.taken:
            self.taken.add(name)
            self.browser.screenshot(self.shots / f"{name}.png")
