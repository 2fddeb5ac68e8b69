"""Moving averages of generators for ``--ema``."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from util.errors import UserError


def average_generators(networks: dict[str, nn.Module], decay: float) -> dict[str, AveragedModel]:
    """Return name -> :func:`moving_average` of the networks whose names begin with G.

    Raises:
        UserError: there is no such network.
    """
    averages = {n: moving_average(net, decay) for n, net in networks.items() if n.startswith("G")}
    if not averages:
        names = ", ".join(networks)
        raise UserError(f"--ema averages networks whose names begin with G; this model has {names}")
    return averages


def moving_average(net: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of ``net`` that starts at its present weights.

    ``update_parameters(net)`` moves floating-point parameters and buffers by 1 - ``decay`` of the
    way to those of ``net``. Counters, such as those of batch norm, are copied.
    """
    update_floats = get_ema_multi_avg_fn(decay)

    def update(averages: Any, values: Any, count: torch.Tensor | int) -> None:
        if averages[0].is_floating_point():
            update_floats(averages, values, count)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    average = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
    average.n_averaged.fill_(1)  # the first update averages; at 0 it would copy the weights
    return average.requires_grad_(False)
