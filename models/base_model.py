"""BaseModel: what all models share, such as devices, learning rates, saving and loading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from models.training.averaging import MovingAverage, average_generators
from models.training.gradients import LossScaler
from models.training.state_check import check_state
from util import checkpoint, schedules
from util.console import say
from util.errors import UserError, culprit
from util.image_pool import pools_of
from util.runs import require_run
from util.schedules import get_scheduler


class BaseModel(ABC):
    """The networks, losses and optimizers of one method.

    To write a model, copy :class:`models.template_model.TemplateModel`: fill the lists in
    ``__init__`` and implement ``set_input``, ``forward`` and ``optimize_parameters``.

    Attributes:
        loss_names: ``["G"]`` logs the scalar ``self.loss_G``.
        model_names: ``["G"]`` saves the network ``self.netG`` as ``latest_net_G.pth``.
        visual_names: ``["fake_B"]`` shows the images ``self.fake_B``, (N, C, H, W) in [-1, 1].
        optimizers: their learning rates follow ``--lr_policy``.
        image_paths: the files of the images in the last batch; outputs are named after them.
        visual_paths: name -> files, for images in ``visual_names`` that are named otherwise.
        metric: a validation metric to minimise, for ``--lr_policy plateau``; None if not measured.
        scaler: the loss scale of ``--amp fp16``; None with other precisions.
        averaged: with ``--ema``, name of a generator -> its average, a network in ``module``.
        gradient_methods: for ``--accumulate``, the attribute of each optimizer -> the method that
            computes its gradients, in the order in which the optimizers step, e.g.
            ``{"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}``.

    Gradient accumulation calls each of ``gradient_methods`` once per micro-batch, on a shallow copy
    of the model, averages the gradients over all images and steps that optimizer. A method computes
    losses and calls :meth:`backward`; it neither clears gradients nor steps. It may read what the
    methods before it have set, but should compute again what needs a graph. Image pools are shared.

    Validation and the panel call :meth:`test` on a shallow copy of the model, with ``--ema`` on one
    with averaged generators. So ``test`` should reach networks as ``self.netNAME``, and networks
    should not have hooks that are methods of the model.
    """

    gradient_methods: dict[str, str] = {}

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this model, or change defaults with ``parser.set_defaults``."""
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path | None:
        """Return the file whose weights show the generator's netG, norm, ngf, ... to test.py."""
        return None

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        self.gpu_ids = opt.gpu_ids
        self.isTrain = opt.isTrain
        self.device = torch.device(opt.device)
        self.save_dir = str(Path(opt.checkpoints_dir) / opt.name)
        fixed_sizes = opt.preprocess not in ("none", "scale_width")
        if self.device.type == "cuda" and fixed_sizes and not getattr(opt, "deterministic", False):
            torch.backends.cudnn.benchmark = True
        self.loss_names: list[str] = []
        self.model_names: list[str] = []
        self.visual_names: list[str] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        self.image_paths: list[str] = []
        self.visual_paths: dict[str, list[str]] = {}
        self.metric: float | None = None
        self.averaged: dict[str, MovingAverage] = {}
        fp16 = getattr(opt, "amp", "none") == "fp16"
        self.scaler = LossScaler(self.device.type) if fp16 else None
        self.schedulers: list = []  # of --lr_policy plateau; other rates are functions of the epoch
        self.epoch = getattr(opt, "epoch_count", 1) - 1  # of the last update_learning_rate
        self.plateau_epoch = self.epoch + 1  # when the schedulers last stepped; not before epoch 1

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
        if self.scaler:
            self.scaler.backward(loss)
        else:
            loss.backward()

    def compute_visuals(self) -> None:
        """Compute images that are only needed for display."""

    # What the rest of the program reads. The lists of names are looked up only here.

    def get_networks(self) -> dict[str, nn.Module]:
        """Return name -> network, without ``net``."""
        return {name: getattr(self, f"net{name}") for name in self.model_names}

    def get_weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return the state dicts of all files of weights, e.g. of "G_A" and "G_A_ema"."""
        averages = {f"{name}_ema": average.module for name, average in self.averaged.items()}
        return {name: net.state_dict() for name, net in (self.get_networks() | averages).items()}

    def get_current_losses(self) -> dict[str, float]:
        """Return the losses of the last step, in the order of ``loss_names``."""
        losses = ((name, getattr(self, f"loss_{name}")) for name in self.loss_names)
        return OrderedDict((name, float(torch.as_tensor(loss).detach())) for name, loss in losses)

    def set_mean_losses(self, models: list[BaseModel], weights: list[float]) -> None:
        """Set each loss to the weighted mean of those of ``models``, which are of this class."""
        for name in (f"loss_{name}" for name in self.loss_names):
            losses = [torch.as_tensor(getattr(model, name)).detach() for model in models]
            weighted = [loss * weight for loss, weight in zip(losses, weights, strict=True)]
            setattr(self, name, torch.stack(weighted).sum())

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Return the last batch's images, (N, C, H, W) in [-1, 1], as ``visual_names`` lists."""
        return OrderedDict((name, getattr(self, name)) for name in self.visual_names)

    def preset_visuals(self) -> None:
        """Set images that were not computed yet to None."""
        for name in self.visual_names:
            if not hasattr(self, name):
                setattr(self, name, None)

    def get_image_paths(self) -> list[str]:
        """Return the paths of the input images of the last batch."""
        return self.image_paths

    def get_batch_paths(self) -> list[str]:
        """Return the paths of all images of the last batch."""
        return list(dict.fromkeys(chain(self.get_image_paths(), *self.visual_paths.values())))

    # Life of a model

    def setup(self, opt: Namespace) -> None:
        """Move the networks to the device and load their weights for testing or resuming."""
        for net in self.get_networks().values():
            net.to(self.device)
        if self.isTrain and opt.lr_policy == "plateau":
            if self.metric is None and not getattr(opt, "val_freq", 0):
                raise UserError(
                    "--lr_policy plateau needs a validation metric: --val_freq N measures one, or "
                    "a model of your own sets self.metric; linear, step and cosine need none"
                )
            self.schedulers = [get_scheduler(optimizer, opt) for optimizer in self.optimizers]
        if checkpoint.resumes_from_state(opt):
            self._load_from_state()
        elif not self.isTrain or opt.continue_train:
            self.load_networks(f"iter_{opt.load_iter}" if opt.load_iter > 0 else opt.epoch)
        else:
            self.init_networks(opt)
        self.print_networks(opt.verbose)

    def update_learning_rate(self, epoch: int | None = None) -> None:
        """Set the learning rates for ``epoch``, counted from 1; by default the next one."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        if not self.schedulers:
            for group in chain(*(optimizer.param_groups for optimizer in self.optimizers)):
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * schedules.lr_factor(self.opt, self.epoch)
        elif self.epoch > self.plateau_epoch:  # else a run resumes within this epoch
            self.plateau_epoch = self.epoch
            for scheduler in self.schedulers if self.metric is not None else ():
                scheduler.step(self.metric)
            if getattr(self.opt, "val_freq", 0):
                self.metric = None  # each validation counts once

    def start_averages(self) -> None:
        """With ``--ema``, fill ``averaged`` with copies of the generators, unless it is filled."""
        decay = getattr(self.opt, "ema", 0)
        if decay and not self.averaged:
            self.averaged = average_generators(self.get_networks(), decay)

    def eval(self) -> None:
        """Switch the networks to evaluation: no dropout, running statistics in batch norm."""
        for net in self.get_networks().values():
            net.eval()

    def test(self) -> None:
        """Compute the output images without gradients."""
        with torch.no_grad():
            self.forward()
            self.compute_visuals()

    def overrides(self, base: type[BaseModel], *names: str) -> bool:
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
        """Write ``{epoch}_net_{name}.pth`` for each network; each file is complete or absent."""
        for name, weights in self.get_weights().items():
            checkpoint.save_state_dict(weights, Path(self.save_dir) / f"{epoch}_net_{name}.pth")

    def _load_from_state(self) -> None:
        """Load the networks of the run to resume; train.py restores the rest of its state later."""
        path = Path(self.save_dir) / checkpoint.STATE
        state = checkpoint.load(path)
        check_state(state, self, path)
        for name, net in self.get_networks().items():
            net.load_state_dict(state["model"]["networks"][name])

    def load_networks(self, epoch: int | str) -> None:
        """Load ``{epoch}_net_{name}.pth`` for each network, also of the official code.

        Raises UserError: a file is missing or damaged, or its weights have other shapes.
        """
        for name, net in self.get_networks().items():
            require_run(self.opt)
            averaged = not self.isTrain and getattr(self.opt, "ema", False) and name.startswith("G")
            path = Path(self.save_dir) / f"{epoch}_net_{name}{'_ema' if averaged else ''}.pth"
            built_like = None if self.isTrain else self.architecture_source(self.opt)
            checkpoint.fit_state_dict(net, checkpoint.load_state_dict(path), path, built_like)
            say(f"Loaded {path}")

    @staticmethod
    def add_init_options(parser: ArgumentParser, *names: str) -> None:
        """Add ``--init_NAME FILE`` for networks that a training may start from given weights."""
        for name in names:
            text = f"start net {name} from these weights (.pth)"
            parser.add_argument(f"--init_{name}", metavar="FILE", help=text)

    def init_networks(self, opt: Namespace) -> None:
        """Load the weights of ``--init_NAME`` and print which networks start fresh."""
        files = {name: getattr(opt, f"init_{name}", None) for name in self.get_networks()}
        for name, file in files.items():
            if file:
                with culprit(f"--init_{name}"):
                    weights = checkpoint.load_state_dict(Path(file))
                    checkpoint.fit_state_dict(self.get_networks()[name], weights, Path(file))
                say(f"Net {name} starts from {file}")
        if any(files.values()):
            say("Fresh networks: " + (", ".join(k for k, v in files.items() if not v) or "none"))

    def training_state(self) -> dict:
        """Return all that a step changes. Extend it in models with more state."""
        return {
            "networks": self.get_weights(),
            "scaler": self.scaler.state_dict() if self.scaler else {},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "pools": {name: pool.images for name, pool in pools_of(self).items()},
            "plateau_epoch": self.plateau_epoch,
            "metric": self.metric,
        }

    def load_training_state(self, state: dict) -> None:
        """Restore what :meth:`training_state` returned for a model of the same options."""
        networks = state["networks"]
        for name, net in self.get_networks().items():
            net.load_state_dict(networks[name])
        self.start_averages()
        for name, average in self.averaged.items():  # a run without --ema may resume with it
            average.module.load_state_dict(networks.get(f"{name}_ema", networks[name]))
        for key, parts in (("optimizers", self.optimizers), ("schedulers", self.schedulers)):
            for part, saved in zip(parts, state[key], strict=True):
                part.load_state_dict(saved)
        for name, images in state["pools"].items():
            pools_of(self)[name].images = [image.to(self.device) for image in images]
        if self.scaler and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.plateau_epoch, self.metric = state["plateau_epoch"], state["metric"]

    def print_networks(self, verbose: bool) -> None:
        """Print the size of each network; with ``verbose`` also its layers."""
        for name, net in self.get_networks().items():
            if verbose:
                say(*str(net).splitlines())
            millions = sum(p.numel() for p in net.parameters()) / 1e6
            say(f"Network {name}: {millions:.3f} M parameters")
