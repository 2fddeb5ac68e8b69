"""The schedulers of a model, by a project's own models/networks.py for policies unknown here."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from models import networks
from options.flags.schedule import POLICY
from util import schedules
from util.console import say


def create_schedulers(model: Any, opt: Namespace, overridden: bool) -> list[Any]:
    """Return a scheduler for each optimizer of a BaseModel.

    Args:
        overridden: True if the class of ``model`` may set the rates itself. With a policy that is
            unknown here, the list is then empty, and a line says so.

    Raises NotImplementedError: the policy is unknown.
    """
    find = schedules if opt.lr_policy in POLICY else networks
    try:
        made = [find.get_scheduler(optimizer, opt) for optimizer in model.optimizers]
        for result in made:
            if isinstance(result, NotImplementedError):  # the official code returns it
                raise result
    except NotImplementedError:
        if not overridden:
            raise
        say(f"--lr_policy {opt.lr_policy}: left to the code of --model {opt.model}")
        return []
    return made


def describe(opt: Namespace) -> str:
    """Return the planned learning rates in one line, as far as they are known."""
    if opt.lr_policy in POLICY:
        return schedules.describe(opt)
    return f"from {opt.lr:g}, then policy {opt.lr_policy} of the project's own code"
