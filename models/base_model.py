"""What every model shares: networks on a device, learning rate, saving, loading, and the plain dicts others read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections import OrderedDict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from models.networks import get_scheduler
from models.training.averaging import moving_average
from models.training.gradients import LossScaler
from util import checkpoint, schedules
from util.console import say
from util.errors import UserError
from util.image_pool import ImagePool


class BaseModel(ABC):
    """Networks, losses and optimizers of one method; :class:`models.template_model.TemplateModel` is
    a start. Subclasses fill the lists and implement ``set_input``, ``forward`` and
    ``optimize_parameters``.

    Attributes:
        loss_names: ``["G"]``: the scalar ``self.loss_G`` is logged.
        model_names: ``["G"]``: the network ``self.netG`` is saved as ``latest_net_G.pth``.
        visual_names: ``["fake_B"]``: the images ``self.fake_B``, (N, C, H, W) in [-1, 1], are shown.
        optimizers: their learning rates follow ``--lr_policy``.
        gradient_methods: what ``--accumulate`` needs: the name of each optimizer's attribute and of
            the method that computes its gradients, in the order of the optimizers' steps, e.g.
            ``{"optimizer_G": "gradients_G", "optimizer_D": "gradients_D"}``. Such a method computes
            losses and calls :meth:`backward`; it neither clears gradients nor steps. It runs once
            per micro-batch, on a shallow copy of the model, before the next optimizer's method
            runs: attributes set by one method are there in the next, a computation graph should not
            be. A micro-batch is weighted by its number of images. Image pools are shared: each
            micro-batch queries them in turn.
        image_paths: of the images in this batch; outputs are named after them.
        metric: lower is better; drives ``--lr_policy plateau`` in models that set it.
        averaged: with ``--ema``: the name of a generator -> its moving average, whose ``module`` is
            a network like ``net`` + name.
        scaler: the loss scale of ``--amp fp16``, else None.
    """

    gradient_methods: dict[str, str] = {}

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool) -> ArgumentParser:
        """Add options of this model, or change defaults with ``parser.set_defaults``."""
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path | None:
        """The file whose generator was built with exactly ``opt``'s netG, norm, ... so that test.py can read them off it."""
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
        self.metric: float | None = None
        self.schedulers: list = []  # of policy plateau only; the others are functions of the epoch
        self.epoch = (
            getattr(opt, "epoch_count", 1) - 1
        )  # the one that update_learning_rate was last called for
        fp16 = getattr(opt, "amp", "none") == "fp16"
        self.scaler = LossScaler(self.device.type) if fp16 else None
        self.averaged: dict[str, AveragedModel] = {}
        self.plateau_epoch = (
            self.epoch + 1
        )  # in which the schedulers were last stepped; not before the first

    @abstractmethod
    def set_input(self, input: dict) -> None:
        """Take a batch from the dataset, e.g. {"A": (N, C, H, W), "B": ..., "A_paths": [...], "B_paths": [...]}."""

    @abstractmethod
    def forward(self) -> None:
        """Compute the output images; also called by :meth:`test`."""

    @abstractmethod
    def optimize_parameters(self) -> None:
        """One training step: losses, gradients, weights."""

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of ``loss`` to the parameters; ``--amp fp16`` scales them against underflow."""
        if self.scaler:
            self.scaler.backward(loss)
        else:
            loss.backward()

    def compute_visuals(self) -> None:
        """Compute images that are only needed for display."""

    # What the rest of the program reads. The name lists are looked up here and nowhere else.

    def get_networks(self) -> dict[str, nn.Module]:
        return {name: getattr(self, "net" + name) for name in self.model_names}

    def get_weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """All that is saved as a file of weights."""
        weights = {name: net.state_dict() for name, net in self.get_networks().items()}
        return weights | {
            f"{name}_ema": average.module.state_dict() for name, average in self.averaged.items()
        }

    def start_averages(self) -> None:
        """With ``--ema``, put a copy of each generator that is not averaged yet into ``averaged``.

        Raises:
            UserError: no name of a network begins with G.
        """
        decay, networks = getattr(self.opt, "ema", 0), self.get_networks()
        names = [name for name in networks if name.startswith("G")] if decay else []
        if decay and not names:
            raise UserError(
                "--ema averages networks whose names begin with G; this model has "
                + ", ".join(networks)
            )
        for name in (name for name in names if name not in self.averaged):
            self.averaged[name] = moving_average(networks[name], decay)

    def get_current_losses(self) -> dict[str, float]:
        """The losses of the last step, in the order of ``loss_names``."""
        return OrderedDict(
            (name, float(torch.as_tensor(getattr(self, "loss_" + name)).detach()))
            for name in self.loss_names
        )

    def set_mean_losses(self, models: list[BaseModel], shares: list[float]) -> None:
        """Take the losses of other models of this class, each with its share."""
        for name in ("loss_" + name for name in self.loss_names):
            values = [
                torch.as_tensor(getattr(each, name)).detach() * share
                for each, share in zip(models, shares, strict=True)
            ]
            setattr(self, name, torch.stack(values).sum())

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """The images of the last batch, (N, C, H, W) in [-1, 1], in the order of ``visual_names``."""
        return OrderedDict((name, getattr(self, name)) for name in self.visual_names)

    def preset_visuals(self) -> None:
        """Make images that no step has computed so far None."""
        for name in self.visual_names:
            if not hasattr(self, name):
                setattr(self, name, None)

    def get_image_paths(self) -> list[str]:
        """Paths of the input images of the last batch."""
        return self.image_paths

    def get_visual_paths(self) -> dict[str, list[str]]:
        """For images that do not belong to ``image_paths``: their label -> the paths they are named after."""
        return {}

    def get_batch_paths(self) -> list[str]:
        """Paths of all images of the last batch."""
        return list(dict.fromkeys(chain(self.get_image_paths(), *self.get_visual_paths().values())))

    # Life of a model

    def setup(self, opt: Namespace) -> None:
        """Move networks to the device; load their weights for testing and continuing."""
        for net in self.get_networks().values():
            net.to(self.device)
        if self.isTrain and opt.lr_policy == "plateau":
            if self.metric is None and not getattr(opt, "val_freq", 0):
                raise UserError(
                    "--lr_policy plateau needs a validation metric: --val_freq N measures one, or a model of your "
                    "own sets self.metric; linear, step and cosine need none"
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
        """Set the learning rates for ``epoch`` (default: the one after the last). Call at the start of each epoch."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        if self.schedulers:
            if self.epoch > self.plateau_epoch:  # else a run resumes in the middle of an epoch
                self.plateau_epoch = self.epoch
                for scheduler in self.schedulers if self.metric is not None else ():
                    scheduler.step(self.metric)
                self.metric = (
                    None if getattr(self.opt, "val_freq", 0) else self.metric
                )  # each validation counts once
            return
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * schedules.lr_factor(self.opt, self.epoch)

    def eval(self) -> None:
        """Evaluation mode: no dropout, running statistics in batch norm."""
        for net in self.get_networks().values():
            net.eval()

    def test(self) -> None:
        """Compute the output images without gradients."""
        with torch.no_grad():
            self.forward()
            self.compute_visuals()

    def overrides(self, base: type[BaseModel], *names: str) -> bool:
        """Whether this model has its own version of one of these methods of ``base``."""
        return any(
            getattr(getattr(self, name), "__func__", None) is not getattr(base, name)
            for name in names
        )

    def set_requires_grad(
        self, nets: nn.Module | None | Iterable[nn.Module | None], requires_grad: bool = False
    ) -> None:
        """Freeze networks (False) so that no gradients are computed for them, or thaw them."""
        for net in (
            nets if isinstance(nets, Iterable) and not isinstance(nets, nn.Module) else [nets]
        ):
            if net is not None:
                net.requires_grad_(requires_grad)

    # Files

    def save_networks(self, epoch: int | str) -> None:
        """Write ``{epoch}_net_{name}.pth`` for each network; each file is complete or not there."""
        for name, weights in self.get_weights().items():
            checkpoint.save_state_dict(weights, Path(self.save_dir) / f"{epoch}_net_{name}.pth")

    def _load_from_state(self) -> None:
        """The networks of the run that goes on; train.py then restores the rest, other programs have these at least."""
        path = Path(self.save_dir) / checkpoint.STATE
        state = checkpoint.load(path)
        try:
            for name, net in self.get_networks().items():
                net.load_state_dict(state["model"]["networks"][name])
        except Exception as error:  # a damaged or hostile file raises almost anything
            raise UserError(
                f"{path} does not fit this run: {(str(error) or type(error).__name__).splitlines()[0]}"
            ) from None

    def load_networks(self, epoch: int | str) -> None:
        """Read them again, also from the official code. Raises UserError: not there, damaged, or of another shape."""
        for name, net in self.get_networks().items():
            averaged = not self.isTrain and getattr(self.opt, "ema", False) and name.startswith("G")
            path = Path(self.save_dir) / f"{epoch}_net_{name}{'_ema' * averaged}.pth"
            checkpoint.fit_state_dict(net, checkpoint.load_state_dict(path), path)
            say(f"Loaded {path}")

    @staticmethod
    def add_init_options(parser: ArgumentParser, *names: str) -> None:
        """Declare ``--init_NAME file`` for networks that a new training may start from existing weights."""
        for name in names:
            parser.add_argument(
                f"--init_{name}", metavar="FILE", help=f"start net {name} from these weights (.pth)"
            )

    def init_networks(self, opt: Namespace) -> None:
        """Load the weights of ``--init_NAME``, and say which networks start fresh."""
        sources = {name: getattr(opt, f"init_{name}", None) for name in self.get_networks()}
        for name, source in sources.items():
            if source:
                checkpoint.fit_state_dict(
                    self.get_networks()[name],
                    checkpoint.load_state_dict(Path(source)),
                    Path(source),
                )
                say(f"Net {name} starts from {source}")
        if any(sources.values()):
            say(
                f"Fresh networks: {', '.join(name for name in sources if not sources[name]) or 'none'}"
            )

    def training_state(self) -> dict:
        """All that a step changes: networks, optimizers, image histories. Extend it in models that keep more."""
        return {
            "networks": self.get_weights(),
            "scaler": self.scaler.state_dict() if self.scaler else {},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
            "pools": {
                name: pool.images
                for name, pool in vars(self).items()
                if isinstance(pool, ImagePool)
            },
            "plateau_epoch": self.plateau_epoch,
            "metric": self.metric,
        }

    def load_training_state(self, state: dict) -> None:
        """The inverse of :meth:`training_state`, in a model of the same options."""
        for name, net in self.get_networks().items():
            net.load_state_dict(state["networks"][name])
        for key, parts in (("optimizers", self.optimizers), ("schedulers", self.schedulers)):
            for part, saved in zip(parts, state[key], strict=True):
                part.load_state_dict(saved)
        for name, images in state["pools"].items():
            getattr(self, name).images = [image.to(self.device) for image in images]
        self.start_averages()
        for name, average in self.averaged.items():
            weights = state["networks"].get(f"{name}_ema", state["networks"][name])
            average.module.load_state_dict(weights)
        if self.scaler and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.plateau_epoch, self.metric = state["plateau_epoch"], state["metric"]

    def print_networks(self, verbose: bool) -> None:
        """Say how large the networks are; with ``verbose`` also their layers."""
        for name, net in self.get_networks().items():
            if verbose:
                say(str(net))
            say(
                f"Network {name}: {sum(p.numel() for p in net.parameters()) / 1e6:.3f} M parameters"
            )
