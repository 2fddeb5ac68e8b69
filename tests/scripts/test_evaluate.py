"""scripts/evaluate.py on pairs whose values are known."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

WATER, LAND, ICE = PALETTE = [(144, 202, 228), (242, 239, 233), (255, 255, 255)]
PALETTE_FLAG = ["--palette", *(",".join(map(str, colour)) for colour in PALETTE)]


def evaluate(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd, check=False)


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def flat(path: Path, level: int | tuple[int, int, int], size: tuple[int, int] = (16, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level,) * 3 if isinstance(level, int) else level).save(path)


LEVELS = {
    "a": (0, 0),
    "b.c": (110, 50),
    "sub/a": (20, 100),
    "sub/d": (230, 150),
}  # of the flat images in A and B


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A and B, and results named as test.py names them: fake_B is 10 levels too bright, fake_A 20."""
    for stem, (a, b) in LEVELS.items():
        flat(tmp_path / f"A/{stem}.png", a)
        flat(tmp_path / f"B/{stem}.bmp", b)
        for label, level in {"real_A": a, "real_B": b, "fake_B": b + 10, "fake_A": a + 20}.items():
            flat(tmp_path / f"images/{stem}_{label}.png", level)
    return tmp_path


def db(*differences: int) -> float:
    """The mean PSNR of flat images that differ by so many levels."""
    return sum(20 * math.log10(255 / d) if d else 100 for d in differences) / len(differences)


def test_evaluate_makes_one_table_of_two_directions(folders: Path) -> None:
    result = evaluate(
        "--fake",
        "images:fake_B",
        "--real",
        "B",
        "--baseline_input",
        "A",
        "--name",
        "to map",
        *PALETTE_FLAG,
        "--fake=images:fake_A",
        "--real=A",
        "--name=to photo",
        "--json=out.json",
        cwd=folders,
    )
    assert result.returncode == 0, result.stderr
    told = json.loads((folders / "out.json").read_text())
    to_map, to_photo = told["evaluations"]
    assert list(to_map["rows"]) == ["result", "identity", "random target"]
    assert list(to_photo["rows"]) == ["result", "random target"]
    assert [e["name"] for e in (to_map, to_photo)] == ["to map", "to photo"]
    assert (to_map["baseline_input"], to_map["palette"], to_map["seed"]) == (
        "A",
        [*map(list, PALETTE)],
        0,
    )
    expected = {"n": 4, "psnr": db(10), "l1": 10, "palette": 100}
    assert {key: to_map["rows"]["result"][key] for key in expected} == pytest.approx(expected)
    assert to_photo["rows"]["result"]["psnr"] == pytest.approx(db(20))
    assert "palette" not in to_photo["rows"]["result"]
    identity = to_map["rows"]["identity"]
    assert (identity["psnr"], identity["l1"]) == pytest.approx((db(0, 60, 80, 80), 55))
    assert identity["palette"] == 75  # the last is land in A and water in B
    assert (
        result.stderr
        == f"warning: identical to the target, counted as 100 dB: 1 of 4, e.g. {Path('A/a.png')}\n"
    )

    lines = result.stdout.splitlines()
    assert lines[0] == "to map: 4 pairs of images:fake_B with B"
    header = next(i for i, line in enumerate(lines) if "PSNR (dB)" in line)
    table = lines[header : header + 6]
    assert len({len(line) for line in table}) == 1  # aligned
    assert table[1].split() == [
        "to",
        "map:",
        "result",
        "4",
        "28.131",
        f"{to_map['rows']['result']['ssim']:.3f}",
        "10.000",
        "100.000",
    ]
    assert table[5].startswith("to photo: random target") and table[5].endswith(" -")
    assert lines[-1].startswith("to photo: 22.1 dB PSNR, +")
    assert lines[-2].startswith("to map: 28.1 dB PSNR, ") and "against identity" in lines[-2]


def test_evaluate_with_only_the_flags_it_needs_and_from_elsewhere(folders: Path) -> None:
    result = evaluate(
        "--fake", folders / "images:fake_B", "--real", folders / "B", cwd=folders / "A"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{folders / 'images:fake_B'}: result" in result.stdout
    assert "identity" not in result.stdout
    assert "palette" not in result.stdout


def test_real_and_input_may_be_labels_too_and_a_palette_a_file(folders: Path) -> None:
    (folders / "palette.txt").write_text("144,202,228\n242,239,233\n255,255,255\n")
    result = evaluate(
        "--fake",
        "images:fake_B",
        "--real",
        "images:real_B",
        "--baseline_input",
        "images:real_A",
        "--palette",
        "@palette.txt",
        "--json",
        "out.json",
        cwd=folders,
    )
    assert result.returncode == 0, result.stderr
    rows = json.loads((folders / "out.json").read_text())["evaluations"][0]["rows"]
    assert (rows["identity"]["l1"], rows["identity"]["palette"], rows["result"]["l1"]) == (
        55,
        75,
        10,
    )


def test_random_targets() -> None:
    """Each image is the random target of one other image of its size, and the seed decides of which."""
    from scripts.evaluation.pairs import random_others

    images = {
        path.stem: str(path) for path in sorted((ROOT / "datasets/atlas/testB").iterdir())[:30]
    }
    draws = [random_others(images, seed) for seed in (0, 0, 1)]
    for others in draws:
        assert sorted(others.values()) == sorted(images.values())
        assert not any(images[stem] == other for stem, other in others.items())
    assert draws[0] == draws[1] != draws[2]


def test_random_targets_have_one_size(tmp_path: Path) -> None:
    from scripts.evaluation.pairs import random_others

    images = {}
    for i, width in enumerate((12, 12, 20, 20, 30)):
        images[str(i)] = str(tmp_path / f"{i}.png")
        flat(Path(images[str(i)]), i, (width, 12))
    assert random_others(images, 0) == {
        here: images[there] for here, there in ("01", "10", "23", "32")
    }


def test_missing_partners_are_named(folders: Path) -> None:
    for name in ("B/a.bmp", "A/b.c.png", "images/sub/d_fake_B.png"):
        (folders / name).unlink()
    for i in range(4):
        flat(folders / f"B/more{i}.png", i)
    result = evaluate(
        "--fake",
        "images:fake_B",
        "--real",
        "B",
        "--baseline_input",
        "A",
        "--json",
        "out.json",
        cwd=folders,
    )
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "warning: no partner in B for 1 of the images in images:fake_B: a",
        "warning: no partner in images:fake_B for 5 of the images in B: more0, more1, more2, ...",
        "warning: no partner in A for 1 of the images in B: b.c",
    ]
    rows = json.loads((folders / "out.json").read_text())["evaluations"][0]["rows"]
    assert {row: scores["n"] for row, scores in rows.items()} == {
        "result": 2,
        "identity": 1,
        "random target": 2,
    }


def test_evaluate_refuses_in_one_line(folders: Path) -> None:
    pair = ("--fake", "images:fake_B", "--real", "B")
    refused(
        evaluate("--fake", "images", "--real", "B", cwd=folders),
        "a_fake_A and a",
        "--fake DIR:fake_B",
    )
    refused(evaluate("--fake", "nowhere:fake_B", "--real", "B", cwd=folders), "no folder nowhere")
    refused(
        evaluate("--fake", "images:fake_C", "--real", "B", cwd=folders),
        "no image named STEM_fake_C.png",
    )
    refused(
        evaluate(*pair, "--json", "no/out.json", cwd=folders), "--json", "there is no folder no"
    )
    flat(folders / "B/a.jpg", 3)
    refused(evaluate(*pair, cwd=folders), str(Path("B/a.bmp")), str(Path("B/a.jpg")), "same stem")
    (folders / "B/a.jpg").unlink()
    (folders / "B/a.bmp").write_bytes(b"nothing")
    refused(evaluate(*pair, cwd=folders), str(Path("B/a.bmp")), "cannot read")


def test_different_sizes_are_refused_by_name(folders: Path) -> None:
    flat(folders / "images/sub/a_fake_B.png", 9, (32, 14))
    result = evaluate("--fake", "images:fake_B", "--real", "B", cwd=folders)
    assert result.returncode == 1
    assert "32x14, 16x12" in result.stderr
    for word in (Path("images/sub/a_fake_B.png"), Path("B/sub/a.bmp"), "--real DIR:real_B"):
        assert str(word) in result.stderr


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--name", "x"), "--name stands twice"),
        (("--palette", "1,2"), "invalid colour value"),
        (("--palette", "1,2,256"), "invalid colour value"),
        (("--fake", "images:fake_A"), "required: --real"),
    ],
)
def test_wrong_flags(folders: Path, flags: tuple[str, ...], word: str) -> None:
    result = evaluate("--fake", "images:fake_B", "--real", "B", "--name", "y", *flags, cwd=folders)
    assert result.returncode == 2
    assert word in result.stderr


def test_baselines_of_the_atlas(tmp_path: Path) -> None:
    """Over all draws a random map reaches 15.6 dB and a random photo 12.15 dB; here the identity is the result."""
    photos, maps, out = (
        ROOT / "datasets/atlas/testA",
        ROOT / "datasets/atlas/testB",
        tmp_path / "out.json",
    )
    result = evaluate(
        "--fake", photos, "--real", maps, "--json", out, "--fake", maps, "--real", photos, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    to_map, to_photo = (
        {row: scores["psnr"] for row, scores in evaluation["rows"].items()}
        for evaluation in json.loads(out.read_text())["evaluations"]
    )
    assert to_map == pytest.approx({"result": 4.89, "random target": 15.6}, abs=0.5)
    assert to_photo == pytest.approx({"result": 4.89, "random target": 12.15}, abs=0.5)


def test_evaluate_does_not_load_torch() -> None:
    code = "import sys, scripts.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_metrics_for_the_page(folders: Path) -> None:
    """Every image's values under its URL, both directions beside each other; without a page it is refused before the work."""
    from scripts.evaluation.page_metrics import read_metrics
    from util.pages.page import write_metrics

    args = ("--page", "--fake", "images:fake_B", "--real", "B")
    refused(evaluate(*args, cwd=folders), "--page", "metrics.js")
    write_metrics(folders, {"images/sub/a_fake_A.png": {"mine": 1.0}})
    assert evaluate(*args, cwd=folders).returncode == 0
    found = read_metrics(folders)
    assert found.pop("images/sub/a_fake_A.png") == {"mine": 1.0}
    assert {url: each["L1"] for url, each in found.items()} == {
        f"images/{stem}_fake_B.png": 10 for stem in LEVELS
    }
    assert found["images/a_fake_B.png"]["PSNR (dB)"] == pytest.approx(db(10))
