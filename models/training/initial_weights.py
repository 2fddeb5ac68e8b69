"""The initial weights of a new training."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from torch import nn

from util import checkpoint
from util.console import say
from util.errors import culprit


def start_networks(model: Any, opt: Namespace) -> None:
    """Give the networks of a BaseModel their initial weights.

    ``--init_bare`` initialises all of them, and ``--init_NAME`` loads some. Lines say which start
    fresh, and which have weights that the model's own code has chosen.

    Raises UserError: a file of ``--init_NAME`` does not fit.
    """
    networks = model.get_networks()
    if opt.init_bare:
        model.init_networks(opt.init_type, opt.init_gain)
    elif bare := [name for name, net in networks.items() if not _is_initialized(net)]:
        say(
            f"Networks that keep the initial weights of the model's own code: {', '.join(bare)}. "
            "--init_bare initialises them by --init_type, as the official code of 2025 does"
        )
    files = {name: getattr(opt, f"init_{name}", None) for name in networks}
    for name, file in files.items():
        if file:
            with culprit(f"--init_{name}"):
                weights = checkpoint.load_state_dict(Path(file))
                checkpoint.fit_state_dict(networks[name], weights, Path(file))
            say(f"Net {name} starts from {file}")
    if any(files.values()):
        say("Fresh networks: " + (", ".join(k for k, v in files.items() if not v) or "none"))


def _is_initialized(net: nn.Module) -> bool:
    """True if ``networks.init_weights`` has initialised ``net`` or a part of it."""
    return any(getattr(module, "initialized", False) for module in net.modules())
