"""Datasets by name, and the loader of batches.

To add a dataset, copy ``template_dataset.py`` to ``data/X_dataset.py`` with a class ``XDataset``.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

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
        opt: of TrainOptions or TestOptions, or any object with the official options.
        say_left_out: print how many files were left out by their extension.
    """
    from data.pipeline.loader import CustomDatasetDataLoader

    return CustomDatasetDataLoader(opt, say_left_out).load_data()


def __getattr__(name: str) -> Any:
    """Import the official classes of this package when they are first used."""
    if name == "BaseDataset":
        from data.base_dataset import BaseDataset

        return BaseDataset
    if name == "CustomDatasetDataLoader":
        from data.pipeline.loader import CustomDatasetDataLoader

        return CustomDatasetDataLoader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
