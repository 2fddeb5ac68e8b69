"""The same few validation images, translated at the end of each epoch: how the training moves on."""

from __future__ import annotations

import contextlib
import random
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate

from data import find_dataset_using_name
from data.base_dataset import BaseDataset
from models import set_batch
from models.base_model import BaseModel
from util.console import warn
from util.errors import UserError
from util.images import tensor2im
from util.seeds import as_before, preserve_rng, seed_everything
from util.sinks.base import Sink
from util.sinks.training_page import TrainingPage


class Panel:
    """Items of the run's own dataset in test mode: of valA and valB (or val), else testA ..., else the training images.

    Any model serves: it gets them by ``set_input``, ``test`` translates them. The training does not notice.
    """

    def __init__(self, opt: Namespace, page: Sink | None) -> None:
        """Raises UserError: a file of ``--panel`` cannot be used."""
        self.opt, self.page = opt, page
        self.items: list[dict] = []
        if not page or not (opt.panel or opt.panel_size):
            return
        with preserve_rng():
            try:
                self.items = self._load()
            except Exception as error:  # custom datasets may raise anything
                if opt.panel:
                    raise UserError(f"--panel: {error}") from None
                warn(f"no panel of validation images on the page: {error}")

    def _load(self) -> list[dict]:
        for phase in dict.fromkeys(("val", "test", self.opt.phase)):
            try:
                dataset = find_dataset_using_name(self.opt.dataset_mode)(
                    as_in_tests(self.opt, phase)
                )
                break
            except Exception:
                if phase == self.opt.phase:  # which tells what is wrong with the training images
                    raise
        if self.opt.panel:
            return [self._item(dataset, index) for index in range(_replace(dataset, self.opt))]
        items: dict[int, dict] = {}
        for index in random.Random(self.opt.seed).sample(range(len(dataset)), len(dataset))[
            : 4 * self.opt.panel_size
        ]:
            try:
                items[index] = self._item(dataset, index)
            except (
                UserError,
                OSError,
                SyntaxError,
            ):  # an image that cannot be read: the training tells of it
                continue
            if len(items) == self.opt.panel_size:
                break
        return [items[index] for index in sorted(items)]

    def _item(self, dataset: BaseDataset, index: int) -> dict:
        seed_everything(self.opt.seed, gpu=False)
        return default_collate([dataset[index]])

    def show(self, model: BaseModel, epoch: int) -> None:
        """After ``epoch``: translate all items and put them on the page. What goes wrong is said once; the training goes on."""
        if not isinstance(self.page, TrainingPage):
            return
        self.page.ended(epoch)
        if not self.items:
            return
        try:
            self.page.panel(epoch, [self._translate(model, item) for item in self.items])
        except Exception as error:  # a custom model may need more than test() gets here; a GPU or a disk may be full
            warn(f"no panel of validation images on the page: {type(error).__name__}: {error}")
            self.items = []

    def _translate(self, model: BaseModel, item: dict) -> tuple[str, dict[str, np.ndarray]]:
        """(Names of the files, label -> image) of one item."""
        with untouched(model):
            visuals = translated(model, item, self.opt.seed)
            paths = [model.get_image_paths(), *model.get_visual_paths().values()]
        return " · ".join(dict.fromkeys(Path(path[0]).name for path in paths if path)), visuals


def as_in_tests(opt: Namespace, phase: str) -> Namespace:
    """Whole images at the size of the training's crops, or their centre; in order, not flipped.

    Of the training images only the share that ``--val_share`` holds out, if it does.
    """
    size = opt.crop_size if opt.preprocess == "resize_and_crop" else opt.load_size
    changed = {
        "phase": phase,
        "isTrain": False,
        "no_flip": True,
        "serial_batches": True,
        "load_size": size,
        "jpeg_draft": False,
    }
    return Namespace(
        **vars(opt)
        | changed
        | ({} if phase == opt.phase else {"max_dataset_size": float("inf"), "val_share": 0})
    )


def _replace(dataset: BaseDataset, opt: Namespace) -> int:
    """Put the files of ``--panel`` in place of the dataset's own; how many items they make.

    Files in a folder trainA, testB, ... belong to that domain, others to the input's. A domain without any keeps images that
    the seed chooses.
    """
    for path in opt.panel:
        if not Path(path).is_file():
            raise UserError(f"there is no file {path}")
    single = next((name for name in ("AB_paths", "image_paths") if hasattr(dataset, name)), None)
    if single or not hasattr(dataset, "B_paths"):
        setattr(dataset, single or "A_paths", list(opt.panel))
        return len(opt.panel)
    given: dict[str, list[str]] = {"A": [], "B": []}
    for path in opt.panel:
        domain = Path(path).resolve().parent.name[-1:]
        given[domain if domain in given else opt.direction[0]].append(path)
    count = max(map(len, given.values()))
    for domain, paths in given.items():
        own = getattr(dataset, f"{domain}_paths")
        setattr(
            dataset,
            f"{domain}_paths",
            paths or random.Random(opt.seed).sample(own, min(count, len(own))),
        )
    return count


def translated(model: BaseModel, item: dict, seed: int) -> dict[str, np.ndarray]:
    """The images, uint8 (H, W, C), that ``model.test()`` makes of an item. To be called inside of :func:`untouched`."""
    before = model.get_current_visuals()
    seed_everything(seed)
    set_batch(model, item)
    model.test()
    return {
        label: tensor2im(image)
        for label, image in model.get_current_visuals().items()
        if image is not before.get(label)
    }  # the others belong to the last training step


@contextlib.contextmanager
def untouched(model: BaseModel) -> Iterator[None]:
    """Afterwards the model's attributes, its networks' buffers (batch statistics) and all generators are as before."""
    attributes = dict(vars(model))
    modules = [
        *model.get_networks().values(),
        *(v for v in attributes.values() if isinstance(v, torch.nn.Module)),
    ]
    with as_before(modules, model.device):
        model.preset_visuals()
        try:
            yield
        finally:
            vars(model).clear()
            vars(model).update(attributes)
