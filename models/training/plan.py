"""The plan of a training: learning rates, steps, disk and memory, for ``train.py --dry_run``."""

from __future__ import annotations

import sys
import warnings
import weakref
from argparse import Namespace
from collections.abc import Iterable

import torch

# PyTorch has no public way to run a model without memory and values, or to list its tensors.
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from data import create_dataset
from models import create_model
from models.base_model import BaseModel
from models.training import timing
from models.training.averaging import young_average
from models.training.disk import budget, count_bytes, require_file_size, size
from models.training.schedulers import describe
from models.training.step import Step
from options.flags.schedule import POLICY
from util.errors import UserError, first_line, norm_problem
from util.image_pool import pools_of
from util.named_values import refused_value
from util.option_defaults import replaced
from util.schedules import last_epoch, lr_factor
from util.words import amount


def lines(opt: Namespace, rehearse_it: bool = True) -> tuple[list[str], list[str]]:
    """Return (the plan, what would stop the training), one item per line.

    Args:
        rehearse_it: also run two steps without values, to estimate disk and memory, and with
            ``--dry_run`` some with values, to estimate the time.
    """
    plan = [f"Learning rate: {describe(opt)}", *rates(opt)]
    try:
        alone = replaced(opt, num_threads=0, device=torch.device("cpu"))
        dataset = create_dataset(alone, say_left_out=False)  # check_data.py lists these files
        epochs = last_epoch(opt) - opt.epoch_count + 1
        steps = len(dataset.order.weights())
        images = amount(len(dataset), "image")
        plan.append(f"Steps: {steps} per epoch of {images}, {steps * epochs} in all")
        if problem := young_average(opt.ema, steps * epochs):
            plan.append(problem)
        if rehearse_it:
            batch = next(iter(dataset))
            plan += rehearse(opt, batch, len(dataset))
            if opt.dry_run:  # check_data.py is about the data
                plan.append(timing.line(opt, batch, steps * epochs))
    except UserError as error:
        return plan, [str(error)]
    except Exception as error:  # a custom model may read values, and a rehearsal has none
        if problem := norm_problem(error) or refused_value(error, sys.argv[1:]):
            return plan, [problem]
        reason = f"{type(error).__name__}: {first_line(error)}"
        unknown = "Time" if any(line.startswith("Memory") for line in plan) else "Disk and memory"
        plan.append(f"{unknown}: unknown, this model cannot be rehearsed ({reason})")
    return plan, []


def rates(opt: Namespace) -> list[str]:
    """Return a line with the learning rate at five epochs.

    There is no line for a single epoch, or if the rate depends on more than the epoch.
    """
    first, last = opt.epoch_count, last_epoch(opt)
    if opt.lr_policy not in POLICY or opt.lr_policy == "plateau" or first == last:
        return []
    epochs = sorted({first + (last - first) * i // 4 for i in range(5)})
    return ["  " + ", ".join(f"epoch {n}: {opt.lr * lr_factor(opt, n):.3g}" for n in epochs)]


def rehearse(opt: Namespace, batch: dict, images: int) -> list[str]:
    """Return two lines, with the disk space and the memory that a training takes.

    Args:
        batch: a batch of the dataset.
        images: per epoch.

    Raises:
        UserError: a training state is larger than a file may be here.
    """
    model, peak = rehearsed(opt, batch)
    model.fp16_scaler = None  # saving it would read its value
    state = count_bytes(model.training_state()) + pool_growth(model)
    require_file_size(state)
    on_cpu = opt.device.type == "cpu"
    copy = f", and up to {size(state)} while a checkpoint is written" * on_cpu
    return [
        disk(opt, model, state, images),
        f"Memory: about {size(peak + pool_growth(model))} for weights, gradients, optimizers, "
        "activations and image pools, counted tensor by tensor in a rehearsal without values; "
        f"add about 1 GB for PyTorch itself and its workspace{copy}",
    ]


def rehearsed(opt: Namespace, batch: dict) -> tuple[BaseModel, int]:
    """Run two steps on the CPU with fake tensors, which have shapes but no values.

    Returns:
        The model after the steps, and the peak in bytes of all tensors.
    """
    cpu = {"device": torch.device("cpu"), "gpu_ids": [], "compile": False, "cuda_graphs": False}
    with OneFakeMode(allow_non_fake_inputs=True) as fake, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # by deepcopy
        opt = replaced(opt, **cpu, channels_last=False)
        model = create_model(opt)
        step = Step(opt, model)
        step.check_every_step = False  # the guard would read values
        batch = {
            key: fake.from_tensor(value) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }
        return model, bytes_of_steps(step, batch)


class OneFakeMode(FakeTensorMode):
    """A mode shared by tensors and their copies; ``--ema`` copies networks."""

    def __deepcopy__(self, memo: dict) -> OneFakeMode:
        return self


def bytes_of_steps(step: Step, batch: dict) -> int:
    """Return the peak of two steps; optimizers create their moments in the first."""
    modules = [m for m in vars(step.model).values() if isinstance(m, torch.nn.Module)]
    tensors = [[*module.parameters(), *module.buffers()] for module in modules]  # of features, too
    alive = Alive(tree_leaves([step.model.get_weights(), tensors]))
    with alive:
        for _ in range(2):
            step(batch)
    return alive.peak


class Alive(TorchDispatchMode):
    """A context that counts the bytes of the tensors that are alive.

    Attributes:
        peak: the largest sum so far of ``tensors`` and of the results of all operations.
    """

    def __init__(self, tensors: Iterable) -> None:
        super().__init__()
        self.storages: dict[int, weakref.ref] = {}
        self.now = self.peak = 0
        self.add(tensors)

    def add(self, values: Iterable) -> None:
        """Count the storages of the tensors among ``values``, each once."""
        for value in values:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                key, count = storage._cdata, storage.nbytes()
                if key not in self.storages:
                    self.now += count
                    self.storages[key] = weakref.ref(storage, self._forget(key, count))
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int, count: int):
        def forget(_: object) -> None:
            del self.storages[key]
            self.now -= count

        return forget

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.add(tree_leaves(result))
        return result


def pool_growth(model: BaseModel) -> int:
    """Return the bytes that the image pools will grow by until they are full."""
    pools = [pool for pool in pools_of(model).values() if pool.images]
    return sum((pool.pool_size - len(pool.images)) * pool.images[0].nbytes for pool in pools)


def disk(opt: Namespace, model: BaseModel, state: int, images: int) -> str:
    """Return a line with the size of all checkpoints at the end of the training.

    Args:
        state: bytes of one training state. While it is saved, the old one is still there.
        images: per epoch.
    """
    plan = budget(opt, model, state, images)
    short = ", which do not suffice" if plan.problem() else ""
    return (
        f"Disk: about {size(plan.kept)} for {amount(plan.sets, 'set')} of weights of "
        f"{size(plan.set_size)} and {amount(plan.states, 'training state')} of {size(state)}; "
        f"while saving {size(state)} more; {size(plan.free)} are free there{short}"
    )
