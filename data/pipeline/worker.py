"""Code that runs in the DataLoader's worker processes: seeded reading, collation, signals."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.utils.data import Dataset, default_collate, get_worker_info

from data.dataset_of_images import BaseDataset
from data.image_file import TooLarge, limit_pixels, too_large
from data.pipeline.processes import ADVICE
from util.errors import UserError, first_line
from util.plugins import import_file, imported_files
from util.seeds import derived_seed, preserve_rng, seed_everything
from util.training_process import STOP_SIGNALS

EXTRA_ATTEMPTS = 100  # a readable image A may be drawn together with an unreadable image B


class Sample(NamedTuple):
    """An item or a batch, with the errors of reading it.

    Errors are text, so that the main process can raise them without a worker's traceback.
    """

    data: dict | None  # None if there is an error
    left_out: list[str]  # messages of the images that --on_bad_image skip has replaced
    error: str = ""


@dataclass
class SeededDataset(Dataset):
    """Items of a dataset by (epoch, index), read with seeded generators.

    The generators of Python, NumPy and PyTorch are seeded with (seed, epoch, index), so that custom
    datasets are reproducible too.
    """

    dataset: BaseDataset
    seed: int
    size: int  # items in an epoch
    skip: bool  # replace an item that cannot be read by the next one that can

    def __reduce__(self) -> tuple:
        # Spawned workers must import a dataset that was given as a .py file before they unpickle it
        return _unpickle, (imported_files(), pickle.dumps(vars(self)))

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        # In the main process the model draws from the same generators
        with preserve_rng() if get_worker_info() is None else contextlib.nullcontext():
            sample = self._read(key[1], key)
            if sample.data is not None or not self.skip:
                return sample
            for attempt in range(1, self.size + EXTRA_ATTEMPTS):
                substitute = self._read((key[1] + attempt) % self.size, (*key, attempt))
                if substitute.data is not None:
                    return Sample(substitute.data, [sample.error])
            return Sample(None, [sample.error], "none of the images can be read")

    def _read(self, index: int, key: tuple[int, ...]) -> Sample:
        seed_everything(derived_seed(self.seed, *key), gpu=False)
        read = self.dataset.pixels if gives_pixels(self.dataset) else self.dataset.__getitem__
        try:
            item = read(index)
            return Sample(item, [], f"item {index} of the dataset is None" if item is None else "")
        except UserError as error:
            return Sample(None, [], str(error))
        except TooLarge:  # this error and the next are Pillow's, in datasets that open files
            return Sample(None, [], f"item {index}: {too_large()}")
        except (OSError, SyntaxError) as error:
            return Sample(None, [], f"item {index}: {error}")


def gives_pixels(dataset: BaseDataset) -> bool:
    """True if the dataset implements ``pixels`` and leaves ``__getitem__`` alone."""
    return getattr(type(dataset), "__getitem__", None) is BaseDataset.__getitem__


def digest_of(dataset: BaseDataset) -> bytes | None:
    """Return a digest of the attributes of a dataset that reads images by ``pixels``, else None.

    Other datasets may hold gigabytes, or objects that cannot be pickled.
    """
    if not gives_pixels(dataset):
        return None
    try:
        return hashlib.blake2b(pickle.dumps(vars(dataset))).digest()
    except Exception:  # objects of a custom dataset raise almost anything
        return None


def _unpickle(files: list[tuple[str, str]], fields: bytes) -> SeededDataset:
    for name, path in files:
        import_file(name, path)
    return SeededDataset(**pickle.loads(fields))


def collate(samples: Sequence[Sample]) -> Sample:
    """Stack items to a batch, or return the first error."""
    left_out: list[str] = []
    for sample in samples:
        left_out += sample.left_out
        if sample.data is None:
            return Sample(None, left_out, sample.error)
    items = [sample.data for sample in samples]
    if error := _different_sizes(items):
        return Sample(None, left_out, error)
    try:
        return Sample(default_collate(items), left_out)
    except TypeError as failure:  # an item holds something like None or a PIL image
        return Sample(None, left_out, f"items cannot be stacked to a batch: {first_line(failure)}")
    except RuntimeError as failure:
        if "shared memory" not in str(failure):
            raise
        return Sample(
            None,
            left_out,
            f"worker processes cannot pass on a batch of images: {first_line(failure)}; enlarge "
            f"/dev/shm (docker run --shm-size 2g), or {ADVICE}",
        )


def _different_sizes(items: list) -> str:
    """Return the message for images that cannot be stacked, or ""."""
    for key in items[0] if isinstance(items[0], dict) else ():
        shapes = [item[key].shape for item in items if isinstance(item[key], torch.Tensor)]
        if len(set(shapes)) > 1:
            images = {len(shape) for shape in shapes} == {3} and len({s[0] for s in shapes}) == 1
            sizes = [f"{s[2]}x{s[1]}" if images else str(tuple(s)) for s in shapes]
            return (
                f"--batch_size {len(items)} needs items of one size, but {key} has "
                f"{', '.join(sizes)}: give --batch_size 1, or a --preprocess that makes one size"
            )
    return ""


def prepare(worker_id: int, max_pixels: int | None) -> None:
    """Set ``--max_pixels``, and keep running after signals that stop the training.

    The main process finishes its step, saves, and ends the workers itself. SIGTERM ends a worker
    after a minute, so that it cannot outlive the main process for long.
    """
    limit_pixels(max_pixels)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(60))
