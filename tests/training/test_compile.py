"""--compile: networks become graphs and compute the same."""

from __future__ import annotations

import re

import pytest
import torch
from steps import distance, repeatable, trained  # noqa: F401

from models.networks import cal_gradient_penalty, define_D, define_G
from util import modules
from util.errors import UserError
from util.modules import can_compile, unaffected

needs_compile = pytest.mark.skipif(not can_compile(), reason="--compile needs PyTorch 2.6")


def test_an_older_pytorch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    with modules.uncompiled(), pytest.raises(UserError, match="--compile needs PyTorch 2.6"):
        trained("--compile")


@needs_compile
@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--amp", "bf16", "--checkpoint_activations")])
def test_compiled(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Each way of use is one graph (fullgraph), which twins share; state dicts keep their keys."""
    monkeypatch.setattr("models.training.step.BACKEND", "eager")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain = trained(*more, "--n_layers_D", "1", double=not more)
    whole = trained(*more, "--n_layers_D", "1", "--compile", double=not more)
    assert distance(plain, whole) < 1e-6
    assert list(whole.model.netG_A.state_dict()) == list(plain.model.netG_A.state_dict())
    # One line: everything is compiled in the first step. Generators take images with and without a
    # gradient; discriminators are frozen or trained.
    assert re.fullmatch(r"--compile: 4 graphs so far; .*\n", capsys.readouterr().out)


def test_compiled_at_odd_sizes() -> None:
    torch._dynamo.reset()
    net = define_G(3, 3, 4, "resnet_6blocks", "instance").eval()
    x = torch.rand(1, 3, 21, 30)
    wanted = net(x)
    net.compile(fullgraph=True, backend="eager")
    assert torch.allclose(net(x), wanted)


@needs_compile
def test_what_is_not_compiled() -> None:
    """Neither the gradient penalty, which needs second derivatives, nor validation is compiled."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    net, penalties = define_D(3, 4, "n_layers", 1, "instance"), []
    for compiled in (False, True):
        if compiled:
            net.compile(fullgraph=True, backend="aot_eager")
        torch.manual_seed(1)
        net.zero_grad()
        penalty, _ = cal_gradient_penalty(net, torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
        penalty.backward()
        penalties.append((penalty.item(), [p.grad for p in net.parameters() if p.grad is not None]))
    assert penalties[0][0] == penalties[1][0] and all(
        map(torch.equal, penalties[0][1], penalties[1][1])
    )
    with unaffected([net]):
        net(torch.rand(1, 3, 16, 16))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 0
    net(torch.rand(1, 3, 16, 16))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
