"""From network output to image files."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image


def tensor2im(image: torch.Tensor | np.ndarray, index: int = 0) -> np.ndarray:
    """Image ``index`` of a batch (N, C, H, W) in [-1, 1] as uint8 (H, W, 3), rounded to the nearest level.

    One channel becomes gray; two (gray, alpha) and four (RGB, alpha) stay as they are. Arrays pass: (H, W, C) in [0, 255].
    """
    if not isinstance(image, torch.Tensor):
        return np.asarray(image).clip(0, 255).round().astype(np.uint8)
    x = image[index].detach().float().add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8).cpu()
    return (x.expand(3, -1, -1) if len(x) == 1 else x).permute(1, 2, 0).numpy()


def save_image(image: np.ndarray | Image.Image, path: Path, aspect_ratio: float = 1.0) -> None:
    """Write uint8 (H, W, C), stretched so that height over width is ``aspect_ratio`` times what it was."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if path.suffix.lower() in (".jpg", ".jpeg"):  # which have no alpha
        picture = picture.convert("RGB")
    if aspect_ratio > 1:
        picture = picture.resize((picture.width, int(picture.height * aspect_ratio)), Image.Resampling.BICUBIC)
    elif aspect_ratio < 1:
        picture = picture.resize((int(picture.width / aspect_ratio), picture.height), Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95)
