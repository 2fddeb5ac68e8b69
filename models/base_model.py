"""BaseModel: what all models share, such as devices, learning rates, saving and loading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from models.training import model_state
from models.training.averaging import MovingAverage
from models.training.gradients import LossScaler
from models.training.initial_weights import start_networks
from models.training.schedulers import create_schedulers
from models.training.state_check import check_state
from util import checkpoint, distributed
from util.console import say
from util.epoch_scheduler import EpochScheduler, has_stepped, set_rates
from util.init_weights import init_weights
from util.modules import unwrapped
from util.option_defaults import add_missing, ours
from util.paths import TextPath
from util.runs import require_run
from util.schedules import learning_rates, require_metric


class BaseModel(ABC):
    """The networks, losses and optimizers of one method.

    To write a model, copy :class:`models.template_model.TemplateModel`: fill the lists in
    ``__init__`` and implement ``set_input``, ``forward`` and ``optimize_parameters``.

    Attributes:
        loss_names: ``["G"]`` logs the scalar ``self.loss_G``.
        model_names: ``["G"]`` saves the network ``self.netG`` as ``latest_net_G.pth``.
        visual_names: ``["fake_B"]`` shows the images ``self.fake_B``, (N, C, H, W) in [-1, 1].
        optimizers: their learning rates follow ``--lr_policy``.
        schedulers: one for each optimizer, created by :meth:`setup` for training.
        image_paths: the files of the images in the last batch; outputs are named after them.
        visual_paths: name -> files, for images in ``visual_names`` that are named otherwise.
        metric: a validation metric to minimise, for ``--lr_policy plateau``; None if not measured.
        fp16_scaler: the loss scale of ``--amp fp16``; None with other precisions.
        averaged: with ``--ema``, name of a generator -> its average, a network in ``module``.
        gradient_methods: for ``--accumulate``, the attribute of each optimizer -> the method that
            computes its gradients, in the order in which the optimizers step, e.g.
            ``{"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}``.

    Gradient accumulation calls each of ``gradient_methods`` once per micro-batch, on a shallow copy
    of the model, averages the gradients over all images and steps that optimizer. A method computes
    losses and calls :meth:`backward`; it neither clears gradients nor steps. It may read what the
    methods before it have set, but should compute again what needs a graph. Image pools are shared.

    The panel and validation call :meth:`test` on a shallow copy of the model; with ``--ema`` that
    of validation has the averaged generators. So ``test`` should reach networks as
    ``self.netNAME``, and networks should not have hooks that are methods of the model.
    """

    gradient_methods: dict[str, str] = {}
    generator_prefixes: tuple[str, ...] = ("G",)  # --ema averages networks with names like these

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this model, or change defaults with ``parser.set_defaults``."""
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path | None:
        """Return the file whose weights show the generator's netG, norm, ngf, ... to test.py."""
        return None

    def __init__(self, opt: Namespace) -> None:
        self.opt = add_missing(opt)  # one from elsewhere has only the official options
        opt = ours(self.opt)
        self.gpu_ids, self.isTrain, self.device = opt.gpu_ids, opt.isTrain, opt.device
        self.save_dir = TextPath(opt.checkpoints_dir) / opt.name
        fixed_sizes = opt.preprocess not in ("none", "scale_width")
        if self.device.type == "cuda" and fixed_sizes and not opt.deterministic:
            torch.backends.cudnn.benchmark = True
        self.loss_names: list[str] = []
        self.model_names: list[str] = []
        self.visual_names: list[str] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        self.image_paths: list[str] = []
        self.visual_paths: dict[str, list[str]] = {}
        self.metric: float | None = None
        self.averaged: dict[str, MovingAverage] = {}
        self.fp16_scaler = LossScaler(self.device.type) if opt.amp == "fp16" else None
        self.schedulers: Sequence = ()  # a list after setup()
        self.rates_epoch: int = getattr(opt, "epoch_count", 1)  # the epoch of the learning rates
        self.next_epoch: int | None = None  # the epoch to update them for, set by train.py
        self.rates_updated = False

    @property
    def device(self) -> torch.device:
        """The device of the networks. A model may also set it to text such as "cuda:0"."""
        return self._device

    @device.setter
    def device(self, device: torch.device | str | int) -> None:
        self._device = torch.device(device)

    @abstractmethod
    def set_input(self, input: dict) -> None:
        """Take a batch, e.g. {"A": (N, C, H, W), "B": ..., "A_paths": [...], "B_paths": [...]}."""

    @abstractmethod
    def forward(self) -> None:
        """Compute the output images; :meth:`test` calls it, too."""

    @abstractmethod
    def optimize_parameters(self) -> None:
        """Make one training step: compute losses and gradients, and update the weights."""

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of ``loss``; ``--amp fp16`` scales the loss so that none underflows."""
        if self.fp16_scaler:
            self.fp16_scaler.backward(loss)
        else:
            loss.backward()

    def compute_visuals(self) -> None:
        """Compute images that are only needed for display."""

    # What the rest of the program reads. The lists of names are looked up only here.

    def get_networks(self) -> dict[str, nn.Module]:
        """Return name -> network, without ``net``."""
        names = (name for name in self.model_names if isinstance(name, str))
        return {name: getattr(self, f"net{name}") for name in names}

    def get_weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return the state dicts of all files of weights, e.g. of "G_A" and "G_A_ema"."""
        averages = {f"{name}_ema": average.module for name, average in self.averaged.items()}
        networks = self.get_networks() | averages
        return {name: unwrapped(net).state_dict() for name, net in networks.items()}

    def get_current_losses(self) -> dict[str, float]:
        """Return the losses of the last step, in the order of ``loss_names``."""
        losses = ((name, getattr(self, f"loss_{name}")) for name in self.loss_names)
        return OrderedDict((name, float(torch.as_tensor(loss).detach())) for name, loss in losses)

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Return the last batch's images, (N, C, H, W) in [-1, 1], as ``visual_names`` lists."""
        return OrderedDict((name, getattr(self, name)) for name in self.visual_names)

    def get_image_paths(self) -> list[str]:
        """Return the paths of the input images of the last batch."""
        return self.image_paths

    def get_batch_paths(self) -> list[str]:
        """Return the paths of all images of the last batch."""
        return list(dict.fromkeys(chain(self.get_image_paths(), *self.visual_paths.values())))

    def setup(self, opt: Namespace) -> None:
        """Create the schedulers; initialise or load the networks and move them to the device."""
        opt = ours(add_missing(opt))
        if self.isTrain:
            require_metric(opt, self.metric)
            self.schedulers = create_schedulers(self, opt, self.overrides(BaseModel, "setup"))
        if self.isTrain and not opt.continue_train:
            start_networks(self, opt)
        for net in self.get_networks().values():
            net.to(self.device)
        if checkpoint.resumes_from_state(opt):
            saved = (self.save_dir / f"latest_net_{name}.pth" for name in self.get_networks())
            if self.overrides(BaseModel, "load_networks") and all(path.is_file() for path in saved):
                self.load_networks(opt.epoch)  # a method of a custom model may load more
            self._load_from_state()
        elif not self.isTrain or opt.continue_train:
            self.load_networks(f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch)
        self.print_networks(opt.verbose)

    def update_learning_rate(self, epoch: int | None = None) -> None:
        """Set the learning rates for ``epoch``, counted from 1; by default the next one.

        The first call of a script sets those of the first epoch if no optimizer has stepped yet,
        else those of the second: scripts call it before (2022) or after (2025) each epoch.
        """
        epoch = epoch or self.next_epoch
        by_script, before = epoch is None, learning_rates(self.optimizers)
        if self.schedulers == ():
            self.schedulers = create_schedulers(self, self.opt, False)
        if epoch is None:
            begun = self.rates_updated or any(map(has_stepped, self.schedulers))
            epoch = self.rates_epoch + begun
        later = epoch > self.rates_epoch  # else a run resumes within this epoch
        set_rates(self.schedulers, epoch, self.metric, later)
        if later and ours(self.opt).val_freq:
            self.metric = None  # each validation counts once
        self.rates_epoch, self.rates_updated, self.next_epoch = epoch, True, None
        if by_script and before:
            say(f"learning rate {before[0]:.7f} -> {learning_rates(self.optimizers)[0]:.7f}")

    def set_next_epoch(self, epoch: int) -> None:
        """Make the next ``update_learning_rate()`` set the rates of ``epoch``, counted from 1."""
        self.next_epoch = epoch
        for scheduler in self.schedulers:
            if isinstance(scheduler, EpochScheduler):
                scheduler.set_next_epoch(epoch)  # for models that step the schedulers themselves

    def eval(self) -> None:
        """Switch the networks to evaluation: no dropout, running statistics in batch norm."""
        for net in self.get_networks().values():
            net.eval()

    def test(self) -> None:
        """Compute the output images without gradients."""
        with torch.no_grad():
            self.forward()
            self.compute_visuals()

    def overrides(self, base: type, *names: str) -> bool:
        """True if this model has its own version of one of these methods of ``base``."""
        return any(getattr(getattr(self, n), "__func__", 0) is not getattr(base, n) for n in names)

    def set_requires_grad(
        self, nets: nn.Module | None | Iterable[nn.Module | None], requires_grad: bool = False
    ) -> None:
        """Freeze networks, so that they get no gradients (False), or unfreeze them (True)."""
        for net in [nets] if nets is None or isinstance(nets, nn.Module) else nets:
            if net is not None:
                net.requires_grad_(requires_grad)

    # Files

    def save_networks(self, epoch: int | str) -> None:
        """Write ``{epoch}_net_{name}.pth`` for each network on rank 0, complete or not at all."""
        for name, weights in self.get_weights().items() if distributed.is_main() else ():
            checkpoint.save_state_dict(weights, self.save_dir / f"{epoch}_net_{name}.pth")

    def _load_from_state(self) -> None:
        """Load the networks of the run to resume; train.py restores the rest of its state later."""
        path = self.save_dir / checkpoint.STATE
        state = checkpoint.load(path)
        check_state(state, self, path, networks_only=self.overrides(BaseModel, "setup"))
        for name, net in self.get_networks().items():
            unwrapped(net).load_state_dict(state["model"]["networks"][name])

    def load_networks(self, epoch: int | str) -> None:
        """Load ``{epoch}_net_{name}.pth`` for each network, also of the official code.

        A training that resumes from its state takes the networks of "latest" from there.

        Raises UserError: a file is missing or damaged, or its weights have other shapes.
        """
        if epoch == "latest" and checkpoint.resumes_from_state(self.opt):
            self._load_from_state()
            return
        ema = () if self.isTrain or not ours(self.opt).ema else self.generator_prefixes
        for name, net in self.get_networks().items():
            require_run(self.opt)
            path = self.save_dir / f"{epoch}_net_{name}{'_ema' if name.startswith(ema) else ''}.pth"
            built_like = None if self.isTrain else self.architecture_source(self.opt)
            checkpoint.fit_state_dict(net, checkpoint.load_state_dict(path), path, built_like)
            say(f"Loaded {path}")

    @staticmethod
    def add_init_options(parser: ArgumentParser, *names: str) -> None:
        """Add ``--init_NAME FILE`` for networks that a training may start from given weights."""
        for name in names:
            text = f"start net {name} from these weights (.pth)"
            parser.add_argument(f"--init_{name}", metavar="FILE", help=text)

    def init_networks(self, init_type: str = "normal", init_gain: float = 0.02) -> None:
        """Initialise all networks and move them to the device."""
        for net in self.get_networks().values():
            init_weights(net, init_type, init_gain)
            net.to(self.device)

    def training_state(self) -> dict:
        """Return all that a step changes. Extend it in models with more state."""
        return model_state.get_state(self)

    def load_training_state(self, state: dict) -> None:
        """Restore what :meth:`training_state` returned for a model of the same options."""
        model_state.set_state(self, state)

    def __patch_instance_norm_state_dict(
        self, state_dict: dict, module: nn.Module, keys: list[str], i: int = 0
    ) -> None:
        """Remove the entry ``keys`` if it is a statistic that an instance norm does not have.

        :meth:`load_networks` does not need this method; custom models may call it.
        """
        layer = module.get_submodule(".".join(keys[i:-1]))
        if checkpoint.is_unused_statistic(layer, keys[-1]):
            state_dict.pop(".".join(keys))

    def print_networks(self, verbose: bool) -> None:
        """Print the size of each network; with ``verbose`` also its layers."""
        for name, net in self.get_networks().items():
            if verbose:
                say(*str(net).splitlines())
            millions = sum(p.numel() for p in net.parameters()) / 1e6
            say(f"Network {name}: {millions:.3f} M parameters")
