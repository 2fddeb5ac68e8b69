"""The metadata of an exported file: what people and load_generator read about its network."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from torch import nn

from util.exported_file import KEY, OPTIONS, Description
from util.modules import BATCH_NORMS, batch_dependence
from util.values import DomainValues, Values, domain_of

COLOURS = {1: ("gray",), 2: ("gray", "alpha"), 3: ("red", "green", "blue")}
COLOURS[4] = (*COLOURS[3], "alpha")


def channel_names(channels: int, rule: Values | None) -> str:
    """Return the names of the channels of an image, in their order."""
    if rule is None:
        return ", ".join(COLOURS.get(channels) or (f"channel {i + 1}" for i in range(channels)))
    return ", ".join(f"band {band}" for band in rule.bands or range(1, channels + 1))


def range_of(raw: bool, rule: Values | None) -> str:
    """Return the values of black and white as "LOW..HIGH"."""
    return "-1..1" if not raw else rule.limits if rule else "0..255"


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
        metadata[f"{side}_files"] = f"{rule.dtype}, {rule.limits}" if rule else "uint8, 0..255"
        if rule and rule.nodata is not None:
            metadata[f"{side}_nodata"] = f"{rule.nodata:g}"
    return metadata | {KEY: description.record()}
