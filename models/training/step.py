"""One training step of any model, with what the options add to it; a model knows nothing of it."""

from __future__ import annotations

import functools
from argparse import Namespace

import torch
from torch import nn

from models import set_batch
from models.base_model import BaseModel
from models.networks import ResnetGenerator
from models.training.accumulation import accumulated_step, require_gradient_methods
from models.training.gradients import Mean, NonFiniteGuard, fuse, parameters_of
from models.training.memory import keep_memory, out_of_memory, step_without_compiler
from util import distributed
from util.console import say
from util.errors import UsageError, UserError
from util.seeds import derived_seed, seed_everything

BACKEND = "inductor"  # of --compile
OVERFLOWS = 40  # in a row that --amp fp16 may have while it looks for a scale
PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Step:
    """``step(batch)`` trains ``model`` on one batch of the dataset."""

    def __init__(self, opt: Namespace, model: BaseModel) -> None:
        """Make the networks and optimizers of ``model`` what the options say; to be called after resuming."""
        self.opt, self.model = opt, model
        self.guard = NonFiniteGuard(opt.on_nonfinite == "skip", OVERFLOWS if model.scaler else 0)
        self.at_once = model.device.type == "cpu"  # where there is nothing to wait for
        self.graphs, self.share, self.mean = 0, 1.0, Mean()
        if opt.accumulate > 1:
            require_gradient_methods(model)
        for optimizer in model.optimizers:
            fuse(optimizer)
            if not opt.compile:
                step_without_compiler(optimizer)
            optimizer.register_step_pre_hook(self._before)
            if model.scaler:
                model.scaler.refuse_unscaled(optimizer)
            distributed.broadcast_(parameters_of(optimizer))
        distributed.broadcast_(
            value for net in model.get_networks().values() for value in net.state_dict().values()
        )
        self._settle()
        model.start_averages()
        for net in model.get_networks().values():
            self._prepare(net)
            if opt.compile:
                self._compile(net)
        for average in model.averaged.values():
            self._prepare(average.module)
        for optimizer in model.optimizers:
            match_memory_format(optimizer)

    def _settle(self) -> None:
        """What holds for the whole process."""
        generators = [
            part
            for net in self.model.get_networks().values()
            for part in net.modules()
            if isinstance(part, ResnetGenerator)
        ]
        if self.opt.checkpoint_activations and not generators:
            raise UserError(
                "--checkpoint_activations: this model has no ResNet generator of models/networks.py to recompute"
            )
        for net in generators:
            net.checkpoint_activations = self.opt.checkpoint_activations
        if self.at_once:
            keep_memory(16 << 20)
        torch.backends.cudnn.allow_tf32 = (
            torch.backends.cuda.matmul.allow_tf32
        ) = not self.opt.no_tf32
        if self.opt.cuda_graphs and self.model.device.type != "cuda":
            raise UsageError(f"--cuda_graphs needs a CUDA GPU, and this is {self.model.device}")

    def _prepare(self, net: nn.Module) -> None:
        if self.opt.channels_last:
            net.to(memory_format=torch.channels_last)
        if self.opt.amp != "none":  # networks alone, so that all losses get and are float32
            net.forward = functools.partial(
                autocast_forward, net.forward, self.model.device.type, PRECISION[self.opt.amp]
            )

    def _compile(self, net: nn.Module) -> None:
        sizes_vary = self.opt.preprocess in ("none", "scale_width")
        mode = "reduce-overhead" if self.opt.cuda_graphs else None
        dynamic = None if sizes_vary else False
        net.compile(backend=BACKEND, fullgraph=True, mode=mode, dynamic=dynamic)

    def __call__(self, batch: dict, weight: float = 1.0, images_seen: int = 0) -> None:
        """Train on one batch.

        All generators are seeded with (seed, rank, ``images_seen``) first, so that a resumed run
        draws the same dropout, image pool choices and gradient penalties as an uninterrupted one.

        Args:
            batch: what the dataset gives.
            weight: the number of images in ``batch`` divided by that of all ranks.
            images_seen: the images that the training has taken before this step.

        Raises:
            NonFinite: a gradient is not finite; the weights are as before this step. On a GPU
                :meth:`check` raises it later.
        """
        self.share = weight
        seed_everything(derived_seed("step", self.opt.seed, distributed.rank(), images_seen))
        if self.opt.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()
        try:
            if self.opt.accumulate > 1:
                accumulated_step(self.model, batch, self.opt.batch_size)
            else:
                set_batch(self.model, batch)
                self.model.optimize_parameters()
        except (RuntimeError, MemoryError) as error:
            raise out_of_memory(error, self.opt, self.model.device) or error from None
        if self.model.scaler:
            self.model.scaler.update()
        for name, average in self.model.averaged.items():
            average.update_parameters(self.model.get_networks()[name])
        if self.opt.compile:
            self._count_graphs()
        if self.at_once:
            self.check()

    def _before(self, optimizer: torch.optim.Optimizer, *unused: object) -> None:
        """What happens to the gradients between the model's backward pass and the optimizer."""
        self.mean(parameters_of(optimizer), self.share)
        if self.model.scaler:
            self.model.scaler.unscale_(optimizer)
        self.guard.watch(optimizer, self.model.get_batch_paths())

    def _count_graphs(self) -> None:
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        if graphs > self.graphs:
            say(
                f"--compile: {graphs} graphs so far, one for each network, way of use and size of images"
            )
        self.graphs = graphs

    def check(self) -> None:
        """Wait for the device, and make sure that all steps so far were sound. Raises NonFinite."""
        self.guard.check()


def autocast_forward(forward, device: str, dtype: torch.dtype, *args, **kwargs):
    with torch.autocast(device, dtype):
        result = forward(*args, **kwargs)
    return result.float() if isinstance(result, torch.Tensor) else result


def match_memory_format(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory layout of their weights, which a saved state need not have: a fused step pairs them by address."""
    for p, state in optimizer.state.items():
        for key, value in state.items():
            if (
                isinstance(value, torch.Tensor)
                and value.shape == p.shape
                and value.stride() != p.stride()
            ):
                state[key] = torch.empty_like(p, dtype=value.dtype, requires_grad=False).copy_(
                    value
                )
