"""How a command line is read: errors as one line, what was given apart from defaults, and values that follow from others."""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from util import distributed
from util.errors import UsageError


class Parser(ArgumentParser):
    """An ArgumentParser that raises :class:`UsageError`, and can tell what was given from what is default."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def given(self, args: Sequence[str]) -> dict[str, Any]:
        """The options that stand on the command line, without defaults."""
        before = [(action, action.default, action.required) for action in self._actions]
        defaults, self._defaults = self._defaults, {}
        for action in self._actions:
            action.default, action.required = argparse.SUPPRESS, False
        try:
            return vars(self.parse_known_args(args)[0])
        finally:
            self._defaults = defaults
            for action, default, required in before:
                action.default, action.required = default, required

    def defaults(self) -> dict[str, Any]:
        """The present default of every option."""
        return {a.dest: self.get_default(a.dest) for a in self._actions if a.dest != "help"}

    def preview(self, given: dict[str, Any]) -> Namespace:
        """The options as they stand so far: the present defaults, replaced by what was given."""
        opt = Namespace(**self.defaults() | given)
        opt.name = full_name(opt)
        return opt


def option_values(opt: Namespace) -> dict[str, Any]:
    """The values of ``opt`` without its notes on the command line."""
    return {k: v for k, v in vars(opt).items() if k not in ("explicit_options", "changed")}


def dump(opt: Namespace) -> str:
    """The options as JSON; what JSON has no word for, such as a path, as text."""
    values = option_values(opt) | {"given": opt.explicit_options}  # "given": the key in old files
    return json.dumps(values, indent=1, sort_keys=True, default=str)


def absolute(name: str) -> str:
    """A model or dataset given as a file, so that it is found from any folder; names stay as they are."""
    return str(Path(name).expanduser().resolve()) if name.endswith(".py") else name


def full_name(opt: Namespace) -> str:
    """The run's name with ``--suffix`` filled in. Raises UsageError: the suffix holds an unknown option in braces."""
    try:
        return f"{opt.name}_{opt.suffix.format(**vars(opt))}" if opt.suffix else opt.name
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"--suffix {opt.suffix}: {error} is no option") from None


def choose_device(gpu_ids: str) -> tuple[list[int], str]:
    """``--gpu_ids`` as a list, and the device's name, e.g. ``([0], "cuda:0")`` or ``([], "cpu")``.

    Raises UsageError: the text is no list of numbers, names more or fewer GPUs than processes, or a GPU that is not there.
    """
    import torch

    ranks, local = distributed.local_world_size(), distributed.local_rank()
    if gpu_ids == "auto":
        if torch.cuda.is_available():
            gpu_ids = ",".join(map(str, range(ranks)))
        else:
            return (
                [],
                "mps"
                if torch.backends.mps.is_available() and distributed.world_size() == 1
                else "cpu",
            )
    try:
        ids = [i for i in (int(part) for part in gpu_ids.split(",")) if i >= 0]
    except ValueError:
        raise UsageError(
            f"--gpu_ids {gpu_ids}: should be a GPU's number such as 0, or -1 for the CPU"
        ) from None
    if not ids:
        return [], "cpu"
    if len(ids) != ranks:
        raise UsageError(
            f"--gpu_ids {gpu_ids}: each process drives one GPU (processes here: {ranks}); for these GPUs: "
            f"torchrun --nproc_per_node {len(ids)} train.py --gpu_ids {gpu_ids} ... (docs/several_gpus.md)"
        )
    if max(ids) >= torch.cuda.device_count():
        raise UsageError(
            f"--gpu_ids {gpu_ids}: {torch.cuda.device_count()} CUDA GPUs are visible here; "
            "leave the option out to choose a device, or give -1 for the CPU"
            + ", or fewer --nproc_per_node"
            * (ranks > 1)
        )
    return [ids[local]], f"cuda:{ids[local]}"
