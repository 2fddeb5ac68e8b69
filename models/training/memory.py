"""Memory of the process: what is not loaded, what is kept between steps, and what to do when it runs out."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import sys
import types
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.checkpoint import checkpoint

from util.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
SIGNS = (
    "allocate memory",
    "out of memory",
    "ALLOC_FAILED",
)  # in errors of the CPU, of MPS and NCCL, of cuDNN and cuBLAS


def without_compiler(*more: Callable) -> None:
    """To be called before optimizers are made, where nothing is compiled. Args: more: functions of the same kind.

    PyTorch keeps its compiler away from some functions, and imports it for that when they are first called: 150 MB and 1.6 s.
    Without it they do the same. Releases that do otherwise are left as they are.
    """
    for function in (
        Optimizer.add_param_group,
        Optimizer.zero_grad,
        Optimizer.state_dict,
        Optimizer.load_state_dict,
        checkpoint,
        *more,
    ):
        plain: Any = inspect.unwrap(function)  # type: ignore[arg-type]
        if plain is not function:
            vars(plain).setdefault("__dynamo_disable", plain)


def step_without_compiler(optimizer: Optimizer) -> None:
    """The same for the step of PyTorch's Adam; its hooks are called as before."""
    own = type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW) or "step" in vars(
        optimizer
    )  # e.g. of a scheduler
    if not own and not any(group["differentiable"] for group in optimizer.param_groups):
        plain = torch.no_grad()(inspect.unwrap(type(optimizer).step))
        optimizer.step = types.MethodType(Optimizer.profile_hook_step(plain), optimizer)  # type: ignore[method-assign]


def keep_memory(at_most: int) -> None:
    """Let the C library keep freed tensors of less than so many bytes for the next ones.

    By default it gives them back to the system, which clears each page anew when it is next used: several thousand page faults
    a step. Larger ones still go back at once, and so leave no gaps. Systems without glibc are left as they are.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
            malloc = ctypes.CDLL(None)
            malloc.mallopt(M_MMAP_THRESHOLD, at_most)
            malloc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


def peak_of_process() -> int:
    """Bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def out_of_memory(error: BaseException, opt: Namespace, device: torch.device) -> UserError | None:
    """The error in the user's words if memory was short, else None."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if not known and not any(sign in str(error) for sign in SIGNS):
        return None
    peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_of_process()
    ways = (
        [f"--batch_size 1 --accumulate {opt.batch_size * opt.accumulate}"]
        if opt.batch_size > 1
        else []
    )
    ways += (
        [f"--crop_size {opt.crop_size // 8 * 4} (a quarter of the activations)"]
        if "crop" in opt.preprocess
        else ["smaller images, e.g. --preprocess resize_and_crop"]
    )
    if not opt.checkpoint_activations and opt.netG.startswith("resnet") and "batch" not in opt.norm:
        ways.append("--checkpoint_activations (a small part of them)")
    ways += (
        ["--amp bf16 (two thirds of them)"] if opt.amp == "none" and device.type == "cuda" else []
    )
    return UserError(
        f"out of memory on {device} at a peak of {peak / 1e9:.1f} GB; what takes less: {'; '.join(ways)}. "
        "--dry_run tells what a training takes"
    )
