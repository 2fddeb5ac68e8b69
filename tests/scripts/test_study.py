"""scripts/study.py: what a study reveals, which answers count, and the scores."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import Programs, picture, pictures
from PIL import Image

from scripts import study
from scripts.study_tools import scoring
from scripts.study_tools.images import draw_pairs

NEEDED = ("--contact", "me@example.org", "--practice", "2", "--trials", "4", "--size", "16")
NAMES = [f"{i:04}" for i in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two results pages, and a study of them with its key. Not to be written to."""
    folder = tmp_path_factory.mktemp("study")
    for seed, name in enumerate(("one", "two")):
        images = folder / "results" / name / "test_latest" / "images"
        pictures(images, [f"{stem}_fake_B.png" for stem in NAMES], seed, (16, 16))
        pictures(images, [f"{stem}_real_B.png" for stem in NAMES], 9, (16, 16))
    make(Programs(folder)).ok()
    return folder


def make(run: Programs, *args: object, results: bool = True):
    pages = [run.folder / "results" / name / "test_latest" for name in ("one", "two")]
    given = ("--results", *pages) if results else ()
    more = () if "--output" in args else ("--output", run.folder / "study")
    return run.call(study.main, "study.py", "make", *given, *NEEDED, *more, *args)


@pytest.fixture(scope="module")
def key(folder: Path) -> dict:
    return json.loads((folder / "study_key.json").read_text())


def page_data(folder: Path) -> dict:
    text = (folder / "study" / "index.html").read_text()
    return json.loads(
        re.search(r'<script type="application/json" id="study">(.*?)</script>', text)[1]
    )


def answers(key: dict, seed: int, guess: Callable[[Random], bool], **changes: object) -> dict:
    """The result of a participant who takes a generated image for real if ``guess`` says so."""
    random = Random(seed)
    group = changes.pop("group", None) or random.choice(sorted(key["groups"]))

    def trials(pool: str, count: int) -> list[dict]:
        found = []
        for pair in random.sample(key["groups"][group][pool], count):
            order = random.sample([pair["real"], pair["fake"]], 2)
            chosen = pair["fake"] if guess(random) else pair["real"]
            trial = dict(zip(("first", "second"), order, strict=True))
            trial["answer"] = next(place for place, name in trial.items() if name == chosen)
            found.append(trial | {"shown": [1000.0, 1016.7], "late": 0, "response": 700.0})
        return found

    return {
        "version": 1,
        "study": key["study"],
        "group": group,
        "participant": "",
        "session": f"s{seed}",
        "started": 1_700_000_000_000 + seed,
        "finished": 1_700_001_000_000,
        "reloads": 0,
        "screen": {"image": 256},
        "practice": trials("practice", key["practice"]),
        "trials": trials("scored", key["trials"]),
    } | changes


@pytest.fixture
def scored(folder: Path, run: Programs):
    """Score results, given as dicts or as text, with the key of the study."""

    def score(results: list, *args: object, key: Path = folder / "study_key.json"):
        (run.folder / "answers").mkdir(exist_ok=True)
        for i, result in enumerate(results):
            text = result if isinstance(result, str) else json.dumps(result)
            (run.folder / "answers" / f"{i}.json").write_text(text)
        given = ("--key", key, "--answers", run.folder / "answers", *args)
        return run.call(study.main, "study.py", "score", *given)

    return score


def test_files_do_not_reveal_which_image_is_real(folder: Path, key: dict) -> None:
    """Names are random; format, size, length, time and metadata are equal; orders are mixed."""
    files = sorted((folder / "study" / "images").iterdir())
    pairs = [
        pair for group in key["groups"].values() for pair in group["scored"] + group["practice"]
    ]
    assert len(files) == 2 * len(pairs) == 32
    assert all(re.fullmatch(r"[0-9a-f]{16}\.png", path.name) for path in files)
    assert len({path.stat().st_size for path in files}) == 1
    assert len({path.stat().st_mtime for path in files}) == 1
    images = [Image.open(path) for path in files]
    assert {(image.size, image.mode, image.format, bool(image.info)) for image in images} == {
        ((16, 16), "RGB", "PNG", False)
    }
    for pair in pairs:
        for kind in ("real", "fake"):
            shown = Image.open(folder / "study" / "images" / f"{pair[kind]}.png")
            assert np.array_equal(shown, Image.open(pair[f"{kind}_file"]))
    text = (folder / "study" / "index.html").read_text()
    for word in ("one", "two", "fake_B", "results", str(folder)):
        assert not re.search(rf"[\"/]{re.escape(word)}[\"/_]", text), word
    data = page_data(folder)
    for token, group in data["groups"].items():
        reals = {pair["real"] for pair in key["groups"][token]["scored"]}
        assert {name for pair in group["scored"] for name in pair} >= reals
    assert set(data["groups"]) == set(key["groups"])


def test_scored_pairs_are_in_random_order(folder: Path) -> None:
    """The first of two images is real as often as not, over many pages."""
    from scripts.study_tools.images import Pair
    from scripts.study_tools.making import shown_pairs

    pairs = [Pair(f"r{i}", f"f{i}", "", "") for i in range(400)]
    shown = shown_pairs({"practice": pairs[:3], "scored": pairs})
    assert [pair[0] for pair in shown["practice"]] == ["r0", "r1", "r2"]
    assert 140 < sum(pair[0][0] == "r" for pair in shown["scored"]) < 260
    assert [pair[0][1:] for pair in shown["scored"]] != [str(i) for i in range(400)]
    assert {frozenset(pair) for pair in shown["scored"]} == {
        frozenset((f"r{i}", f"f{i}")) for i in range(400)
    }


@pytest.mark.parametrize("count", [2, 3, 50])
def test_pairs(count: int) -> None:
    """Without --paired no image meets its own target; with it, each one does."""
    fakes = {str(i): f"fake {i}" for i in range(count)}
    reals = {str(i): f"real {i}" for i in range(count)}
    for seed in range(20):
        pairs = draw_pairs(fakes, reals, count, False, seed)
        assert len(pairs) == count
        assert all(pair.real_file[5:] != pair.fake_file[5:] for pair in pairs)
        assert (
            len({pair.real_file for pair in pairs} | {pair.fake_file for pair in pairs})
            == 2 * count
        )
        pairs = draw_pairs(fakes, reals, count, True, seed)
        assert all(pair.real_file[5:] == pair.fake_file[5:] for pair in pairs)


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (("--trials", "7"), 1, ("8 images", "a session needs 9", "--trials 7")),
        (("--pairs", "3"), 2, ("--pairs 3",)),
        (("--add", "mine"), 2, ("--add mine", "NAME=DIR")),
        (("--add", "one=x"), 2, ("two methods are called 'one'",)),
        (("--add", "mine=empty"), 1, ("--add", "empty", "no images")),
        (("--real", "empty"), 1, ("--real", "empty", "no images")),
        (("--label", "fake_A"), 1, ("--results", "fake_A")),
        (("--key", "study/key.json"), 2, ("--key study/key.json", "outside of --output")),
        (("--key", "key.json"), 1, ("--key key.json", "exists already")),
        (("--output", "full"), 1, ("--output full", "not empty")),
        (("--contact", " "), 2, ("--contact", "empty")),
        (("--consent", "none.txt"), 1, ("--consent", "none.txt")),
        (("--consent", "blank.txt"), 1, ("--consent blank.txt", "empty")),
        (("--post", "example.org"), 2, ("--post", "https://")),
    ],
)
def test_make_refuses(
    folder: Path, run: Programs, monkeypatch, args: tuple, status: int, words: tuple
) -> None:
    monkeypatch.chdir(run.folder)
    (run.folder / "results").symlink_to(folder / "results")
    (run.folder / "empty").mkdir()
    (run.folder / "full").mkdir()
    for name in ("key.json", "full/x", "blank.txt"):
        (run.folder / name).write_text(" ")
    before = sorted(run.folder.rglob("*"))
    make(run, *args).refused(status, *words)
    assert sorted(run.folder.rglob("*")) == before


def test_a_study_names_who_runs_it(run: Programs) -> None:
    words = ("make", "--add", "mine=images", "--output", "study")
    run.call(study.main, "study.py", *words).refused(2, "--contact", "--consent")
    run.call(study.main, "study.py", *words[:1], *words[3:], "--contact", "me").refused(2, "--add")


def test_other_methods_and_other_sizes(run: Programs) -> None:
    """--add alone needs --real; images of other sizes are scaled alike, and a line says so."""
    pictures(run.folder / "mine", [f"{i}.png" for i in range(6)], 1, (24, 32))
    pictures(run.folder / "photos", [f"{i}.jpg" for i in range(6)], 2, (16, 16))
    picture(run.folder / "photos" / "0.jpg", size=(20, 20), mode="L")
    add = ("--add", f"mine={run.folder / 'mine'}")
    make(run, *add, results=False).refused(2, "--real")
    out = make(run, *add, "--real", run.folder / "photos", "--paired", results=False).ok().out
    assert "generated images: 24x32, scaled and cropped to 16x16" in out and "sharpness" in out
    images = [Image.open(path) for path in (run.folder / "study" / "images").iterdir()]
    assert {(image.size, image.mode) for image in images} == {((16, 16), "RGB")} and len(
        images
    ) == 12


def test_texts_are_escaped(folder: Path, run: Programs) -> None:
    (run.folder / "results").symlink_to(folder / "results")
    (run.folder / "consent.txt").write_text("<b>one</b>\n\n$two & three\n")
    texts = ("--title", "<i>$title</i>", "--what", "</script>", "--post", "https://x.org/</script>")
    make(run, *texts, "--consent", run.folder / "consent.txt").ok()
    html = (run.folder / "study" / "index.html").read_text()
    assert "<p>&lt;b&gt;one&lt;/b&gt;</p>\n<p>$two &amp; three</p>" in html
    assert "<h1>&lt;i&gt;$title&lt;/i&gt;</h1>" in html and "&lt;/script&gt;" in html
    assert page_data(run.folder)["post"] == "https://x.org/</script>"


def test_who_guesses_scores_half(key: dict, tmp_path: Path) -> None:
    """Many guessing participants: 50 % within the error, and the error is that of their mean."""
    from scripts.study_tools.answers import read_sessions

    files = []
    for seed in range(400):
        files.append(tmp_path / f"{seed}.json")
        files[-1].write_text(json.dumps(answers(key, seed, lambda random: random.random() < 0.5)))
    sessions = read_sessions(files, key)
    fooled = np.array([session.fooled for session in sessions])
    error = scoring.standard_error(fooled)
    assert error == pytest.approx(0.5 / np.sqrt(fooled.size), rel=0.1)
    assert abs(fooled.mean() - 0.5) < 3 * error
    assert scoring.standard_error(fooled, nested=True) == pytest.approx(2**0.5 * error, rel=0.1)


def test_table(key: dict, scored) -> None:
    """Who is never fooled scores 0, who always is 100; the formats hold the same numbers."""
    one, two = key["groups"]
    results = [answers(key, i, lambda random: False, group=one) for i in range(3)]
    results += [answers(key, 9, lambda random: True, group=two)]
    names = [key["groups"][token]["name"] for token in (one, two)]
    out = scored(results).ok().out
    assert re.search(rf"{names[0]} +0.0 ± 0.0 +3 +12\n{names[1]} +100.0 ± 0.0 +1 +4\n", out)
    assert "4 sessions of 4 files" in out and "forged" in out
    for ending in ("txt", "md", "csv", "tex"):
        scored(results, "--output", f"table.{ending}").ok()


def test_formats(tmp_path: Path) -> None:
    rows = [scoring.Row("a_b & c|d, 5%", 26.84, 2.75, 25, 1000)]
    assert "26.8 ± 2.8" in scoring.text_table(rows)
    assert "| a_b & c\\|d, 5% | 26.8 ± 2.8 | 25 | 1000 |" in scoring.markdown(rows)
    assert r"a\_b \& c|d, 5\% & $26.8 \pm 2.8$ & 25 \\" in scoring.latex(rows)
    parsed = list(csv.reader(scoring.csv_table(rows).splitlines()))
    assert parsed[1] == ["a_b & c|d, 5%", "26.8400", "2.7500", "25", "1000"]


def short(result: dict) -> None:
    result["trials"][1]["shown"][0] = 500


def interrupted(result: dict) -> None:
    result["trials"][1]["shown"] = None


def swap(result: dict) -> None:
    result["trials"][0]["first"], result["trials"][1]["first"] = (
        result["trials"][1]["first"],
        result["trials"][0]["first"],
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["trials"].pop(), "has 3 trials, should have 4"),
        (lambda r: r["practice"].pop(), "has 1 practice, should have 2"),
        (lambda r: r["trials"][0].update(first="0" * 16), "no pair of its group"),
        (swap, "no pair of its group"),
        (lambda r: r["trials"].__setitem__(0, r["trials"][1]), "has a pair twice"),
        (lambda r: r["trials"][0].update(answer="left"), "answer other than"),
        (lambda r: r["trials"][0].update(response=-1), "negative or not finite"),
        (lambda r: r["trials"][0].update(response=float("nan")), "negative or not finite"),
        (lambda r: r["trials"][0].update(shown=[1000]), "times of its two images"),
        (short, "shown for less than 900 ms"),
        (interrupted, "interrupted in 1 scored trial"),
        (lambda r: r.update(finished=r["started"] + 3000), "less time than its trials"),
        (lambda r: r.update(finished=float("nan")), "less time than its trials"),
        (lambda r: r.update(group="x"), "a group that the study does not have"),
        (lambda r: r.update(version=2), "version 2"),
        (lambda r: r.update(study="other"), "belongs to study other"),
        (lambda r: r.pop("trials"), "trials is missing"),
    ],
)
def test_inconsistent_results_are_left_out(key: dict, scored, change: Callable, words: str) -> None:
    good, bad = answers(key, 1, lambda random: False), answers(key, 2, lambda random: True)
    change(bad)
    result = scored([good, bad]).ok()
    assert "1 session of 2 files" in result.out
    lines = [line for line in result.err.splitlines() if "left out" in line]
    assert len(lines) == 1 and "1.json" in lines[0] and words in lines[0]


def test_who_took_part_twice_counts_once(key: dict, scored) -> None:
    same = answers(key, 1, lambda random: False, participant="P7")
    again = answers(key, 2, lambda random: True, participant="P7")
    result = scored([again, same, same]).ok()
    assert "1 session of 3 files" in result.out and " 0.0 ± 0.0" in result.out
    assert "participant P7 is in an earlier result already" in result.err


def test_score_refuses(folder: Path, key: dict, scored, run: Programs) -> None:
    good = answers(key, 1, lambda random: False)
    result = scored(["{", "{}"])
    assert result.status == 1 and "Traceback" not in result.err
    assert "error: none of the 2 result files can be used" in result.err
    assert result.err.count("left out: cannot read ") == 2
    other = good | {"study": "other"}
    scored([other, other]).refused(1, f"the key is of study {key['study']}", "another study")
    (run.folder / "empty").mkdir()
    scored([good], "--answers", run.folder / "empty").refused(1, "--answers", "no result files")
    scored([good], "--answers", run.folder / "nothing.json").refused(
        1, "nothing.json", "no such file"
    )
    for text, words in (
        ("{", "damaged"),
        (json.dumps(good), "other content than expected"),
        (json.dumps(key | {"trials": 5}), "checksum does not fit"),
    ):
        (run.folder / "bad.json").write_text(text)
        scored([good], key=run.folder / "bad.json").refused(1, "bad.json", words)
    scored([good], "--output", "table.pdf").refused(2, ".tex")
