"""The table of scripts/benchmark.py: what a variant's error costs, the order of measuring, and what the steps have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import CPU, ROOT
from measured import dying, failing, killed, noted, refused
from steps import batch, repeatable  # noqa: F401

from models.training.step import Step
from scripts.maintenance.benchmark import SMALL, Variant, measure
from scripts.maintenance.benchmark_step import OfficialWay, official, ours, training


def test_variants_take_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    rows = list(
        measure(
            "x", [Variant("slow", noted, (log, "a", 0.5)), Variant("fast", noted, (log, "b"))], 3
        )
    )
    assert log.read_text() == "abababab"  # one round is not timed
    assert [
        (
            row["section"],
            row["variant"],
            row["ms"],
            row["images_per_s"],
            row["times"],
            row["operations"],
        )
        for row in rows
    ] == [("x", "slow", 500, 4, 1, 7), ("x", "fast", 250, 8, 2, 7)]
    assert rows[0]["all_ms"] == [500] * 3
    log.unlink()
    (row,) = measure("x", [Variant("alone", noted, (log, "a"))], 2, 0)
    assert log.read_text() == "aa" and "times" not in row


def test_an_error_stays_in_its_row(tmp_path: Path) -> None:
    cases = {
        "good": (noted, (tmp_path / "log", "a")),
        "refused": (refused, ()),
        "dying": (dying, ()),
        "failing": (failing, ()),
        "killed": (killed, ()),
        "good too": (noted, (tmp_path / "log", "b")),
    }
    rows = {
        row["variant"]: row
        for row in measure("x", [Variant(name, *case) for name, case in cases.items()], 2)
    }
    assert {name: row.get("error") for name, row in rows.items()} == {
        "good": None,
        "refused": "--ngf 0: should be at least 1",
        "dying": "its process died, exit code 3",
        "failing": "ValueError: not this time",
        "killed": "its process died, exit code 5",
        "good too": None,
    }
    assert (tmp_path / "log").read_text() == "ababab" and rows["good"]["ms"] == rows["good too"][
        "ms"
    ] == 250


def test_rows_come_when_they_are_complete(tmp_path: Path) -> None:
    rows = measure("x", [Variant(name, noted, (tmp_path / "log", name)) for name in "ab"], 1, 0)
    assert next(rows)["variant"] == "a" and (tmp_path / "log").read_text() == "a"
    assert next(rows)["variant"] == "b" and (tmp_path / "log").read_text() == "ab"


def test_the_program(tmp_path: Path) -> None:
    """The machine, and a row for each variant of a section, in a table and in a file."""
    command = [
        sys.executable,
        "scripts/benchmark.py",
        "--quick",
        "--only",
        "saving",
        "--json",
        str(tmp_path / "b.json"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "b.json").read_text())
    assert found["machine"]["cores"] >= 1 and found["machine"]["torch"] == torch.__version__
    (saving,) = found["rows"]
    assert {"section", "variant", "ms", "images_per_s", "peak_MB", "all_ms"} <= saving.keys()
    assert (
        saving["written_after_s"] * 1e3 > saving["ms"] > 0
        and saving["copying_ms"] > 0
        and saving["peak_MB"] > 50
    )
    nets = training(tmp_path, *CPU, *SMALL)[2].get_networks().values()
    assert saving["MB"] == pytest.approx(
        3 * sum(p.nbytes for net in nets for p in net.parameters()) / 1e6, rel=0.02
    )  # Adam: 2
    lines = done.stdout.splitlines()
    assert (
        len(lines) == 3
        and f"{saving['variant']:33} " in lines[2]
        and f"{saving['ms']:,.1f}" in lines[2]
    )
    wrong = subprocess.run(
        [*command[:2], "--only", "nothing"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (
        wrong.returncode == 2
        and "step, input, output, saving, ranks, start-up" in wrong.stderr.replace("'", "")
    )


THIN = (
    *CPU,
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--load_size",
    "32",
    "--crop_size",
    "32",
    "--init_gain",
    "0.2",
)


def test_both_ways_train_the_same(tmp_path: Path) -> None:
    opt, _, model = training(tmp_path, *THIN, "--lr", "0.01")
    way = OfficialWay(opt, {name: net.state_dict() for name, net in model.get_networks().items()})
    step, before = Step(opt, model), model.netG_A.state_dict()["model.1.weight"].clone()
    for _ in range(2):
        data = batch(dtype=torch.float32)
        step(data)
        way(data)
    assert not torch.allclose(before, model.netG_A.state_dict()["model.1.weight"], atol=1e-3)
    for name, net in model.get_networks().items():
        for key, value in net.state_dict().items():
            if key.endswith(
                "weight"
            ):  # what instance norm takes away, a bias before it, follows rounding errors
                assert torch.allclose(value, way.nets[name].state_dict()[key], atol=1e-3), (
                    name,
                    key,
                )


def test_operations_of_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is the step of train.py; the official way costs what the official code does, 4,622 operations."""
    made: list[Step] = []
    start = Step.__init__
    monkeypatch.setattr(
        Step, "__init__", lambda self, *args: (made.append(self), start(self, *args))[1]
    )
    counts = {}
    for way in (ours, official):
        once, _ = way(tmp_path, *THIN)
        counts[way.__name__] = [once()["operations"], once()["operations"]]
    assert len(made) == 1 and counts["official"] == [4622] * 2
    assert counts["ours"][0] == counts["ours"][1] <= 2300
