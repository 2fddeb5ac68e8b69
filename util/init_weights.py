"""Initial weights of networks, by ``--init_type`` and ``--init_gain``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import init


def init_weights(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> None:
    """Initialise convolutions and linear layers by ``init_type``, and batch norms by N(1, gain).

    Layers are chosen by the names of their classes, like in the official code, so that this
    includes layers of other packages. Biases become 0.

    Raises NotImplementedError: ``init_type`` is unknown.
    """
    fill = {
        "normal": lambda w: init.normal_(w, 0.0, init_gain),
        "xavier": lambda w: init.xavier_normal_(w, gain=init_gain),
        "kaiming": lambda w: init.kaiming_normal_(w, a=0, mode="fan_in"),
        "orthogonal": lambda w: init.orthogonal_(w, gain=init_gain),
    }
    if init_type not in fill:
        raise NotImplementedError(f"init_type {init_type}: should be one of {', '.join(fill)}")
    net.initialized = True  # type: ignore[assignment]  # models/training/initial_weights.py asks
    for module in net.modules():
        kind = type(module).__name__
        weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
        if not isinstance(weight, torch.Tensor):
            continue
        if "Conv" in kind or "Linear" in kind:
            fill[init_type](weight.data)
        elif "BatchNorm2d" in kind:
            init.normal_(weight.data, 1.0, init_gain)
        else:
            continue
        if bias is not None:
            init.zeros_(bias.data)


def init_net(
    net: nn.Module, init_type: str = "normal", init_gain: float = 0.02, gpu_ids: Sequence[int] = ()
) -> nn.Module:
    """Initialise on the CPU, where a seed gives the same weights everywhere.

    Then move to ``gpu_ids[0]``; the networks of models are moved by ``BaseModel.setup``.
    """
    init_weights(net, init_type, init_gain)
    return net.to(f"cuda:{gpu_ids[0]}") if gpu_ids else net
