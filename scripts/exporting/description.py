"""The metadata of an exported file: what people and load_generator read about its network."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from torch import nn

from util.checkpoint import saved_options
from util.exported_file import KEY, OPTIONS, Description
from util.modules import BATCH_NORMS, batch_dependence
from util.values import DomainValues, Values, domain_of, shown

COLOURS = {1: ("gray",), 2: ("gray", "alpha"), 3: ("red", "green", "blue")}
COLOURS[4] = (*COLOURS[3], "alpha")
SIZES = {"preprocess", "load_size", "crop_size"}


def channel_names(channels: int, rule: Values | None) -> str:
    """Return the names of the channels of an image, in their order."""
    if rule is None or rule.converts_pictures:
        return ", ".join(COLOURS.get(channels) or (f"channel {i + 1}" for i in range(channels)))
    return ", ".join(f"band {band}" for band in rule.bands or range(1, channels + 1))


def files_of(rule: Values | None) -> str:
    """Return the type and the range of the files of a domain, in words."""
    joined = f", the bands of {rule.inputs} files joined" if rule and rule.inputs > 1 else ""
    return f"{rule.dtype if rule else 'uint8'}, {limits_of(rule)}{joined}"


def range_of(raw: bool, rule: Values | None) -> str:
    """Return the values of black and white as "LOW..HIGH"."""
    return "-1..1" if not raw else limits_of(rule)


def limits_of(rule: Values | None) -> str:
    """Return the range of the files of a domain as "LOW..HIGH", without rounding."""
    return f"{exact(rule.low)}..{exact(rule.high)}" if rule else "0..255"


def exact(number: float) -> str:
    """Return a number in the fewest digits that give it again."""
    text = shown(number)
    return text if float(text) == number else repr(float(number))


def norm_of(net: nn.Module, name: str) -> str:
    """Return the norm of a generator, in words, and which statistics its layers use."""
    layers = [layer for layer in net.modules() if isinstance(layer, BATCH_NORMS)]
    if not layers:
        return {"instance": "instance (statistics of each image)"}.get(name, name)
    if "batch statistics" in batch_dependence([net]):
        return f"{name} (statistics of the images of a call, as in test.py without --eval)"
    return f"{name} (statistics of the training, --eval)"


def metadata_of(
    opt: Namespace, net: nn.Module, kind: str, raw: bool, half: bool, domains: DomainValues
) -> dict[str, str]:
    """Return the metadata of a file. Args: see :class:`Description`."""
    source, target = (domains[domain_of(label, opt.direction)] for label in ("real", "fake"))
    options: dict[str, Any] = {name: getattr(opt, name) for name in OPTIONS}
    if not SIZES.intersection(opt.explicit_options):
        # Those of the training, from which a test derives its own: the file is used like the run.
        saved = saved_options(Path(opt.checkpoints_dir) / opt.name)
        options |= {name: saved[name] for name in SIZES & saved.keys()}
    count = sum(weights.numel() for weights in net.parameters())
    dependence = "" if kind == "safetensors" else batch_dependence([net])
    description = Description(kind, raw, count, dependence, options, domains)
    rules = {"input": (opt.input_nc, source), "output": (opt.output_nc, target)}
    metadata = {"direction": opt.direction, "network": opt.netG, "norm": norm_of(net, opt.norm)}
    metadata["precision"] = "float16" if half else "float32"
    metadata["layout"] = "float32 (images, channels, height, width)"
    for side, (channels, rule) in rules.items():
        metadata[f"{side}_channels"] = channel_names(channels, rule)
        metadata[f"{side}_range"] = range_of(raw, rule)
        metadata[f"{side}_files"] = files_of(rule)
        if rule and rule.nodata is not None:
            metadata[f"{side}_nodata"] = exact(rule.nodata)
    return metadata | {KEY: description.record()}
