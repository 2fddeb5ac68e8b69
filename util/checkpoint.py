"""Files that must never be half written or run code: network weights, options; and reading an architecture off weights."""

from __future__ import annotations

import json
import os
import pickle
import re
import tempfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from util.errors import UserError

if TYPE_CHECKING:
    import torch

STATE = "state.pth"  # everything that a training needs to go on, beside its weights


def write_atomically(
    path: Path, data: bytes | Callable[[IO[bytes]], object], flag: str = ""
) -> None:
    """Write a file so that at any instant it holds all of the old or all of the new content.

    Args:
        data: the content, or a function that writes it into an open file.
        flag: the option that named the folder, for the error message.

    Raises UserError: the folder cannot be made or written (the old file stays).
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            data(file) if callable(data) else file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.umask(umask := os.umask(0))
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        cause = (
            error if isinstance(error, OSError) else error.__context__
        )  # torch.save hides that the disk is full
        reason = (
            getattr(cause, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
        )
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"{flag + ': ' if flag else ''}cannot write {path}: {reason}") from None


def save_state_dict(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a state dict as the official code does: tensors on the CPU under their official names."""
    import torch

    state = OrderedDict((k, v.detach().cpu()) for k, v in state.items())
    write_atomically(path, lambda file: torch.save(state, file))


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict onto the CPU. Only tensors are read; a file that would run code is refused.

    Raises UserError: there is no such file (says what is there), or it is not a state dict.
    """
    import torch

    state = load(path)
    if not (isinstance(state, dict) and all(isinstance(v, torch.Tensor) for v in state.values())):
        raise UserError(f"{path} holds something other than network weights (named tensors)")
    return state


def load(path: Path) -> Any:
    """Read tensors and plain values onto the CPU; a file that would run code is refused.

    Raises UserError: there is no such file (says what is there), or it cannot be read.
    """
    import torch

    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
        raise UserError(
            f"no file {path}; "
            + (
                f"the folder has {', '.join(there)}"
                if there
                else "the folder has no .pth files"
                if path.parent.is_dir()
                else "there is no such folder"
            )
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file raises almost anything
        reason = (
            "it is damaged, or holds code instead of tensors and plain values"
            if isinstance(error, (pickle.UnpicklingError, EOFError))
            else (str(error) or type(error).__name__).splitlines()[0]
        )
        raise UserError(f"cannot load {path}: {reason[:200]}") from None


def saved_options(folder: Path) -> dict[str, Any]:
    """What ``train_opt.json`` in a run's folder says; {} where there is none. Raises UserError: the file cannot be read."""
    path = folder / "train_opt.json"
    try:
        options = json.loads(path.read_text()) if path.is_file() else {}
        if not isinstance(options, dict) or not all(
            isinstance(options.get(k, ""), str) for k in ("model", "dataset_mode")
        ):
            raise ValueError("these are no options")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    return options


def resumable(opt: Namespace) -> bool:
    """Whether a training state is there to go on from: not where older weights are asked for with --epoch or --load_iter."""
    return (
        getattr(opt, "continue_train", False)
        and opt.epoch == "latest"
        and opt.load_iter == 0
        and (Path(opt.checkpoints_dir) / opt.name / STATE).is_file()
    )


def weights_path(opt: Namespace, net: str) -> Path:
    """Where ``--name``, ``--epoch``, ``--load_iter`` and the ``--ema`` of tests say that a network's weights are."""
    when, kind = (
        f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch,
        "_ema" * (getattr(opt, "ema", None) is True),
    )
    return Path(opt.checkpoints_dir) / opt.name / f"{when}_net_{net}{kind}.pth"


def fit_state_dict(net: torch.nn.Module, state: dict[str, torch.Tensor], source: Path) -> None:
    """Load weights into ``net``, strictly, but for what old versions of PyTorch stored too much or not yet.

    Too much: statistics of InstanceNorm layers (before 0.4), which were never used, and the prefix of nn.DataParallel. Not
    yet: the counters of batch norm (before 0.4.1).

    Raises UserError: one line that names what does not fit, as flags where the architectures can be told.
    """
    import torch

    norms = {
        name for name, module in net.named_modules() if isinstance(module, torch.nn.InstanceNorm2d)
    }
    stale = ("running_mean", "running_var", "num_batches_tracked")
    own = net.state_dict()
    if not state.keys() & own.keys():
        state = {k.removeprefix("module."): v for k, v in state.items()}
    state = {k: v for k, v in own.items() if k.endswith(".num_batches_tracked")} | state
    state = {
        k: v
        for k, v in state.items()
        if k in own or not (k.rpartition(".")[0] in norms and k.rpartition(".")[2] in stale)
    }
    if state.keys() == own.keys() and all(state[k].shape == own[k].shape for k in own):
        net.load_state_dict(state)
        return
    found, built = describe(state), describe(own)
    differ = [
        f"--{flag} is {built[flag]}, found {found[flag]}"
        for flag in built
        if flag in found and found[flag] != built[flag]
    ]
    if not differ:
        odd = next(
            (k for k in own if k not in state or state[k].shape != own[k].shape), None
        ) or min(state.keys() - own.keys())
        shape = [str(tuple(d[odd].shape)) if odd in d else "nothing" for d in (own, state)]
        differ = [f"{odd} should be {shape[0]}, found {shape[1]}"]
    raise UserError(f"the weights in {source} do not fit the network: {'; '.join(differ)}")


def describe(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The options that a state dict of an official generator or discriminator was built with; {} if it is none.

    A U-Net's weights do not tell ``no_dropout``, a discriminator's do not tell ``input_nc`` apart from conditioning.
    """
    try:
        return _describe({k.removeprefix("module."): tuple(v.shape) for k, v in state.items()})
    except (KeyError, ValueError, IndexError):  # only the first layer looks like one of ours
        return {}


def _describe(shape: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    first = next(
        (
            w
            for w in ("model.1.weight", "model.model.0.weight", "model.0.weight", "net.0.weight")
            if w in shape
        ),
        None,
    )
    if first is None or len(shape[first]) != 4:
        return {}
    affine = any(len(s) == 1 and k.endswith(".weight") for k, s in shape.items())
    width = shape[first][0]
    if first == "model.1.weight":  # ResNet: reflection padding stands before the first convolution
        blocks = [k for k in shape if re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", k)]
        if not blocks:
            return {}
        second = any(".conv_block.5.weight" in k and len(s) == 4 for k, s in shape.items())
        last = max(
            (k for k, s in shape.items() if k.endswith("weight") and len(s) == 4),
            key=lambda k: int(k.split(".")[1]),
        )
        return {
            "netG": f"resnet_{len(blocks)}blocks",
            "no_dropout": second,
            "norm": _norm(affine, "model.1.bias" in shape),
            "ngf": width,
            "input_nc": shape[first][1],
            "output_nc": shape[last][0],
        }
    if first == "model.model.0.weight":  # U-Net: one 4x4 down convolution per level
        levels = sum(len(s) == 4 for s in shape.values()) // 2
        return {
            "netG": f"unet_{2**levels}",
            "norm": _norm(affine, "model.model.0.bias" in shape),
            "ngf": width,
            "input_nc": shape[first][1],
            "output_nc": shape["model.model.3.weight"][1],
        }
    if first == "model.0.weight":
        layers = sum(len(s) == 4 for s in shape.values()) - 2
        if layers < 1 or f"model.{2 + 3 * layers}.weight" not in shape:
            return {}
        return {
            "netD": "n_layers",
            "n_layers_D": layers,
            "norm": _norm(affine, "model.2.bias" in shape),
            "ndf": width,
        }
    return {"netD": "pixel", "norm": _norm(affine, "net.2.bias" in shape), "ndf": width}


def _norm(affine: bool, biased: bool) -> str:
    """Batch norm has weights; convolutions have a bias of their own only before instance norm."""
    return "batch" if affine else "instance" if biased else "none"
