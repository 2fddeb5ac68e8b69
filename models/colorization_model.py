"""Colorization: pix2pix from an image's lightness to its colours, in Lab space."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np
import torch

from models.pix2pix_model import Pix2PixModel
from util.image.lab import lab_to_rgb


class ColorizationModel(Pix2PixModel):
    """A is L (one channel), B is ab (two channels), both scaled to about [-1, 1].

    Pages show RGB images.
    """

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        Pix2PixModel.modify_commandline_options(parser, is_train)
        parser.set_defaults(dataset_mode="colorization")
        return parser

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.visual_names = ["real_A", "real_B_rgb", "fake_B_rgb"]

    def compute_visuals(self) -> None:
        self.real_B_rgb = lab_to_rgb(self.real_A, self.real_B)
        self.fake_B_rgb = lab_to_rgb(self.real_A, self.fake_B)

    def lab2rgb(self, L: torch.Tensor, AB: torch.Tensor) -> np.ndarray:
        """Return the first image of a batch as RGB (H, W, 3), from 0 to 255, not rounded."""
        return (lab_to_rgb(L, AB)[0].permute(1, 2, 0).numpy() + 1) * 127.5
