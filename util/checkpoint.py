"""Reading and writing weights and states: checked, and without running any code."""

from __future__ import annotations

import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from util.errors import UserError, first_line
from util.files import mismatch, read_json, write_atomically
from util.option_defaults import ours
from util.weight_shapes import architecture_of, renamed

if TYPE_CHECKING:
    import torch

STATE = "state.pth"  # the complete state of a training
OPTIONS = "train_opt.json"
DIRECTORY = 0x10  # the attribute that marks a part of an archive as a folder
MAX_PACKED = 100e6  # bytes of compressed parts of an archive; only TorchScript's code is compressed


def save_state_dict(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a state dict as the official code does: an OrderedDict of CPU tensors."""
    import torch

    state = OrderedDict((key, value.detach().cpu()) for key, value in state.items())
    write_atomically(path, lambda file: torch.save(state, file))


def load_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict onto the CPU.

    Raises UserError: the file is missing, damaged, holds code, or is not a state dict.
    """
    state = load(path)
    if not is_state_dict(state):
        raise UserError(f"{path} holds something other than network weights (named tensors)")
    return state


def is_state_dict(value: Any) -> bool:
    """True if ``value`` is a dict of named tensors with memory of their own."""
    named = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    return named and all(map(is_plain, value.values()))


def is_plain(value: Any) -> bool:
    """True if ``value`` is a tensor with memory of its own."""
    import torch

    strided = isinstance(value, torch.Tensor) and value.layout == torch.strided
    return strided and not (value.is_nested or value.is_quantized or value.is_meta)


def load(path: Path) -> Any:
    """Read tensors and plain values onto the CPU.

    Raises UserError: the file is missing, damaged, or holds code.
    """
    import torch

    if not path.is_file():
        present = ", ".join(sorted(p.name for p in path.parent.glob("*.pth"))) or "no .pth files"
        folder = f"the folder has {present}" if path.parent.is_dir() else "there is no such folder"
        raise UserError(f"no file {path}; {folder}")
    check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError):
        reason = "it is damaged, or holds code instead of tensors and plain values"
    except Exception as error:  # a damaged or hostile file raises almost anything
        reason = first_line(error)[:200]
    raise UserError(f"cannot load {path}: {reason}")


def check_archive(path: Path) -> None:
    """Compare the parts of a zip archive, as PyTorch writes them, with their checksums.

    PyTorch does not check them. Files in the format from before PyTorch 1.6 have no checksums and
    pass, as do archives written with ``torch.serialization.set_crc32_options(False)``.

    Raises UserError: a checksum is wrong, or the archive would take more memory than its size.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":  # PyTorch decides by these bytes, too
                return
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            stored = sum(part.compress_size for part in parts)
            packed = sum(part.file_size for part in parts if part.compress_type)
            if stored > path.stat().st_size or packed > MAX_PACKED:
                raise ValueError("its parts are larger than the file")
            if any(part.is_dir() or part.external_attr & DIRECTORY for part in parts):
                raise ValueError("it holds a folder")  # PyTorch would read such a part as zeros
            if any(part.CRC for part in parts) and (wrong := archive.testzip()):
                raise ValueError(f"the checksum of its part {wrong!a} is wrong")
    except Exception as error:  # a damaged archive raises almost anything
        raise UserError(f"cannot load {path}: it is damaged ({first_line(error)})") from None


def saved_options(folder: Path) -> dict[str, Any]:
    """Return the content of ``train_opt.json`` in a run's folder, {} without one.

    Raises UserError: it is damaged.
    """
    return read_json(folder / OPTIONS, _mismatch_of_options, missing={})


def _mismatch_of_options(options: Any, name: str) -> str:
    """Describe what is wrong with the options of a run; their parser checks the other values."""
    if problem := mismatch(options, dict, name):
        return problem
    kinds = {"model": str, "dataset_mode": str, "framework_options": dict}
    return mismatch(options, {k: kind for k, kind in kinds.items() if k in options}, name)


def resumes_from_state(opt: Namespace) -> bool:
    """True if ``--continue_train`` finds a state, and no --epoch or --load_iter is chosen."""
    return (
        getattr(opt, "continue_train", False)
        and opt.epoch == "latest"
        and opt.load_iter == 0
        and (Path(opt.checkpoints_dir) / opt.name / STATE).is_file()
    )


def weights_path(opt: Namespace, net: str) -> Path:
    """Return the weight file of a network for --name, --epoch, --load_iter and test.py's --ema."""
    prefix = f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch
    averaged = "_ema" if takes_averages(opt) else ""
    return Path(opt.checkpoints_dir) / opt.name / f"{prefix}_net_{net}{averaged}.pth"


def takes_averages(opt: Namespace) -> bool:
    """True for test.py's ``--ema``; that of train.py is a number."""
    return getattr(ours(opt), "ema", None) is True


def fit_state_dict(
    net: torch.nn.Module,
    state: dict[str, torch.Tensor],
    source: Path,
    built_like: Path | None = None,
) -> None:
    """Load weights strictly, except for differences between versions of PyTorch.

    Ignored are unused statistics of InstanceNorm layers (before 0.4) and parts of names that come
    from nn.DataParallel and torch.compile, here or in the file. Missing counters of batch norm
    (before 0.4.1) keep their value.

    Args:
        source: the file of the weights.
        built_like: the weight file whose shapes ``net`` has; the message names it, too.

    Raises UserError: the weights do not fit, or are not finite. The message names the flags that
        differ, if the architectures show them.
    """
    own, layers = net.state_dict(), dict(net.named_modules())
    counters = {key: v for key, v in own.items() if key.endswith(".num_batches_tracked")}
    fitted = counters.copy()
    for key, value in renamed(state, own).items():
        layer, _, name = key.rpartition(".")
        if key in own or not (layer in layers and is_unused_statistic(layers[layer], name)):
            fitted[key] = value
    if problem := misfit(net, fitted):
        other = "do not fit" in problem and built_like not in (None, source)
        hint = (
            f". The network is built like {built_like} and as the options say: an option is "
            "wrong, or one of the files is of another run"
        )
        raise UserError(f"the weights in {source} {problem}{hint if other else ''}")
    net.load_state_dict(fitted)


def is_unused_statistic(layer: torch.nn.Module, name: str) -> bool:
    """True for a statistic that instance norm had before PyTorch 0.4, and ``layer`` does not."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    unused = name in statistics and getattr(layer, name, None) is None
    return unused and type(layer).__name__.startswith("InstanceNorm")


def misfit(net: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> str:
    """Describe why weights cannot be those of ``net``; "" if they can.

    They need the network's names, shapes and kinds of numbers, and finite parameters.
    """
    import torch

    own = {k: v for k, v in net.state_dict().items() if isinstance(v, torch.Tensor)}
    others = net.state_dict().keys() - own.keys()  # of a network with get_extra_state()
    state = {key: value for key, value in state.items() if key not in others}
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
        return "should be named tensors"
    if any(tensor.is_nested for tensor in state.values()):  # these have no shape
        return "should be plain tensors in memory"
    if state.keys() != own.keys() or any(state[k].shape != own[k].shape for k in own):
        return f"do not fit the network: {_misfits(own, state)}"
    if not is_state_dict(state):
        return "should be plain tensors in memory"
    for key, value in state.items():
        if _kind(value) != _kind(own[key]):
            return f"are damaged: {key} has the type {value.dtype}"
    state = {key: value.to(own[key].dtype) for key, value in state.items()}  # as they are used
    return bad_numbers(state, finite={name for name, _ in net.named_parameters()})


def require_numbers(state: Mapping[str, torch.Tensor], source: str) -> None:
    """Raise a UserError if a value is NaN. Infinite values may be those of a mask.

    Args:
        source: what the message calls the weights.
    """
    if problem := bad_numbers(state):
        raise UserError(f"{source} {problem}")


def bad_numbers(state: Mapping[str, torch.Tensor], finite: Collection[str] = ()) -> str:
    """Describe a value that is NaN, or infinite in a tensor named in ``finite``; "" if none is."""
    for key, value in state.items():
        if not is_finite(value, infinity=key not in finite):
            found = "infinite or not a number" if key in finite else "not a number"
            return f"are damaged: {key} has values that are {found}"
    return ""


def _kind(tensor: torch.Tensor) -> str:
    floats = "float" if tensor.is_floating_point() else "integer"
    return "complex" if tensor.is_complex() else floats


def is_finite(tensor: torch.Tensor, infinity: bool = False) -> bool:
    """True if no value is NaN or infinite. Args: infinity: infinite values are accepted."""
    if not tensor.is_floating_point():
        return True
    tensor = tensor.float() if tensor.element_size() < 4 else tensor
    if tensor.sum().isfinite():
        return True  # a sum is finite only if all of its terms are
    return not (tensor.isnan() if infinity else ~tensor.isfinite()).any()


def _misfits(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> str:
    """Describe how the weights in ``state`` differ from a network's ``own``."""
    found, built = architecture_of(state), architecture_of(own)
    flags = [flag for flag in built if flag in found and found[flag] != built[flag]]
    if flags:
        names = {"upsample": "upsample (--upsample_B for G_B)"}
        return "; ".join(
            f"--{names.get(flag, flag)} is {built[flag]}, found {found[flag]}" for flag in flags
        )
    wrong = [k for k in own if k not in state or state[k].shape != own[k].shape]
    key = wrong[0] if wrong else min(state.keys() - own.keys())
    shapes = [str(tuple(d[key].shape)) if key in d else "nothing" for d in (own, state)]
    return f"{key} should be {shapes[0]}, found {shapes[1]}"
