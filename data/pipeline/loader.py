"""Batches whose order and augmentation depend on nothing but (seed, epoch, index)."""

from __future__ import annotations

import atexit
import hashlib
import os
import warnings
import weakref
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

import data
from data.dataset_of_images import BaseDataset
from data.image_to_tensor import images_to_float
from data.listing import counted, is_image_file, kinds, left_out, remarks
from data.pipeline.clipped import Clipped
from data.pipeline.processes import start
from data.pipeline.sampler import EpochSampler
from data.pipeline.worker import SeededDataset, collate, digest_of, gives_pixels, prepare
from data.rasters.wishes import refuse_unused
from util import distributed
from util.console import say, warn
from util.errors import UserError
from util.option_defaults import add_missing, ours, theirs
from util.values import DomainValues

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
            batch counts as a full one. A longer one, by ``--min_batch``, counts as what it is.
        batch_share: this rank's share of the last step's images; 1 without other ranks.
        skipped: number of unreadable images left out so far (``--on_bad_image skip``).
        raise_on_all_ranks: an error of one rank is raised on all, which then have to iterate in
            step. False, as in the official code, unless a program sets it.
    """

    raise_on_all_ranks = False

    def __init__(self, dataset: BaseDataset, opt: Namespace) -> None:
        self.dataset, self.opt, self.root, self.device = dataset, opt, opt.dataroot, "cpu"
        self.epoch = getattr(opt, "epoch_count", 1)
        self.start = self.skipped = self.last_batch_images = 0
        self.clipped = Clipped()
        self.batch_share = 1.0
        self.size = len(self)
        if not self.size:
            raise UserError(f"--dataset_mode {opt.dataset_mode}: the dataset has no items (len 0)")
        batch = opt.batch_size * opt.accumulate
        self.global_batch_size = batch * distributed.world_size()
        shuffle = not opt.serial_batches
        minimum = opt.min_batch if getattr(opt, "isTrain", True) else 1
        self.order = EpochSampler(len(dataset), opt.seed, shuffle, batch, self.size, minimum)
        if self.order.size < self.order.minimum:
            raise UserError(
                f"--min_batch {minimum}: {self.order.size} images of an epoch are too few for a "
                "batch of each process"
            )
        # --num_threads is the user's choice
        warnings.filterwarnings("ignore", "This DataLoader will create")
        skip = opt.on_bad_image == "skip"
        self.items = SeededDataset(dataset, opt.seed, len(dataset), skip)
        self.batches = self._batches()
        self._sent: bytes | None = None  # a digest of the dataset that the workers have
        self._in_use = False  # by a pass that has not ended
        self._dataloader: DataLoader | None = None
        self._replaced = False
        _live.add(self)

    def _batches(self) -> DataLoader:
        # More processes than batches would have nothing to do
        workers = min(int(self.opt.num_threads), -(-self.size // self.global_batch_size))
        return DataLoader(
            self.items,
            batch_sampler=self.order,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCHED if workers else None,
            collate_fn=collate,
            pin_memory=str(self.opt.device).startswith("cuda"),
            worker_init_fn=partial(prepare, max_pixels=Image.MAX_IMAGE_PIXELS),
            generator=torch.Generator(),  # a pass draws nothing from the global generator
        )

    def load_data(self) -> Loader:
        """Return the loader itself, as the official class does."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the next pass gives, also in ``sampler``."""
        self.epoch = epoch
        if self.sampler:
            self.sampler.set_epoch(epoch)

    @property
    def dataloader(self) -> DataLoader:
        """The official DataLoader of the dataset, for code that iterates over it.

        Its items come from ``dataset[i]`` and stay on the CPU. Its order follows PyTorch's
        generator and not ``opt.seed``, and ``max_dataset_size`` does not cut it. Another DataLoader
        may be assigned; iterating over this object then uses that one.
        """
        if self._dataloader is None:
            opt, ranks, dataset = self.opt, distributed.world_size(), self.items.dataset
            shuffle = not opt.serial_batches
            sampler: DistributedSampler | None = None
            if ranks > 1:
                sampler = DistributedSampler(dataset, ranks, distributed.rank(), shuffle)
            self._dataloader = DataLoader(
                dataset,
                batch_size=opt.batch_size,
                shuffle=shuffle and sampler is None,
                sampler=sampler,
                num_workers=int(opt.num_threads),
            )
        return self._dataloader

    @dataloader.setter
    def dataloader(self, dataloader: DataLoader) -> None:
        self._dataloader, self._replaced = dataloader, True

    @property
    def sampler(self) -> DistributedSampler | None:
        """The sampler of ``dataloader`` with several ranks, else None."""
        sampler = self.dataloader.sampler
        return sampler if isinstance(sampler, DistributedSampler) else None

    def __len__(self) -> int:
        """Return the number of images of an epoch."""
        return int(min(len(self.dataset), self.opt.max_dataset_size))

    def __iter__(self) -> Iterator[dict]:
        """Iterate over the batches of one epoch.

        Raises:
            Unreadable: an image cannot be read, or with ``--on_bad_image skip`` none can.
            UserError: the worker processes cannot be started.
        """
        if self._replaced:
            yield from self._iterate_replaced()
            return
        self.order.epoch, self.epoch = self.epoch, self.epoch + 1
        self.order.start, self.start = self.start, 0
        weights, counts = self.order.weights(), self.order.counts()
        to_float = gives_pixels(self.items.dataset)
        nested = self._in_use
        batches = self._batches() if nested else self._fresh_batches()
        self._in_use = True
        try:
            for weight, count, batch in zip(weights, counts, start(batches), strict=True):
                for message in batch.left_out if weight else ():
                    self.skipped += 1
                    warn(f"left out: {message}")
                self._check(batch.error)
                self.last_batch_images = max(self.global_batch_size, count)
                self.batch_share = weight
                self.clipped.take(batch.data, counts_images=weight > 0)
                yield images_to_float(batch.data, self.device) if to_float else batch.data
            if self.raise_on_all_ranks and any(self.values.values()):
                self.clipped.add_ranks()
        finally:
            self._in_use = nested
            self.clipped.report(self.values)

    @property
    def values(self) -> DomainValues:
        """The rules of the values of folder A and folder B; None: 8-bit images."""
        rules: DomainValues = {"A": None, "B": None}
        return self.dataset.values if getattr(self.dataset, "uses_values", False) else rules

    def _iterate_replaced(self) -> Iterator:
        batch_size = self.opt.batch_size
        for number, batch in enumerate(self.dataloader):
            if number * batch_size >= self.opt.max_dataset_size:
                break
            self.last_batch_images, self.batch_share = self.global_batch_size, 1.0
            yield batch

    def _fresh_batches(self) -> DataLoader:
        """Return ``batches``, with new workers if the dataset may have changed since the last pass.

        The official code starts workers for each pass, so changes of the dataset reach them.
        """
        if self.batches.num_workers:
            sent, self._sent = self._sent, digest_of(self.items.dataset)
            if sent is None or sent != self._sent:
                self.close()
        return self.batches

    def _check(self, error: str) -> None:
        failed: float = bool(error)
        if self.raise_on_all_ranks:
            [failed] = distributed.all_reduce(failed, op="MAX")
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


class CustomDatasetDataLoader(Loader):
    """The official name of the loader, made from options: what ``create_dataset(opt)`` returns."""

    def __init__(self, opt: Namespace, say_left_out: bool = True) -> None:
        """Args: say_left_out: print how many files were left out by their extension."""
        given = add_missing(opt)
        opt = ours(given)
        if distributed.shared_seed is not None and "seed" not in opt.explicit_options:
            opt.seed = distributed.shared_seed  # all ranks need the same order of images
        left_out.clear()
        remarks.clear()
        dataset = data.find_dataset_using_name(opt.dataset_mode)(theirs(opt))
        refuse_unused(opt, dataset)
        others = sum(left_out.values(), Counter())
        if others and say_left_out:
            # A dataset that leaves out images has a format of its own, such as DICOM
            known = "" if any(map(is_image_file, others)) else f" (images are {kinds()})"
            remarks.append(f"Files left out by their extension: {counted(others)}{known}")
        if remarks:
            say(*remarks)
        super().__init__(dataset, opt)
        if opt.phase == "train":
            given.images_per_epoch = len(self)  # for the Visualizer of a script
        if getattr(opt, "isTrain", True):
            opt.domain_values = self.values  # for datasets of validation images


@atexit.register
def _close_all() -> None:
    """End all workers. Python would send them SIGTERM and wait a minute for them to end."""
    for loader in list(_live):
        loader.close()
