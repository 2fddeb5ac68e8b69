"""Translating one batch of images with a model."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from models import set_batch
from models.base_model import BaseModel
from util.seeds import LocalGenerators, seed_everything
from util.values import domain_of, masks_of


def translate_batch(model: BaseModel, batch: dict, seed: int) -> None:
    """Run ``model.test()`` on ``batch``; the model then holds the output images.

    All random generators are seeded first: the dropout of a batch does not depend on the batches
    before it. Dropout has generators of its own, as in :class:`Translator`, and so the same noise.
    """
    seed_everything(seed)
    set_batch(model, batch)
    with LocalGenerators(seed):
        model.test()


def masks_of_folders(opt: Namespace, batch: dict | None) -> dict[str, Any]:
    """Return the masks of a batch: folder -> bool (N, 1, H, W), False where there is no data.

    The one folder of ``--model test`` is called A in its batches, but its images are of the domain
    that ``--direction`` begins with.
    """
    masks = masks_of(batch or {})
    one_folder = opt.dataset_mode == "single" and "A" in masks
    return {domain_of("real", opt.direction): masks["A"]} if one_folder else masks
