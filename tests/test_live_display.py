"""Live displays may be absent, deaf or broken; the training never notices."""
from __future__ import annotations

import importlib.util
import socket
import sys
import time
import types
from pathlib import Path

import pytest
from conftest import ONE_EPOCH, TINY, Programs

needs_visdom = pytest.mark.skipif(importlib.util.find_spec("visdom") is None, reason="visdom is not installed")


def train(run: Programs, data: Path, *flags: str):
    return run.train("--dataroot", data, "--name", "x", *TINY, "--print_freq", "1", "--display_freq", "1", *ONE_EPOCH, *flags)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_server_is_one_line(run, unaligned):
    done = train(run, unaligned, "--display_id", "1", "--display_port", str(free_port())).ok()
    assert done.out.count("visdom") == 1


@needs_visdom
def test_a_server_that_never_answers_costs_nothing(run, unaligned):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        start = time.monotonic()
        train(run, unaligned, "--display_id", "1", "--display_port", str(deaf.getsockname()[1])).ok()
        assert time.monotonic() - start < 30


@needs_visdom
def test_a_server_that_is_none_is_dropped_with_a_warning(run, unaligned, monkeypatch):
    class Broken:
        def __init__(self, **options: object) -> None:
            raise ConnectionError("that was no visdom")

    monkeypatch.setitem(sys.modules, "visdom", types.SimpleNamespace(Visdom=Broken))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(64)
        done = train(run, unaligned, "--display_id", "1", "--display_port", str(other.getsockname()[1])).ok()
    assert done.err.count("visdom dropped") == 1


def test_wandb_gets_losses_and_images(run, unaligned, monkeypatch):
    logged: list[dict] = []

    class Run:
        log = staticmethod(logged.append)
        finish = staticmethod(lambda: logged.append({"finished": True}))

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(
        run=None, init=lambda **config: Run(), Image=lambda image, caption: image.shape))
    train(run, unaligned, "--use_wandb").ok()
    assert any("cycle_A" in entry and 0 < entry["epoch"] <= 1 for entry in logged)
    assert any(entry.get("fake_B") == (32, 32, 3) for entry in logged)
    assert logged[-1] == {"finished": True}
