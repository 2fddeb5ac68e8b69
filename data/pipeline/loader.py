"""Batches in an order, and with an augmentation, that are a function of (seed, epoch, index) alone."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import pickle
import signal
import warnings
import weakref
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from data.base_dataset import BaseDataset
from data.pipeline.collate import AHEAD, SKIPPED, Collate, Failure
from data.pipeline.sampler import EpochSampler
from data.transforms import images_to_float
from util import distributed
from util.console import warn
from util.errors import UserError
from util.seeds import derived_seed, preserve_rng, seed_everything

_live: weakref.WeakSet[Loader] = weakref.WeakSet()


class Unreadable(UserError):
    """An image that cannot be read, for one rank at least; raised on all of them."""


class Loader:
    """Iterating gives one epoch of batches; the next pass is the next epoch.

    Of our own datasets the images come on ``device``, copied there while the model computes.

    Attributes:
        dataset: the dataset itself.
        epoch: number of the epoch that the next pass gives, from 1.
        start: how many images the next pass leaves out, having been seen before; 0 afterwards.
        passed: how many images the last batch stands for, on all ranks: as officially, a short one counts as a full one.
        global_batch_size: how many images a full step takes on all ranks.
        batch_weight: the part of the last step's images that this rank has; 1 where it is alone.
        device: where images are to be; the CPU, as officially, where a program does not set it to the model's.
        skipped: how many unreadable images have been left out so far (``--on_bad_image skip``).
    """

    def __init__(self, dataset: BaseDataset, opt: Namespace) -> None:
        self.dataset, self.root, self.device = dataset, opt.dataroot, "cpu"
        self.epoch = getattr(opt, "epoch_count", 1)
        warnings.filterwarnings(
            "ignore", "This DataLoader will create"
        )  # --num_threads is the user's choice
        self.start = self.skipped = self.last_batch_images = 0
        self.batch_weight = 1.0
        self.skip = getattr(opt, "on_bad_image", "stop") == "skip"
        self.size = int(min(len(dataset), opt.max_dataset_size))
        batch = opt.batch_size * getattr(opt, "accumulate", 1)
        self.global_batch_size = batch * distributed.world_size()
        self.order = EpochSampler(self.size, opt.seed, not opt.serial_batches, batch)
        self.collate = Collate(self.skip, share=_gives_bytes(dataset))
        self.batches = DataLoader(
            _Seeded(dataset, opt.seed, opt.dataset_mode),
            sampler=self.order,
            batch_size=batch,
            num_workers=opt.num_threads,
            persistent_workers=opt.num_threads > 0,
            prefetch_factor=AHEAD if opt.num_threads else None,
            collate_fn=self.collate,
            pin_memory=opt.device.startswith("cuda") and not self.collate.share,
            worker_init_fn=_ignore_signals,
            generator=torch.Generator(),
        )  # its own, so that a pass draws nothing from the model's
        _live.add(self)

    def load_data(self) -> Loader:
        return self

    def __len__(self) -> int:
        """Images per epoch."""
        return self.size

    def __iter__(self) -> Iterator[dict]:
        self.order.epoch, self.epoch = self.epoch, self.epoch + 1
        self.order.start, self.start = self.start, 0
        for group in self._groups():
            self.last_batch_images = len(group) * self.global_batch_size
            useful = None
            for batch, own, images in group:
                if isinstance(batch, Failure):
                    self.close()  # PyTorch waits long for workers that are left to the garbage collector
                    raise Unreadable(batch.message)
                for message in batch.pop(SKIPPED, ()) if isinstance(batch, dict) else ():
                    self.skipped += 1
                    warn(f"left out: {message}")
                if images:
                    useful, self.batch_weight = batch or self._any(), own / images
            if useful:
                yield useful
            elif not self.order.start:
                raise Unreadable("none of the images can be read")

    def _groups(self) -> Iterator[list[tuple[Any, int, int]]]:
        """Each batch, together with those around it that hold nothing to train on, so that an epoch ends with a step."""
        group: list = []
        for batch, own, images in self._counted():
            if not self.skip:
                yield [(batch, own, images)]
                continue
            if images and any(each[2] for each in group):
                yield group
                group = []
            group.append((batch, own, images))
        if group:
            yield group

    def _counted(self) -> Iterator[tuple[Any, int, int]]:
        """This rank's part of each batch (a Failure where any rank has one), its number of images, and that of all ranks."""
        parts = iter(self.batches)
        for size in self.order.sizes():
            part = self._ready(next(parts)) if size else {SKIPPED: []}
            own = size - len(part.get(SKIPPED, ())) if isinstance(part, dict) else size
            images, failed = map(int, distributed.all_reduce(own, isinstance(part, Failure)))
            if failed and not isinstance(part, Failure):
                part = Failure("another process cannot read an image, which its own error names")
            yield part, own, images
        next(parts, None)  # DataLoader wants to come to its end

    def _ready(self, part: Any) -> Any:
        """What has come, on the device; it must not wait, for what it lies in is used again."""
        part = self.collate.unpack(part)
        return (
            images_to_float(part, self.device)
            if self.collate.share and isinstance(part, dict)
            else part
        )

    def _any(self) -> dict:
        """Something to compute with on a rank that has no image of its own in a step: it counts for nothing there."""
        items = (
            self._ready(self.collate([self.batches.dataset[self.order.epoch, index]]))
            for index in range(self.size)
        )
        batch = next(
            (item for item in items if isinstance(item, dict) and item.keys() != {SKIPPED}), None
        )
        if batch is None:
            raise UserError("this process can read none of the images")
        return batch

    def contents(self) -> dict[str, list]:
        """What the order depends on besides options: lists of files that the dataset keeps -> [length, digest].

        Files count by their names inside of ``--dataroot``, which may move.
        """
        found: dict[str, list] = {"items": [self.size, ""]}
        for name, paths in vars(self.dataset).items():
            if isinstance(paths, list) and all(isinstance(path, str) for path in paths):
                names = b"\0".join(
                    os.fsencode(path.removeprefix(self.root).lstrip("/")) for path in paths
                )
                found[name] = [len(paths), hashlib.blake2b(names, digest_size=8).hexdigest()]
        return found

    def close(self) -> None:
        """End the workers."""
        iterator, self.batches._iterator = self.batches._iterator, None
        self.collate.pieces.clear()
        if isinstance(iterator, _MultiProcessingDataLoaderIter):
            iterator._shutdown_workers()
            for worker in iterator._workers:
                worker.kill()  # where one hangs

    def worker_died(self, error: RuntimeError) -> UserError | None:
        """What to say where ``error`` is PyTorch's word for a dead worker, which may come in the middle of anything."""
        if "DataLoader worker" not in str(error):
            return None
        cause = error.__cause__ if isinstance(error.__cause__, RuntimeError) else error
        return UserError(
            f"a process that loads images has died (out of memory? --num_threads {self.batches.num_workers}): "
            f"{str(cause).splitlines()[0]}"
        )


@atexit.register
def _close_all() -> None:
    """Before Python ends leftover processes by SIGTERM and waits for them: workers outlive that for a minute."""
    for loader in list(_live):
        loader.close()


class _Seeded(Dataset):
    """Seeds Python's, numpy's and torch's generators for each item, so that custom datasets are reproducible too."""

    def __init__(self, dataset: BaseDataset, seed: int, mode: str) -> None:
        self.dataset, self.seed, self.mode = dataset, seed, mode

    def __reduce__(self) -> tuple:
        """Where workers are spawned: a dataset that was given as a file has to be imported before it is unpickled."""
        return _unpickle, (pickle.dumps(self.dataset), self.seed, self.mode)

    def __getitem__(self, key: tuple[int, int]) -> dict | Failure:
        # in the main process the model draws from the same generators
        with preserve_rng() if get_worker_info() is None else contextlib.nullcontext():
            seed_everything(derived_seed(self.seed, *key), gpu=False)
            try:
                return (
                    self.dataset.pixels(key[1])
                    if _gives_bytes(self.dataset)
                    else self.dataset[key[1]]
                )
            except UserError as error:
                return Failure(str(error))
            except (
                OSError,
                SyntaxError,
                Image.DecompressionBombError,
            ) as error:  # of Pillow, in datasets that open files
                return Failure(f"item {key[1]}: {error}")


def _gives_bytes(dataset: BaseDataset) -> bool:
    """Whether its items are what :meth:`BaseDataset.pixels` gives, and nothing was done to the floats."""
    return getattr(type(dataset), "__getitem__", None) is BaseDataset.__getitem__


def _unpickle(dataset: bytes, seed: int, mode: str) -> _Seeded:
    from data import find_dataset_using_name

    find_dataset_using_name(mode)
    return _Seeded(pickle.loads(dataset), seed, mode)


def _ignore_signals(worker: int) -> None:
    """The main process decides when to leave; its workers would otherwise die of the same Ctrl-C, or of a scheduler's SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(
        signal, "alarm"
    ):  # longer than a step takes; not for ever, for Python ends leftover processes by SIGTERM
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(60))
