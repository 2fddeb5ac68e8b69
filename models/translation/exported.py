"""A generator in a file of scripts/export.py, in place of one of models/networks.py."""

from __future__ import annotations

import math
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from util.console import say
from util.errors import UserError, explain, is_out_of_memory
from util.exported_file import Description, open_session, read_description
from util.feature_networks import load_torchscript
from util.values import Values, domain_of


class ExportedNetwork(nn.Module):
    """The network in an ONNX or TorchScript file, (N, C, H, W) in [-1, 1] in and out.

    ONNX files run on the CPU.

    Attributes:
        file: the file.
        output_nc: the channels of its translations.
        parameter_count: the number of values in its weights.
        batch_dependence: see :func:`util.modules.batch_dependence`.
    """

    def __init__(self, file: Path, description: Description) -> None:
        """Load the file. Raises UserError: it is damaged, or needs a package that is missing."""
        super().__init__()
        self.file, self.parameter_count = file, description.parameters
        self.batch_dependence = description.dependence
        self.output_nc = description.options["output_nc"]
        self.rules: tuple[Values | None, Values | None] | None = None
        if description.raw:
            direction = description.options["direction"]
            source, target = (domain_of(label, direction) for label in ("real", "fake"))
            self.rules = description.domains[source], description.domains[target]
        self.session = None
        if description.kind == "onnx":
            with explain(f"cannot load {file}"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.session = open_session(file)
        else:
            self.script = load_torchscript(file, "the exported network")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Translate a batch.

        Raises UserError: the network cannot, or its result is none. MemoryError: memory is used up.
        """
        image = x if self.rules is None else to_raw(x, self.rules[0])
        problem = f"{self.file} cannot translate an image of shape {tuple(x.shape[1:])}"
        expected = (len(x), self.output_nc, *x.shape[2:])
        try:
            with explain(problem, -1 if self.session is None else 0):  # where each says what it is
                result = self.run(image)
        except UserError as error:
            if is_out_of_memory(RuntimeError(str(error))):
                raise MemoryError(str(error)) from None
            raise
        if result.shape != expected or not result.is_floating_point():
            found = f"{result.dtype} {tuple(result.shape)}"
            raise UserError(f"{problem}: it gives {found}, and should give floats {expected}")
        return result if self.rules is None else from_raw(result, self.rules[1])

    def run(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the network in the file computes."""
        if self.session is None:
            return self.script(image)
        [array] = self.session.run(["translation"], {"image": image.float().cpu().numpy()})
        return torch.from_numpy(array).to(image.device)


def to_raw(x: torch.Tensor, rule: Values | None) -> torch.Tensor:
    """Map [-1, 1] to the values of files, for the network of a file with ``--raw``."""
    low, high = (0.0, 255.0) if rule is None else (rule.low, rule.high)
    raw = (x.float() + 1) * ((high - low) / 2) + low
    if rule is None or rule.nodata is None or math.isnan(rule.nodata):
        return raw
    # The input has been filled already: none of its pixels may look like one without data.
    with np.errstate(over="ignore"):  # the lowest float64 becomes -inf
        nodata, middle = np.float32(rule.nodata), np.float32((low + high) / 2)
    return torch.where(raw == nodata.item(), np.nextafter(nodata, middle).item(), raw)


def from_raw(result: torch.Tensor, rule: Values | None) -> torch.Tensor:
    """Map the values of files to [-1, 1]."""
    low, high = (0.0, 255.0) if rule is None else (rule.low, rule.high)
    return (result - low) * (2 / (high - low)) - 1


def exported_network(opt: Namespace) -> ExportedNetwork | None:
    """Return the network of the ONNX or TorchScript file that ``--name`` names, else None.

    Raises UserError: the file is damaged, or needs a package that is missing.
    """
    file = getattr(opt, "exported_file", None)
    if not file:
        return None
    description = read_description(file)
    if description.kind == "safetensors":
        return None  # a run in all but name
    for name in ("input_nc", "output_nc"):
        if getattr(opt, name) != description.options[name]:
            raise UserError(
                f"--{name} {getattr(opt, name)}: the network in {file} has "
                f"{description.options[name]}"
            )
    is_elsewhere = description.kind == "onnx" and torch.device(opt.device).type != "cpu"
    say(f"Loaded {file}" + ", which runs on the CPU" * is_elsewhere)
    return ExportedNetwork(file, description)
