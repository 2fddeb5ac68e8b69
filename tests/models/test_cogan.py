"""CoGAN: its loss and its updates, shared layers, the search of z, and runs from start to end."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from steps import batch, build, options, repeatable  # noqa: F401
from torch.nn import functional as F

from models.coupled_networks import CoupledDiscriminator, CoupledGenerator
from models.training.accumulation import split
from models.training.health import EVERY, Health
from models.training.step import Step
from models.translation import latent_search
from models.translation.latent_search import LatentCache, find_latent
from util.weight_shapes import architecture_of

COGAN = ("--model", "cogan", "--ngf", "2", "--ndf", "2")


def tiny(*args: str):
    model = build(*COGAN, "--init_gain", "0.2", "--lr", "0.01", *args)
    for layer in model.netD.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    return model


# The step


def test_losses_by_hand() -> None:
    model = tiny()
    logits = torch.tensor([[1.0], [-2.0], [0.5], [3.0]], requires_grad=True)
    model.scores = lambda A, B: logits.chunk(4)  # of real_A, fake_A, real_B, fake_B
    model.pair_A = model.pair_B = torch.zeros(1)
    model.backward_D()
    model.backward_G()

    def ce(x: float) -> float:
        return math.log1p(math.exp(-x))

    wanted = {"D_A": (ce(1) + ce(2)) / 2, "G_A": ce(-2), "D_B": (ce(0.5) + ce(-3)) / 2}
    assert model.get_current_losses() == pytest.approx({**wanted, "G_B": ce(3)})


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_step(direction: str) -> None:
    """D first; G meets D after its step; the same z; weights decay, shifts and slopes do not."""
    model = tiny("--direction", direction, "--weight_decay", "0.1")
    G, D = copy.deepcopy(model.netG), copy.deepcopy(model.netD)
    data = batch(2, 64)
    model.set_input(data)
    z, (x, y) = model.z, [data[domain] for domain in direction.split("to")]
    order: list[str] = []
    model.optimizer_D.register_step_pre_hook(lambda *_: order.append("D"))
    model.optimizer_G.register_step_pre_hook(lambda *_: order.append("G"))
    model.optimize_parameters()

    def adam(net: torch.nn.Module) -> torch.optim.Adam:
        kinds = {True: 0.1, False: 0.0}
        groups = [
            {"params": [p for p in net.parameters() if (p.dim() > 1) == key], "weight_decay": decay}
            for key, decay in kinds.items()
        ]
        return torch.optim.Adam(groups, lr=0.01, betas=(0.5, 0.999))

    step_G, step_D = adam(G), adam(D)
    fake_x, fake_y = G(z)[:, :3], G(z)[:, 3:]
    scores = D(torch.cat([x, fake_x.detach()]), torch.cat([y, fake_y.detach()]))
    real_x, seen_x, real_y, seen_y = scores.view(4, 2)
    D_x = (F.softplus(-real_x).mean() + F.softplus(seen_x).mean()) / 2
    D_y = (F.softplus(-real_y).mean() + F.softplus(seen_y).mean()) / 2
    (D_x + D_y).backward()
    step_D.step()
    scores = D(torch.cat([x, fake_x]), torch.cat([y, fake_y])).view(4, 2)
    G_x, G_y = F.softplus(-scores[1]).mean(), F.softplus(-scores[3]).mean()
    (G_x + G_y).backward()
    step_G.step()
    wanted = {"D_A": D_x, "G_A": G_x, "D_B": D_y, "G_B": G_y}
    assert model.get_current_losses() == pytest.approx({k: v.item() for k, v in wanted.items()})
    for net, other in ((model.netD, D), (model.netG, G)):
        for p, q in zip(net.parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, rtol=0, atol=1e-6)
    assert order == ["D", "G"]


def test_accumulation() -> None:
    """Two micro-batches have their own z; a third of one image joins the second."""
    step = Step(
        options(*COGAN, "--accumulate", "3", "--batch_size", "2"), tiny("--accumulate", "3")
    )
    before = copy.deepcopy(step.model.netG.state_dict())
    step(batch(5, 64))
    assert [len(part["A"]) for part in split(batch(5), 2, minimum=2)[1]] == [2, 3]
    assert [len(part["A"]) for part in split(batch(5), 2)[1]] == [2, 2, 1]
    counter = "shared.0.1.num_batches_tracked"  # the pass of gradients_D does not count
    assert step.model.netG.state_dict()[counter] == before[counter] + 2


# Sharing


def test_shared_layers_learn_from_both_domains() -> None:
    G, D = CoupledGenerator(3, 1, 64, 1), CoupledDiscriminator(3, 1, 64, 1)
    z, A, B = torch.rand(2, 100), torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    assert G(z).shape == (2, 4, 64, 64) and D(A, B).shape == (4, 1)
    cases = ((G, lambda: G(z).split([3, 1], 1)), (D, lambda: D(A, B).chunk(2)))
    for net, outputs in cases:
        net.eval()  # else the shared batch norm lets each logit depend on all images
        shared = list(net.shared.parameters())
        gradients = []
        for own, other, output in zip((net.A, net.B), (net.B, net.A), outputs(), strict=True):
            net.zero_grad()
            output.square().sum().backward(retain_graph=True)
            assert all(p.grad is not None and p.grad.any() for p in own.parameters())
            assert all(p.grad is None or not p.grad.any() for p in other.parameters())
            gradients.append([p.grad.clone() for p in shared])
        assert len(shared) and all(a.any() and b.any() for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize(
    ("size", "widths_G", "widths_D"),
    [
        (64, [1024, 512, 256, 128, 64, 3], [64, 128, 256, 512, 1024, 2048, 1]),
        (128, [1024, 512, 256, 128, 64, 32, 3], [32, 64, 128, 256, 512, 1024, 2048, 1]),
        (256, [1024, 512, 256, 128, 64, 32, 16, 3], [16, 32, 64, 128, 256, 512, 1024, 2048, 1]),
    ],
)
def test_layers(size: int, widths_G: list[int], widths_D: list[int]) -> None:
    """Widths by default, how many layers are shared, and what the shapes of the weights show."""
    with torch.device("meta"):
        G, D = CoupledGenerator(3, 3, size), CoupledDiscriminator(3, 3, size)
        half = CoupledGenerator(3, 1, size, 32, shared=2), CoupledDiscriminator(3, 3, size, 32, 0)
    assert (len(G.shared), len(G.A), len(G.B)) == (len(widths_G) - 1, 1, 1)
    assert (len(D.shared), len(D.A), len(D.B)) == (len(widths_D) - 2, 2, 2)
    assert (len(half[0].shared), len(half[1].shared)) == (2, 0)
    for net, widths in ((G, widths_G), (D, widths_D)):
        convs = [m for part in (net.A, net.shared) for m in part.modules() if hasattr(m, "stride")]
        convs = sorted(convs, key=lambda conv: widths.index(conv.out_channels))
        assert [conv.out_channels for conv in convs] == widths
    found = {"netG": "coupled", "norm": "batch", "crop_size": size, "input_nc": 3}
    assert architecture_of(G.state_dict()) == found | {
        "output_nc": 3, "ngf": 64, "shared_G": len(widths_G) - 1
    }  # fmt: skip
    assert architecture_of(half[0].state_dict()) == found | {
        "output_nc": 1, "ngf": 32, "shared_G": 2
    }  # fmt: skip
    assert architecture_of(D.state_dict()) == {}


# The search


def test_search_finds_the_z_of_a_generated_image(tmp_path: Path) -> None:
    torch.manual_seed(1)
    G = CoupledGenerator(3, 3, 64, 2, shared=0)
    G(torch.rand(8, 100) * 2 - 1)  # gives batch norm its running statistics
    G.eval()
    z = torch.rand(1, 100) * 2 - 1
    with torch.no_grad():
        for domain, other in ("AB", "BA"):
            x = G.generate(z, domain)
            noise = torch.rand_like(x) * 2 - 1
            found = find_latent(G, x, domain, 2, 30, seed=0)
            assert found.psnr > find_latent(G, noise, domain, 1, 30, seed=0).psnr + 20
            error = (G.generate(found.z, domain) - x).square().mean().item()
            assert found.psnr == pytest.approx(10 * math.log10(4 / error), abs=1e-3)
            assert found.z.abs().max() <= 1 and G.generate(found.z, other).shape == x.shape
    assert all(p.grad is None for p in G.parameters())
    cache = LatentCache(tmp_path, G, 2, 30)
    cache.save(x, "B", found)
    again = LatentCache(tmp_path, G, 2, 30).load(x, "B")
    assert again is not None and torch.equal(again.z, found.z) and again.psnr == found.psnr
    assert LatentCache(tmp_path, G, 3, 30).load(x, "B") is None and cache.load(x, "A") is None
    torch.save({"z": torch.full((1, 100), math.nan), "psnr": 1.0}, cache.path(x, "B"))
    assert cache.load(x, "B") is None
    with torch.no_grad():
        G.A[0][0].weight += 1e-6
    assert LatentCache(tmp_path, G, 2, 30).path(x, "B") != cache.path(x, "B")


def test_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators whose images hardly depend on z are named, with advice that fits CoGAN."""
    monkeypatch.setattr("models.training.health.WINDOW", 3)
    model = tiny()
    health = Health(model.opt)
    lines = []
    for check in range(4):
        model.set_input(batch(2, 64))
        model.pair_A, model.pair_B = model.real_A * 0.01, model.real_B
        losses = {"D_A": 0.69, "D_B": 0.001}
        values, warnings = health.check(model, losses, (check + 1) * EVERY)
        lines += warnings
    assert values["dependence_G_A"] < 0.1 and len(lines) == 2
    assert lines[0].startswith("G_A has collapsed: its images for different z hardly differ")
    assert lines[1].startswith("D_B has won") and "lambda" not in "".join(lines)


def test_a_translation_says_how_well_the_image_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    net = latent_search.CoupledTranslator(3, 3, 64, 1).eval()
    net.steps, net.starts = 1, 1
    with torch.no_grad():
        images, metrics = net.translate(torch.zeros(2, 3, 64, 64))
    assert images.shape == (2, 3, 64, 64) and capsys.readouterr().out.count("Reconstruction ") == 2
    assert list(metrics) == ["reconstruction PSNR (dB)"] and len(*metrics.values()) == 2
