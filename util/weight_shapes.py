"""The architecture that the shapes of weights show, and the names of weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WRAPPERS = {"module", "_orig_mod"}  # parts of names by nn.DataParallel and torch.compile


def plain_name(key: str) -> str:
    """Return the name of a weight without the parts that wrappers of networks have added."""
    return ".".join(part for part in key.split(".") if part not in WRAPPERS)


def renamed(state: Mapping[str, torch.Tensor], own: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return weights under the names that a network uses, if only wrappers make a difference.

    Args:
        own: the names in the network's state dict.
    """
    own = list(own)
    names = {plain_name(key): key for key in own}
    found = [names.get(plain_name(key), plain_name(key)) for key in state]
    if len(names) < len(own) or len(set(found)) < len(found):
        return dict(state)  # parts of the network itself are named like a wrapper
    return dict(zip(found, state.values(), strict=True))


def architecture_of(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the options that built an official generator or discriminator, {} for others.

    The weights of a U-Net do not show ``no_dropout``; ``input_nc`` of a discriminator may include a
    condition, so it is left out.
    """
    shapes = {plain_name(key): tuple(value.shape) for key, value in state.items()}
    if any(0 in shape for shape in shapes.values()):
        return {}
    try:
        return _architecture(shapes)
    except (KeyError, ValueError, IndexError):
        return {}  # only the first layer is that of an official network


# Weight of a network's first convolution -> bias of the first convolution before a norm
FIRST_LAYERS = {
    "model.1.weight": "model.1.bias",  # ResNet, whose layer 0 is padding
    "model.model.0.weight": "model.model.0.bias",  # U-Net
    "model.0.weight": "model.2.bias",  # PatchGAN discriminator
    "net.0.weight": "net.2.bias",  # pixel discriminator
}


def _coupled_architecture(shape: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the options that built a generator of CoGAN; {} for a discriminator."""
    layers = dict.fromkeys(("shared", "A", "B"), 0)
    for key in shape:
        part, _, rest = key.partition(".")
        layers[part] = max(layers[part], int(rest.split(".")[0]) + 1)
    first = shape.get("shared.0.0.weight", shape.get("A.0.0.weight", ()))
    last = [shape[f"{part}.{layers[part] - 1}.0.weight"] for part in ("A", "B")]
    if first[2:] != (4, 4):  # z becomes 4x4 features; every later layer but the last doubles
        return {}
    stages = layers["shared"] + layers["A"] - 2
    options = {"netG": "coupled", "norm": "batch", "shared_G": layers["shared"]}
    channels = {"input_nc": last[0][0], "output_nc": last[1][0]}
    return options | channels | {"ngf": first[1] // 16, "crop_size": 4 * 2**stages}


def _architecture(shape: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    if "shared.0.0.weight" in shape or "A.0.0.weight" in shape:
        return _coupled_architecture(shape)
    first = next((key for key in FIRST_LAYERS if key in shape), "")
    if not first or len(shape[first]) != 4:
        return {}
    width, inputs = shape[first][:2]
    convolutions = [key for key, s in shape.items() if len(s) == 4 and key.endswith("weight")]
    norm = "instance" if FIRST_LAYERS[first] in shape else "none"
    if any(len(s) == 1 and key.endswith(".weight") for key, s in shape.items()):
        norm = "batch"  # the only norm with weights
    if first == "model.1.weight":
        blocks = [k for k in shape if re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", k)]
        if not blocks:
            return {}
        *_, enlarging, last = sorted(convolutions, key=lambda key: int(key.split(".")[1]))
        no_dropout = any(".conv_block.5.weight" in key for key in convolutions)
        options = {"netG": f"resnet_{len(blocks)}blocks", "no_dropout": no_dropout, "norm": norm}
        inner, outer = shape[enlarging][:2]  # a convolution has its outputs first
        options["upsample"] = "resize" if inner < outer else "transpose"
        return options | {"ngf": width, "input_nc": inputs, "output_nc": shape[last][0]}
    if first == "model.model.0.weight":
        levels = len(convolutions) // 2  # each has a convolution down and one up
        inner, outer, size, _ = shape["model.model.3.weight"]
        resize = size == 3  # a transposed convolution is 4x4
        outputs = inner if resize else outer
        options = {"netG": f"unet_{2**levels}", "norm": norm}
        options["upsample"] = "resize" if resize else "transpose"
        return options | {"ngf": width, "input_nc": inputs, "output_nc": outputs}
    if first == "model.0.weight":
        layers = len(convolutions) - 2
        if layers < 1 or f"model.{2 + 3 * layers}.weight" not in shape:
            return {}
        return {"netD": "n_layers", "n_layers_D": layers, "norm": norm, "ndf": width}
    return {"netD": "pixel", "norm": norm, "ndf": width}
