"""Abilities of a CUDA GPU, and the memory that other processes hold."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from util.errors import UsageError

if TYPE_CHECKING:
    import torch

BF16_SINCE = 8  # compute capability of the first generation with bf16, Ampere (2020)


def require_supported(gpu: int) -> None:
    """Raise UsageError if this build of PyTorch has no code for the GPU.

    Without this check, the first operation fails with "no kernel image is available".
    """
    import torch  # not at the top: PyTorch would slow --help down

    built = torch.cuda.get_arch_list()
    if torch.version.hip or runs_on(torch.cuda.get_device_capability(gpu), built):
        return
    major, minor = torch.cuda.get_device_capability(gpu)
    raise UsageError(
        f"--gpu_ids {gpu}: {torch.cuda.get_device_name(gpu)} has compute capability "
        f"{major}.{minor}, and this PyTorch {torch.__version__} is built for {', '.join(built)}; "
        "install another build (https://pytorch.org/get-started), or give --gpu_ids -1 for the CPU"
    )


def ids_as_typed(gpu_ids: Sequence[int]) -> str:
    """Return GPUs as ``--gpu_ids`` takes them: "0,1", or "-1" for the CPU."""
    return ",".join(map(str, gpu_ids)) or "-1"


def runs_on(capability: tuple[int, int], built: Sequence[str]) -> bool:
    """True if code for one of the architectures ``built`` runs at ``capability``.

    Args:
        capability: (major, minor).
        built: such as "sm_80", for 8.0 and later minor versions, or "compute_90", which the driver
            compiles for 9.0 and everything later.
    """
    known = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", name) for name in built]
    for kind, major, minor in (match.groups() for match in known if match):
        version = int(major), int(minor)
        if version <= capability and (kind == "compute" or version[0] == capability[0]):
            return True
    return False


def lacks_bf16(gpu: int) -> str:
    """Return the name of the GPU if it would only emulate bf16, else ""."""
    import torch

    capable = torch.version.hip or torch.cuda.get_device_capability(gpu)[0] >= BF16_SINCE
    return "" if capable else torch.cuda.get_device_name(gpu)


def total_memory(device: torch.device) -> float:
    """Return the memory of a GPU, or of the machine, in bytes; infinity if it is not known."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_of_others(gpu: int | None = None) -> str:
    """Return ``"; other processes hold 31.2 of its 80.0 GB"``, or "" if they hold less than 1 GB.

    Args:
        gpu: None: the current one. "" without a GPU in use.
    """
    torch = sys.modules.get("torch")
    if not torch or not torch.cuda.is_initialized():
        return ""
    free, total = torch.cuda.mem_get_info(gpu)
    others = total - free - torch.cuda.memory_reserved(gpu)  # CUDA's own part is below 1 GB
    if others < 1e9:
        return ""
    return f"; other processes hold {others / 1e9:.1f} of its {total / 1e9:.1f} GB"
