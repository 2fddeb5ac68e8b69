"""One training step of any model.

The step adds AMP, accumulation, averaging over ranks, the non-finite guard, compile and EMA.
"""

from __future__ import annotations

import contextlib
import functools
from argparse import Namespace
from collections.abc import Iterator

import torch
from torch import nn

from models import explain_missing_images
from models.base_model import BaseModel
from models.networks import ResnetGenerator
from models.training.accumulation import accumulated_step, require_gradient_methods
from models.training.averaging import start_averages
from models.training.gradients import NonFiniteGuard, fuse
from models.training.model_state import get_optimizers
from util import distributed
from util.console import say
from util.errors import UserError
from util.modules import can_compile
from util.rank_gradients import average_gradients, parameters_of
from util.seeds import derived_seed, seed_everything

BACKEND = "inductor"  # torch.compile's backend
MAX_GRAPHS = 256  # compiled from one function; PyTorch's limit, 8, is that of one network
MAX_OVERFLOWS = 40  # in a row, while --amp fp16 searches for its loss scale
PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Step:
    """``step(batch)`` trains a model on one batch; the model needs no code for the options."""

    def __init__(self, opt: Namespace, model: BaseModel) -> None:
        """Prepare the model's networks and optimizers in place, after the run was resumed.

        Raises:
            UserError: an option does not fit the model or the device.
        """
        self.opt, self.model = opt, model
        self.guard = NonFiniteGuard(
            opt.on_nonfinite == "skip", MAX_OVERFLOWS if model.fp16_scaler else 0
        )
        self.check_every_step = model.device.type == "cpu"  # on a GPU, a check waits for the device
        self.graph_count, self.weight = 0, 1.0
        self._set_backends()
        if opt.accumulate > 1:
            require_gradient_methods(model)
        if opt.checkpoint_activations:
            self._checkpoint_activations()
        self._prepare_optimizers()
        self._prepare_networks()

    def __call__(self, batch: dict, weight: float = 1.0, images_seen: int = 0) -> None:
        """Train on one batch as train.py does; see :meth:`context`."""
        with self.context(batch, weight, images_seen):
            if self.opt.accumulate > 1:
                self.accumulate(batch)
            else:
                self.model.set_input(batch)
                self.model.optimize_parameters()

    @contextlib.contextmanager
    def context(self, batch: dict, weight: float = 1.0, images_seen: int = 0) -> Iterator[None]:
        """A context manager to compute a step in: what the options add before and after it.

        All generators are seeded with (seed, rank, ``images_seen``) first, so that a resumed run
        draws the same dropout, image pool choices and gradient penalties as an uninterrupted one.

        Args:
            batch: what the dataset gives.
            weight: the number of images in ``batch`` divided by that of all ranks.
            images_seen: the images that the training has taken before this step.

        Raises:
            NonFinite: a gradient is not finite; the weights are as before this step. On a GPU
                :meth:`check` raises it later.
            UserError: a batch without the images that the model needs.
        """
        self.weight = weight
        seed_everything(derived_seed("step", self.opt.seed, distributed.rank(), images_seen))
        if self.opt.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with explain_missing_images(self.model, batch):
            yield
        if self.model.fp16_scaler:
            self.model.fp16_scaler.update()
        for name, average in self.model.averaged.items():
            average.update_parameters(self.model.get_networks()[name])
        if self.opt.compile:
            self._count_graphs()
        if self.check_every_step:
            self.check()

    def accumulate(self, batch: dict) -> None:
        """Make the step of ``optimize_parameters`` from micro-batches of ``--batch_size`` images.

        Each optimizer steps with the mean gradients of all images; see accumulation.py.
        """
        accumulated_step(self.model, batch, self.opt.batch_size)

    def _before_step(self, optimizer: torch.optim.Optimizer, *unused: object) -> None:
        """Average, unscale and check the gradients between the backward pass and the optimizer."""
        average_gradients(parameters_of(optimizer), self.weight)
        if self.model.fp16_scaler:
            self.model.fp16_scaler.unscale_(optimizer)
        self.guard.watch(optimizer, self.model.get_batch_paths())

    def _set_backends(self) -> None:
        """Apply the options that hold for the whole process."""
        allow = not self.opt.no_tf32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allow
        if self.opt.compile and not can_compile():
            raise UserError(
                f"--compile needs PyTorch 2.6 or newer, and this is {torch.__version__}"
            )

    def _checkpoint_activations(self) -> None:
        networks = self.model.get_networks().values()
        modules = [module for net in networks for module in net.modules()]
        generators = [module for module in modules if isinstance(module, ResnetGenerator)]
        if not generators or not hasattr(ResnetGenerator, "checkpoint_activations"):
            raise UserError(
                "--checkpoint_activations: this model has no ResNet generator of "
                "models/networks.py to recompute"
            )
        for generator in generators:
            generator.checkpoint_activations = True

    def _prepare_optimizers(self) -> None:
        for optimizer in get_optimizers(self.model):
            fuse(optimizer)
            optimizer.register_step_pre_hook(self._before_step)
            if self.model.fp16_scaler:
                self.model.fp16_scaler.refuse_unscaled(optimizer)
            distributed.broadcast_(parameters_of(optimizer))

    def _prepare_networks(self) -> None:
        networks = self.model.get_networks()
        for net in networks.values():
            distributed.broadcast_(net.state_dict().values())
        start_averages(self.model)  # copies the networks before AMP and compile wrap them
        averaged = [average.module for average in self.model.averaged.values()]
        for net in (*networks.values(), *averaged):
            if self.opt.channels_last:
                net.to(memory_format=torch.channels_last)
            if self.opt.amp != "none":  # around networks only: losses are float32
                net.forward = functools.partial(
                    autocast_forward, net.forward, self.model.device.type, PRECISION[self.opt.amp]
                )
        for net in networks.values() if self.opt.compile else ():
            self._compile(net)
        for optimizer in get_optimizers(self.model):
            match_memory_format(optimizer)

    def _compile(self, net: nn.Module) -> None:
        """Compile ``net`` in place; its second input size makes a graph for all sizes."""
        torch._dynamo.config.cache_size_limit = MAX_GRAPHS
        # Padding and cropping, which depend on the size, stay outside of a generator's graph
        inner = hasattr(net, "apply_layers") and not self.opt.checkpoint_activations
        mode = "reduce-overhead" if self.opt.cuda_graphs else None
        dynamic = False if self.opt.cuda_graphs else None
        # On CPUs, the compiler's choice of memory layout would need a graph for each size
        many_sizes = self.opt.preprocess in ("none", "scale_width")
        keep_layout = many_sizes and self.model.device.type == "cpu"
        options = {"layout_optimization": False} if keep_layout else None
        part = net.get_submodule("model" if inner else "")
        part.compile(backend=BACKEND, fullgraph=True, mode=mode, dynamic=dynamic, options=options)

    def _count_graphs(self) -> None:
        """Say how many graphs were compiled, whenever there are more."""
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]  # there is no public count
        if graphs > self.graph_count:
            say(
                f"--compile: {graphs} graphs so far; networks of one kind share theirs, and from "
                "the second image size on, one graph serves all"
            )
        self.graph_count = graphs

    def check(self) -> None:
        """Wait for the device; raise NonFinite if a gradient so far was not finite."""
        self.guard.check()


def autocast_forward(forward, device: str, dtype: torch.dtype, *args, **kwargs):
    """Run ``forward`` under autocast and return a float32 tensor."""
    with torch.autocast(device, dtype):
        result = forward(*args, **kwargs)
    return result.float() if isinstance(result, torch.Tensor) else result


def match_memory_format(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the strides of their weights; a fused optimizer pairs elements by address.

    They differ if a run resumes with another ``--channels_last``.
    """
    for p, state in optimizer.state.items():
        for key, value in state.items():
            is_moment = isinstance(value, torch.Tensor) and value.shape == p.shape
            if is_moment and value.stride() != p.stride():
                moment = torch.empty_like(p, dtype=value.dtype, requires_grad=False)
                state[key] = moment.copy_(value)
