"""Memory of the process: its peak, and what to do when it runs out."""

from __future__ import annotations

import sys
from argparse import Namespace

import torch

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from util.errors import UserError
from util.gpu import memory_of_others


def peak_of_process() -> int:
    """Return the largest resident memory so far, in bytes; 0 on Windows."""
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def out_of_memory(opt: Namespace) -> UserError:
    """Return an error for a training without enough memory; it names the options that save some."""
    on_gpu = opt.device.type == "cuda"
    peak = torch.cuda.max_memory_reserved(opt.device) if on_gpu else peak_of_process()
    others = memory_of_others(opt.device.index) if on_gpu else ""
    advice = []
    if opt.batch_size > 1:
        least = min(opt.min_batch, opt.batch_size)
        parts = opt.batch_size * opt.accumulate // least
        advice.append(f"--batch_size {least} --accumulate {parts}")
    if "crop" not in opt.preprocess:
        advice.append("smaller images, e.g. --preprocess resize_and_crop")
    elif opt.crop_size > 16:
        advice.append(f"--crop_size {opt.crop_size // 8 * 4} (a quarter of the activations)")
    if max(opt.ngf, opt.ndf) > 64:
        advice.append("--ngf 64 --ndf 64 (smaller networks)")
    if not opt.checkpoint_activations and opt.netG.startswith("resnet") and "batch" not in opt.norm:
        advice.append("--checkpoint_activations (a small part of the activations)")
    if opt.amp == "none" and on_gpu:
        advice.append("--amp bf16 (two thirds of the activations)")
    if opt.num_threads > 0 and not on_gpu:
        advice.append("fewer processes that load images (--num_threads)")
    return UserError(
        f"out of memory on {opt.device} at a peak of {peak / 1e9:.1f} GB{others}; to use less: "
        f"{'; '.join(advice)}. --dry_run estimates the memory of a training"
    )
