"""The index of all runs: the states of runs, which ones it finds, and that it harms no training."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs
from index_runs import age, curves, line, make_run, note, rows
from survival import crash, resume, train

from models.training import run_index
from util.errors import UserError
from util.lock import Lock
from util.pages import index_page
from util.pages.index_page import write_index
from util.runs import find_runs
from util.sinks.base import END

pytest_plugins = ["survival"]


def ends(folder: Path) -> list[str]:
    """The notes on how the newest run in ``folder`` ended."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    notes = [json.loads(x).get("note", "") for x in lines]
    return [x.removeprefix(END) for x in notes if x.startswith(END)]


# A training


def test_of_a_training(run: Programs, unaligned: Path) -> None:
    """State, best metric, note, images and curves of a run with a name in two parts."""
    more = ("--val_freq", "1", "--val_share", "0.3", "--note", "a <b>first</b> try")
    args = ("--dataroot", unaligned, "--name", "exp/x", *TINY, *ONE_EPOCH, *more)
    result = run.train(*args).ok()
    assert "all runs: checkpoints/index.html" in result.out and result.err == ""
    row = rows(run.runs)["exp/x"]
    best = json.loads((run.runs / "exp" / "x" / "best.json").read_text())
    assert row["state"] == "finished" and "1 of 1 epoch" in row["text"]
    assert float(row["value"]) == -best["value"] and row["metric"] == best["metric"]
    assert "a <b>first</b> try" in row["text"] and "<b>first" not in row["row"]
    for epoch, label in ((0, "real_A"), (1, "fake_B")):  # real images are saved once
        file = f"exp/x/web/images/epoch{epoch:03d}_panel0_{label}.png"
        assert f'src="{file}"' in row["row"] and (run.runs / file).is_file()
    drawn = curves(run.runs)["exp/x"]
    assert drawn["validation"][1].keys() >= {"val_patches"} and "D_A" in drawn["losses"][1]
    assert ends(run.runs / "exp" / "x") == ["finished"]
    page = (run.runs / "exp" / "x" / "web" / "index.html").read_text()
    assert '<a href="../../../index.html">All runs</a>' in page


def test_all_epochs_of_a_finished_run_count(tmp_path: Path) -> None:
    """The last losses of the log may be from before the end of the last epoch."""
    for end in ("finished", "interrupted"):
        make_run(tmp_path, end, [line(4, 0.8, G=1.0), note(f"{END}{end}")])
    write_index(tmp_path)
    found = rows(tmp_path)
    assert "4 of 4 epochs" in found["finished"]["text"]
    assert "3.8 of 4 epochs" in found["interrupted"]["text"]


def test_no_html(run: Programs, data: Path) -> None:
    train(run, data, "--no_html", "--n_epochs", 1).ok()
    assert not (run.runs / "index.html").exists() and ends(run.runs / "x") == ["finished"]
    write_index(run.runs)
    assert rows(run.runs)["x"]["state"] == "finished"


def test_the_states_of_a_training(run: Programs, data: Path, after_step: Callable) -> None:
    """It is running at the start and after a save; the resumed run forgets how it had ended."""
    seen = []

    def stop() -> None:
        seen.append(rows(run.runs)["x"]["state"])
        raise KeyboardInterrupt

    after_step(1, lambda: seen.append(rows(run.runs)["x"]["state"]))
    after_step(4, stop)
    assert train(run, data).status == 130
    assert seen == ["running", "running"]
    assert rows(run.runs)["x"]["state"] == "interrupted"
    assert ends(run.runs / "x") == ["interrupted"]
    after_step(3, crash)
    with pytest.raises(BaseException, match="^$"):
        resume(run)
    row = rows(run.runs)["x"]
    assert row["state"] == "failed" and "Crash" in row["text"]
    resume(run).ok()
    assert ends(run.runs / "x") == ["finished"] and rows(run.runs)["x"]["state"] == "finished"


def test_an_index_that_cannot_be_written(run: Programs, data: Path) -> None:
    """One line, and the training goes its way; the page of somebody else stays as it is."""
    run.runs.mkdir()
    (run.runs / "index.html").write_text("<h1>My own page</h1>")
    result = train(run, data).ok()
    warning = "warning: no index of all runs, and the training continues: --checkpoints_dir: "
    assert result.err == f"{warning}checkpoints/index.html is another page; it stays as it is\n"
    assert (run.runs / "index.html").read_text() == "<h1>My own page</h1>"
    assert "all runs" not in result.out


def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training gets one line, and asks no more. Tests may run as root, who can write there."""

    def refuse(**settings: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    make_run(tmp_path, "x")
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    warnings: list[str] = []
    monkeypatch.setattr(run_index, "warn", warnings.append)
    updates = run_index.RunIndex(Namespace(checkpoints_dir=tmp_path, name="x", no_html=False))
    for _ in range(2):
        updates.update()
    [warning] = warnings
    assert warning.endswith(f"cannot write {tmp_path / 'index.html'}: Permission denied")
    (tmp_path / "index.html").mkdir()
    with pytest.raises(UserError, match="index.html: it is not a file"):
        write_index(tmp_path)


def test_the_lock_of_this_process_stays(tmp_path: Path) -> None:
    """Closing a file releases the lock that the process has on it, whatever name the file had."""
    folder = make_run(tmp_path, "real")
    (tmp_path / "link").symlink_to("real")
    lock = Lock(tmp_path / "link")
    lock.begun = True
    for live in (True, False):
        write_index(tmp_path, ".//link", live)
        take = f"import fcntl; fcntl.lockf(open({str(folder / '.lock')!r}, 'a'), 6)"  # no wait
        other = subprocess.run([sys.executable, "-c", take], capture_output=True, text=True)
        assert "BlockingIOError" in other.stderr
        assert rows(tmp_path)["real"]["state"] == ("running" if live else "finished")
    lock.close()


# States of other runs


def test_states_of_other_runs(tmp_path: Path) -> None:
    half = [line(e, 1.0, G=1.0) for e in (1, 2)]
    make_run(tmp_path, "finished")
    make_run(tmp_path, "stopped", [*half, note(f"{END}interrupted")])
    make_run(tmp_path, "failed", [*half, note(f"{END}failed, no <space> left")])
    make_run(tmp_path, "old", [line(e, 1.0, G=1.0) for e in range(1, 5)])  # no note of its end
    make_run(tmp_path, "old_stopped", half)
    make_run(tmp_path, "resumed", [*half, note(f"{END}interrupted"), line(3, 1.0, G=1.0)])
    lock = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
    (make_run(tmp_path, "running", half) / ".lock").write_text(lock)
    dead = json.dumps({"pid": 2**22 + 1, "host": socket.gethostname()})  # above all process numbers
    (make_run(tmp_path, "killed", half) / ".lock").write_text(dead)
    far = json.dumps({"pid": 1, "host": "elsewhere"})
    (make_run(tmp_path, "far", half) / ".lock").write_text(far)
    (make_run(tmp_path, "far_silent", half) / ".lock").write_text(far)
    age(tmp_path / "far_silent", 2 * 24 * 3600)
    (make_run(tmp_path, "ending") / ".lock").write_text(lock)  # the note is written, the lock held
    os.utime(tmp_path / "ending" / ".lock", (1e9, 1e9))
    (make_run(tmp_path, "starting") / ".lock").write_text(lock)  # a finished run that is extended
    age(tmp_path / "starting", 100)
    (make_run(tmp_path, "damaged", ["{", "[]", '{"epoch": 1e999}']) / ".lock").write_text("{")
    for name in ("train_opt.json", "best.json"):
        (tmp_path / "damaged" / name).write_text("[" * 10**5)
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / "latest_net_G.pth").touch()
    write_index(tmp_path)
    found = rows(tmp_path)
    assert {name: row["state"] for name, row in found.items()} == {
        "finished": "finished",
        "stopped": "interrupted",
        "failed": "failed",
        "old": "finished",
        "old_stopped": "interrupted",
        "resumed": "interrupted",
        "running": "running",
        "killed": "interrupted",
        "far": "running",
        "far_silent": "interrupted",
        "ending": "finished",
        "starting": "running",
        "damaged": "running",
        "pretrained": "weights",
    }
    assert "no <space> left" in found["failed"]["text"]
    assert "its process ended without a save" in found["killed"]["text"]


def test_a_run_of_the_official_code(tmp_path: Path) -> None:
    """Its options are read from train_opt.txt."""
    for name in ("ours", "ours_too"):
        make_run(tmp_path, name)
    (tmp_path / "theirs").mkdir()
    text = "            lr: 0.1             \t[default: 0.0002]\n        netG: resnet_9blocks\n"
    (tmp_path / "theirs" / "train_opt.txt").write_text(f"--- Options ---\n{text}--- End ---\n")
    (tmp_path / "theirs" / "loss_log.txt").write_text("(epoch: 1, iters: 100) G: 1.0\n")
    write_index(tmp_path)
    assert "lr 0.1" in rows(tmp_path)["theirs"]["text"]


# Which runs


def test_nested_removed_and_linked_runs(tmp_path: Path) -> None:
    for name in ("a", "a/inner", "exp/deep/er/b", "gone", ".hidden/c", "a/web/d"):
        make_run(tmp_path, name)
    (tmp_path / "exp" / "circle").symlink_to(tmp_path)
    (tmp_path / "1_link").symlink_to("a")
    (tmp_path / "broken").symlink_to("nowhere")
    elsewhere = make_run(tmp_path.parent / f"{tmp_path.name}_disk", "c")
    (tmp_path / "linked").symlink_to(elsewhere)
    found = {"a", "a/inner", "exp/deep/er/b", "linked"}
    assert {name for name, _ in find_runs(tmp_path)} == found | {"gone"}
    write_index(tmp_path)
    assert rows(tmp_path).keys() == found | {"gone"}
    shutil.rmtree(tmp_path / "gone")
    assert write_index(tmp_path) == 4 and rows(tmp_path).keys() == found


def test_odd_names_and_texts_are_escaped(tmp_path: Path) -> None:
    """None of them becomes markup or ends a script; file names that are not UTF-8 are shown."""
    evil = "<script>alert(1)<_script>\"'&"
    folder = make_run(tmp_path, evil, note="</script><img src=x onerror=alert(1)>", lr=evil)
    make_run(tmp_path, "b", [line(1, 1.0, **{"<!--<script>": 1.0})], model="<svg onload=a()>")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9") / "x.pth").touch()
    (folder / "best.json").write_text(json.dumps({"epoch": 1, "metric": "<i>", "value": 1.0}))
    figures = [["<b x>", "images/x.png", 8, 8], ["x", "javascript:alert(1)", 8, 8]]
    (folder / "web" / "data.js").write_text(f'run("panel", 1, {json.dumps([["x", figures]])})\n')
    write_index(tmp_path)
    page = (tmp_path / "index.html").read_text()
    for text in (
        "<script>alert",
        "<img src=x",
        "<svg onload",
        "<!--",
        "<i>",
        "<b x>",
        "javascript:a",
    ):
        assert text not in page
    assert page.count("</script>") == 2 + len(index_page.SCRIPTS)
    assert rows(tmp_path).keys() == {evil, "b", "caf?"} and "caf%E9" not in rows(tmp_path)


def test_options_that_differ(tmp_path: Path) -> None:
    for i in range(3):
        make_run(tmp_path, f"r{i}", lr=0.0002 + (i == 1), extra=[1, 2], seed=7, note=f"{i}")
    make_run(tmp_path, "other", seed=7)
    write_index(tmp_path)
    found = rows(tmp_path)
    assert "lr 1.0002" in found["r1"]["text"] and "lr" not in found["r0"]["text"]
    page = (tmp_path / "index.html").read_text()
    compared = json.loads(page.split('id="compared">')[1].split("</script>")[0])
    assert compared["usual"] == {"extra": "1 2", "lr": "0.0002"}
    by_name = dict(zip(found, compared["runs"], strict=True))
    assert by_name == {"r0": {}, "r1": {"lr": "1.0002"}, "r2": {}, "other": {"extra": None}}
