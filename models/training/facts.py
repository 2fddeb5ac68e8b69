"""Facts about one start of a training, for its page: command, code, machine, networks, values.

Also the command that resumes it.
"""

from __future__ import annotations

import contextlib
import platform
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import torch

from models.base_model import BaseModel
from util import distributed, plugins
from util.image.preview import Preview
from util.values import DomainValues

ROOT = Path(__file__).resolve().parents[2]


def facts_of_start(opt: Namespace, model: BaseModel, domains: DomainValues) -> dict[str, str]:
    """Return the facts as label -> text, without those that are unknown.

    Args:
        domains: the rules of the values of the training images.
    """
    facts = {
        "Command": f"{launcher()} {shlex.join(['train.py', *sys.argv[1:]])}",
        "Commit": commit(),
        "Device": device_name(opt.device),
        "PyTorch": f"{torch.__version__}, Python {platform.python_version()}",
        "Parameters": parameter_counts(model),
        **Preview.of(opt, Path(opt.checkpoints_dir) / opt.name, domains).facts(),
    }
    return {label: text for label, text in facts.items() if text}


def launcher() -> str:
    """Return "python", or torchrun with its number of processes."""
    processes = distributed.local_world_size()
    return "python" if processes == 1 else f"torchrun --nproc_per_node {processes}"


def resume_command(opt: Namespace) -> str:
    """Return the command that resumes a run here, with its model or dataset file if it has one."""
    words = [f"--name={opt.name}"] if opt.name.startswith("-") else ["--name", opt.name]
    if opt.checkpoints_dir != "./checkpoints":
        words += ["--checkpoints_dir", opt.checkpoints_dir]
    words += plugins.file_flags(vars(opt))
    return f"{launcher()} train.py --continue_train {shlex.join(words)}"


def commit() -> str:
    """Return the commit of this code, with "-dirty" if files differ from it; "" without git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=5)
        return done.stdout.strip()
    return ""


def device_name(device: torch.device) -> str:
    """Return the device with the name of its GPU, or with the number of CPU threads."""
    processes = distributed.world_size()
    kind = f"{torch.get_num_threads()} threads, {platform.machine()}"
    if device.type == "cuda":
        kind = torch.cuda.get_device_name(device)
    elif device.type == "mps":
        kind = "Apple GPU"
    return f"{device} ({kind}){f' in each of {processes} processes' * (processes > 1)}"


def parameter_counts(model: BaseModel) -> str:
    """Return the parameters of each network, in millions (M) or thousands (k): "G_A 11.4 M"."""
    counts = {
        name: sum(parameter.numel() for parameter in net.parameters())
        for name, net in model.get_networks().items()
    }
    short = {n: f"{c / 1e6:.3g} M" if c >= 1e6 else f"{c / 1e3:.3g} k" for n, c in counts.items()}
    return ", ".join(f"{name} {count}" for name, count in short.items())
