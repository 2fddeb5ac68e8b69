"""A headless Chromium, driven over its debugging pipe with the standard library alone."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BINARY = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (path := shutil.which(name))
    ),
    None,
)
needs_chromium = pytest.mark.skipif(
    BINARY is None, reason="no Chromium here (apt-get install chromium)"
)
NEEDS_CHROMIUM = [pytest.mark.slow, needs_chromium]
LIMIT = 60  # seconds to wait for an answer


class Browser:
    """A page in a headless browser.

    Attributes:
        errors: exceptions, and console messages of level warning or worse, since :meth:`open`.
        requests: requested URLs since :meth:`open`.
    """

    def __init__(self, profile: Path) -> None:
        # Chromium reads commands from file 3 and writes answers to file 4; a zero byte ends each.
        ours, its = os.pipe(), os.pipe()

        def hand_over() -> None:
            ends = os.dup(ours[0]), os.dup(its[1])  # copies, because 3 or 4 may be in use
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [
                str(BINARY),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            preexec_fn=hand_over,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(its[1])
        self.write, self.read, self.number, self.rest, self.session = ours[1], its[0], 0, b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict:
        """Send a command of the DevTools protocol and wait for its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        return self._until(lambda answer: answer.get("id") == self.number)

    def _until(self, fits: Callable[[dict], bool]) -> dict:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            while b"\0" in self.rest:
                line, self.rest = self.rest.split(b"\0", 1)
                answer = json.loads(line)
                self._note(answer.get("method", ""), answer.get("params", {}))
                if fits(answer):
                    assert "error" not in answer, answer
                    return answer.get("result", {})
            if select.select([self.read], [], [], 1)[0]:
                self.rest += os.read(self.read, 1 << 20)
        raise TimeoutError("Chromium does not answer")

    def _note(self, method: str, params: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.errors.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def open(self, url: str, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        """Load a page and wait for its load event."""
        self.errors.clear()
        self.requests.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.loaded = False
        self.call("Page.navigate", url=url)
        if not self.loaded:
            self._until(lambda answer: answer.get("method") == "Page.loadEventFired")

    def js(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression; a promise is awaited."""
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def key(self, key: str, code: int = 0, text: str = "") -> None:
        """Press a key. A key with its own effect in the browser needs its code, e.g. Tab: 9."""
        for kind in ("keyDown", "keyUp"):
            more = {"windowsVirtualKeyCode": code, "text": text if kind == "keyDown" else ""}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def mouse(self, kind: str, x: float, y: float, buttons: int = 0) -> None:
        """Send mouseMoved, mousePressed or mouseReleased (left button) at a place in the window."""
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            buttons=buttons,
            clickCount=1,
            button="left" if buttons or kind == "mouseReleased" else "none",
        )

    def texts(self, selector: str) -> list[str]:
        """Returns the texts of all elements that match ``selector``."""
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.js(f"{elements}.map((element) => element.textContent)")

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Returns x, y, width and height of an element in the window, after scrolling to it."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.js(f"{element}.scrollIntoView({{ block: 'center' }})")
        return self.js(
            f"(({{ x, y, width, height }}) => [x, y, width, height])"
            f"({element}.getBoundingClientRect())"
        )

    def click(self, selector: str) -> None:
        x, y, width, height = self.box(selector)
        for kind, buttons in ("mousePressed", 1), ("mouseReleased", 0):
            self.mouse(kind, x + width / 2, y + height / 2, buttons)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Send touchStart, touchMove or touchEnd with fingers at places in the window."""
        places = [{"x": x, "y": y} for x, y in points]
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=places)

    def wait(self, condition: str, seconds: float = 10) -> None:
        """Wait until a JavaScript condition holds. Raises AssertionError: it does not."""
        end = time.monotonic() + seconds
        while not self.js(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        )

    def close(self) -> None:
        self.session = ""
        self.call("Browser.close")
        self.process.wait(LIMIT)
        os.close(self.write)
        os.close(self.read)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for the tests of a module that lists this one in its ``pytest_plugins``."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
