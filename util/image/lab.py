"""sRGB <-> CIE Lab (white point D65, 2 degree observer), scaled for networks: L/50 - 1, ab/110."""

from __future__ import annotations

import torch

# IEC 61966-2-1. The white point is that of the observer's tables, as in scikit-image.
RGB_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ],
    dtype=torch.float64,
)
WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64).view(3, 1, 1)


def rgb_to_lab(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Convert (..., 3, H, W) in [0, 1].

    Returns:
        L (..., 1, H, W) in [-1, 1] and ab (..., 2, H, W) in about [-1, 1].
    """
    rgb = rgb.double()
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,...jhw->...ihw", RGB_TO_XYZ.to(rgb.device), linear)
    xyz = xyz / WHITE.to(rgb.device)
    cube_root = xyz.clamp(min=1e-12) ** (1 / 3)
    x, y, z = torch.where(xyz > 0.008856, cube_root, 7.787 * xyz + 16 / 116).unbind(-3)
    lightness = torch.stack([116 * y - 16], -3) / 50 - 1
    return lightness.float(), (torch.stack([500 * (x - y), 200 * (y - z)], -3) / 110).float()


def lab_to_rgb(lightness: torch.Tensor, ab: torch.Tensor) -> torch.Tensor:
    """Convert back, on the CPU; colours outside the RGB cube are clipped.

    Args:
        lightness: L (..., 1, H, W), scaled as above.
        ab: (..., 2, H, W), scaled as above.

    Returns:
        (..., 3, H, W) in [-1, 1].
    """
    lightness, ab = lightness.detach().cpu().double(), ab.detach().cpu().double()
    y = ((lightness[..., 0, :, :] + 1) * 50 + 16) / 116
    x, z = y + ab[..., 0, :, :] * 110 / 500, (y - ab[..., 1, :, :] * 110 / 200).clamp(min=0)
    f = torch.stack([x, y, z], -3)
    xyz = torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787) * WHITE
    linear = torch.einsum("ij,...jhw->...ihw", torch.linalg.inv(RGB_TO_XYZ), xyz)
    power = 1.055 * linear.clamp(min=1e-12) ** (1 / 2.4) - 0.055
    rgb = torch.where(linear > 0.0031308, power, 12.92 * linear)
    return (rgb.clamp(0, 1) * 2 - 1).float()
