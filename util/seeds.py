"""Seeding the generators that models and datasets draw from."""
from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int, gpu: bool = True) -> None:
    """Seed Python's, numpy's and torch's global generators; ``gpu`` False leaves those of GPUs alone."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    (torch.manual_seed if gpu else torch.default_generator.manual_seed)(seed)
