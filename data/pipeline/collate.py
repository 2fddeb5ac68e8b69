"""Items made a batch, and how batches of bytes get from worker processes to the main one."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import default_collate, get_worker_info

SKIPPED = " skipped"  # key of a batch: messages of the images that could not be read
AHEAD = 2  # batches that each worker prepares beyond the one in use
_owners: weakref.WeakValueDictionary[int, Collate] = (
    weakref.WeakValueDictionary()
)  # in the main process


@dataclass
class Failure:
    """A user's error inside a worker process, to be raised in the main one without the worker's traceback."""

    message: str


@dataclass
class Parcel:
    """A batch whose images lie in shared memory: ``batch`` has (offset, shape) in their place.

    ``memory`` goes along only where the main process does not have that ``piece`` yet: (worker, number).
    """

    batch: dict[str, Any]
    images: dict[str, tuple[int, torch.Size]]
    piece: tuple[int, int]
    memory: torch.Tensor | None
    owner: int

    def __setstate__(self, state: dict) -> None:
        """Keeps the memory even of a batch that PyTorch throws away, because a pass was left in its middle."""
        self.__dict__.update(state)
        if self.memory is not None and self.owner in _owners:
            _owners[self.owner].pieces[self.piece] = self.memory


class Collate:
    """Called with items, in a worker or in the main process; :meth:`unpack` makes what comes from there a batch.

    PyTorch moves each tensor of each batch in shared memory of its own: making, zeroing, handing over and mapping it takes
    longer than decoding and resizing a small photo. Here each worker fills the same few pieces in turn.
    """

    def __init__(self, skip: bool, share: bool) -> None:
        """Args: share: uint8 tensors come in pieces that are used again; each batch has to be copied before the next one."""
        self.skip, self.share = skip, share
        self.pieces: dict[
            tuple[int, int], torch.Tensor
        ] = {}  # what a worker has sent; in the main process, what has come
        self.turn = 0
        self.owner = id(self)  # of the one in the main process, also in its copies
        _owners[self.owner] = self

    def __call__(self, items: list) -> dict | Failure | Parcel:
        failures = [item for item in items if isinstance(item, Failure)]
        items = [item for item in items if not isinstance(item, Failure)]
        if failures and not self.skip:
            return failures[0]
        if not items:  # nothing to train on: see Loader._groups
            return {SKIPPED: [failure.message for failure in failures]}
        for key, value in items[0].items() if isinstance(items[0], dict) else ():
            if isinstance(value, torch.Tensor) and any(
                item[key].shape != value.shape for item in items
            ):
                sizes = ", ".join("x".join(map(str, (*item[key].shape[:0:-1],))) for item in items)
                return Failure(
                    f"--batch_size {len(items)} needs images of one size, but {key} has {sizes}: "
                    "give --batch_size 1, or a --preprocess that makes one size"
                )
        worker = get_worker_info()
        batch = (
            default_collate(items)
            if worker is None or not self.share
            else self._packed(items, worker.id)
        )
        if failures:
            (batch.batch if isinstance(batch, Parcel) else batch)[SKIPPED] = [
                failure.message for failure in failures
            ]
        return batch

    def _packed(self, items: list[dict], worker: int) -> Parcel:
        images, size = {}, 0
        for key, value in items[0].items():
            if isinstance(value, torch.Tensor) and value.dtype == torch.uint8:
                images[key] = size, torch.Size((len(items), *value.shape))
                size += math.prod(images[key][1])
        piece, memory = (
            (worker, self.turn % (AHEAD + 2)),
            None,
        )  # one is in use, and one is to spare
        self.turn += 1
        if len(self.pieces.get(piece, ())) < size:
            memory = self.pieces[piece] = torch.empty(size, dtype=torch.uint8).share_memory_()
        for key, view in self._views(images, piece).items():
            torch.stack([item[key] for item in items], out=view)
        others = default_collate(
            [{key: value for key, value in item.items() if key not in images} for item in items]
        )
        return Parcel({key: others.get(key) for key in items[0]}, images, piece, memory, self.owner)

    def unpack(self, part: Any) -> Any:
        """In the main process."""
        return (
            part.batch | self._views(part.images, part.piece) if isinstance(part, Parcel) else part
        )

    def _views(
        self, images: dict[str, tuple[int, torch.Size]], piece: tuple[int, int]
    ) -> dict[str, torch.Tensor]:
        return {
            key: self.pieces[piece][start : start + math.prod(shape)].view(shape)
            for key, (start, shape) in images.items()
        }
