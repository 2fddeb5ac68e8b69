"""The same few validation images, translated after each epoch to follow a training."""

from __future__ import annotations

import functools
import random
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch.utils.data import default_collate

from data import find_dataset_using_name
from data.dataset_of_images import BaseDataset
from data.image_file import check_values
from data.rasters.items import ValuesOfDomains
from models.base_model import BaseModel
from models.training.inspection import options_for_testing, translate_apart
from util import distributed
from util.console import warn
from util.errors import UserError
from util.files import real_path
from util.image.preview import Preview
from util.images import show_images
from util.option_defaults import theirs
from util.seeds import seed_everything
from util.sinks.base import Sink
from util.sinks.training_page import TrainingPage
from util.values import masks_of

# Where the items of the panel come from -> its title on the page.
TITLES = {
    "val": "Validation images",
    "test": "Test images",
    "held out": "Held-out training images",
    "train": "Training images, translated as in a test",
    "panel": "Chosen images (--panel)",
}


class Panel:
    """Items of the run's dataset in test mode, shown on the page after each epoch.

    They come from the files of ``--panel``, else from the phase val, else test, else from the
    training images. Works with any model: ``set_input`` gets an item, ``test`` translates it.

    Attributes:
        before_write: called before anything is written; an exception ends the training.
    """

    def __init__(self, opt: Namespace, page: Sink | None) -> None:
        """Load the items. Raises UserError: a file of ``--panel`` cannot be used."""
        self.opt, self.page = opt, page
        self.items: list[dict] = []
        self.before_write: Callable[[], None] = lambda: None
        if page and (opt.panel or opt.panel_size):
            self.load()

    def load(self) -> None:
        """Load the items. Raises UserError: a file of ``--panel`` cannot be used."""
        try:
            self.items = self._load_items()
        except Exception as error:  # a custom dataset may raise anything
            if self.opt.panel:
                raise UserError(f"--panel: {error}") from None
            warn(f"no panel of validation images on the page: {error}")

    def _load_items(self) -> list[dict]:
        dataset = self._make_dataset()
        if self.opt.panel:
            count = _use_files(dataset, self.opt)
            return [self._load_item(dataset, index) for index in range(count)]
        items: dict[int, dict] = {}
        order = random.Random(self.opt.seed).sample(range(len(dataset)), len(dataset))
        for index in order[: 4 * self.opt.panel_size]:
            if len(items) == self.opt.panel_size:
                break
            try:
                items[index] = self._load_item(dataset, index)
            except (UserError, OSError, SyntaxError):  # unreadable; the training reports such files
                continue
        return [items[index] for index in sorted(items)]

    def _make_dataset(self) -> BaseDataset:
        """Return the dataset of the items, and set the title that says where they are from."""
        dataset_class = find_dataset_using_name(self.opt.dataset_mode)
        for phase in ("val", "test"):
            try:
                dataset = dataset_class(theirs(options_for_testing(self.opt, phase)))
            except Exception:  # there is no such folder, or a custom dataset has no such phase
                continue
            self._set_title(TITLES[phase])
            return dataset
        self._set_title(TITLES["held out" if self.opt.val_share else "train"])
        return dataset_class(theirs(options_for_testing(self.opt, self.opt.phase)))

    def _set_title(self, title: str) -> None:
        if isinstance(self.page, TrainingPage):
            self.page.panel_title = TITLES["panel"] if self.opt.panel else title

    def _load_item(self, dataset: BaseDataset, index: int) -> dict:
        seed_everything(self.opt.seed, gpu=False)
        return default_collate([dataset[index]])

    def show_first(self, model: BaseModel, epoch: int) -> None:
        """Show the items before the first step, unless the page has them from before a resume."""
        if self.page and not self.page.memory.get("panel"):
            self.show(model, epoch, is_first=True)

    def show(self, model: BaseModel, epoch: int, is_first: bool = False) -> None:
        """Translate all items after ``epoch`` on rank 0 and add them to the page.

        An error ends the panel with one warning; the training continues. If the error is one that
        stops the first step, too, that step reports it.
        """
        if not isinstance(self.page, TrainingPage):
            return
        self.page.ended(epoch)
        if not self.items:
            return
        self.before_write()
        try:
            with distributed.single_rank():
                self.page.panel(epoch, [self._translate(model, item) for item in self.items])
        except Exception as error:  # e.g. a full GPU or disk, or a custom model without test()
            if is_first and isinstance(error, UserError):
                return
            warn(f"no panel of validation images on the page: {type(error).__name__}: {error}")
            self.items = []

    def _translate(self, model: BaseModel, item: dict) -> tuple[str, dict[str, np.ndarray]]:
        """Return the file names of an item, joined, and its images as label -> uint8 (H, W, C)."""
        model, visuals = translate_apart(model, item, self.opt.seed)
        paths = [model.get_image_paths(), *model.visual_paths.values()]
        names = dict.fromkeys(Path(path[0]).name for path in paths if path)
        images = show_images(visuals, how=self.preview, masks=masks_of(item))
        return " · ".join(names), images

    @functools.cached_property
    def preview(self) -> Preview:
        """How images are shown; the rules of their values are written before the first of them."""
        return Preview.of(self.opt, Path(self.opt.checkpoints_dir) / self.opt.name)


def _check_files(opt: Namespace) -> None:
    """Raise UserError: a file of ``--panel`` is missing, or its values would be lost."""
    for path in opt.panel or ():
        if not Path(path).is_file():
            raise UserError(f"there is no file {path}")
    if not any(getattr(opt, "domain_values", {}).values()):
        check_values(opt.panel or [], "these files")


def _use_files(dataset: BaseDataset, opt: Namespace) -> int:
    """Replace the dataset's files by those of ``--panel``, and return the number of items.

    A file in a folder whose name ends with A or B (trainA, testB, ...) belongs to that domain, any
    other file to the input domain. A domain without files keeps a random choice of its images. Of
    several inputs, the files in the first folder (testA1, ...) are given.
    """
    _check_files(opt)
    for path in opt.panel if isinstance(dataset, ValuesOfDomains) else ():
        dataset.find_partners(path)
    single = next((name for name in ("AB_paths", "image_paths") if hasattr(dataset, name)), None)
    if single or not hasattr(dataset, "B_paths"):
        setattr(dataset, single or "A_paths", list(opt.panel))
        return len(opt.panel)
    files: dict[str, list[str]] = {"A": [], "B": []}
    for path in opt.panel:
        domain = real_path(path).parent.name.rstrip("0123456789")[-1:]
        files[domain if domain in files else opt.direction[0]].append(path)
    count = max(map(len, files.values()))
    for domain, paths in files.items():
        images = getattr(dataset, f"{domain}_paths")
        chosen = random.Random(opt.seed).sample(images, min(count, len(images)))
        setattr(dataset, f"{domain}_paths", paths or chosen)
    return count
