"""What a training will take: learning rates, steps, disk, memory. For check_data.py and ``train.py --dry_run``."""
from __future__ import annotations

import shutil
import weakref
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from data import create_dataset
from models import create_model, feed
from models.base_model import BaseModel
from util.console import UserError
from util.image_pool import ImagePool
from util.schedules import describe, last_epoch, lr_factor


def lines(opt: Namespace, rehearse_it: bool = True) -> tuple[list[str], list[str]]:
    """(The plan, what would stop the training), a line each; without a rehearsal nothing is said of disk and memory."""
    plan = [f"Learning rate: {describe(opt)}", *rates(opt)]
    try:
        dataset = create_dataset(Namespace(**vars(opt) | {"num_threads": 0, "device": "cpu"}))
        epochs, steps = last_epoch(opt) - opt.epoch_count + 1, -(-len(dataset) // (opt.batch_size * opt.accumulate))
        plan.append(f"Steps: {steps} per epoch of {len(dataset)} images, {steps * epochs} in all")
        if rehearse_it:
            plan += rehearse(opt, next(iter(dataset)), len(dataset))
    except UserError as error:
        return plan, [str(error)]
    except Exception as error:  # of a model that looks at values, which a rehearsal does not have
        plan.append(f"Disk and memory: not known, for this model cannot be rehearsed ({type(error).__name__}: {error})")
    return plan, []


def rates(opt: Namespace) -> list[str]:
    """The learning rate at five epochs."""
    if opt.lr_policy == "plateau":
        return []
    first, last = opt.epoch_count, last_epoch(opt)
    epochs = sorted({first + (last - first) * i // 4 for i in range(5)})
    return ["  " + ", ".join(f"epoch {epoch}: {opt.lr * lr_factor(opt, epoch):.3g}" for epoch in epochs)]


def rehearse(opt: Namespace, batch: dict, images: int) -> list[str]:
    """Two steps on PyTorch's meta device, where tensors have a shape and no values: what they take."""
    with torch.device("meta"):
        model = create_model(Namespace(**vars(opt) | {"device": "meta", "gpu_ids": []}))
    held = Held(value for net in model.get_networks().values() for value in net.state_dict().values())
    with held:
        for _ in range(2):  # the optimizers' own tensors appear in the first
            feed(model, batch)
            model.optimize_parameters()
    return [disk(opt, model, images),
            f"Memory: about {size(held.most + pool_growth(model))} for weights, gradients, optimizers, activations and image "
            "histories, counted tensor by tensor in a rehearsal without values; on a GPU add about 1 GB for CUDA's work space"]


class Held(TorchDispatchMode):
    """A context that counts the bytes of all tensors that are alive, the given ones included; ``most`` is the largest sum."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.alive: dict[int, weakref.ref] = {}
        self.now = self.most = 0
        self.add(tensors)

    def add(self, values: Iterable) -> None:
        for storage in (value.untyped_storage() for value in values if isinstance(value, torch.Tensor) and value.is_meta):
            if storage._cdata not in self.alive:
                self.now += storage.nbytes()
                self.alive[storage._cdata] = weakref.ref(storage, self._forget(storage._cdata, storage.nbytes()))
        self.most = max(self.most, self.now)

    def _forget(self, key: int, count: int):
        def forget(_: object) -> None:
            del self.alive[key]
            self.now -= count
        return forget

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.add(tree_leaves(result))
        return result


def pool_growth(model: BaseModel) -> int:
    """Bytes that the image histories will hold when they are full, beyond what they hold now."""
    pools = [pool for pool in vars(model).values() if isinstance(pool, ImagePool) and pool.images]
    return sum((pool.pool_size - len(pool.images)) * pool.images[0].nbytes for pool in pools)


def disk(opt: Namespace, model: BaseModel, images: int) -> str:
    """Bytes of all checkpoints at the end, and of the one more that is written beside the old one."""
    nets = count_bytes([net.state_dict() for net in model.get_networks().values()])
    state = count_bytes(model.training_state()) + pool_growth(model)
    done = opt.epoch_count - 1
    by_epoch = last_epoch(opt) // opt.save_epoch_freq - done // opt.save_epoch_freq
    by_iter = (last_epoch(opt) - done) * images // opt.save_latest_freq if opt.save_by_iter else 0
    sets = 1 + by_epoch + by_iter
    total = sets * nets + (1 + opt.keep) * state
    folder = Path(opt.checkpoints_dir).resolve()
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.is_dir())).free
    return (f"Disk: about {size(total)} for {sets} sets of weights of {size(nets)} and {1 + opt.keep} training "
            f"state{'s' * (opt.keep > 0)} of {size(state)}; while saving {size(state)} more; {size(free)} are free there")


def count_bytes(value: Any) -> int:
    """Of all tensors in nested dicts, lists and tuples."""
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(count_bytes, value)) if isinstance(value, (list, tuple)) else getattr(value, "nbytes", 0)


def size(count: float) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
