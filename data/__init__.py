"""Datasets by name, and the loader. To add one, copy ``template_dataset.py`` to ``data/X_dataset.py`` with ``XDataset``."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from util.plugins import find_class

if TYPE_CHECKING:
    from data.base_dataset import BaseDataset
    from data.pipeline.loader import Loader


def find_dataset_using_name(dataset_name: str) -> type[BaseDataset]:
    """The class ``XDataset`` in ``data/X_dataset.py``, or the one in the ``.py`` file that is named."""
    return find_class("dataset", dataset_name)


def get_option_setter(dataset_name: str):
    return find_dataset_using_name(dataset_name).modify_commandline_options


def create_dataset(opt: Namespace) -> Loader:
    """Batches of the dataset that ``opt`` describes; each pass over it is one epoch."""
    from data.pipeline.loader import Loader

    return Loader(find_dataset_using_name(opt.dataset_mode)(opt), opt)
