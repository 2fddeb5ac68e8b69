"""BiGAN/ALI between two image domains: its step, its files, and both directions at test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import CPU, Programs
from plain_steps import adam, adversarial, agree, batch, build, check, penalty, untouched
from steps import distance, repeatable, trained  # noqa: F401
from survival import equal, interrupt, resume, state, train
from torch import nn

from models import load_generator
from models.training.health import directions
from util.checkpoint import load_state_dict

pytest_plugins = ["survival"]


@pytest.mark.parametrize(
    ("mode", "direction"), [("lsgan", "AtoB"), ("vanilla", "BtoA"), ("wgangp", "AtoB")]
)
def test_step(mode: str, direction: str) -> None:
    """D, then G, then E step, all on the same fakes; G and E face the new D and the other target.

    The domains differ in channels.
    """
    nc = {"AtoB": (3, 1), "BtoA": (1, 3)}[direction]
    model = build(
        *f"--model bigan --gan_mode {mode} --direction {direction} --pool_size 0".split(),
        *f"--input_nc {nc[0]} --output_nc {nc[1]}".split(),
    )
    data = batch(channels_A=3, channels_B=1)
    G, E, D = (copy.deepcopy(net) for net in (model.netG, model.netE, model.netD))
    stepped = []
    for name in "DGE":
        optimizer = getattr(model, f"optimizer_{name}")
        optimizer.register_step_pre_hook(lambda *_, name=name: stepped.append(name))
    model.optimizer_D.register_step_pre_hook(lambda *_: untouched(model.netG, model.netE))
    model.optimizer_G.register_step_pre_hook(lambda *_: untouched(model.netE))
    torch.manual_seed(5)
    model.set_input(data)
    model.optimize_parameters()
    assert stepped == ["D", "G", "E"]

    torch.manual_seed(5)
    x, y = (data["A"], data["B"]) if direction == "AtoB" else (data["B"], data["A"])
    step_G, step_E, step_D = adam(G), adam(E), adam(D)
    P, Q = torch.cat([x, G(x)], 1), torch.cat([E(y), y], 1)
    on_P, on_Q = (adversarial(mode, D(pair.detach()), pair is P) for pair in (P, Q))
    loss_D = on_P + on_Q + 2 * penalty(mode, D, P.detach(), Q.detach())  # not halved
    loss_D.backward()
    step_D.step()
    frozen = copy.deepcopy(D)
    loss_G, loss_E = adversarial(mode, frozen(P), False), adversarial(mode, frozen(Q), True)
    loss_G.backward()
    loss_E.backward()
    step_G.step()
    step_E.step()

    check(model, D=loss_D / 2, G=loss_G, E=loss_E)
    agree([model.netG, model.netE, model.netD], [G, E, D])


class Scores(nn.Module):
    """A discriminator that returns the mean of each image, and keeps its inputs."""

    can_join_batches = False

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach())
        return x.mean((1, 2, 3), keepdim=True)


def test_losses_by_hand_and_two_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """x = 0, G(x) = 0.5, E(y) = 0.25, y = 1: D scores P 0.25 and Q 0.625.

    With full histories, D gets an old P or an old Q, each by a draw of its own, and G and E get the
    new ones.
    """
    model = build("--model", "bigan", "--pool_size", "1")
    model.netD = scores = Scores()
    model.real_A, model.real_B = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    model.fake_B = torch.full((1, 3, 2, 2), 0.5, requires_grad=True)
    model.fake_A = torch.full((1, 3, 2, 2), 0.25, requires_grad=True)
    monkeypatch.setattr(model, "backward", lambda loss: None)
    for gradients in (model.backward_D, model.backward_G, model.backward_E):
        gradients()
    check(model, D=(0.75**2 + 0.625**2) / 2, G=0.25**2, E=0.375**2)
    assert [int(x.shape[1]) for x in scores.seen] == [6] * 4
    assert torch.equal(scores.seen[0][0, :3], model.real_A[0])  # A's channels come first
    assert torch.equal(scores.seen[1][0, 3:], model.real_B[0])

    draws = iter([0.9, 0.1])  # an old P and the new Q
    monkeypatch.setattr("random.random", lambda: next(draws))
    model.fake_B, model.fake_A = (torch.zeros(1, 3, 2, 2, requires_grad=True) for _ in "BA")
    for gradients in (model.backward_D, model.backward_G, model.backward_E):
        gradients()
    check(model, D=(0.75**2 + 0.5**2) / 2, G=0, E=0.5**2)


def test_accumulation_and_averages() -> None:
    """Two micro-batches equal one batch of two images; --ema averages G and E."""
    large = trained("--ema", "0.5", n=2, steps=2, model="bigan")
    small = trained("--ema", "0.5", "--accumulate", "2", n=2, steps=2, model="bigan")
    assert distance(large, small) < 1e-6
    assert list(small.model.averaged) == ["G", "E"]
    assert list(small.model.get_weights()) == ["G", "E", "D", "G_ema", "E_ema"]


def test_batch_norm_counts_each_image_once() -> None:
    step = trained("--accumulate", "2", "--norm", "batch", n=2, steps=1, model="bigan")
    for net in (step.model.netG, step.model.netE):
        counts = {int(v) for k, v in net.state_dict().items() if "num_batches" in k}
        assert counts == {2}


def test_health_checks_both_generators() -> None:
    model = build("--model", "bigan")
    model.set_input(batch())
    assert [(d.generator, d.discriminator, d.F, d.D) for d in directions(model)] == [
        ("G", "D", None, None),
        ("E", "", None, None),
    ]


MODEL = ("--model", "bigan", "--ema", "0.9", "--pool_size", "2")


def test_runs(run: Programs, data: Path, unaligned: Path, after_step: Callable) -> None:
    """A resumed run is equal, with official names; it is translated, and another one starts."""
    train(run, data, *MODEL, name="whole").ok()
    interrupt(run, data, after_step, *MODEL)
    resume(run).ok()
    assert equal(run)
    folder = run.runs / "x"
    assert set(state(folder)["model"]["pools"]) == {"P_pool", "Q_pool"}
    assert {p.name for p in folder.glob("latest_net_*")} == {
        f"latest_net_{name}.pth" for name in ("G", "E", "D", "G_ema", "E_ema")
    }
    lines = (folder / "loss_log.txt").read_text().splitlines()[1:]
    names = [[w.rstrip(":") for w in line.partition(") ")[2].split()[::2]] for line in lines]
    assert all(words == ["D", "G", "E"] for words in names)
    shown = {p.name.partition("_")[2] for p in (folder / "web" / "images").iterdir()}
    assert {f"{label}.png" for label in ("real_A", "fake_B", "real_B", "fake_A")} <= shown

    translate_both_ways(run, unaligned)
    source = folder / "latest_net_E_ema.pth"
    warm = ("--init_E", source, "--n_epochs", "1", "--lr", "0")
    result = train(run, data, "--model", "bigan", *warm, name="warm").ok()
    assert "Net E starts from" in result.out and "Fresh networks: G, D" in result.out
    averaged = load_state_dict(source)
    for key, value in load_state_dict(run.runs / "warm" / "latest_net_E.pth").items():
        assert torch.equal(value, averaged[key])


def translate_both_ways(run: Programs, unaligned: Path) -> None:
    """With --model bigan, --model test and load_generator, which give the same images."""
    common = ("--dataroot", unaligned, "--name", "x", *CPU, "--load_size", "32")
    run.test(*common).ok()
    images = run.results / "x" / "test_latest" / "images"
    both = {p.name: p.read_bytes() for p in images.iterdir()}
    assert {"a0_fake_B.png", "b1_fake_A.png", "a1_real_A.png", "b2_real_B.png"} <= both.keys()
    run.test(*common, "--ema", "--save", "fake_A", "--results_dir", "ema").ok()
    averaged = run.folder / "ema" / "x" / "test_latest" / "images" / "b1_fake_A.png"
    assert averaged.read_bytes() != both["b1_fake_A.png"]
    pages = [folder.parent / "index.html" for folder in (images, averaged.parent)]
    texts = ["epoch latest, averaged weights," in page.read_text("utf-8") for page in pages]
    assert texts == [False, True]
    for direction, net, side, label in (("AtoB", "G", "A", "fake_B"), ("BtoA", "E", "B", "fake_A")):
        words = ("--model", "test", "--direction", direction, "--results_dir", direction)
        result = run.test(*common, *words, "--dataroot", unaligned / f"test{side}").ok()
        assert f"latest_net_{net}.pth" in result.out
        stem = f"{side.lower()}1"
        image = run.folder / direction / "x" / "test_latest" / "images" / f"{stem}_fake.png"
        assert image.read_bytes() == both[f"{stem}_{label}.png"]
        translate = load_generator(run.runs / "x", direction=direction, gpu_ids="-1")
        weights = load_state_dict(run.runs / "x" / f"latest_net_{net}.pth")
        loaded = translate.model.netG.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in weights.items())


@pytest.mark.slow
def test_an_encoder_is_no_generator(run: Programs, unaligned: Path, data: Path) -> None:
    """Other models have an E that makes no images; --direction BtoA keeps their G."""
    train(run, data, "--model", "template", "--dataset_mode", "unaligned", "--n_epochs", "1").ok()
    torch.save({"fc.weight": torch.ones(2, 2)}, run.runs / "x" / "latest_net_E.pth")
    words = ("--model", "test", "--direction", "BtoA", "--name", "x", *CPU)
    result = run.test("--dataroot", unaligned / "testA", *words).ok()
    assert "latest_net_G.pth" in result.out
