"""scripts/evaluate.py on pairs with known metrics."""

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


# Stem -> levels of the flat images in A and B.
LEVELS = {"a": (0, 0), "b.c": (110, 50), "sub/a": (20, 100), "sub/d": (230, 150)}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A, B and results with the names of test.py: fake_B is 10 levels too bright, fake_A 20."""
    for stem, (a, b) in LEVELS.items():
        flat(tmp_path / f"A/{stem}.png", a)
        flat(tmp_path / f"B/{stem}.bmp", b)
        for label, level in {"real_A": a, "real_B": b, "fake_B": b + 10, "fake_A": a + 20}.items():
            flat(tmp_path / f"images/{stem}_{label}.png", level)
    return tmp_path


def db(*differences: int) -> float:
    """The mean PSNR of pairs of flat images with these differences in levels."""
    return sum(20 * math.log10(255 / d) if d else 100 for d in differences) / len(differences)


BOTH_DIRECTIONS = (
    *("--fake", "images:fake_B", "--real", "B", "--baseline_input", "A", "--name", "to map"),
    *(*PALETTE_FLAG, "--fake=images:fake_A", "--real=A", "--name=to photo", "--json=out.json"),
)


def test_numbers_of_two_directions(folders: Path) -> None:
    result = evaluate(*BOTH_DIRECTIONS, cwd=folders)
    assert result.returncode == 0, result.stderr
    to_map, to_photo = json.loads((folders / "out.json").read_text())["evaluations"]
    assert list(to_map["rows"]) == ["result", "identity", "random target"]
    assert list(to_photo["rows"]) == ["result", "random target"]
    assert [e["name"] for e in (to_map, to_photo)] == ["to map", "to photo"]
    assert to_map["palette"] == [*map(list, PALETTE)]
    assert (to_map["baseline_input"], to_map["seed"]) == ("A", 0)
    expected = {"n": 4, "psnr": db(10), "l1": 10, "palette": 100}
    assert {key: to_map["rows"]["result"][key] for key in expected} == pytest.approx(expected)
    assert to_photo["rows"]["result"]["psnr"] == pytest.approx(db(20))
    assert "palette" not in to_photo["rows"]["result"]
    identity = to_map["rows"]["identity"]
    assert (identity["psnr"], identity["l1"]) == pytest.approx((db(0, 60, 80, 80), 55))
    assert identity["palette"] == 75  # the last image is land in A and water in B
    equal = "identical to the target, counted as 100 dB: 1 of 4"
    assert result.stderr == f"warning: {equal}, e.g. {Path('A/a.png')}\n"


def test_table_of_two_directions(folders: Path) -> None:
    lines = evaluate(*BOTH_DIRECTIONS, cwd=folders).stdout.splitlines()
    to_map = json.loads((folders / "out.json").read_text())["evaluations"][0]
    assert lines[0] == "to map: 4 pairs of images:fake_B with B"
    header = next(i for i, line in enumerate(lines) if "PSNR (dB)" in line)
    table = lines[header : header + 6]
    assert len({len(line) for line in table}) == 1  # aligned
    ssim = f"{to_map['rows']['result']['ssim']:.3f}"
    assert table[1].split() == ["to", "map:", "result", "4", "28.131", ssim, "10.000", "100.000"]
    assert table[5].startswith("to photo: random target") and table[5].endswith(" -")
    assert lines[-1].startswith("to photo: 22.1 dB PSNR, +")
    assert lines[-2].startswith("to map: 28.1 dB PSNR, ") and "against identity" in lines[-2]


def test_required_options_suffice_in_any_folder(folders: Path) -> None:
    fake, real = folders / "images:fake_B", folders / "B"
    result = evaluate("--fake", fake, "--real", real, cwd=folders / "A")
    assert (result.returncode, result.stderr) == (0, "")
    rows = result.stdout.split("L1\n")[1].splitlines()  # without the name of the only folder
    assert [row.split()[0] for row in rows[:2]] == ["result", "random"]
    assert "identity" not in result.stdout and "palette" not in result.stdout


def test_labels_for_all_folders_and_a_palette_file(folders: Path) -> None:
    (folders / "palette.txt").write_text("144,202,228\n242,239,233\n255,255,255\n")
    sources = ("--real", "images:real_B", "--baseline_input", "images:real_A")
    options = ("--palette", "@palette.txt", "--json", "out.json")
    result = evaluate("--fake", "images:fake_B", *sources, *options, cwd=folders)
    assert result.returncode == 0, result.stderr
    rows = json.loads((folders / "out.json").read_text())["evaluations"][0]["rows"]
    assert (rows["identity"]["l1"], rows["identity"]["palette"]) == (55, 75)
    assert rows["result"]["l1"] == 10


def test_random_targets() -> None:
    """Each image is the target of one other image of its size, which the seed selects."""
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
    sources = ("--fake", "images:fake_B", "--real", "B", "--baseline_input", "A")
    result = evaluate(*sources, "--json", "out.json", cwd=folders)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "warning: no partner in B for 1 of the images in images:fake_B: a",
        "warning: no partner in images:fake_B for 5 of the images in B: more0, more1, more2, ...",
        "warning: no partner in A for 1 of the images in B: b.c",
    ]
    rows = json.loads((folders / "out.json").read_text())["evaluations"][0]["rows"]
    numbers = {row: scores["n"] for row, scores in rows.items()}
    assert numbers == {"result": 2, "identity": 1, "random target": 2}


def test_evaluate_refuses_in_one_line(folders: Path) -> None:
    def refuse(*args: str, words: tuple[str, ...]) -> None:
        refused(evaluate(*args, cwd=folders), *words)

    pair = ("--fake", "images:fake_B", "--real", "B")
    refuse("--fake", "images", "--real", "B", words=("a_fake_A and a", "--fake DIR:fake_B"))
    refuse("--fake", "nowhere:fake_B", "--real", "B", words=("no folder nowhere",))
    refuse("--fake", "images:fake_C", "--real", "B", words=("no image named STEM_fake_C.png",))
    refuse(*pair, "--json", "B/a.bmp/out.json", words=("--json B/a.bmp/out.json: cannot be",))
    flat(folders / "B/a.jpg", 3)
    refuse(*pair, words=(str(Path("B/a.bmp")), str(Path("B/a.jpg")), "same stem"))
    (folders / "B/a.jpg").unlink()
    (folders / "B/a.bmp").write_bytes(b"nothing")
    refuse(*pair, words=(str(Path("B/a.bmp")), "cannot read"))


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
        (("--palette", "1,2"), "--palette 1,2: should be R,G,B"),
        (("--palette", "1,2,256"), "--palette 1,2,256: should be R,G,B"),
        (("--fake", "images:fake_A"), "required: --real"),
    ],
)
def test_wrong_flags(folders: Path, flags: tuple[str, ...], word: str) -> None:
    result = evaluate("--fake", "images:fake_B", "--real", "B", "--name", "y", *flags, cwd=folders)
    assert result.returncode == 2
    assert word in result.stderr


def test_baselines_of_the_atlas(tmp_path: Path) -> None:
    """Over all draws, a random map reaches 15.6 dB and a random photo 12.15 dB.

    The untranslated input takes the place of the result.
    """
    photos, maps = (ROOT / "datasets/atlas" / folder for folder in ("testA", "testB"))
    to_map, to_photo = ("--fake", photos, "--real", maps), ("--fake", maps, "--real", photos)
    out = tmp_path / "out.json"
    result = evaluate(*to_map, "--json", out, *to_photo, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    evaluations = json.loads(out.read_text())["evaluations"]
    for evaluation, random in zip(evaluations, (15.6, 12.15), strict=True):
        psnr = {row: scores["psnr"] for row, scores in evaluation["rows"].items()}
        assert psnr == pytest.approx({"result": 4.89, "random target": random}, abs=0.5)


def test_evaluate_does_not_load_torch() -> None:
    code = "import sys, scripts.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_all_folders_are_checked_before_networks_load(folders: Path) -> None:
    first = ("--fake", "images:fake_B", "--real", "B", "--features", "no.pt")
    refused(evaluate(*first, cwd=folders), "no.pt")
    refused(evaluate(*first, "--fake", "none", "--real", "A", cwd=folders), "no folder none")
    unpaired = ("--fake", "images", "--real", "none", "--unpaired", "--features", "no.pt")
    refused(evaluate(*first, *unpaired, cwd=folders), "no folder none")


def test_no_page_is_written_if_a_later_evaluation_fails(folders: Path) -> None:
    from util.pages.page import write_metrics

    write_metrics(folders, {})
    before = (folders / "metrics.js").read_bytes()
    flat(folders / "images/sub/a_fake_A.png", 9, (32, 14))
    first, second = ("--fake", "images:fake_B", "--real", "B"), ("--fake", "images:fake_A")
    result = evaluate("--page", *first, *second, "--real", "A", cwd=folders)
    refused(result, "differ in size")
    assert (folders / "metrics.js").read_bytes() == before
    assert evaluate("--page", *first, cwd=folders).returncode == 0
    assert (folders / "metrics.js").read_bytes() != before


def test_metrics_for_the_page(folders: Path) -> None:
    """Values are added by URL and keep those of the other direction; a missing page is refused."""
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
