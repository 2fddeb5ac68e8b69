"""Defaults of the options that an ``opt`` from elsewhere lacks.

An ``opt`` that was built by hand, or parsed by options files written for the official code, has
only the official options. Their names differ between the two generations of that code: since 2025
it has no ``gpu_ids`` and no visdom, and before 2025 no ``device``.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Collection
from typing import Any

from util import distributed
from util.console import say

# The options that at least one generation of the official code lacks. A test holds these values
# equal to the tables in options/flags, which this floor may not import.
DEFAULTS: dict[str, Any] = {
    "accept_new_data": False,
    "accumulate": 1,
    "amp": "none",
    "bands_A": None,
    "bands_B": None,
    "cache_images": None,
    "channels_last": False,
    "checkpoint_activations": False,
    "compile": False,
    "config": None,
    "cuda_graphs": False,
    "deterministic": False,
    "display_env": "main",
    "display_id": 1,
    "display_ncols": 4,
    "display_port": 8097,
    "display_server": "http://localhost",
    "dry_run": False,
    "early_stop": 0,
    "ema": 0.0,
    "features": None,
    "features_range": "imagenet",
    "features_size": 224,
    "format": None,
    "inception_weights": None,
    "init_bare": False,
    "jpeg_draft": False,
    "keep": 0,
    "max_pixels": 10**8,
    "min_batch": 1,
    "no_exif": False,
    "no_health": False,
    "no_tf32": False,
    "nodata": None,
    "note": "",
    "npz_key": None,
    "on_bad_image": "stop",
    "on_nonfinite": "stop",
    "panel": None,
    "panel_size": 4,
    "save": None,
    "show_bands": None,
    "show_range": "range",
    "stall_timeout": 600,
    "tile": None,
    "tile_samples": None,
    "tile_stats": None,
    "upsample": "transpose",
    "use_tensorboard": False,
    "use_wandb": False,
    "val_freq": 0,
    "val_metric": "auto",
    "val_share": 0.0,
    "value_range": None,
    "value_range_A": None,
    "value_range_B": None,
    "wandb_project_name": "CycleGAN-and-pix2pix",
}
# The official ones among them
OFFICIAL = {
    "display_env", "display_id", "display_ncols", "display_port", "display_server", "use_wandb",
    "wandb_project_name",
}  # fmt: skip
# Notes in ``opt`` that are no options: what the command line had, what create_dataset found, and
# what ours() and theirs() read
NOTES = (
    "explicit_options", "changed", "images_per_epoch", "framework_options", "own_options", "twin",
    "domain_values", "exported_file",
)  # fmt: skip


# Names before 2019, and niter until 2020
OLD_NAMES = {
    "loadSize": "load_size",
    "fineSize": "crop_size",
    "resize_or_crop": "preprocess",
    "which_direction": "direction",
    "which_model_netG": "netG",
    "which_model_netD": "netD",
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "how_many": "num_test",
    "nThreads": "num_threads",
    "batchSize": "batch_size",
    "which_epoch": "epoch",
    "identity": "lambda_identity",
}


def replaced(opt: Any, **changes: Any) -> Namespace:
    """Return a Namespace with the options of ``opt``, some of them changed."""
    if isinstance(opt, Namespace):
        return Namespace(**vars(opt) | changes)
    names = [name for name in dir(opt) if not name.startswith("_")]
    values = opt if isinstance(opt, dict) else {name: getattr(opt, name) for name in names}
    return Namespace(**{k: v for k, v in values.items() if not callable(v)} | changes)


def ours(opt: Any) -> Any:
    """Return ``opt`` as this project reads it.

    A project built on the official code may declare options that this one has, too, with another
    meaning, such as a switch ``--amp``. Its own code then reads its own value in ``opt.amp``, and
    the parser notes in ``opt.framework_options`` what this project reads: its default. An ``opt``
    without that note is returned as it is.
    """
    values = getattr(opt, "framework_options", None)
    if not values or getattr(opt, "own_options", None):
        return opt
    return replaced(opt, own_options={name: getattr(opt, name) for name in values}, **values)


def theirs(opt: Any) -> Any:
    """Return what plug-ins get for an ``opt`` of :func:`ours`: always the same object."""
    if not getattr(opt, "own_options", None):
        return opt
    owner, twin = getattr(opt, "twin", None) or (0, None)
    if owner != id(opt):  # none yet, or ``opt`` is a changed copy
        twin = replaced(opt, **opt.own_options, own_options=None, twin=None)
        opt.twin = id(opt), twin
    return twin


def usable_seed(value: Any) -> int | None:
    """Return ``value``, a number or its digits, if it can be a seed; else None."""
    is_whole = isinstance(value, int | str) and re.fullmatch(r"\d{1,10}", str(value), re.ASCII)
    return int(value) if is_whole and int(value) < 2**32 else None


def adopt_old_names(opt: Any, given: Collection[str] = ()) -> None:
    """Set today's options from those with names of before 2019.

    Args:
        given: the options on the command line; an old name there counts more than the new one.
    """
    for old, new in OLD_NAMES.items():
        if hasattr(opt, old) and (old in given or not hasattr(opt, new)):
            setattr(opt, new, getattr(opt, old))
    if hasattr(opt, "no_lsgan") and ("no_lsgan" in given or not hasattr(opt, "gan_mode")):
        opt.gan_mode = "vanilla" if opt.no_lsgan else "lsgan"
    if getattr(opt, "lr_policy", "") == "lambda":  # until 2018
        opt.lr_policy = "linear"


def add_missing(opt: Any) -> Any:
    """Set the options and derived values that ``opt`` lacks; those that it has stay as they are.

    Options with names of before 2019 get today's names in addition.

    Returns: ``opt``, or a Namespace with its values if it is a dict or cannot be changed, such as a
        frozen dataclass.

    ``device`` follows from ``gpu_ids`` (a list of numbers) and the other way round; without both it
    is the first GPU, or the CPU if there is none. In a training, ``seed`` follows from the seed of
    PyTorch's generator: random, or that of ``torch.manual_seed``. In a test it is 0, and so it is
    with several ranks, which need the same seed.
    """
    if isinstance(opt, dict):  # one with access by attribute, where getattr may raise KeyError
        opt = replaced(opt)
    if not hasattr(opt, "explicit_options"):
        notes = {"explicit_options": [], "framework_options": _of_other_kinds(opt)}
        try:
            for name, value in notes.items():
                setattr(opt, name, value)
        except (AttributeError, TypeError):
            opt = replaced(opt, **notes)
    adopt_old_names(opt)
    if getattr(opt, "gpu_ids", None) == "auto":  # parsed by a class without this option
        del opt.gpu_ids
    for name, value in DEFAULTS.items():
        if not hasattr(opt, name):
            setattr(opt, name, value)
    if getattr(opt, "seed", None) is None:
        opt.seed = _default_seed(opt)
    if not hasattr(opt, "device"):
        opt.device = _device(getattr(opt, "gpu_ids", None))
    if not hasattr(opt, "gpu_ids"):
        import torch  # slow to import, and the other values need it rarely

        device = torch.device(opt.device)
        opt.gpu_ids = [device.index or 0] if device.type == "cuda" else []
    if opt.gpu_ids == [] and str(opt.device).startswith("cuda"):
        opt.device = _device([])  # scripts for da39a52 choose the CPU by an empty list
    return opt


def _of_other_kinds(opt: Any) -> dict[str, Any]:
    """Return our defaults of the options of ``opt`` that must be of other code, and say so.

    Their values have a type that ours never have.
    """
    found = {}
    for name in DEFAULTS.keys() - OFFICIAL:
        default, value = DEFAULTS[name], getattr(opt, name, DEFAULTS[name])
        kinds: tuple[type, ...] = (str, list) if default is None else (type(default),)
        if name in ("tile", "tile_samples"):
            kinds = (int,)
        elif name == "ema":
            kinds = (float, int) if _is_training(opt) else (bool,)
        elif kinds == (float,):
            kinds = (float, int)
        right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if value != default and not right:
            found[name] = default
    seed = getattr(opt, "seed", None)
    if seed is not None and usable_seed(seed) != seed:
        usable = usable_seed(seed)
        found["seed"] = _default_seed(opt) if usable is None else usable
    if names := sorted(found):
        say(
            f"Options of other code, by their values: {', '.join(names)}. What has the same names "
            "here stays at its default"
        )
    return found


def _is_training(opt: Any) -> bool:
    return getattr(opt, "isTrain", True)


def _default_seed(opt: Any) -> int:
    """Return the seed of PyTorch's generator in a training of one rank, else 0."""
    if not _is_training(opt) or distributed.world_size() > 1:
        return 0
    import torch

    return torch.initial_seed() % 2**31  # a draw would shift the numbers that follow


def _device(gpu_ids: list[int] | None) -> Any:
    """Return the ``torch.device`` of ``gpu_ids``; None: a GPU if there is one."""
    import torch

    if gpu_ids is None:
        gpu_ids = [0] if torch.cuda.is_available() else []
    return torch.device(f"cuda:{gpu_ids[0]}" if gpu_ids else "cpu")
