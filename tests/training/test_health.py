"""Health checks warn once of each unhealthy state, never of healthy ones, and change no weight."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from survival import equal, interrupt, resume, state, subclass, train
from torch import Tensor, nn

from models.training import health
from models.training.health import EVERY, Health, correlation, directions, measure
from util.modules import unaffected

pytest_plugins = ["survival"]
WINDOW = 5  # instead of more, to be quick
UNDECIDED = {"D_A": 0.25, "D_B": 0.2}


class Net(nn.Module):
    """A network that computes a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function  # type: ignore[method-assign]


def brighter(x: Tensor) -> Tensor:
    return x * 0.8 + 0.2


def darker(x: Tensor) -> Tensor:
    return (x - 0.2) / 0.8


def image(seed: int) -> Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8
    return nn.functional.interpolate(coarse, 16, mode="bicubic").clamp(-1, 1)


def model(there: Callable = brighter, back: Callable = darker, **more: Callable) -> SimpleNamespace:
    nets = {
        "G_A": Net(there),
        "G_B": Net(back),
        **{name: Net(function) for name, function in more.items()},
    }
    return SimpleNamespace(
        get_networks=lambda: nets, device=torch.device("cpu"), real_A=image(0), real_B=image(1)
    )


def opt(**more: object) -> Namespace:
    return Namespace(**{"no_health": False, "gan_mode": "lsgan", **more})


def watch(
    watched: Health,
    of: SimpleNamespace,
    losses: dict[str, float] = UNDECIDED,
    checks: int = 4 * WINDOW,
) -> list[str]:
    """Run ``checks`` checks on new images and return the warnings."""
    warnings = []
    for seed in range(checks):
        of.real_A, of.real_B = image(2 * seed), image(2 * seed + 1)
        warnings += watched.check(of, losses, watched.memory["last"] + EVERY)[1]
    return warnings


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WINDOW", WINDOW)


STATES = {  # sign -> a model that has it, and words of its warning
    "dependence": (model(lambda x: image(7)), "G_A has collapsed"),
    "correlation": (model(lambda x: -0.8 * x, lambda x: -x / 0.8), "G_A turns dark into light"),
    "change": (model(lambda x: x * 0.99, lambda x: x.flip(1)), "G_A returns its input"),
    "robustness": (
        model(lambda x: image(7) + 0.02 * x, lambda f: (f - image(7)) * 50),
        "G_A hides information",
    ),
}


@pytest.mark.parametrize("sign", STATES)
def test_unhealthy(sign: str) -> None:
    """One warning, and another one after the state has passed."""
    watched, (bad, words) = Health(opt()), STATES[sign]
    assert watch(watched, bad, checks=WINDOW - 1) == []
    assert sum(words in warning for warning in watch(watched, bad)) == 1
    assert f"{sign}_A" in watched.memory["given"]
    watch(watched, model(), checks=6 * WINDOW)
    assert watched.memory["given"] == []
    assert sum(words in warning for warning in watch(watched, bad, checks=6 * WINDOW)) == 1


def test_little_change_is_enough_where_it_fools_the_discriminator() -> None:
    assert (
        watch(Health(opt()), model(lambda x: x * 0.99, lambda x: x.flip(1), D_A=torch.ones_like))
        == []
    )


@pytest.mark.parametrize("mode", ["lsgan", "vanilla", "wgangp"])
def test_discriminator_won(mode: str) -> None:
    watched = Health(opt(gan_mode=mode))
    warnings = watch(watched, model(D_A=torch.sign), {"D_A": 0.001, "D_B": 0.2})
    if mode == "wgangp":  # its loss and output have no scale
        assert (
            warnings == []
            and "accuracy_real_D_A" not in watched.check(model(D_A=torch.sign), {}, 10**6)[0]
        )
    else:
        assert (
            len(warnings) == 1 and warnings[0].startswith("D_A has won") and "--ndf" in warnings[0]
        )


def test_healthy() -> None:
    """No warning: healthy networks, a single bad check, and nearly flat images."""
    watched = Health(opt())
    assert watch(watched, model()) == []
    assert watch(watched, STATES["correlation"][0], {"D_A": 0.0, "D_B": 0.0}, checks=1) == []
    assert watch(watched, model()) == []
    flat = model(lambda x: x * 0 + 0.2, lambda x: x * 0 - 0.1)
    watched = Health(opt())
    for total in range(0, 40 * EVERY, EVERY):
        flat.real_A, flat.real_B = torch.full((1, 3, 8, 8), 0.1), torch.full((1, 3, 8, 8), -0.3)
        assert watched.check(flat, UNDECIDED, total)[1] == []


def test_what_is_logged() -> None:
    """The accuracies of a discriminator that judges by brightness, and the mean change."""
    of = model(
        lambda x: x + 0.25, lambda x: x - 0.25, D_A=lambda x: x.mean((1, 2, 3), keepdim=True)
    )
    of.real_A, of.real_B = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.9)
    values, _ = Health(opt()).check(of, UNDECIDED, 100)
    assert (values["accuracy_real_D_A"], values["accuracy_fake_D_A"]) == (1.0, 1.0)
    assert values["change_G_A"] == values["change_G_B"] == pytest.approx(0.25)
    assert "accuracy_real_D_B" not in values  # there is no net of that name
    assert all(name.endswith(("_A", "_B")) and "loss" not in name for name in values)


def test_pix2pix() -> None:
    """D sees input and output; two channels of colour give no change and no correlation."""
    nets = {"G": Net(lambda x: x.repeat(1, 2, 1, 1)), "D": Net(lambda pair: pair[:, 2:])}
    of = SimpleNamespace(
        get_networks=lambda: nets,
        device=torch.device("cpu"),
        real_A=image(0)[:, :1],
        real_B=image(1)[:, :2],
    )
    values = measure(*directions(of), (0.0, 0.0))
    assert values.keys() == {"output_varies", "variety", "accuracy_real", "accuracy_fake"}
    assert values["accuracy_fake"] == pytest.approx(1 - (of.real_A > 0).float().mean().item())
    of.real_A, nets["G"] = image(0), Net(lambda x: image(7))
    assert [w[:15] for w in watch(Health(opt()), of, {"D_real": 0.2, "D_fake": 0.3})] == [
        "G has collapsed"
    ]


def test_correlation() -> None:
    x = image(3)
    assert [correlation(x, y) for y in (x, -x)] == pytest.approx([1, -1], abs=0.01)
    assert abs(correlation(x, x * 1e-6)) < 1e-3


def test_how_often() -> None:
    watched = Health(opt())
    assert [
        bool(watched.check(model(), UNDECIDED, total)[0])
        for total in (1, 2, EVERY, EVERY + 1, 2 * EVERY, 2 * EVERY + 1)
    ] == [True, False, False, True, False, True]
    assert Health(opt(no_health=True)).check(model(), UNDECIDED, 100) == ({}, [])


def test_other_models(capsys: pytest.CaptureFixture[str]) -> None:
    """Models with other names are not checked; names with other meanings give one warning."""
    other = SimpleNamespace(
        get_networks=lambda: {"Enhancer": Net(brighter)}, device=torch.device("cpu")
    )
    watched = Health(opt())
    assert watched.check(other, {"x": 1.0}, 100) == ({}, []) and watched.active
    assert watch(watched, model(lambda x: x[0, 0, 0, 0].item())) == []
    assert capsys.readouterr().err.count("no more health checks") == 1


# In trainings


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Check after each step, and collect the values."""
    collected, check = [], Health.check
    monkeypatch.setattr(health, "EVERY", 1)
    monkeypatch.setattr(
        Health, "check", lambda *args: collected.append(check(*args)[0]) or (collected[-1], [])
    )
    return collected


@pytest.mark.parametrize(
    "model_flags",
    [("pix2pix", "--norm", "batch"), ("cycle_gan", "--norm", "batch", "--no_dropout")],
)
def test_training_is_not_disturbed(
    run: Programs, aligned: Path, unaligned: Path, always: list, model_flags: tuple
) -> None:
    """With dropout and batch norm, too, the weights equal those without checks to the last bit."""
    data = aligned if model_flags[0] == "pix2pix" else unaligned
    for name, more in {"with": (), "without": ("--no_health",)}.items():
        run.train(
            "--dataroot",
            data,
            "--name",
            name,
            "--model",
            *model_flags,
            *TINY,
            *ONE_EPOCH,
            "--print_freq",
            "1",
            *more,
        ).ok()
    assert sum(map(bool, always)) == len(always) / 2 > 2  # the checks did run
    one, other = (state(run.runs / name) for name in ("with", "without"))
    for net, weights in one["model"]["networks"].items():
        assert all(
            torch.equal(value, other["model"]["networks"][net][key])
            for key, value in weights.items()
        )


def test_buffers_are_restored_after_an_error() -> None:
    norm = nn.BatchNorm2d(3)
    with pytest.raises(KeyError), unaffected([norm]):
        norm(torch.randn(1, 3, 4, 4))
        assert norm.num_batches_tracked == 1
        raise KeyError
    assert norm.num_batches_tracked == 0 and norm.running_mean.abs().sum() == 0 and norm.training


def test_resume(run: Programs, data: Path, after_step: Callable, always: list) -> None:
    """The averages continue, like the rest of the run."""
    train(run, data, name="whole").ok()
    interrupt(run, data, after_step)
    resume(run).ok()
    assert equal(run)
    memories = [state(run.runs / name)["visualizer"]["health"] for name in ("whole", "x")]
    assert memories[0] == memories[1] and memories[0]["averages"]["change_A"][1] == 10


def test_warnings_are_shown(
    run: Programs, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that returns its input, in a real training: one line for each direction."""
    monkeypatch.setattr(health, "EVERY", 1)
    monkeypatch.setattr(health, "WINDOW", 3)
    lines = (
        "def __init__(self, opt):",
        "    super().__init__(opt)",
        "    for net in (self.netG_A, self.netG_B):",
        "        net.forward = lambda image, net=net: image + 0 * net.model(image)",
    )
    result = train(run, data, "--model", subclass(tmp_path / "lazy_model.py", *lines)).ok()
    warnings = [line for line in result.err.splitlines() if "returns its input" in line]
    assert [line.split()[1] for line in warnings] == ["G_A", "G_B"]
    entries = [
        json.loads(line) for line in (run.runs / "x" / "metrics.jsonl").read_text().splitlines()
    ]
    assert sum("returns its input" in entry.get("note", "") for entry in entries) == 2
    assert sum("change_G_A" in entry and "accuracy_fake_D_B" in entry for entry in entries) == 10
