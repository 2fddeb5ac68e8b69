"""test.py: several images of one size at once, where that gives bit for bit what one by one gives."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator

import torch

from models import set_batch
from models.base_model import BaseModel
from util.seeds import seed_everything

# Whose outputs for an image depend on that image alone, but for dropout and batch statistics. Custom models may keep
# anything from image to image, or take gradients; they get one item at a time, as officially.
OURS = {
    "models.cycle_gan_model",
    "models.pix2pix_model",
    "models.colorization_model",
    "models.test_model",
}
MOST_IMAGES, MOST_PIXELS = 8, 8 * 256 * 256


def translate(
    model: BaseModel, dataset: Iterable[dict], count: int, opt: Namespace
) -> Iterator[None]:
    """Run ``model.test()`` until all items are done; after each yield the model holds the next images.

    Kernels may add in another order for another batch size, and a float that differs in its last bit may round to another
    pixel. So the first full batch of each shape is computed both ways, and batches go on where no bit differs. With few images
    in all (``count``) that is not worth its time.
    """
    independent = opt.eval or ("batch" not in opt.norm and opt.no_dropout)
    alone = (
        type(model).__module__ not in OURS
        or opt.batch_size > 1
        or not independent
        or count < 4 * MOST_IMAGES
    )
    proven: dict[object, bool] = {}
    for group in groups(dataset, 1 if alone else MOST_IMAGES):
        shape = shapes(group[0])
        full = len(group) == room(group[0]) > 1 and not alone
        if full and proven.get(shape):
            run(model, join(group), opt.seed)
            yield
            continue
        seen = []
        for item in group:
            run(model, item, opt.seed)
            yield
            seen.append(model.get_current_visuals() if full and shape not in proven else {})
        if full and shape not in proven:
            run(model, join(group), opt.seed)
            proven[shape] = all(
                torch.equal(together, torch.cat([images[label] for images in seen]))
                for label, together in model.get_current_visuals().items()
            )


def run(model: BaseModel, batch: dict, seed: int) -> None:
    set_batch(model, batch)
    seed_everything(
        seed
    )  # for each batch, so that an image's dropout does not depend on the images before it
    with torch.inference_mode(type(model).__module__ in OURS):
        model.test()


def shapes(item: dict) -> tuple:
    """What neighbours must have in common to be joined; nothing has it in common with an item that cannot be."""
    return tuple(
        (
            key,
            value.shape
            if isinstance(value, torch.Tensor)
            else list
            if isinstance(value, list)
            else object(),
        )
        for key, value in item.items()
    )


def room(item: dict) -> int:
    """How many such items go into a batch."""
    images = [
        value for value in item.values() if isinstance(value, torch.Tensor) and value.dim() == 4
    ]
    pixels = max((image.shape[2] * image.shape[3] for image in images), default=MOST_PIXELS)
    return max(1, min(MOST_IMAGES, MOST_PIXELS // pixels))


def groups(dataset: Iterable[dict], most: int) -> Iterator[list[dict]]:
    """Neighbours of one shape, at most so many and at most :func:`room`."""
    group: list[dict] = []
    for item in dataset:
        if group and shapes(item) != shapes(group[0]):
            yield group
            group = []
        group.append(item)
        if len(group) >= min(most, room(item)):
            yield group
            group = []
    if group:
        yield group


def join(items: list[dict]) -> dict:
    """One batch of several: tensors along their first axis, lists one after the other."""
    return {
        key: torch.cat([item[key] for item in items])
        if isinstance(value, torch.Tensor)
        else [one for item in items for one in item[key]]
        for key, value in items[0].items()
    }
