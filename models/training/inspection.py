"""Running the model of a training on other images, without any effect on the training."""

from __future__ import annotations

import copy
import math
from argparse import Namespace

from torch import Tensor, nn

from models.base_model import BaseModel
from models.translation.batch import translate_batch
from util.modules import unaffected
from util.option_defaults import replaced


def options_for_testing(opt: Namespace, phase: str) -> Namespace:
    """Return the options of the same dataset in test mode.

    Images come in order, not flipped, at the size of the training's crops. They are whole with
    ``--preprocess resize_and_crop``; otherwise a crop is their centre. In the training's own phase,
    only the images that ``--val_share`` holds out are used.
    """
    changed = {"phase": phase, "isTrain": False, "no_flip": True, "serial_batches": True}
    changed["load_size"] = opt.crop_size if opt.preprocess == "resize_and_crop" else opt.load_size
    changed["jpeg_draft"] = False
    changed["domain_values"] = getattr(opt, "domain_values", {})
    if phase != opt.phase:
        changed |= {"max_dataset_size": math.inf, "val_share": 0}
    return replaced(opt, **changed)


def translate_apart(
    model: BaseModel, batch: dict, seed: int
) -> tuple[BaseModel, dict[str, Tensor]]:
    """Translate ``batch`` (of one item) with a shallow copy of ``model``.

    The copy shares the networks; buffers such as batch-norm statistics are restored afterwards.

    Returns:
        The copy, and its images as label -> (1, C, H, W). Images that only a training step computes
        are left out.
    """
    model = copy.copy(model)
    for name in model.visual_names:
        if not hasattr(model, name):
            setattr(model, name, None)  # shown only if the model computes it
    before = model.get_current_visuals()
    modules = [*model.get_networks().values(), *vars(model).values()]
    with unaffected(module for module in modules if isinstance(module, nn.Module)):
        translate_batch(model, batch, seed)
    visuals = model.get_current_visuals()
    return model, {k: image for k, image in visuals.items() if image is not before.get(k)}
