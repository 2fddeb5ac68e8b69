"""Writes networks as ONNX, TorchScript and safetensors, and opens them as users do."""

from __future__ import annotations

import inspect
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from util.errors import explain, naming, needs
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


def write_onnx(network: nn.Module, channels: int, metadata: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a network as ONNX, and its opset in words.

    The exporter is that of traces, which is in every PyTorch since 2.4 and takes two seconds. The
    newer one (``dynamo=True``) takes 40 seconds for a ResNet and minutes for a U-Net.

    Raises UserError: a layer has no form in ONNX.
    """
    import onnx

    image = torch.zeros(EXAMPLE[0], channels, *EXAMPLE[1:])
    is_newer = "dynamo" in inspect.signature(torch.onnx.export).parameters  # PyTorch 2.5
    settings: dict[str, Any] = {"dynamo": False} if is_newer else {}
    with (
        tempfile.TemporaryDirectory() as folder,
        explain("--to onnx: PyTorch cannot write this network as ONNX"),
        naming(file := Path(folder) / "network"),
        warnings.catch_warnings(),
    ):
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
    [opset] = (entry.version for entry in model.opset_import if entry.domain == "")
    return model.SerializeToString(), f", opset {opset}"


def write_torchscript(
    network: nn.Module, channels: int, metadata: Mapping[str, str]
) -> tuple[bytes, str]:
    """Return a network as TorchScript. Raises UserError: it cannot be traced."""
    image = torch.zeros(EXAMPLE[0], channels, *EXAMPLE[1:])
    file = io.BytesIO()  # on a full disk, PyTorch would end the process
    with explain("--to torchscript: PyTorch cannot trace this network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.no_grad():
            traced = torch.jit.trace(network, image, check_trace=False)
        torch.jit.save(traced, file, _extra_files={EXTRA: json.dumps(dict(metadata))})
    return file.getvalue(), ""


def write_safetensors(
    network: nn.Module, channels: int, metadata: Mapping[str, str]
) -> tuple[bytes, str]:
    """Return the weights of a network, under the names of the official code."""
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    return save(state, dict(metadata)), ""


# Each takes a network, the channels of its input, and the metadata. It returns the content of a
# file, and what there is to say of it.
WRITERS = {"onnx": write_onnx, "torchscript": write_torchscript, "safetensors": write_safetensors}
