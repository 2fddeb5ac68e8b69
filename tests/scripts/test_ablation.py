"""Tables 4 and 5: from tiny trainings to docs/results.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from paper_programs import OVERRIDE, pairs
from PIL import Image

from scripts.paper_tools import ablation, results, samples

pytest_plugins = ["paper_programs"]
SETTINGS = [*OVERRIDE, "--val_freq", "1", "--val_share", "0.3"]


def test_ablation(do: Callable, called: list, tmp_path: Path) -> None:
    """Two variants with two seeds leave their files, and docs/results.md is written from them."""
    data, out = pairs(tmp_path / "tiny", palette=True), tmp_path / "docs" / "results"
    words = ["ablate", "--dataroot", data, "--out", out, "--work", "runs", "--seeds", 1, 2]
    words += ["--variants", "cycle", "full", "--palette", "0,0,0", "255,255,255"]
    plan = do(*words, "--dry_run", *SETTINGS).ok().out
    assert plan.count("train.py") == 4 and plan.count("--lambda_GAN 0") == 2 and not out.exists()

    do(*words, *SETTINGS).ok()
    page = out.with_suffix(".md")
    text = page.read_text()
    files = [json.loads(path.read_text()) for path in sorted((out / "tiny").glob("*-*.json"))]
    assert [(file["variant"], file["seed"]) for file in files] == [
        ("cycle", 1),
        ("cycle", 2),
        ("full", 1),
        ("full", 2),
    ]
    assert all((file["images"], file["best"]["epoch"]) == (2, 1) for file in files)
    assert files[0]["scores"]["latest"] == files[0]["scores"]["best"]
    assert any("val_patches" in line for line in files[0]["log"])
    a, b = (file["scores"]["latest"]["AtoB"]["PSNR (dB)"] for file in files[:2])
    for words_on_page in (
        f"{(a + b) / 2:.1f} ± {abs(a - b) / 2**0.5:.1f}",
        "### A → B, best epoch by validation",
        "per-pixel acc.",
        "0.10 / 0.05 / 0.02",
        "python scripts/paper.py ablate",
        "![CycleGAN](results/tiny/full.png)",
    ):
        assert words_on_page in text
    assert str(tmp_path) not in text
    check_counts(text, files[0]["scores"]["latest"]["AtoB"]["per-pixel acc."])
    assert Image.open(out / "tiny" / "runs.png").height > 2 * samples.SIZE, "a row for each seed"
    assert all((out / "tiny" / f"{variant}.png").is_file() for variant in ("cycle", "full"))

    count = len(called)
    (out / "tiny" / "full-2.json").unlink()
    page.unlink()
    do(*words, *SETTINGS).ok()  # only the run without a file is resumed and measured
    assert [argv[0] for argv in called[count:]].count("train.py") == 1
    assert called[count][:2] == ["train.py", "--continue_train"]
    do(*words, *SETTINGS, "--lr", "0.1").refused(1, "setup.json", "train", "--name")

    check_conclusions(do, out)


def check_conclusions(do: Callable, out: Path) -> None:
    """Check that conclusions stand first, links lead to chapters, and the notes stand last."""
    page = out.with_suffix(".md")
    assert "## In short" in page.read_text() and "See its tables." in page.read_text()
    (out / "conclusion.md").write_text("All in all.\n")
    (out / "tiny" / "conclusion.md").write_text("It works.\n")
    (out / "tiny" / "notes.md").write_text("A note.\n")
    do("results", "--out", out).ok()
    text = page.read_text()
    link = "](#parts-of-the-objective-tables-4-and-5-on-tiny)**\n\nIt works.\n"
    order = ("All in all.", "## In short", link, "## How to read", "## Parts of the objective")
    places = [text.index(part) for part in (*order, "## Records", "```bash", "A note.\n")]
    assert places == sorted(places) and text.endswith("A note.\n")
    do("results", "--out", out).ok()
    assert page.read_text() == text
    assert "--seeds 1 2 --variants cycle full" in text and "not finished" not in text

    (out / "tiny").rename(out / "again")  # as --name again writes it
    do("results", "--out", out).ok()
    assert "## Parts of the objective (Tables 4 and 5) on tiny (again)\n" in page.read_text()
    assert "--name again --variants cycle full" in page.read_text()


def check_counts(text: str, share: float) -> None:
    """Check that the page counts the runs, with the conclusion and the pictures before tables."""
    line = rf"\| Cycle alone \| \d of 2 \| \d\.\d+ \|.*\b{round(100 * share)}\b.* % \|"
    assert re.search(line, text)
    order = ("right correspondence", "runs.png", "### Scores by metric", "final epoch\n", "```bash")
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_spread_and_difference() -> None:
    assert results.spread([1.0]) == "1.000"
    assert results.spread([10.0, 12.0]) == "11.0 ± 1.4"
    assert results.spread([]) == "-"
    assert results.differ([1.0, 1.1], [2.0, 2.1]) is True
    assert results.differ([1.0, 2.0], [2.0, 2.1]) is False
    assert results.differ([1.0], [2.0, 2.1]) is None


def test_findings() -> None:
    def record(l1: float) -> dict:
        return {"scores": {"latest": {"AtoB": {"L1": l1}, "BtoA": {}}}}

    titles = {key: title for key, (title, _) in ablation.VARIANTS.items()}
    runs = {"gan": [record(9), record(9.5)], "full": [record(1), record(1.5)]}
    assert results.findings(runs, titles) == [
        "- A → B, L1: best is CycleGAN (1.250 ± 0.354), clearly different from GAN alone "
        "(9.2 ± 0.4)."
    ]
