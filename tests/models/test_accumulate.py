"""--accumulate for models that do what official ones do not, and for batches that hold more than images."""

from __future__ import annotations

import pytest
import torch
from steps import options, repeatable  # noqa: F401

from models.template_model import TemplateModel
from models.training.accumulation import split
from models.training.step import Step
from util.errors import UserError


class Joint(TemplateModel):
    """One backward pass for two optimizers, of which the first may be left out where an image is dark."""

    careful = False

    def __init__(self, opt) -> None:
        super().__init__(opt)
        self.model_names = ["G", "H"]
        self.netG, self.netH = (torch.nn.Conv2d(3, 3, 3, padding=1).double() for _ in "GH")
        self.optimizers = [
            torch.optim.SGD(net.parameters(), lr=0.1) for net in (self.netG, self.netH)
        ]

    def optimize_parameters(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.forward()
        self.loss_G = self.criterionLoss(self.netH(self.output), self.data_B)
        self.loss_G.backward()
        if not self.careful or self.data_A.mean() > 0:
            self.optimizers[0].step()
        self.optimizers[1].step()


def joint(*args: str) -> Step:
    torch.manual_seed(3)
    opt = options("--model", "template", "--ngf", "4", *args)
    return Step(opt, Joint(opt))


def batch(n: int) -> dict:
    return {
        "A": torch.rand(n, 3, 8, 8, dtype=torch.float64),
        "B": torch.rand(n, 3, 8, 8, dtype=torch.float64),
        "A_paths": ["a"] * n,
        "B_paths": ["b"] * n,
    }


def test_one_backward_pass_for_two_optimizers() -> None:
    large, parts = joint("--batch_size", "5"), joint("--batch_size", "2", "--accumulate", "3")
    before = [p.clone() for net in large.model.get_networks().values() for p in net.parameters()]
    for _ in range(3):
        data = batch(5)
        large(data)
        parts(data)
    found = [
        [p for net in each.model.get_networks().values() for p in net.parameters()]
        for each in (large, parts)
    ]
    for p, q, first in zip(*found, before, strict=True):
        assert torch.allclose(p, q, rtol=0, atol=1e-12) and not torch.equal(p, first)
    assert len(parts.accumulation.threads._threads) == 3


def test_parts_that_step_other_optimizers() -> None:
    """An error; and no thread is left waiting."""
    step = joint("--accumulate", "2")
    step.model.careful = True
    data = batch(2)
    data["A"][1] *= -1
    with pytest.raises(UserError, match="--accumulate: .* the same optimizers"):
        step(data)
    step.accumulation.threads.shutdown()
    step = joint("--accumulate", "2")
    step(data)
    assert step.model.get_image_paths() == ["a", "a"]


def test_batches_hold_anything() -> None:
    """What default_collate makes of tuples and dicts."""
    data = {
        "size": [torch.arange(5), torch.arange(5) + 10],
        "A": torch.rand(5, 3, 2, 2),
        "A_paths": list("abcde"),
        "more": {"names": [list("fghij"), list("klmno")]},
    }
    count, parts = split(data, 2)
    assert count == 5 and [len(part["A"]) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part["A"] for part in parts]), data["A"])
    assert [part["size"][1].tolist() for part in parts] == [[10, 11], [12, 13], [14]]
    assert [part["A_paths"] for part in parts] == [["a", "b"], ["c", "d"], ["e"]]
    assert parts[1]["more"]["names"] == [["h", "i"], ["m", "n"]]
