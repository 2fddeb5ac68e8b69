"""Moving averages of generators for ``--ema``."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from util.errors import UserError, first_line
from util.option_defaults import ours
from util.words import amount

MOST_OF_START = 0.05  # share of the first weights in an average that still shows the training


class MovingAverage(AveragedModel):
    """An exponential moving average of a network that starts at its present weights.

    ``module`` is the averaged network.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__(net)
        self.requires_grad_(False)
        self.update_floats = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move floating-point parameters and buffers by 1 - decay of the way to those of ``model``.

        Counters, such as those of batch norm, are copied. The method of AveragedModel would wait
        for the GPU, because it counts the updates on the CPU.
        """
        averages = chain(self.module.parameters(), self.module.buffers())
        floats: list[tuple[torch.Tensor, torch.Tensor]] = []
        for pair in zip(averages, chain(model.parameters(), model.buffers()), strict=True):
            if pair[0].is_floating_point():
                floats.append(pair)
            else:
                pair[0].copy_(pair[1])
        if floats:
            self.update_floats(*zip(*floats, strict=True), None)


def young_average(decay: float, steps: int) -> str:
    """Return a warning if averages of ``steps`` steps hold much of the first weights, else ""."""
    share = decay**steps
    if share <= MOST_OF_START:
        return ""
    fitting = math.floor(1000 * MOST_OF_START ** (1 / steps)) / 1000
    return (
        f"--ema {decay:g}: after the {amount(steps, 'step')} of this training, the averaged "
        f"generators are still {share:.0%} initial weights; use at most --ema {fitting:g}"
    )


def start_averages(model: Any) -> None:
    """With ``--ema``, fill ``averaged`` of a BaseModel with copies of its generators, once."""
    decay = ours(model.opt).ema
    if decay and not model.averaged:
        model.averaged = average_generators(model.get_networks(), decay, model.generator_prefixes)


def average_generators(
    networks: dict[str, nn.Module], decay: float, prefixes: tuple[str, ...] = ("G",)
) -> dict[str, MovingAverage]:
    """Return name -> moving average of the networks whose names begin with one of ``prefixes``.

    Raises:
        UserError: there is no such network, or it cannot be copied.
    """
    generators = {name: net for name, net in networks.items() if name.startswith(prefixes)}
    if not generators:
        names = ", ".join(networks)
        raise UserError(
            f"--ema averages networks whose names begin with {' or '.join(prefixes)}; "
            f"this model has {names}"
        )
    try:
        return {name: MovingAverage(net, decay) for name, net in generators.items()}
    except (RuntimeError, TypeError) as error:
        raise UserError(
            "--ema cannot copy the generators; their hooks must not be methods of the model "
            f"({first_line(error)})"
        ) from None
