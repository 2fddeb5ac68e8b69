"""The page of a perceptual study: its plan in Node.js, and whole sessions in Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from chromium import Browser, needs_chromium
from conftest import ROOT, Programs, pictures
from javascript import evaluate, needs_node
from study_participant import Participant

from scripts import study

SESSION = ROOT / "scripts" / "study_tools" / "assets" / "session.js"
STUDY = {
    "study": "s",
    "practice": 2,
    "trials": 3,
    "groups": {
        "g": {
            "practice": [[f"r{i}", f"f{i}"] for i in range(4)],
            "scored": [[f"x{i}", f"y{i}"] for i in range(6)],
        }
    },
}
PRACTICE, TRIALS, SECONDS = 2, 5, 0.2


@needs_node
def test_plan_of_a_session() -> None:
    """Pairs, their order and the order of their images are random; none is shown twice."""
    code = f"const study = {json.dumps(STUDY)};"
    code += (
        "return Array.from({ length: 300 }, () => newSession(study, 'g', 'P', Math.random).plan);"
    )
    plans = evaluate(str(SESSION), code)
    for part, count in (("practice", 2), ("trials", 3)):
        pool = STUDY["groups"]["g"]["practice" if part == "practice" else "scored"]  # type: ignore[index]
        known = {frozenset(pair) for pair in pool}
        shown = [[frozenset(pair) for pair in plan[part]] for plan in plans]
        assert all(len(set(pairs)) == count and set(pairs) <= known for pairs in shown)
        assert {pair for pairs in shown for pair in pairs} == known
        firsts = [pair[0] for plan in plans for pair in plan[part]]
        share = sum(name[0] in "rx" for name in firsts) / len(firsts)
        assert 0.4 < share < 0.6


@needs_node
def test_answers_of_a_session() -> None:
    code = (
        f"const study = {json.dumps(STUDY)};"
        + """
        const session = newSession(study, "g", "P", Math.random), seen = [];
        while (partOf(session)) {
            seen.push([partOf(session), ...nextPair(session)]);
            session.begun = true;
            addAnswer(session, "first", [1000, 1000], 0, 12.5);
        }
        return [seen, session.begun, resultOf(session)];"""
    )
    seen, begun, result = evaluate(str(SESSION), code)
    assert [part for part, *_ in seen] == ["practice"] * 2 + ["trials"] * 3 and not begun
    trials = result["practice"] + result["trials"]
    assert [(trial["first"], trial["second"]) for trial in trials] == [
        tuple(pair) for _, *pair in seen
    ]
    assert trials[0] | {"first": "", "second": ""} == {
        "first": "",
        "second": "",
        "answer": "first",
        "shown": [1000, 1000],
        "late": 0,
        "response": 12.5,
    }
    assert not {"plan", "begun", "continued", "sent"} & set(result)


class Receiver(http.server.SimpleHTTPRequestHandler):
    """Serves the study, and keeps what is posted to /results."""

    posted: list[bytes] = []

    def do_POST(self) -> None:
        self.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study_page")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    handler = functools.partial(Receiver, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def key(folder: Path, server: str) -> dict:
    """Two studies of the same images: one sends its results to the server."""
    images = folder / "results" / "one" / "test_latest" / "images"
    for seed, label in enumerate(("fake_B", "real_B")):
        pictures(images, [f"{i}_{label}.png" for i in range(9)], seed, (64, 64))
    run = Programs(folder)
    for name, more in (("study", ()), ("sending", ("--post", server + "results"))):
        settings = ("--practice", PRACTICE, "--trials", TRIALS, "--seconds", SECONDS, "--size", 200)
        words = ("--results", images.parent, "--contact", "me", "--output", folder / name)
        run.call(study.main, "study.py", "make", *words, *settings, *more).ok()
    return json.loads((folder / "study_key.json").read_text())


@pytest.fixture
def browser(tmp_path: Path, key: dict) -> Iterator[Browser]:
    browser = Browser(tmp_path / "profile")
    downloads = str(tmp_path / "answers")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=downloads)
    yield browser
    assert browser.errors == []
    browser.close()


def real_images(key: dict) -> set[str]:
    (group,) = key["groups"].values()
    return {pair["real"] for pair in group["practice"] + group["scored"]}


def score(folder: Path, answers: Path) -> str:
    words = ("score", "--key", folder / "study_key.json", "--answers", answers)
    return Programs(folder).call(study.main, "study.py", *words).ok().out


def downloaded(participant: Participant, answers: Path) -> dict[str, Any]:
    participant.until("document.querySelector('#sent').textContent")
    participant.until("new Promise((done) => setTimeout(() => done(true), 500))")
    (path,) = answers.glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.slow
@needs_chromium
class TestInChromium:
    @pytest.mark.parametrize("kind", ["desktop", "phone"])
    def test_a_whole_session(
        self, browser: Browser, folder: Path, key: dict, kind: str, tmp_path: Path
    ) -> None:
        """One participant sees through every image, the other one is always fooled."""
        phone, real = kind == "phone", real_images(key)
        participant = Participant(browser, touch=phone)
        page = (folder / "study" / "index.html").as_uri() + "?participant=P%201"
        participant.open(page, *((360, 640) if phone else (1400, 900)))
        assert participant.js("document.documentElement.scrollWidth") <= (360 if phone else 1400)
        participant.start()
        right, wrong = ("second", "first") if phone else ("first", "second")
        participant.answer_all(lambda pair: right if pair[0] in real else wrong)
        result = downloaded(participant, tmp_path / "answers")
        assert result["participant"] == "P 1" and result["reloads"] == 0
        assert len(result["practice"]) == PRACTICE and len(result["trials"]) == TRIALS
        for trial in result["practice"] + result["trials"]:
            for shown in trial["shown"]:
                assert shown == pytest.approx(1000 * SECONDS, abs=20 + 40 * trial["late"])
        base = (folder / "study").as_uri()
        outside = [url for url in browser.requests if not url.startswith((base, "data:", "blob:"))]
        assert outside == []
        percent = "100.0" if phone else "0.0"
        assert f" {percent} " in score(folder, tmp_path / "answers")

    @pytest.mark.parametrize(("width", "height"), [(360, 640), (390, 740), (740, 360), (1400, 900)])
    def test_both_images_are_inside_the_window(
        self, browser: Browser, folder: Path, width: int, height: int
    ) -> None:
        participant = Participant(browser, touch=width < 800)
        participant.open((folder / "study" / "index.html").as_uri(), width, height)
        participant.start()
        participant.wait("asking")
        participant.answer("first")
        participant.wait("feedback")
        edges = participant.js("""[...document.querySelectorAll('.frame, #next, #feedback')].map(
            (part) => part.getBoundingClientRect()).map((box) => [
                box.left, box.top, innerWidth - box.right, innerHeight - box.bottom])""")
        assert isinstance(edges, list) and min(map(min, edges)) >= 0
        sides = participant.js("""[...document.querySelectorAll('.frame img')].map(
            (part) => part.getBoundingClientRect()).flatMap((box) => [box.width, box.height])""")
        assert isinstance(sides, list) and len(set(sides)) == 1 and 90 < sides[0] <= 200

    def test_a_reload_or_the_back_button_shows_no_pair_again(
        self, browser: Browser, folder: Path, key: dict, tmp_path: Path
    ) -> None:
        participant = Participant(browser)
        page = (folder / "study" / "index.html").as_uri()
        participant.open(page, 1000, 800)
        participant.start()
        participant.wait("asking")
        pair = participant.js("nextPair(session)")
        participant.js("history.back()")
        participant.until("new Promise((done) => setTimeout(() => done(true), 300))")
        assert participant.js("nextPair(session)") == pair and page in participant.js(
            "location.href"
        )
        continues = "document.querySelector('#start').textContent === 'Continue'"
        participant.reopen(page, 1000, 800, continues)
        participant.start()
        participant.wait("asking")
        assert participant.js("nextPair(session)") == pair
        assert participant.js("document.querySelectorAll('.frame img').length") == 0
        assert "loaded again" in participant.js("document.querySelector('#feedback').textContent")
        participant.answer_all(lambda pair: "first")
        result = downloaded(participant, tmp_path / "answers")
        assert result["reloads"] == 1 and result["practice"][0]["shown"] is None
        assert all(trial["shown"] for trial in result["trials"])
        finished = "!document.querySelector('#end').hidden"  # and does not start another session
        participant.reopen(page, 1000, 800, finished)

    def test_results_are_sent(self, browser: Browser, folder: Path, server: str) -> None:
        """From a file as from the server itself; without a confirmation the file is downloaded."""
        Receiver.posted.clear()
        for base in (folder.as_uri() + "/", server):
            participant = Participant(browser)
            participant.open(base + "sending/index.html", 1000, 800)
            participant.start()
            guess = Random(1)
            participant.answer_all(lambda pair, guess=guess: guess.choice(("first", "second")))
            participant.until("document.querySelector('#sent').textContent")
            assert "have been sent" in participant.js("document.querySelector('#sent').textContent")
        assert [len(json.loads(body)["trials"]) for body in Receiver.posted] == [TRIALS] * 2

    def test_a_wrong_link_and_a_missing_image(self, browser: Browser, folder: Path) -> None:
        participant = Participant(browser)
        participant.open((folder / "study" / "index.html").as_uri() + "?group=x", 1000, 800)
        participant.wait("problem")
        assert "no group" in participant.js("document.querySelector('#reason').textContent")
        (folder / "broken").mkdir()
        text = (folder / "study" / "index.html").read_text()
        (folder / "broken" / "index.html").write_text(text)
        participant.open((folder / "broken" / "index.html").as_uri(), 1000, 800)
        participant.wait("problem")
        assert "could not be loaded" in participant.js(
            "document.querySelector('#reason').textContent"
        )
        browser.errors.clear()
