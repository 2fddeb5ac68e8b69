"""Datasets by name, and the loader of batches.

To add a dataset, copy ``template_dataset.py`` to ``data/X_dataset.py`` with a class ``XDataset``.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from util.console import say
from util.option_defaults import add_missing
from util.plugins import find_class

if TYPE_CHECKING:  # importing PyTorch takes seconds, and not every program needs it
    from data.base_dataset import BaseDataset
    from data.pipeline.loader import Loader


def find_dataset_using_name(dataset_name: str) -> type[BaseDataset]:
    """Return class ``XDataset`` from ``data/X_dataset.py``, or from the ``.py`` file given."""
    return find_class("dataset", dataset_name)


def get_option_setter(dataset_name: str):
    """Return ``modify_commandline_options`` of a dataset class."""
    return find_dataset_using_name(dataset_name).modify_commandline_options


def create_dataset(opt: Namespace, say_left_out: bool = True) -> Loader:
    """Return the loader of the dataset of ``opt``; each pass over it is one epoch.

    Args:
        say_left_out: print how many files were left out by their extension.
    """
    from data.base_dataset import remarks
    from data.image_folder import KINDS, counted, left_out
    from data.pipeline.loader import Loader

    add_missing(opt)
    left_out.clear()
    remarks.clear()
    dataset = find_dataset_using_name(opt.dataset_mode)(opt)
    if left_out and say_left_out:
        remarks.append(
            f"Files left out by their extension: {counted(left_out)} (images are {KINDS})"
        )
    if remarks:
        say(*remarks)
    loader = Loader(dataset, opt)
    if opt.phase == "train":
        opt.images_per_epoch = len(loader)  # for the Visualizer of a script
    return loader
