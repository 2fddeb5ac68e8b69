"""Translating one batch of images with a model."""

from __future__ import annotations

from models import set_batch
from models.base_model import BaseModel
from util.seeds import LocalGenerators, seed_everything


def translate_batch(model: BaseModel, batch: dict, seed: int) -> None:
    """Run ``model.test()`` on ``batch``; the model then holds the output images.

    All random generators are seeded first: the dropout of a batch does not depend on the batches
    before it. Dropout has generators of its own, as in :class:`Translator`, and so the same noise.
    """
    seed_everything(seed)
    set_batch(model, batch)
    with LocalGenerators(seed):
        model.test()
