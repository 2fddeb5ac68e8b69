"""scripts/study.py make: what a study reveals, how its pairs are drawn, and refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Programs, picture, pictures
from PIL import Image
from rasters import make_folder, ramp, write
from study_files import make

from scripts import study
from scripts.study_tools.images import Pair, draw_pairs
from scripts.study_tools.making import shown_pairs

pytest_plugins = ["study_files"]


def page_data(folder: Path) -> dict:
    text = (folder / "study" / "index.html").read_text()
    return json.loads(
        re.search(r'<script type="application/json" id="study">(.*?)</script>', text)[1]
    )


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


def test_results_of_values_are_shown_by_their_previews(run: Programs) -> None:
    """Real and generated ones alike; a folder of floats has no such pictures."""
    page = run.folder / "results" / "ct" / "test_latest"
    for i in range(12):
        for label in ("real_B", "fake_B"):
            write(page / "images" / f"{i}_{label}.npy", np.zeros((16, 16, 1), np.float32))
            picture(page / "previews" / f"{i}_{label}.png", i, (16, 16))
    write(page / "images" / "0_real_A.npy", np.zeros((16, 16, 1), np.float32))
    flags = ("--results", page, "--contact", "me", "--practice", 2, "--trials", 10, "--size", 16)
    call = ("study.py", "make", *flags, "--pairs", 10, "--output")
    run.call(study.main, *call, "study").ok()
    key = json.loads((run.folder / "study_key.json").read_text())
    (group,) = key["groups"].values()
    for pair in group["scored"]:
        for kind in ("real", "fake"):
            assert Path(pair[f"{kind}_file"]).parent == page / "previews"
            shown = Image.open(run.folder / "study" / "images" / f"{pair[kind]}.png")
            assert np.array_equal(shown, Image.open(pair[f"{kind}_file"]))
    for dtype in ("float32", "uint16"):
        make_folder(run.folder / dtype, "tif", [ramp(dtype, 0, 65535)])
        refused = run.call(study.main, *call, "other", "--real", run.folder / dtype)
        refused.refused(1, "--real", f"0.tif holds {dtype} values", "--real PAGE/images:real_B")
