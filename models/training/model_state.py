"""The parts of a model that a training changes, as plain values for ``state.pth``.

Besides the networks, optimizers and schedulers in the model's lists, this covers optimizers and
schedulers that a model keeps in attributes only, and parameters of optimizers that belong to no
network in ``model_names``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from models.training.averaging import start_averages
from util.epoch_scheduler import EpochScheduler
from util.image_pool import pools_of
from util.modules import unwrapped
from util.rank_gradients import parameters_of


def get_optimizers(model: Any) -> list[Optimizer]:
    """Return the optimizers of ``model.optimizers``, then those in attributes only."""
    return [*model.optimizers, *unlisted(model, Optimizer, model.optimizers).values()]


def unlisted(model: Any, kind: type, listed: list) -> dict[str, Any]:
    """Return name -> attribute of ``model``, for objects of ``kind`` that are not in ``listed``."""
    known = {id(part) for part in listed}
    own = {name: v for name, v in vars(model).items() if isinstance(v, kind)}
    return {name: value for name, value in own.items() if id(value) not in known}


def stateful_schedulers(model: Any) -> list[Any]:
    """Return those of ``model.schedulers`` that need more than the epoch to be restored."""
    return [s for s in model.schedulers if not isinstance(s, EpochScheduler)]


def unlisted_parameters(model: Any) -> list[torch.Tensor]:
    """Return the parameters of all optimizers that are in no network of ``model_names``."""
    known = {id(p) for net in model.get_networks().values() for p in net.parameters()}
    trained = {id(p): p for o in get_optimizers(model) for p in parameters_of(o)}
    return [p for key, p in trained.items() if key not in known]


def get_state(model: Any) -> dict[str, Any]:
    """Return the state of a BaseModel; its tensors are not copied."""
    optimizers = unlisted(model, Optimizer, model.optimizers)
    schedulers = unlisted(model, LRScheduler, model.schedulers)
    return {
        "networks": model.get_weights(),
        "scaler": model.fp16_scaler.state_dict() if model.fp16_scaler else {},
        "optimizers": [optimizer.state_dict() for optimizer in model.optimizers],
        "schedulers": [_plain(scheduler) for scheduler in stateful_schedulers(model)],
        "pools": {name: pool.images for name, pool in pools_of(model).items()},
        "plateau_epoch": model.rates_epoch,
        "metric": model.metric,
        "unlisted": {
            "optimizers": {name: part.state_dict() for name, part in optimizers.items()},
            "schedulers": {name: _plain(part) for name, part in schedulers.items()},
            "parameters": [parameter.detach() for parameter in unlisted_parameters(model)],
        },
    }


def _plain(scheduler: Any) -> dict[str, Any]:
    """Return the state of a scheduler with dicts instead of counters."""
    state = scheduler.state_dict()
    return {key: dict(v) if isinstance(v, Counter) else v for key, v in state.items()}


def set_state(model: Any, state: dict[str, Any]) -> None:
    """Restore what :func:`get_state` returned for a model of the same options."""
    networks = state["networks"]
    for name, net in model.get_networks().items():
        unwrapped(net).load_state_dict(networks[name])
    start_averages(model)
    for name, average in model.averaged.items():  # a run without --ema may resume with it
        average.module.load_state_dict(networks.get(f"{name}_ema", networks[name]))
    pairs = list(zip(model.optimizers, state["optimizers"], strict=True))
    pairs += zip(stateful_schedulers(model), state["schedulers"], strict=True)
    others = state.get("unlisted", {})
    for key in ("optimizers", "schedulers"):
        pairs += [(getattr(model, name), saved) for name, saved in others.get(key, {}).items()]
    for part, saved in pairs:
        part.load_state_dict(saved)
    with torch.no_grad():
        parameters = unlisted_parameters(model) if others else []
        for parameter, saved in zip(parameters, others.get("parameters", []), strict=True):
            parameter.copy_(saved)
    for name, images in state["pools"].items():
        pools_of(model)[name].images = [image.to(model.device) for image in images]
    if model.fp16_scaler and state.get("scaler"):
        model.fp16_scaler.load_state_dict(state["scaler"])
    model.rates_epoch, model.metric = state["plateau_epoch"], state["metric"]
