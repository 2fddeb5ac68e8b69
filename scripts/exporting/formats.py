"""Writes networks as ONNX, TorchScript and safetensors, and opens them as users do."""

from __future__ import annotations

import inspect
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from util.errors import explain, needs
from util.exported_file import EXTRA

Run = Callable[[torch.Tensor], torch.Tensor]
EXAMPLE = (2, 16, 24)  # images, height and width: only the channels are the same in all uses
AXES = {0: "images", 2: "height", 3: "width"}
PACKAGES = {"onnx": ("onnx", "onnxruntime"), "torchscript": (), "safetensors": ("safetensors",)}


def require_packages(kind: str) -> None:
    """Raise UserError if a package that writes or checks files of this kind is missing."""
    packages = PACKAGES[kind]
    with needs(f"--to {kind}", " ".join(packages)):
        if kind == "onnx":
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        if kind == "safetensors":
            import safetensors.torch  # noqa: F401


def write_onnx(network: nn.Module, channels: int, file: Path, metadata: Mapping[str, str]) -> str:
    """Write a network as ONNX; return its opset, in words.

    The exporter is that of traces, which is in every PyTorch since 2.4 and takes two seconds. The
    newer one (``dynamo=True``) takes 40 seconds for a ResNet and minutes for a U-Net.

    Raises UserError: a layer has no form in ONNX.
    """
    import onnx

    image = torch.zeros(EXAMPLE[0], channels, *EXAMPLE[1:])
    is_newer = "dynamo" in inspect.signature(torch.onnx.export).parameters  # PyTorch 2.5
    settings: dict[str, Any] = {"dynamo": False} if is_newer else {}
    with explain("--to onnx: PyTorch cannot export this network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (image,),
            str(file),
            input_names=["image"],
            output_names=["translation"],
            dynamic_axes={"image": AXES, "translation": AXES},
            **settings,
        )
        model = onnx.load(file)
        onnx.helper.set_model_props(model, dict(metadata))
        model.producer_name = "scripts/export.py, " + model.producer_name
        onnx.save(model, file)
    [opset] = (entry.version for entry in model.opset_import if entry.domain == "")
    return f", opset {opset}"


def write_torchscript(
    network: nn.Module, channels: int, file: Path, metadata: Mapping[str, str]
) -> str:
    """Write a network as TorchScript. Raises UserError: it cannot be traced."""
    image = torch.zeros(EXAMPLE[0], channels, *EXAMPLE[1:])
    with explain("--to torchscript: PyTorch cannot trace this network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.no_grad():
            traced = torch.jit.trace(network, image, check_trace=False)
        torch.jit.save(traced, str(file), _extra_files={EXTRA: json.dumps(dict(metadata))})
    return ""


def write_safetensors(
    network: nn.Module, channels: int, file: Path, metadata: Mapping[str, str]
) -> str:
    """Write the weights of a network, under the names of the official code."""
    from safetensors.torch import save_file

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, file, dict(metadata))
    return ""


WRITERS = {"onnx": write_onnx, "torchscript": write_torchscript, "safetensors": write_safetensors}


def written(
    kind: str, network: nn.Module, channels: int, metadata: Mapping[str, str]
) -> tuple[bytes, str]:
    """Return the content of a file of this kind, and what there is to say of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network"
        remark = WRITERS[kind](network, channels, file, metadata)
        return file.read_bytes(), remark
