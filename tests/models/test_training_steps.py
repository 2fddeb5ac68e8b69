"""Training steps of CycleGAN and pix2pix against a plain computation with the same weights."""

import copy

import pytest
import torch
from plain_steps import adam, adversarial, agree, batch, build, check, penalty, untouched
from steps import repeatable  # noqa: F401

from util.errors import UserError


@pytest.mark.parametrize("mode", ["lsgan", "vanilla", "wgangp"])
@pytest.mark.parametrize(("direction", "identity", "pool"), [("AtoB", 0.5, 50), ("BtoA", 0.0, 0)])
def test_cycle_gan_step(mode, direction, identity, pool):
    model = build(
        *f"--gan_mode {mode} --direction {direction} --lambda_identity {identity}".split(),
        *f"--lambda_A 7 --lambda_B 3 --pool_size {pool}".split(),
    )
    data = batch()
    G, H, D_A, D_B = (
        copy.deepcopy(net) for net in (model.netG_A, model.netG_B, model.netD_A, model.netD_B)
    )
    torch.manual_seed(5)
    model.set_input(data)
    model.optimizer_G.register_step_pre_hook(lambda *_: untouched(model.netD_A, model.netD_B))
    model.optimize_parameters()

    torch.manual_seed(5)
    x, y = (data["A"], data["B"]) if direction == "AtoB" else (data["B"], data["A"])
    step_G, step_D = adam(G, H), adam(D_A, D_B)
    fake_y, fake_x = G(x), H(y)
    gan_A, gan_B = adversarial(mode, D_A(fake_y), True), adversarial(mode, D_B(fake_x), True)
    cycle_A, cycle_B = 7 * (H(fake_y) - x).abs().mean(), 3 * (G(fake_x) - y).abs().mean()
    idt_A, idt_B = 3 * identity * (G(y) - y).abs().mean(), 7 * identity * (H(x) - x).abs().mean()
    (gan_A + gan_B + cycle_A + cycle_B + idt_A + idt_B).backward()
    step_G.step()
    step_D.zero_grad()
    loss = {}
    pairs = {"A": (D_A, y, fake_y.detach()), "B": (D_B, x, fake_x.detach())}  # before G's step
    for name, (net, real, fake) in pairs.items():
        on_real, on_fake = adversarial(mode, net(real), True), adversarial(mode, net(fake), False)
        loss[name] = on_real / 2 + on_fake / 2 + penalty(mode, net, real, fake)
        loss[name].backward()
    step_D.step()

    wanted = {"D_A": loss["A"], "G_A": gan_A, "cycle_A": cycle_A, "idt_A": idt_A}
    wanted |= {"D_B": loss["B"], "G_B": gan_B, "cycle_B": cycle_B, "idt_B": idt_B}
    check(model, **wanted)
    agree([model.netG_A, model.netG_B, model.netD_A, model.netD_B], [G, H, D_A, D_B])


@pytest.mark.parametrize("mode", ["lsgan", "vanilla", "wgangp"])
def test_pix2pix_step(mode):
    model = build(
        *f"--model pix2pix --netG resnet_6blocks --gan_mode {mode} --no_dropout".split(),
        *["--input_nc", "1", "--lambda_L1", "9", "--direction", "BtoA"],
    )
    data = batch(channels_A=3, channels_B=1)
    G, D = copy.deepcopy(model.netG), copy.deepcopy(model.netD)
    torch.manual_seed(5)
    model.set_input(data)
    model.optimize_parameters()

    torch.manual_seed(5)
    x, y = data["B"], data["A"]
    step_G, step_D = adam(G), adam(D)
    fake = G(x)
    pair, fake_pair = torch.cat([x, y], 1), torch.cat([x, fake], 1)
    seen_fake, seen_real = (
        adversarial(mode, D(fake_pair.detach()), False),
        adversarial(mode, D(pair), True),
    )
    ((seen_fake + seen_real) / 2 + penalty(mode, D, pair, fake_pair.detach())).backward()
    step_D.step()
    trained = copy.deepcopy(D)  # G meets D after its step
    gan, l1 = adversarial(mode, trained(fake_pair), True), 9 * (fake - y).abs().mean()
    (gan + l1).backward()
    step_G.step()

    check(model, G_GAN=gan, G_L1=l1, D_real=seen_real, D_fake=seen_fake)
    agree([model.netG, model.netD], [G, D])


def test_a_second_step_starts_from_clean_gradients_and_shows_old_fakes(monkeypatch):
    model = build("--pool_size", "1")
    model.set_input(batch(n=1))
    model.optimize_parameters()
    first = model.fake_B.detach().clone()
    monkeypatch.setattr("random.random", lambda: 0.9)  # D sees the old fake, G the new one
    before = copy.deepcopy(model.netD_A)
    model.set_input(batch(n=1))
    model.optimize_parameters()
    wanted = (
        adversarial("lsgan", before(model.real_B), True)
        + adversarial("lsgan", before(first), False)
    ) / 2
    assert model.loss_D_A.item() == pytest.approx(wanted.item())
    wanted.backward()
    assert all(
        torch.allclose(p.grad, q.grad)
        for p, q in zip(model.netD_A.parameters(), before.parameters(), strict=True)
    )


def test_identity_needs_equal_channels_and_shows_its_images():
    plain = ["real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"]
    assert build().visual_names == [
        "real_A",
        "fake_B",
        "rec_A",
        "idt_B",
        "real_B",
        "fake_A",
        "rec_B",
        "idt_A",
    ]
    for model, channels in ((build("--lambda_identity", "0"), 3), (build("--output_nc", "1"), 1)):
        model.set_input(batch(channels_B=channels))
        model.optimize_parameters()
        assert list(model.get_current_visuals()) == model.visual_names == plain
        assert model.get_current_losses()["idt_A"] == model.get_current_losses()["idt_B"] == 0
    with pytest.raises(UserError, match="--lambda_identity should be 0"):
        build("--output_nc", "1", "--lambda_identity", "0.5")


def test_optimizers():
    model = build("--beta1", "0.3", "--lr", "0.005")
    for optimizer, nets in (
        (model.optimizer_G, (model.netG_A, model.netG_B)),
        (model.optimizer_D, (model.netD_A, model.netD_B)),
    ):
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.Adam)
        assert (group["lr"], group["betas"], group["weight_decay"], group["eps"]) == (
            0.005,
            (0.3, 0.999),
            0,
            1e-8,
        )
        assert [id(p) for p in group["params"]] == [id(p) for net in nets for p in net.parameters()]
    assert build().optimizer_G.param_groups[0]["betas"] == (0.5, 0.999)
    assert build("--model", "pix2pix").optimizer_D.param_groups[0]["betas"] == (0.5, 0.999)
