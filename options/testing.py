"""Rules of test options: what the training used is read from the run and need not be repeated."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from options.flags import SHARED, TEST
from options.flags.model import NET_G, NORM, UPSAMPLE
from options.inherited import SavedRun
from options.parser import Parser
from options.rules import Rules
from util import checkpoint, distributed
from util.console import say, warn
from util.errors import UsageError, UserError
from util.option_defaults import ours

# Options of a training that a test does not take over: how the program ran, not what was trained.
NOT_INHERITED = {
    "dataroot", "name", "gpu_ids", "checkpoints_dir", "seed", "serial_batches", "num_threads",
    "batch_size", "max_dataset_size", "no_flip", "display_winsize", "epoch", "load_iter", "verbose",
    "suffix", "use_wandb", "wandb_project_name", "phase", "max_pixels", "config",
    *(flag.name for table in TEST.values() for flag in table),
}  # fmt: skip
SIZES = ("load_size", "crop_size")
ALL = 10**9  # the value of num_test that tests all images
FILES = (".zip", ".onnx", ".pt", ".safetensors")  # what --name may name besides a run
OF_ANOTHER_NETWORK = {"epoch", "load_iter", "ema", "model_suffix", "suffix"}
OF_LAYERS = ("netG", "ngf", "norm", "no_dropout")  # what an ONNX or TorchScript file cannot change


class TestingRules(Rules):
    """Rules of testing.

    Precedence: explicit options, what the weights show, options of the run, official defaults.
    """

    tables = {**SHARED, **TEST}
    defaults = {"model": "test", "phase": "test", "load_size": 256}
    fixed = {"no_flip": True, "serial_batches": True, "num_threads": 0}
    once = NOT_INHERITED
    left_out_of_files = NOT_INHERITED | {*SIZES, "preprocess"}  # a test has no random crops
    exported: Path | None = None  # the file of scripts/export.py that --name names

    def unpack_run(self, values: dict[str, Any]) -> dict[str, Any]:
        root = Path(values["checkpoints_dir"])
        ending = Path(str(values["name"])).suffix.lower()
        if ending not in FILES or (root / values["name"]).is_dir():  # a run may have such a name
            return {}
        # not at the top: unpacking imports modules that would slow --help down
        from util.exported_file import find_export, unpack_export
        from util.packed_run import find_archive, unpack_until_exit

        if exported := find_export(values["name"], root):
            self.exported = exported
            folder = unpack_export(exported, "--name")
            return {"checkpoints_dir": str(folder.parent), "name": folder.name}
        archive = find_archive(values["name"], root)
        if archive is None:
            raise UserError(f"--name {values['name']}: no such file")
        folder = unpack_until_exit(archive, "--name")
        say(f"{archive} is unpacked for this test: --checkpoints_dir {folder.parent}")
        return {"checkpoints_dir": str(folder.parent), "name": folder.name}

    def find_run(self, parser: Parser, given: dict[str, Any]) -> None:
        """Find the run ``--name``.

        Its model becomes the default, or the one-sided model test if the training used two domains
        and ``--dataroot`` is a plain folder of images. Other datasets always keep their model,
        unless the command line has ``--model_suffix``, an option of model test.
        """
        opt = parser.preview(given)
        self.run = SavedRun(Path(opt.checkpoints_dir) / opt.name)
        self.run.file = self.exported or self.run.file  # for messages
        if any(word.partition("=")[0] == "--model_suffix" for word in parser.words()):
            return
        two_domains = self.run.options.get("dataset_mode") in ("unaligned", "aligned")
        if not (two_domains and _holds_only_images(opt)):
            self.run.default_plugin(parser, "model", given)

    def apply_run_defaults(self, parser: Parser, given: dict[str, Any], model: type[Any]) -> None:
        parser.set_defaults(**self.saved_values(parser, given))
        self._check_model(parser.preview(given).model, given)
        actions = [a for a in parser._actions if a.dest not in NOT_INHERITED]
        choices: dict[str, Any] = {action.dest: action.choices for action in actions}
        read = self.as_read(parser, given)
        weights = model.architecture_source(read)
        architecture: dict[str, Any] = {}
        # The weights of a generator that is not ours may look like those of another one
        ours = parser.preview(given).netG in NET_G
        if weights and weights.is_file() and ours:
            # A U-Net's weights do not show whether it has dropout; CycleGANs have none.
            if not self.run.options and weights.stem.endswith(("_G_A", "_G_B")):
                parser.set_defaults(no_dropout=True)
            architecture = checkpoint.architecture_of(checkpoint.load_state_dict(weights))
            if parser.preview(given).norm not in NORM:
                architecture.pop("norm", None)
            for name, value in architecture.items():
                if name in choices and (not choices[name] or value in choices[name]):
                    parser.set_defaults(**{name: value})
            other = checkpoint.weights_path(read, "G_B")
            if choices.get("upsample_B") == UPSAMPLE and other.is_file():
                found = checkpoint.architecture_of(checkpoint.load_state_dict(other))
                if "upsample" in found:
                    parser.set_defaults(upsample_B=found["upsample"])
        self._fit_images(parser, given, architecture.get("crop_size"))

    def _check_model(self, model: str, given: dict[str, Any]) -> None:
        """Warn, or raise UsageError, if a test would silently give wrong images."""
        if model == "test" and self.run.options.get("dataset_mode") == "colorization":
            raise UsageError(
                "--model test takes RGB images, but this run colorizes, which only test.py can: "
                "--model colorization, and images in DATAROOT/test"
            )
        trained = self.run.options.get("direction")
        # Model test follows --direction to the other generator.
        if model != "test" and trained and given.get("direction", trained) != trained:
            text = (
                f"--direction {given['direction']}: the run was trained {trained}, so each "
                "generator gets images of the domain that it should produce; without the "
                "option, the test runs as trained"
            )
            self.remarks.append((warn, text))

    def check(self, opt: Namespace) -> None:
        super().check(opt)
        if distributed.world_size() > 1:
            raise UsageError("test.py runs in one process: start it with python, not with torchrun")
        check_tiles(ours(opt))
        if self.exported:
            self._check_exported(opt, self.exported)

    def _check_exported(self, opt: Namespace, file: Path) -> None:
        """Raise UsageError for an option that asks for another network than that of ``file``."""
        if opt.model != "test":
            raise UsageError(f"--model {opt.model}: {file} is one generator, for --model test")
        is_graph = file.suffix.lower() != ".safetensors"  # safetensors hold only weights
        if is_graph and opt.tile:
            raise UsageError(
                f"--tile {opt.tile}: {file} cannot be translated in tiles, which need its layers; "
                "name the run, or export it as safetensors"
            )
        fixed = OF_ANOTHER_NETWORK | ({"eval", "upsample"} if is_graph else set())
        wrong = sorted(fixed.intersection(opt.explicit_options))
        saved = self.run.options  # {} with --suffix
        if opt.direction != saved.get("direction", opt.direction):
            wrong = ["direction"]
        if wrong:
            way = f", {saved['direction']}" if saved else ""
            raise UsageError(
                f"--{wrong[0]}: {file} holds one network{way}, as it was exported; give this "
                "option to scripts/export.py, or name the run"
            )
        for name in OF_LAYERS if is_graph else ():
            found = saved.get(name)
            if found is not None and getattr(opt, name, found) != found:
                raise UsageError(
                    f"--{name}: {file} was exported with {name} {found}, and cannot change it"
                )

    def finish(self, opt: Namespace) -> None:
        opt.exported_file = self.exported
        opt.num_test = int(min(opt.num_test, ALL))  # the official type; scripts call range() on it

    def _fit_images(self, parser: Parser, given: dict[str, Any], only: int | None) -> None:
        """Set the defaults of preprocessing to the training's, without random crops.

        Whole images are resized to the size of the training's crops (paper, section 7.1). If this
        differs from the scale of the training, a message says so.

        Args:
            only: the one size that the networks can take; None for any size.
        """
        trained = self.run.options.get("preprocess", "")
        whole = {"crop": "none", "scale_width_and_crop": "scale_width"}.get(trained, trained)
        if trained:
            parser.set_defaults(preprocess=whole)
        if parser.preview(given).preprocess == "resize_and_crop":
            size = given.get("crop_size", given.get("load_size", parser.get_default("crop_size")))
            parser.set_defaults(load_size=size, crop_size=only or given.get("load_size", size))
        opt = parser.preview(given)
        scale = _scale(opt.preprocess, opt.load_size)
        load_size, crop_size = (self.run.options.get(k, getattr(opt, k)) for k in SIZES)
        trained_scale = _scale(trained, load_size) if trained else scale
        if scale != trained_scale:
            cropped = f" and cropped to {crop_size}" if "crop" in trained else ""
            flags = f"--preprocess {whole}"
            if whole != "none":
                flags += f" --load_size {load_size}"
            text = (
                f"Images are {scale}; in training they were {trained_scale}{cropped} "
                f"({flags} tests at that scale)"
            )
            self.remarks.append((say, text))


def check_tiles(opt: Namespace) -> None:
    """Raise UsageError if options do not go together with ``--tile``, or without it."""
    if opt.tile_stats and not opt.tile:
        raise UsageError(f"--tile_stats {opt.tile_stats}: give --tile, too")
    if opt.tile_samples and opt.tile_stats != "sample":
        raise UsageError(f"--tile_samples {opt.tile_samples}: give --tile_stats sample, too")
    if opt.tile and opt.batch_size > 1:
        raise UsageError(f"--batch_size {opt.batch_size}: --tile translates one image at a time")


def _holds_only_images(opt: Namespace) -> bool:
    """True if ``--dataroot`` holds images and no folders of ``--phase`` (such as testA)."""
    from data.listing import is_image_file  # not at the top: NumPy would slow --help down

    root = Path(opt.dataroot or ".")
    entries = list(root.iterdir()) if root.is_dir() else []
    has_phase = any(p.is_dir() and p.name.startswith(opt.phase) for p in entries)
    return not has_phase and any(is_image_file(p.name) for p in entries)


def _scale(preprocess: str, load_size: int) -> str:
    """The size of preprocessed images, in words."""
    if "resize" in preprocess:
        return f"resized to {load_size}x{load_size}"
    if "scale_width" in preprocess:
        return f"scaled to a width of {load_size}"
    return "taken in their own size"
