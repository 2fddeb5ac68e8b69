"""The official ``GetData``: downloads the datasets of the CycleGAN and pix2pix papers."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path

from util.download.catalogue import ALL_DATASETS, OFFICIAL, Item
from util.download.command import obtain_folder
from util.errors import UserError
from util.paths import PathText


class GetData:
    """Downloads datasets in Python, as ``datasets/download.py`` does on the command line.

    Args:
        technique: "cyclegan" or "pix2pix", the paper whose datasets are offered.
        verbose: print what happens.

    Raises UserError: ``technique`` is none of the two.
    """

    def __init__(self, technique: str = "cyclegan", verbose: bool = True) -> None:
        self._verbose = verbose
        self.items = [item for item in ALL_DATASETS if item.kind == technique.lower()]
        if not self.items:
            raise UserError(f'GetData: technique should be "cyclegan" or "pix2pix": {technique!r}')
        self.url = f"http://{OFFICIAL}/{self.items[0].place.path}"  # the official host's folder

    def get(self, save_path: str | os.PathLike[str], dataset: str | None = None) -> PathText:
        """Download a dataset and unpack it to the folder ``save_path/NAME``, unless that exists.

        Args:
            dataset: the name with the extension, such as "horse2zebra.zip" or "facades.tar.gz", or
                without one. None: the datasets are listed and one is asked for.

        Returns:
            The absolute path of the folder.

        Raises UserError: there is no such dataset, or it could not be downloaded.
        """
        item = self._ask() if dataset is None else self._find(dataset)
        folder = Path(os.path.abspath(save_path)) / item.name
        if folder.is_dir():
            warnings.warn(f"{folder} exists already: nothing is downloaded", stacklevel=2)
            return PathText(folder)
        with contextlib.ExitStack() as stack:
            if not self._verbose:
                null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(contextlib.redirect_stdout(null))
            _download(item, folder)
        return PathText(folder)

    def _find(self, dataset: str) -> Item:
        for item in (*self.items, *ALL_DATASETS):  # the extension may be that of the other paper
            if dataset == item.file or (dataset == item.name and item in self.items):
                return item
        names = ", ".join(item.file for item in self.items)
        raise UserError(f"GetData: there is no {dataset}; the datasets are {names}")

    def _ask(self) -> Item:
        print("Options:\n")
        for number, item in enumerate(self.items):
            print(f"{number}: {item.file}")
        answer = input("\nPlease enter the number of the dataset to download: ").strip()
        if not (answer.isdecimal() and int(answer) < len(self.items)):
            raise UserError(f"GetData: expected a number from 0 to {len(self.items) - 1}: {answer}")
        return self.items[int(answer)]


def _download(item: Item, folder: Path) -> None:
    """Download ``item`` to ``folder``, which is complete or does not exist."""

    def move(unpacked: Path) -> None:
        inner = unpacked / item.name
        os.replace(inner if inner.is_dir() else unpacked, folder)

    obtain_folder(item, folder, [], True, move)
