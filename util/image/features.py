"""Networks from packages and files that turn images into features, for FID and KID."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from util import checkpoint
from util.errors import UserError, explain, needs
from util.feature_networks import (
    EFFICIENTNET,
    ExtractFeatures,
    load_efficientnet,
    load_torchscript,
)
from util.image.ranges import RANGES

MOST_FEATURES = 65_536  # numbers for an image
Network = Callable[[torch.Tensor], torch.Tensor]


def load_network(path: str | Path, flag: str) -> Network:
    """Load a TorchScript (.pt, .pth, .ts) or ONNX file as a function of a batch (N, 3, H, W).

    Raises:
        UserError: the message names ``flag``, the file and the reason.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return load_torchscript(path, flag, "TorchScript or ONNX")
    with explain(f"{flag} {path} is no ONNX network"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with needs(f"{flag} {path}", "onnxruntime"):
            from onnxruntime import InferenceSession
        session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda batch: torch.from_numpy(session.run(None, {name: batch.numpy()})[0])


def run(network: Network, batch: torch.Tensor, flag: str) -> torch.Tensor:
    """Return the output of ``network``.

    Raises UserError: it is not one tensor of real numbers that holds a result for each image.
    """
    shape = tuple(batch.shape)
    message = f"{flag}: the network cannot take a batch of the shape {shape}"
    with explain(message, line=-1), torch.inference_mode():
        out = network(batch)
    if not isinstance(out, torch.Tensor):
        raise UserError(f"{flag}: the network should return one tensor, not {type(out).__name__}")
    if out.ndim < 2 or len(out) != len(batch) or not out.numel() or out.is_complex():
        found = f"{'complex' if out.is_complex() else 'real'} numbers of shape {tuple(out.shape)}"
        raise UserError(f"{flag}: the network should return a real result per image, not {found}")
    return out


def to_batch(images: Iterable[Image.Image], levels: str) -> torch.Tensor:
    """Return RGB images of one size as floats (N, 3, H, W) in one of ``RANGES``."""
    mean, scale, bgr = RANGES[levels]
    step = -1 if bgr else 1
    arrays: np.ndarray = np.stack([np.asarray(image, np.float32)[..., ::step] for image in images])
    arrays = (arrays - np.asarray(mean, np.float32)) / np.asarray(scale, np.float32)
    return torch.from_numpy(np.ascontiguousarray(arrays.transpose(0, 3, 1, 2)))


@dataclass
class Features:
    """A feature network, and the facts to report beside a distance measured with it."""

    name: str
    resize: str
    embed: Callable[[list[Image.Image]], torch.Tensor]  # images to features (N, d)

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return the features (d,) of an RGB image of any size.

        Raises UserError: the network cannot take it, or returns too many numbers.
        """
        features = self.embed([image]).double().flatten(1).cpu().numpy()
        if features.size > MOST_FEATURES:
            found = f"the network returns {features.size} numbers for an image"
            raise UserError(f"--features: {found}, at most {MOST_FEATURES} are possible")
        return features[0]


@functools.cache
def load_features(
    name: str,
    weights: str | None = None,
    size: int = 224,
    levels: str = "imagenet",
    device: torch.device | str = "cpu",
) -> Features:
    """Load a feature network.

    Args:
        name: ``inception``, ``efficientnet-lite0``, or a file (see ``load_network``).
        weights: file with the weights of inception; by default its package downloads them.
        size: input height and width of a network file, in pixels.
        levels: one of ``RANGES``, the value range of the input of a network file.
        device: where the network runs; ONNX files run on the CPU.

    Raises:
        UserError: a package, a file or the weights are missing.
    """
    if name == "inception":
        return _inception(weights, device)
    network: Network
    if name == EFFICIENTNET:
        network = ExtractFeatures(load_efficientnet("--features"))
        size, levels, title = 224, "efficientnet", name
    else:
        network, title = load_network(name, "--features"), f"{Path(name).name} ({levels})"
    if isinstance(network, torch.nn.Module):
        network = network.to(device)
    else:
        device = "cpu"

    def embed(images: list[Image.Image]) -> torch.Tensor:
        small = [image.resize((size, size), Image.Resampling.BICUBIC) for image in images]
        out = run(network, to_batch(small, levels).to(device), "--features")
        return out.mean((2, 3)) if out.ndim == 4 else out

    return Features(title, f"bicubic, antialiased, to {size}x{size}", embed)


def _inception(weights: str | None, device: torch.device | str) -> Features:
    """Inception v3 with torch-fidelity's port of the TensorFlow weights, the standard for FID."""
    with needs("--features inception", "torch-fidelity"):
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    if weights and not Path(weights).is_file():
        raise UserError(f"--inception_weights {weights}: there is no such file")
    file = "weights-inception-2015-12-05-6726825d.pth"
    with explain(
        f"--features inception: no weights; get {file} from the releases of torch-fidelity and "
        "give it with --inception_weights FILE"
    ):
        if weights:
            checkpoint.check_archive(Path(weights))
        network: Any = FeatureExtractorInceptionV3(
            "inception", ["2048"], feature_extractor_weights_path=weights
        ).eval()
        network.to(device)
        checkpoint.require_numbers(network.state_dict(), f"the weights in {weights or file}")

    def embed(images: list[Image.Image]) -> torch.Tensor:
        batch = to_batch(images, "0..255").to(device)
        return run(lambda batch: network(batch.to(torch.uint8))[0], batch, "--features")

    title = f"Inception v3 pool3, torch-fidelity {version('torch-fidelity')}"
    return Features(title, "bilinear as in TensorFlow 1, to 299x299", embed)
