"""Applies one generator to a folder of images."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from models import networks
from models.base_model import BaseModel
from models.translation.exported import ExportedNetwork, exported_network
from models.translation.latent_search import (
    CoupledTranslator,
    add_search_options,
    coupled_translator,
)
from util import checkpoint
from util.console import say
from util.errors import UsageError, UserError
from util.option_defaults import replaced
from util.runs import require_run
from util.upsampling import use_upsampling


class TestModel(BaseModel):
    """Reads ``EPOCH_net_G{model_suffix}.pth``.

    Without a suffix, it reads the generator for ``--direction``: G or E of a BiGAN, or G_A or G_B
    of a CycleGAN, whose runs have no G. ``opt.exported_file``, set by the options of a test, is a
    file of scripts/export.py that ``--name`` names.
    """

    __test__ = False  # not a pytest class

    @staticmethod
    def modify_commandline_options(parser: ArgumentParser, is_train: bool = True) -> ArgumentParser:
        if is_train:
            raise UsageError("--model test cannot be trained: it applies another model's generator")
        parser.set_defaults(dataset_mode="single")
        text = "read EPOCH_net_G + this, e.g. _A for G_A"
        parser.add_argument("--model_suffix", default="", help=text)
        add_search_options(parser, is_train)
        return parser

    @staticmethod
    def architecture_source(opt: Namespace) -> Path:
        plain = checkpoint.weights_path(opt, "G" + opt.model_suffix)
        if opt.model_suffix:
            return plain
        # G and G_A translate in the direction of the training, E and G_B in the other one.
        trained = checkpoint.saved_options(plain.parent).get("direction", "AtoB")
        forward = opt.direction == trained
        if plain.is_file():
            of_bigan = checkpoint.weights_path(opt, "E")
            return of_bigan if not forward and is_generator(of_bigan) else plain
        of_cycle = checkpoint.weights_path(opt, "G_A" if forward else "G_B")
        return of_cycle if of_cycle.is_file() else plain

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.visual_names = ["real", "fake"]
        self.model_names = ["G" + opt.model_suffix]
        init = (opt.init_type, opt.init_gain)
        generator = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout, *init)
        other = exported_network(opt) or coupled_translator(opt, self.architecture_source(opt))
        self.netG = other or networks.define_G(opt.input_nc, opt.output_nc, *generator)
        if not other:
            use_upsampling(opt, self.netG)
        setattr(self, "netG" + opt.model_suffix, self.netG)

    def load_networks(self, epoch: int | str) -> None:
        if isinstance(self.netG, ExportedNetwork):
            self.source = self.netG.file
            return
        require_run(self.opt)
        weights = self.architecture_source(replaced(self.opt, epoch=str(epoch), load_iter=0))
        if not weights.is_file() and weights.parent.is_dir() and not self.opt.model_suffix:
            files = ", ".join(sorted(path.name for path in weights.parent.glob("*.pth")))
            raise UserError(
                f"no file {weights}, nor {epoch}_net_G_A.pth or {epoch}_net_G_B.pth; "
                f"the folder has {files or 'no .pth files'}"
            )
        self.source = getattr(self.opt, "exported_file", None) or weights
        checkpoint.fit_state_dict(self.netG, checkpoint.load_state_dict(weights), self.source)
        say(f"Loaded {self.source}")

    def print_networks(self, verbose: bool) -> None:
        if not isinstance(self.netG, ExportedNetwork):
            super().print_networks(verbose)

    def set_input(self, input: dict) -> None:
        self.real = input["A"].to(self.device)
        self.image_paths = input["A_paths"]

    def forward(self) -> None:
        if isinstance(self.netG, CoupledTranslator):
            self.fake, metrics = self.netG.translate(self.real)
            self.image_metrics = {"fake": metrics}
        else:
            self.fake = self.netG(self.real)

    def optimize_parameters(self) -> None:
        """Do nothing: this model is not trained."""


def is_generator(path: Path) -> bool:
    """True if ``path`` exists and has the weights of a generator; some models have an encoder E."""
    return path.is_file() and "netG" in checkpoint.architecture_of(checkpoint.load_state_dict(path))
