"""--accumulate with a model of one's own, and with batches that hold more than images."""

from __future__ import annotations

import pytest
import torch
from steps import SMALL, options, repeatable, trained  # noqa: F401
from steps import batch as images

from models import create_model
from models.template_model import TemplateModel
from models.training.accumulation import split
from models.training.gradients import NonFinite
from models.training.step import Step
from util.errors import UserError


class Sequential(TemplateModel):
    """Two optimizers; the second learns from images that the first network made before its step."""

    gradient_methods = {"optimizer_G": "gradients_G", "optimizer_H": "gradients_H"}

    def __init__(self, opt) -> None:
        super().__init__(opt)
        self.model_names = ["G", "H"]
        self.netG, self.netH = (torch.nn.Conv2d(3, 3, 3, padding=1).double() for _ in "GH")
        self.optimizer_G, self.optimizer_H = self.optimizers = [
            torch.optim.SGD(net.parameters(), lr=0.1) for net in (self.netG, self.netH)
        ]

    def optimize_parameters(self) -> None:
        for optimizer, gradients in zip(
            self.optimizers, (self.gradients_G, self.gradients_H), strict=True
        ):
            for other in self.optimizers:
                other.zero_grad()
            gradients()
            optimizer.step()

    def gradients_G(self) -> None:
        """Also leaves gradients in H, which are not H's."""
        self.forward()
        self.loss_G = self.criterionLoss(self.netH(self.output), self.data_B)
        self.backward(self.loss_G)

    def gradients_H(self) -> None:
        self.backward(self.criterionLoss(self.netH(self.output.detach()), self.data_B))


def sequential(*args: str) -> Step:
    torch.manual_seed(3)
    opt = options("--model", "template", "--ngf", "4", *args)
    return Step(opt, Sequential(opt))


def batch(n: int) -> dict:
    return {
        "A": torch.rand(n, 3, 8, 8, dtype=torch.float64),
        "B": torch.rand(n, 3, 8, 8, dtype=torch.float64),
        "A_paths": ["a"] * n,
        "B_paths": ["b"] * n,
    }


def test_two_optimizers() -> None:
    """Three micro-batches, the last of them smaller, equal one large batch."""
    large, small = (
        sequential("--batch_size", "5"),
        sequential("--batch_size", "2", "--accumulate", "3"),
    )
    before = [p.clone() for net in large.model.get_networks().values() for p in net.parameters()]
    for i in range(3):
        torch.manual_seed(i)
        data = batch(5)
        large(data)
        small(data)
    weights = [
        [p for net in step.model.get_networks().values() for p in net.parameters()]
        for step in (large, small)
    ]
    for p, q, first in zip(*weights, before, strict=True):
        assert torch.allclose(p, q, rtol=0, atol=1e-12) and not torch.equal(p, first)
    losses = [step.model.get_current_losses()["G"] for step in (large, small)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)
    assert small.model.get_image_paths() == ["a"] * 5


class OwnStep(Sequential):
    def optimize_parameters(self) -> None:
        super().optimize_parameters()


class NoList(Sequential):
    gradient_methods: dict[str, str] = {}


class ShortList(Sequential):
    gradient_methods = {"optimizer_G": "gradients_G"}


class NoSuchOptimizer(Sequential):
    gradient_methods = {"optimizer_D": "gradients_G", "optimizer_H": "gradients_H"}


@pytest.mark.parametrize("model", [OwnStep, NoList, ShortList, NoSuchOptimizer])
def test_models_without_the_list(model: type[Sequential]) -> None:
    """A subclass with a step of its own would not run it, so it has to list its methods, too."""
    opt = options("--model", "template", "--ngf", "4", "--accumulate", "2")
    with pytest.raises(UserError, match=f"--accumulate: {model.__name__} .* gradient_methods"):
        Step(opt, model(opt))
    OwnStep.gradient_methods = dict(Sequential.gradient_methods)
    Step(opt, OwnStep(opt))
    del OwnStep.gradient_methods


def test_the_guard_names_the_images_of_the_step() -> None:
    step = trained("--accumulate", "2", n=2, steps=1)
    data = images(2)
    data["B"][1] = float("nan")
    data |= {"A_paths": ["a1", "a2"], "B_paths": ["b1", "b2"]}
    with pytest.raises(NonFinite) as error:
        step(data)
    assert sorted(str(error.value).split(", ")) == ["a1", "a2", "b1", "b2"]


def test_pix2pix_repeats_its_forward_pass() -> None:
    """Each micro-batch counts once in batch norm, and D and G see the same dropout."""
    opt = options(*SMALL, "--model", "pix2pix", "--norm", "batch", "--accumulate", "2")
    step = Step(opt, create_model(opt))
    outputs: list[torch.Tensor] = []
    step.model.netG.register_forward_hook(lambda *args: outputs.append(args[2].detach()))
    step(images(2, dtype=torch.float32))
    counts = {k: int(v) for k, v in step.model.netG.state_dict().items() if "num_batches" in k}
    assert set(counts.values()) == {2}
    assert torch.equal(outputs[0], outputs[2]) and torch.equal(outputs[1], outputs[3])


def test_batches_hold_anything() -> None:
    """Batches that default_collate makes of tuples and dicts."""
    data = {
        "size": [torch.arange(5), torch.arange(5) + 10],
        "A": torch.rand(5, 3, 2, 2),
        "A_paths": list("abcde"),
        "more": {"names": [list("fghij"), list("klmno")]},
    }
    weights, parts = split(data, 2)
    assert weights == [0.4, 0.4, 0.2] and [len(part["A"]) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part["A"] for part in parts]), data["A"])
    assert [part["size"][1].tolist() for part in parts] == [[10, 11], [12, 13], [14]]
    assert [part["A_paths"] for part in parts] == [["a", "b"], ["c", "d"], ["e"]]
    assert parts[1]["more"]["names"] == [["h", "i"], ["m", "n"]]
