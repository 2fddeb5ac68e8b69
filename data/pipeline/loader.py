"""Batches whose order and augmentation depend on nothing but (seed, epoch, index)."""

from __future__ import annotations

import atexit
import hashlib
import os
import warnings
import weakref
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader

from data.base_dataset import BaseDataset
from data.pipeline.processes import start
from data.pipeline.sampler import EpochSampler
from data.pipeline.worker import SeededDataset, collate, gives_pixels, prepare
from data.transforms import images_to_float
from util import distributed
from util.console import warn
from util.errors import UserError

PREFETCHED = 2  # batches that each worker prepares ahead of the one in use
_live: weakref.WeakSet[Loader] = weakref.WeakSet()


class Unreadable(UserError):
    """An image cannot be read on at least one rank; raised on all of them."""


class Loader:
    """Iterating gives the batches of one epoch; the next pass gives the next epoch.

    Images of datasets with ``pixels`` are on ``device``; those of other datasets stay on the CPU.

    Attributes:
        dataset: the dataset itself.
        epoch: number of the epoch that the next pass gives, from 1.
        start: number of images, already seen, that the next pass leaves out; then 0 again.
        device: the CPU, as in the official code, unless a program sets the model's device.
        global_batch_size: images in a full step, on all ranks together.
        last_batch_images: images that the last batch counts as; as in the official code, a short
            batch counts as a full one.
        batch_weight: this rank's share of the last step's images; 1 without other ranks.
        skipped: number of unreadable images left out so far (``--on_bad_image skip``).
    """

    def __init__(self, dataset: BaseDataset, opt: Namespace) -> None:
        self.dataset, self.root, self.device = dataset, opt.dataroot, "cpu"
        self.epoch = getattr(opt, "epoch_count", 1)
        self.start = self.skipped = self.last_batch_images = 0
        self.batch_weight = 1.0
        self.size = int(min(len(dataset), opt.max_dataset_size))
        if not self.size:
            raise UserError(f"--dataset_mode {opt.dataset_mode}: the dataset has no items (len 0)")
        batch = opt.batch_size * opt.accumulate
        self.global_batch_size = batch * distributed.world_size()
        self.order = EpochSampler(self.size, opt.seed, not opt.serial_batches, batch)
        skip = opt.on_bad_image == "skip"
        # More processes than batches would have nothing to do
        workers = min(opt.num_threads, -(-self.size // self.global_batch_size))
        # --num_threads is the user's choice
        warnings.filterwarnings("ignore", "This DataLoader will create")
        self.batches = DataLoader(
            SeededDataset(dataset, opt.seed, self.size, skip),
            batch_sampler=self.order,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCHED if workers else None,
            collate_fn=collate,
            pin_memory=str(opt.device).startswith("cuda"),
            worker_init_fn=partial(prepare, max_pixels=Image.MAX_IMAGE_PIXELS),
            generator=torch.Generator(),  # a pass draws nothing from the global generator
        )
        _live.add(self)

    def load_data(self) -> Loader:
        """Return the loader itself, as the official class does."""
        return self

    def __len__(self) -> int:
        """Return the number of images of an epoch."""
        return self.size

    def __iter__(self) -> Iterator[dict]:
        """Iterate over the batches of one epoch.

        Raises:
            Unreadable: an image cannot be read, or with ``--on_bad_image skip`` none can.
            UserError: the worker processes cannot be started.
        """
        self.order.epoch, self.epoch = self.epoch, self.epoch + 1
        self.order.start, self.start = self.start, 0
        to_float = gives_pixels(self.dataset)
        for weight, batch in zip(self.order.weights(), start(self.batches), strict=True):
            for message in batch.left_out if weight else ():
                self.skipped += 1
                warn(f"left out: {message}")
            self._raise_on_all_ranks(batch.error)
            self.last_batch_images, self.batch_weight = self.global_batch_size, weight
            yield images_to_float(batch.data, self.device) if to_float else batch.data

    def _raise_on_all_ranks(self, error: str) -> None:
        [failed] = distributed.all_reduce(bool(error), op="MAX")
        if failed:
            self.close()
            raise Unreadable(
                error or "another process cannot read an image; its error names the file"
            )

    def contents(self) -> dict[str, list]:
        """Return what the order depends on besides options: list of files -> [length, digest].

        The lists are those that the dataset has as attributes. Files count by their names inside of
        ``--dataroot``, so that the folder may move.
        """
        digests: dict[str, list] = {"items": [self.size, ""]}
        for name, paths in vars(self.dataset).items():
            if isinstance(paths, list) and all(isinstance(path, str) for path in paths):
                names = b"\0".join(
                    os.fsencode(path.removeprefix(self.root).lstrip("/")) for path in paths
                )
                digests[name] = [len(paths), hashlib.blake2b(names, digest_size=8).hexdigest()]
        return digests

    def close(self) -> None:
        """End the worker processes, also one that hangs.

        PyTorch has no public function for it. Deleting the iterator does not end them while a
        traceback refers to it, and killing them first makes PyTorch raise an error in this process.
        """
        batches: Any = self.batches
        iterator, batches._iterator = batches._iterator, None
        if iterator is not None:
            iterator._shutdown_workers()
            for worker in iterator._workers:
                worker.kill()


@atexit.register
def _close_all() -> None:
    """End all workers. Python would send them SIGTERM and wait a minute for them to end."""
    for loader in list(_live):
        loader.close()
