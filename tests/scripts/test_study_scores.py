"""scripts/study.py score: which result files count, the scores and their errors, the table."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs
from study_files import answers

from scripts import study
from scripts.study_tools import scoring
from scripts.study_tools.answers import read_sessions

pytest_plugins = ["study_files"]


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


def test_who_guesses_scores_half(key: dict, tmp_path: Path) -> None:
    """Many guessing participants: 50 % within the error, and the error is that of their mean."""
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
    assert re.search(rf"{names[0]} +0.0 ± 0.0 +3 +12\n{names[1]} +100.0 +1 +4\n", out)
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
    assert "1 session of 3 files" in result.out and re.search(
        r"^(one|two) +0.0 +1 +4$", result.out, re.M
    )
    assert "participant P7 is in an earlier result already" in result.err


def test_score_refuses(folder: Path, key: dict, scored, run: Programs) -> None:
    good = answers(key, 1, lambda random: False)
    result = scored(["{", "{}"])
    assert result.status == 1 and "Traceback" not in result.err
    assert "error: --answers: none of the 2 result files can be used" in result.err
    assert result.err.count("left out: cannot read ") == 2
    other = good | {"study": "other"}
    scored([other, other]).refused(
        1, f"--key is of study {key['study']}", "0.json: belongs to study other"
    )
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
