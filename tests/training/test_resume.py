"""An interrupted training continues exactly."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from survival import Crash, crash, equal, interrupt, resume, state, subclass, train

pytest_plugins = ["survival"]


# What is restored


def test_log_lines(run: Programs, data: Path, whole: Path, after_step: Callable) -> None:
    """Lines from after the save are dropped and written again; lines from before it stay."""
    interrupt(run, data, after_step, step=4)
    for step in (1, 3):  # without a new state, and with one
        after_step(step, crash)
        with pytest.raises(Crash):
            resume(run)
    resume(run).ok()
    assert equal(run)
    lines = (run.runs / "x" / "loss_log.txt").read_text().splitlines()[1:]
    assert [re.findall(r"epoch: (\d), iters: (\d)", line)[0] for line in lines] == [
        (epoch, seen) for epoch in "12" for seen in "12345"
    ]


def test_changed_options(run: Programs, data: Path, after_step: Callable) -> None:
    """Options that cannot change are refused and no file changes; other changes are listed."""
    interrupt(run, data, after_step)
    options = run.runs / "x" / "train_opt.json"
    before = options.read_bytes()
    for misfit, old in {
        "--ngf 8": "4",
        "--netG unet_128": "resnet_6blocks",
        "--norm batch": "instance",
        "--seed 2": "1",
        "--lr_policy step": "linear",
        "--pool_size 1": "50",
        "--direction BtoA": "AtoB",
    }.items():
        result = resume(run, *misfit.split())
        assert result.status and result.err.count("\n") == 1, result.err
        assert (
            misfit in result.err
            and f"the run has {old}" in result.err
            and options.read_bytes() == before
        )
    result = resume(run, "--print_freq", "3", "--lr", "0.0001", "--lambda_A", "5").ok()
    [line] = [line for line in result.out.splitlines() if line.startswith("Changed")]
    assert all(
        words in line
        for words in ("--print_freq 1 -> 3", "--lr 0.0002 -> 0.0001", "--lambda_A 10.0 -> 5.0")
    )
    assert state(run.runs / "x")["model"]["optimizers"][0]["param_groups"][0]["lr"] == 0.0001
    assert json.loads(options.read_text())["print_freq"] == 3


def test_the_rate_is_equal_to_the_last_bit(
    run: Programs, data: Path, whole: Path, after_step: Callable
) -> None:
    """The learning rate is not rescaled by 1 (0.0002 * 0.0002 / 0.0002 is not 0.0002).

    The number of processes that load the images makes no difference either.
    """
    interrupt(run, data, after_step)
    resume(run, "--num_threads", "2").ok()
    assert equal(run)
    groups = [
        state(run.runs / name)["model"]["optimizers"][0]["param_groups"][0]
        for name in ("x", "whole")
    ]
    assert groups[0] == groups[1] and groups[0]["lr"] == groups[0]["initial_lr"] == 0.0002


@pytest.mark.parametrize("step", [3, 7])
def test_plateau(
    run: Programs, data: Path, after_step: Callable, tmp_path: Path, step: int
) -> None:
    """The scheduler's state is restored, and it steps once an epoch even in a resumed epoch."""
    model = subclass(
        tmp_path / "metric_model.py",
        "metric = 1.0",
        "def __init__(self, opt):",
        "    super().__init__(opt)",
        "    self.metric = 1.0",
    )
    more = (
        "--model",
        model,
        "--lr_policy",
        "plateau",
        "--n_epochs",
        "9",
        "--no_html",
        "--max_dataset_size",
        "1",
    )
    train(run, data, *more, "--save_latest_freq", "1", name="whole").ok()
    interrupt(run, data, after_step, *more, "--save_latest_freq", "1", step=step)
    result = resume(run).ok()
    assert equal(run) and "learning rate 4e-05" in result.out


def test_finished_and_extended(run: Programs, data: Path) -> None:
    """At a constant rate, two epochs and one more are three."""
    train(run, data, "--n_epochs", "3", name="whole").ok()
    train(run, data).ok()
    before = state(run.runs / "x")["number"]
    result = resume(run).ok()
    page = run.runs / "x" / "web" / "index.html"
    assert result.out.startswith("This run has finished its 2 epochs; to extend it: --n_epochs ")
    assert result.out.endswith(f" Page: {page.as_uri()}\n") and result.out.count("\n") == 1
    assert state(run.runs / "x")["number"] == before
    result = resume(run, "--n_epochs", "3").ok()
    assert "--n_epochs 2 -> 3" in result.out and equal(run)
    before_steps = result.out.split("(epoch: 3, ")[0]
    assert f"\nPage: {page.as_uri()}\n" in before_steps
    result = resume(run, "--n_epochs_decay", "1").ok()
    assert "falling to 0.0001 in epoch 4" in result.out and "End of epoch 4 / 4" in result.out


def test_killed_between_the_last_save_and_the_end(run: Programs, data: Path) -> None:
    """A run that was killed after its last step leaves the same files after it is resumed."""
    train(run, data, *ONE_EPOCH).ok()
    folder = run.runs / "x"
    page = (folder / "web" / "index.html").read_text()
    (folder / "stall.log").touch()
    script = folder / "web" / "data.js"
    lines = script.read_text().splitlines()
    script.write_text("\n".join(lines[:-1]) + "\n")  # its last line is written at the end
    resume(run).ok()
    assert not (folder / "stall.log").exists()
    assert (folder / "web" / "index.html").read_text() == page
    again = script.read_text().splitlines()
    assert again[: len(lines) - 1] == lines[:-1] and again[-1].startswith('run("end", "finished"')


def test_weights_alone(run: Programs, data: Path) -> None:
    """A folder of the official code has no state: optimizers and schedule start anew."""
    train(run, data, *ONE_EPOCH).ok()
    for name in ("state.pth", "train_opt.json"):
        (run.runs / "x" / name).unlink()
    result = train(run, data, *ONE_EPOCH, "--continue_train").ok()
    assert (
        "Starting from the weights alone: optimizers, schedule and image history are fresh"
        in result.out
    )


def test_weights_saved_by_iteration(run: Programs, data: Path, after_step: Callable) -> None:
    """Resuming before the end of the first epoch needs no latest_net_*.pth."""
    interrupt(run, data, after_step, "--save_by_iter", step=3)
    resume(run).ok()


def test_bad_images_stay_skipped(run: Programs, data: Path, after_step: Callable) -> None:
    (data / "trainA" / "a1.png").write_bytes(b"")
    result = train(run, data, "--on_bad_image", "skip", name="whole").ok()
    skipped = state(run.runs / "whole")["skipped"]
    assert result.err.count("left out") == skipped >= 2
    interrupt(run, data, after_step, "--on_bad_image", "skip")
    resume(run).ok()
    assert equal(run) and state(run.runs / "x")["skipped"] == skipped


@pytest.mark.parametrize("bad", ["034", "4", "0123"])
def test_epochs_end_with_a_step(run: Programs, data: Path, after_step: Callable, bad: str) -> None:
    """Unreadable images at the end of an epoch do not prevent what is due at its end."""
    for i in bad:
        (data / "trainB" / f"b{i}.png").write_bytes(b"")
    more = (
        "--on_bad_image",
        "skip",
        "--serial_batches",
        "--print_freq",
        "99",
        "--display_freq",
        "99",
        "--save_latest_freq",
        "1",
    )
    train(run, data, *more, name="whole").ok()
    for step in (1, 2):
        after_step(step, crash)
        with pytest.raises(Crash):
            (train if step == 1 else resume)(run, *[data, *more] * (step == 1))
    resume(run).ok()
    lines = (run.runs / "x" / "loss_log.txt").read_text().splitlines()[1:]
    assert [line.partition(", time")[0] for line in lines] == [
        "(epoch: 1, iters: 5",
        "(epoch: 2, iters: 5",
    ] and equal(run)


def test_old_states(run: Programs, data: Path, whole: Path) -> None:
    """--keep 2: each of the two earlier states can replace the last one."""
    train(run, data, "--keep", "2").ok()
    kept = sorted((run.runs / "x").glob("state_*.pth"), key=os.path.getmtime)
    positions = [torch.load(path, weights_only=True)["position"] for path in kept]
    assert [position["total"] for position in positions] == [6, 8]
    kept[0].replace(run.runs / "x" / "state.pth")
    kept[1].unlink()
    resume(run, "--keep", "0").ok()
    assert equal(run)


def test_states_of_earlier_versions(
    run: Programs, data: Path, whole: Path, after_step: Callable
) -> None:
    """States with the states of random generators resume with a notice; those are not used."""
    interrupt(run, data, after_step)
    path = run.runs / "x" / "state.pth"
    numpy = ["MT19937", [1] * 624, 624, 0, 0.0]
    generators = {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state()}
    saved = state(run.runs / "x") | {"random": {**generators, "device": ["cpu", None]}}
    torch.save(saved, path)
    out = resume(run).ok().out
    assert out.count("random numbers differ") == 1
    assert equal(run) and "random" not in state(run.runs / "x")


# Seeds


def test_seed_is_recorded(run: Programs, data: Path) -> None:
    def free(name: str, *more: str) -> int:
        run.train(
            "--dataroot", data, "--name", name, *TINY, *ONE_EPOCH[:4], "--no_html", *more
        ).ok()
        return json.loads((run.runs / name / "train_opt.json").read_text())["seed"]

    seeds = free("x"), free("y")
    assert seeds[0] != seeds[1] == free("whole", "--seed", str(seeds[1]))
    assert equal(run, "y")


def test_deterministic(run: Programs, data: Path) -> None:
    try:
        for name in ("x", "whole"):
            train(run, data, *ONE_EPOCH, "--deterministic", name=name).ok()
            assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert equal(run)
