"""Options of testing. What the training used is read from the run, so that it need not be repeated."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.image_folder import is_image_file
from options.base_options import BaseOptions
from options.parser import Parser
from util import checkpoint, distributed
from util.console import say, warn
from util.errors import UsageError

if TYPE_CHECKING:
    from models.base_model import BaseModel

# Options that say where and how one program ran, not what was trained.
PER_RUN = {
    "dataroot",
    "name",
    "gpu_ids",
    "checkpoints_dir",
    "seed",
    "serial_batches",
    "num_threads",
    "batch_size",
    "max_dataset_size",
    "no_flip",
    "display_winsize",
    "epoch",
    "load_iter",
    "verbose",
    "suffix",
    "use_wandb",
    "wandb_project_name",
    "phase",
    "device",
    "isTrain",
    "ema",
}


class TestOptions(BaseOptions):
    """Explicit flags win; then come the run's own options, then what the weights tell, then the official defaults."""

    isTrain = False
    minimums = BaseOptions.minimums | {"num_test": 1}
    __test__ = False  # not a pytest class

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        add = super().initialize(parser).add_argument
        add("--results_dir", default="./results/", help="results are saved here")
        add(
            "--aspect_ratio",
            type=float,
            default=1.0,
            help="stretch saved images: height over width, relative to now",
        )
        add("--phase", default="test", help="test reads testA, testB, ...")
        add(
            "--eval",
            action="store_true",
            help="evaluation mode: no dropout, batch norm with its running statistics",
        )
        add(
            "--ema",
            action="store_true",
            help="use the averaged generators of a training with --ema",
        )
        add("--num_test", type=int, default=float("inf"), help="test at most this many images")
        add(
            "--save",
            nargs="+",
            metavar="LABEL",
            help="save only these images of each row, e.g. --save fake_B",
        )
        add(
            "--format",
            default="png",
            choices=("png", "jpg", "webp"),
            help="file format of saved images",
        )
        parser.set_defaults(
            model="test", load_size=256, no_flip=True, serial_batches=True, num_threads=0
        )
        return parser

    def find_run(self, parser: Parser, given: dict[str, Any]) -> dict[str, Any]:
        opt = parser.preview(given)
        run = checkpoint.saved_options(Path(opt.checkpoints_dir) / opt.name)
        one_sided = run.get("dataset_mode") in ("unaligned", "aligned") and self._holds_only_images(
            parser, given
        )
        if (
            "model" in run and not one_sided
        ):  # other datasets, of users too, know themselves what they take
            parser.set_defaults(model=run["model"])
        return run

    def apply_run_defaults(
        self, parser: Parser, given: dict[str, Any], model: type[BaseModel]
    ) -> None:
        chosen = {k: getattr(parser.preview(given), k) for k in ("model", "dataset_mode")}
        self._check_model(chosen["model"], given)
        known: dict[str, Any] = {
            action.dest: action.choices for action in parser._actions if action.dest not in PER_RUN
        }
        parser.set_defaults(**{k: v for k, v in self.run.items() if k in known})
        parser.set_defaults(**chosen)
        weights = model.architecture_source(parser.preview(given))
        if weights and weights.is_file():
            if not self.run and weights.stem.endswith(
                ("_G_A", "_G_B")
            ):  # a U-Net's weights do not tell; CycleGANs have none
                parser.set_defaults(no_dropout=True)
            told = checkpoint.describe(checkpoint.load_state_dict(weights))
            parser.set_defaults(
                **{k: v for k, v in told.items() if k in known and (not known[k] or v in known[k])}
            )
        self._fit_images(parser, given)

    def _check_model(self, model: str, given: dict[str, Any]) -> None:
        """Refuse, or warn of, a test whose pictures would be wrong without any error."""
        if model == "test" and self.run.get("dataset_mode") == "colorization":
            raise UsageError(
                "--model test takes colour images, but this run colorizes: give --model colorization, and images in "
                "DATAROOT/test"
            )
        trained = self.run.get("direction")
        if (
            model != "test" and trained and given.get("direction", trained) != trained
        ):  # model test takes the other generator
            warn(
                f"--direction {given['direction']}: the run was trained {trained}, so its generators now get images of the "
                "domain that they are to make; leave the option out to test as trained"
            )

    def check(self, opt: Namespace) -> None:
        super().check(opt)
        if distributed.world_size() > 1:
            raise UsageError("test.py runs in one process: start it with python, not with torchrun")
        if not 0 < opt.aspect_ratio < math.inf:
            raise UsageError(f"--aspect_ratio {opt.aspect_ratio}: should be above 0")

    @staticmethod
    def _holds_only_images(parser: Parser, given: dict[str, Any]) -> bool:
        """True for a plain folder of images, which the one-sided model test takes, as officially."""
        opt = parser.preview(given)
        root = Path(opt.dataroot or ".")
        if not root.is_dir() or any(
            p.is_dir() and p.name.startswith(opt.phase) for p in root.iterdir()
        ):
            return False
        return any(is_image_file(p.name) for p in root.iterdir())

    def _fit_images(self, parser: Parser, given: dict[str, Any]) -> None:
        """Defaults of --preprocess, --load_size and --crop_size that fit the training, but never crop at random."""
        trained = self.run.get("preprocess", "")
        whole = {"crop": "none", "scale_width_and_crop": "scale_width"}.get(trained, trained)
        if trained:
            parser.set_defaults(preprocess=whole)
        if parser.preview(given).preprocess == "resize_and_crop":
            # As officially and in the paper, the whole image is resized to the size that the crops had.
            size = given.get("crop_size", given.get("load_size", parser.get_default("crop_size")))
            parser.set_defaults(load_size=size, crop_size=given.get("load_size", size))
        opt = parser.preview(given)
        here = _scale(opt.preprocess, opt.load_size)
        there = _scale(trained, self.run["load_size"]) if trained else here
        if here != there:
            cropped = f" and cropped to {self.run['crop_size']}" if "crop" in trained else ""
            flag = "" if whole == "none" else f" --load_size {self.run['load_size']}"
            say(
                f"Images are {here}; in training they were {there}{cropped} (--preprocess {whole}{flag} tests at that scale)"
            )


def _scale(preprocess: str, load_size: int) -> str:
    if "resize" in preprocess:
        return f"resized to {load_size}x{load_size}"
    return (
        f"scaled to a width of {load_size}"
        if "scale_width" in preprocess
        else "taken in their own size"
    )
