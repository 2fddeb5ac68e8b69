"""What a training will take: learning rates, steps, disk, memory. For check_data.py and ``train.py --dry_run``."""

from __future__ import annotations

import shutil
import warnings
import weakref
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from data import create_dataset
from models import create_model
from models.base_model import BaseModel
from models.training.step import Step
from util.errors import UserError
from util.image_pool import ImagePool
from util.schedules import describe, last_epoch, lr_factor


def lines(opt: Namespace, rehearse_it: bool = True) -> tuple[list[str], list[str]]:
    """(The plan, what would stop the training), a line each; without a rehearsal nothing is said of disk and memory."""
    plan = [f"Learning rate: {describe(opt)}", *rates(opt)]
    try:
        dataset = create_dataset(Namespace(**vars(opt) | {"num_threads": 0, "device": "cpu"}))
        epochs, steps = (
            last_epoch(opt) - opt.epoch_count + 1,
            -(-len(dataset) // (opt.batch_size * opt.accumulate)),
        )
        plan.append(f"Steps: {steps} per epoch of {len(dataset)} images, {steps * epochs} in all")
        if rehearse_it:
            plan += rehearse(opt, next(iter(dataset)), len(dataset))
    except UserError as error:
        return plan, [str(error)]
    except Exception as error:  # of a model that looks at values, which a rehearsal does not have
        plan.append(
            f"Disk and memory: not known, for this model cannot be rehearsed ({type(error).__name__}: {error})"
        )
    return plan, []


def rates(opt: Namespace) -> list[str]:
    """The learning rate at five epochs."""
    if opt.lr_policy == "plateau":
        return []
    first, last = opt.epoch_count, last_epoch(opt)
    epochs = sorted({first + (last - first) * i // 4 for i in range(5)})
    return [
        "  " + ", ".join(f"epoch {epoch}: {opt.lr * lr_factor(opt, epoch):.3g}" for epoch in epochs)
    ]


def rehearse(opt: Namespace, batch: dict, images: int) -> list[str]:
    """What a training takes of the disk, and of memory."""
    model, most = rehearsed(opt, batch)
    model.scaler = None  # it saves numbers, which there are none of
    state = count_bytes(model.training_state()) + pool_growth(model)
    return [
        disk(opt, model, state, images),
        f"Memory: about {size(most + pool_growth(model))} for weights, gradients, optimizers, activations and image "
        f"histories, counted tensor by tensor in a rehearsal without values; add about 1 GB for PyTorch itself and its "
        f"work space{f', and up to {size(state)} while a save is written' * (opt.device == 'cpu')}",
    ]


def rehearsed(opt: Namespace, batch: dict) -> tuple[BaseModel, int]:
    """(The model after two steps with PyTorch's fake tensors, which have a shape and no values; the most bytes alive)."""
    as_is = {
        "device": "cpu",
        "gpu_ids": [],
        "compile": False,
        "cuda_graphs": False,
        "channels_last": False,
    }
    with OneFakeMode(allow_non_fake_inputs=True) as fake, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # by deepcopy
        opt = Namespace(**vars(opt) | as_is)
        model = create_model(opt)
        step = Step(opt, model)
        step.at_once = False  # there are no gradients to look at
        batch = {
            key: fake.from_tensor(value) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }
        return model, bytes_of_steps(step, batch)


class OneFakeMode(FakeTensorMode):
    """A mode that copies of its tensors belong to, too; a network is copied for ``--ema``."""

    def __deepcopy__(self, memo: dict) -> OneFakeMode:
        return self


def bytes_of_steps(step: Step, batch: dict) -> int:
    """The most that is alive in two steps: the optimizers' own tensors appear in the first."""
    alive = Alive(tree_leaves(step.model.get_weights()))
    with Watched(alive):
        for _ in range(2):
            step(batch)
    return alive.most


class Alive:
    """The bytes of all tensors that are alive, of those that are added; ``most`` is the largest sum so far."""

    def __init__(self, tensors: Iterable) -> None:
        self.known: dict[int, weakref.ref] = {}
        self.now = self.most = 0
        self.add(tensors)

    def add(self, values: Iterable) -> None:
        for storage in (
            value.untyped_storage() for value in values if isinstance(value, torch.Tensor)
        ):
            if storage._cdata not in self.known:
                self.now += storage.nbytes()
                self.known[storage._cdata] = weakref.ref(
                    storage, self._forget(storage._cdata, storage.nbytes())
                )
        self.most = max(self.most, self.now)

    def _forget(self, key: int, count: int):
        def forget(_: object) -> None:
            del self.known[key]
            self.now -= count

        return forget


class Watched(TorchDispatchMode):
    """A context that adds the results of all operations."""

    def __init__(self, alive: Alive) -> None:
        super().__init__()
        self.alive = alive

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.alive.add(tree_leaves(result))
        return result


def pool_growth(model: BaseModel) -> int:
    """Bytes that the image histories will hold when they are full, beyond what they hold now."""
    pools = [pool for pool in vars(model).values() if isinstance(pool, ImagePool) and pool.images]
    return sum((pool.pool_size - len(pool.images)) * pool.images[0].nbytes for pool in pools)


def disk(opt: Namespace, model: BaseModel, state: int, images: int) -> str:
    """Bytes of all checkpoints at the end, and of the one more training state (of ``state`` bytes) written beside the old one."""
    nets = count_bytes(model.get_weights())
    done = opt.epoch_count - 1
    by_epoch = last_epoch(opt) // opt.save_epoch_freq - done // opt.save_epoch_freq
    by_iter = (last_epoch(opt) - done) * images // opt.save_latest_freq if opt.save_by_iter else 0
    sets = 1 + by_epoch + by_iter
    total = sets * nets + (1 + opt.keep) * state
    folder = Path(opt.checkpoints_dir).resolve()
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.is_dir())).free
    return (
        f"Disk: about {size(total)} for {sets} sets of weights of {size(nets)} and {1 + opt.keep} training "
        f"state{'s' * (opt.keep > 0)} of {size(state)}; while saving {size(state)} more; {size(free)} are free there"
    )


def count_bytes(value: Any) -> int:
    """Of all tensors in nested dicts, lists and tuples."""
    if isinstance(value, dict):
        value = list(value.values())
    return (
        sum(map(count_bytes, value))
        if isinstance(value, (list, tuple))
        else getattr(value, "nbytes", 0)
    )


def size(count: float) -> str:
    """Bytes for people."""
    return (
        f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.0f} MB"
        if count >= 1e7
        else f"{count / 1e6:.1f} MB"
    )
