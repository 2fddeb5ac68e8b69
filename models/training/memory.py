"""Memory of the process: its peak, and what to do when it runs out."""

from __future__ import annotations

import sys
from argparse import Namespace

import torch

from util.errors import UserError

# Parts of error messages: the CPU's allocator; MPS and NCCL; cuDNN and cuBLAS
OUT_OF_MEMORY = ("allocate memory", "out of memory", "ALLOC_FAILED")


def peak_of_process() -> int:
    """Return the largest resident memory so far, in bytes; 0 on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def out_of_memory(error: BaseException, opt: Namespace, device: torch.device) -> UserError | None:
    """Return a UserError that names the options which save memory, or None for another error."""
    is_known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if not is_known and not any(words in str(error) for words in OUT_OF_MEMORY):
        return None
    peak = torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_of_process()
    advice = []
    if opt.batch_size > 1:
        advice.append(f"--batch_size 1 --accumulate {opt.batch_size * opt.accumulate}")
    if "crop" in opt.preprocess:
        advice.append(f"--crop_size {opt.crop_size // 8 * 4} (a quarter of the activations)")
    else:
        advice.append("smaller images, e.g. --preprocess resize_and_crop")
    if not opt.checkpoint_activations and opt.netG.startswith("resnet") and "batch" not in opt.norm:
        advice.append("--checkpoint_activations (a small part of the activations)")
    if opt.amp == "none" and device.type == "cuda":
        advice.append("--amp bf16 (two thirds of the activations)")
    return UserError(
        f"out of memory on {device} at a peak of {peak / 1e9:.1f} GB; to use less: "
        f"{'; '.join(advice)}. --dry_run estimates the memory of a training"
    )
