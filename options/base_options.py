"""Options of training and testing, and how a command line becomes the ``opt`` that everything else reads."""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from options.parser import Parser, absolute, choose_device, dump, full_name, option_values
from util import plugins
from util.checkpoint import write_atomically
from util.console import say
from util.distributed import is_main
from util.errors import UsageError

if TYPE_CHECKING:
    from models.base_model import BaseModel

RENAMED = {  # names from before 2019
    "loadSize": "--load_size",
    "fineSize": "--crop_size",
    "resize_or_crop": "--preprocess",
    "which_direction": "--direction",
    "which_model_netG": "--netG",
    "which_model_netD": "--netD",
    "niter": "--n_epochs",
    "niter_decay": "--n_epochs_decay",
    "how_many": "--num_test",
    "nThreads": "--num_threads",
    "batchSize": "--batch_size",
    "which_epoch": "--epoch",
    "identity": "--lambda_identity",
    "no_lsgan": "--gan_mode vanilla",
}
PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")


class BaseOptions:
    """Parses in stages: shared options, then the chosen model may add its own, then the chosen dataset.

    Subclasses set ``isTrain``, add to ``minimums``, which says what numbers should be at least, and extend :meth:`initialize`.
    """

    isTrain = True
    minimums = {
        "batch_size": 1,
        "num_threads": 0,
        "load_size": 1,
        "crop_size": 1,
        "input_nc": 1,
        "output_nc": 1,
        "ngf": 1,
        "ndf": 1,
        "n_layers_D": 1,
        "max_dataset_size": 1,
    }

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        """Declare the options that train and test share."""
        add = parser.add_argument
        add(
            "--dataroot",
            help="folder with the images: trainA, trainB, testA, testB (or train, test for aligned pairs)",
        )
        add(
            "--name",
            default="experiment_name",
            help="name of the run: its folder in checkpoints_dir and results_dir",
        )
        add(
            "--gpu_ids",
            default="auto",
            help="GPU to use, e.g. 0; -1 for the CPU; not given: CUDA, else MPS, else CPU. Several "
            "GPUs: torchrun (docs/several_gpus.md)",
        )
        add("--checkpoints_dir", default="./checkpoints", help="runs are saved here")
        add(
            "--seed",
            type=int,
            help="seed of everything random; not given: drawn for training (and recorded), 0 for tests",
        )
        # model
        add(
            "--model",
            default="cycle_gan",
            help=f"one of {', '.join(plugins.available('model'))}, or a path to a .py file",
        )
        add(
            "--input_nc",
            type=int,
            default=3,
            help="channels of input images: 3 colour, 1 grayscale",
        )
        add("--output_nc", type=int, default=3, help="channels of output images")
        add("--ngf", type=int, default=64, help="generator filters in the first layer")
        add("--ndf", type=int, default=64, help="discriminator filters in the first layer")
        add(
            "--netD",
            default="basic",
            choices=("basic", "n_layers", "pixel"),
            help="discriminator: basic is the 70x70 PatchGAN, n_layers takes --n_layers_D, pixel is 1x1",
        )
        add(
            "--netG",
            default="resnet_9blocks",
            choices=("resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128"),
            help="generator; the paper takes 6 blocks for 128x128 and 9 for 256x256",
        )
        add("--n_layers_D", type=int, default=3, help="layers of the n_layers discriminator")
        add(
            "--norm",
            default="instance",
            choices=("instance", "batch", "none", "sync_batch", "sync_instance"),
            help="normalisation in G and D; sync_batch: batch norm over the images of all processes; sync_instance: as instance",
        )
        add(
            "--init_type",
            default="normal",
            choices=("normal", "xavier", "kaiming", "orthogonal"),
            help="weight initialisation",
        )
        add(
            "--init_gain",
            type=float,
            default=0.02,
            help="standard deviation for normal; gain for xavier, orthogonal",
        )
        add("--no_dropout", action="store_true", help="no dropout in the generator")
        # data
        add(
            "--dataset_mode",
            default="unaligned",
            help=f"one of {', '.join(plugins.available('dataset'))}, or a path to a .py file",
        )
        add(
            "--direction",
            default="AtoB",
            choices=("AtoB", "BtoA"),
            help="AtoB: folder A is the input domain",
        )
        add(
            "--serial_batches",
            action="store_true",
            help="take images in order instead of at random",
        )
        add(
            "--num_threads",
            type=int,
            default=4,
            help="processes that load images; 0 loads in the main process",
        )
        add(
            "--batch_size",
            type=int,
            default=1,
            help="images per step (the paper: 1); with torchrun: per process",
        )
        add("--load_size", type=int, default=286, help="resize images to this size")
        add("--crop_size", type=int, default=256, help="then crop to this size")
        add(
            "--max_dataset_size",
            type=int,
            default=float("inf"),
            help="use at most this many images of each domain",
        )
        add(
            "--preprocess",
            default="resize_and_crop",
            choices=PREPROCESS,
            help="how images are fitted at load time",
        )
        add("--no_flip", action="store_true", help="no random horizontal flip")
        add(
            "--no_exif",
            action="store_true",
            help="ignore the orientation that cameras note in EXIF data",
        )
        # other
        add(
            "--display_winsize",
            type=int,
            default=256,
            help="width of an image in pages and visdom, in pixels",
        )
        add(
            "--epoch",
            default="latest",
            help="which epoch to load: a number, latest, or best (of --val_freq)",
        )
        add("--load_iter", type=int, default=0, help="load iter_N instead, if above 0")
        add("--verbose", action="store_true", help="print the layers of the networks")
        add(
            "--suffix",
            default="",
            help="appended to the name; may hold options in braces, e.g. {model}_{netG}",
        )
        add("--use_wandb", action="store_true", help="log to Weights & Biases (pip install wandb)")
        add("--wandb_project_name", default="CycleGAN-and-pix2pix", help="project name there")
        return parser

    def find_run(self, parser: Parser, given: dict[str, Any]) -> dict[str, Any]:
        """The options of an existing run to start from, {} if there is none; may set the default of ``--model``."""
        return {}

    def apply_run_defaults(
        self, parser: Parser, given: dict[str, Any], model: type[BaseModel]
    ) -> None:
        """Take over options of ``self.run`` as defaults, once all options are declared."""

    def gather_options(self, args: Sequence[str] | None = None) -> Namespace:
        """Parse ``args`` (default: the command line) in stages; usage errors end the program with status 2."""
        from data import get_option_setter as dataset_options
        from models import find_model_using_name

        args = sys.argv[1:] if args is None else list(args)
        parser = self.parser = Parser(
            add_help=False,
            conflict_handler="resolve",  # an option that a custom model declares wins
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        parser.add_argument(
            "-h",
            "--help",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show this and leave",
        )
        self.initialize(parser)
        given = parser.given(args)
        wants_help = given.pop("help", False)
        if wants_help and not {"model", "dataset_mode"} & set(
            given
        ):  # fast: imports neither PyTorch nor any model
            parser.epilog = "Models and datasets add options of their own: see --model NAME --help"
            self._show_help()
        default_model = parser.get_default("model")
        self.run = self.find_run(parser, given)
        name = parser.preview(given).model
        model = find_model_using_name(name)
        model.modify_commandline_options(parser, self.isTrain)
        default_mode = parser.get_default("dataset_mode")
        if self.run.get("model") == absolute(name):
            parser.set_defaults(dataset_mode=self.run.get("dataset_mode"))
        dataset_options(parser.preview(parser.given(args)).dataset_mode)(parser, self.isTrain)
        if wants_help:
            self._show_help()
        given = parser.given(args)
        self.defaults = parser.defaults() | {"model": default_model, "dataset_mode": default_mode}
        self.apply_run_defaults(parser, given, model)
        opt, unknown = parser.parse_known_args(args)
        if unknown:
            self._refuse(unknown[0])
        opt.explicit_options = sorted(given)
        return opt

    def _show_help(self) -> NoReturn:
        self.parser.print_help()
        sys.exit(0)

    def _refuse(self, argument: str) -> NoReturn:
        word = argument.split("=")[0]
        if word.lstrip("-") in RENAMED:
            self.parser.error(
                f"{word} has been renamed; today's option is {RENAMED[word.lstrip('-')]}"
            )
        from options.test_options import TestOptions
        from options.train_options import TrainOptions

        for program, options in (("train.py", TrainOptions()), ("test.py", TestOptions())):
            if word in options.initialize(Parser())._option_string_actions:
                self.parser.error(f"{word} is an option of {program} only")
        known = [s for action in self.parser._actions for s in action.option_strings]
        self.parser.error(
            f"unknown option {word}{plugins.did_you_mean(word, known)} (--help lists all)"
        )

    def parse(self, args: Sequence[str] | None = None, record: bool = True) -> Namespace:
        """The options of this program, checked; with ``record`` also written to the run's folder as ``{phase}_opt.txt``.

        Derived values:
            isTrain: True for train.py.
            explicit_options: sorted names of the options on the command line.
            changed: ``{name: default}`` of the options whose value differs from what it is without
                any flag for this model and dataset; a continued run and test.py count what they
                take from the run as changed. No file holds it, and an ``opt`` made by hand may lack
                it: use ``getattr(opt, "changed", {})``.
            name: with its suffix.
            gpu_ids: list of numbers, empty on a CPU.
            device: "cuda:0", "mps" or "cpu".
            seed: drawn if none was given.

        Raises:
            UsageError: the command line makes no sense (status 2).
            UserError: files of the run are damaged (status 1).
        """
        opt = self.gather_options(args)
        opt.isTrain = self.isTrain
        self.check(opt)
        opt.gpu_ids, opt.device = choose_device(opt.gpu_ids)
        if opt.gpu_ids:  # as officially: "cuda", without a number, is this one
            import torch

            torch.cuda.set_device(opt.gpu_ids[0])
        opt.name, opt.model, opt.dataset_mode = (
            full_name(opt),
            absolute(opt.model),
            absolute(opt.dataset_mode),
        )
        if opt.seed is None:
            opt.seed = random.SystemRandom().randrange(2**31) if self.isTrain else 0
        opt.changed = {
            name: default
            for name, default in self.defaults.items()
            if str(getattr(opt, name, default)) != str(default)
        }
        if record:
            self.print_options(opt)
        self.opt = opt
        return opt

    def check(self, opt: Namespace) -> None:
        """Refuse what cannot work before anything is loaded. Raises UsageError: something does not fit."""
        if not opt.dataroot:
            raise UsageError(
                "--dataroot is missing: the folder with the images, e.g. --dataroot ./datasets/atlas"
            )
        if not Path(opt.dataroot).is_dir():
            raise UsageError(f"--dataroot {opt.dataroot}: there is no such folder")
        for name, least in self.minimums.items():
            if getattr(opt, name) < least:
                raise UsageError(f"--{name} {getattr(opt, name)}: should be at least {least}")
        if Path(opt.name).name in ("", ".."):
            raise UsageError(
                f"--name {opt.name}: should name a folder of its own in --checkpoints_dir"
            )
        if opt.seed is not None and not 0 <= opt.seed < 2**32:
            raise UsageError(f"--seed {opt.seed}: should be from 0 to {2**32 - 1}")
        if opt.init_gain < 0 or not math.isfinite(opt.init_gain):
            raise UsageError(f"--init_gain {opt.init_gain}: should not be negative")
        if not re.fullmatch(r"[\w.-]+", opt.epoch):
            raise UsageError(f"--epoch {opt.epoch}: should be a number, latest or best")
        if opt.preprocess == "resize_and_crop" and opt.load_size < opt.crop_size:
            raise UsageError(
                f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}: "
                "images are resized to the first, then cropped to the second"
            )

    def print_options(self, opt: Namespace) -> None:
        """Write all options to ``{phase}_opt.txt`` (for people) and, in training, ``train_opt.json`` (for test.py)."""
        if not is_main():
            return
        values = {name: str(value) for name, value in sorted(option_values(opt).items())}
        values["gpu_ids"] = ",".join(map(str, opt.gpu_ids)) or "-1"
        lines = [
            f"{name:>25}: {value:<30}"
            + (f"\t[default: {opt.changed[name]}]" if name in opt.changed else "")
            for name, value in values.items()
        ]
        text = "\n".join(
            [
                "----------------- Options ---------------",
                *lines,
                "----------------- End -------------------",
            ]
        )
        say(
            text
            if opt.verbose
            else f"Run {opt.name}; changed options: "
            + ", ".join(
                f"{name} {values[name]}"
                for name in values
                if name in opt.changed and name not in ("gpu_ids", "name")
            )
        )
        folder = Path(opt.checkpoints_dir) / opt.name
        if not self.isTrain and not folder.is_dir():
            return
        write_atomically(
            folder / f"{opt.phase}_opt.txt", (text + "\n").encode(), "--checkpoints_dir"
        )
        if self.isTrain:
            write_atomically(folder / "train_opt.json", dump(opt).encode())
