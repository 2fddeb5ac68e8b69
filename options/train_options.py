"""Options of training only."""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from options.base_options import BaseOptions
from options.parser import Parser, choose_device
from util import checkpoint, distributed
from util.console import say
from util.errors import UsageError, UserError

if TYPE_CHECKING:
    from models.base_model import BaseModel

# Options of a run that a continued one does not take over: they belong to one call.
NOT_RESUMED = {
    "name",
    "checkpoints_dir",
    "gpu_ids",
    "device",
    "continue_train",
    "epoch",
    "load_iter",
    "epoch_count",
    "suffix",
    "verbose",
    "isTrain",
    "explicit_options",
    "changed",
    "given",
    "dry_run",
    "accept_new_data",
}
# Options that a saved state cannot go on with if they change.
FIXED = {
    "model",
    "dataset_mode",
    "input_nc",
    "output_nc",
    "ngf",
    "ndf",
    "netG",
    "netD",
    "n_layers_D",
    "norm",
    "no_dropout",
    "direction",
    "seed",
    "serial_batches",
    "max_dataset_size",
    "beta1",
    "pool_size",
    "lr_policy",
    "val_share",
    "val_metric",
}


class TrainOptions(BaseOptions):
    """Defaults are the paper's recipe at 256x256 (section 7.1)."""

    isTrain = True
    minimums = BaseOptions.minimums | {
        "display_freq": 1,
        "update_html_freq": 1,
        "print_freq": 1,
        "save_latest_freq": 1,
        "save_epoch_freq": 1,
        "lr_decay_iters": 1,
        "epoch_count": 1,
        "accumulate": 1,
        "stall_timeout": 0,
        "keep": 0,
        "panel_size": 0,
        "val_freq": 0,
        "n_epochs": 0,
        "n_epochs_decay": 0,
        "pool_size": 0,
    }

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        add = super().initialize(parser).add_argument
        # what is shown and saved, and when; frequencies count images
        add(
            "--display_freq",
            type=int,
            default=400,
            help="show images in visdom and on the page every N images",
        )
        add(
            "--display_ncols",
            type=int,
            default=4,
            help="images per row in visdom; 0 shows each in a window of its own",
        )
        add("--display_id", type=int, default=1, help="visdom window; 0 or less: no visdom")
        add("--display_server", default="http://localhost", help="visdom server")
        add("--display_env", default="main", help="visdom environment")
        add("--display_port", type=int, default=8097, help="visdom port")
        add(
            "--update_html_freq",
            type=int,
            default=1000,
            help="save images to the page every N images",
        )
        add("--print_freq", type=int, default=100, help="print losses every N images")
        add(
            "--no_health",
            action="store_true",
            help="no warnings of collapse, inverted colours and the like (models/training/health.py)",
        )
        add("--no_html", action="store_true", help="write no page")
        add(
            "--use_tensorboard",
            action="store_true",
            help="log to checkpoints/NAME/tensorboard (pip install tensorboard)",
        )
        add(
            "--panel",
            nargs="+",
            metavar="FILE",
            help="input images that the page shows translated after every epoch",
        )
        add(
            "--panel_size",
            type=int,
            default=4,
            help="without --panel, so many of the validation or test images; 0: none",
        )
        add(
            "--save_latest_freq",
            type=int,
            default=5000,
            help="save the latest networks every N images",
        )
        add("--save_epoch_freq", type=int, default=5, help="keep the networks every N epochs")
        add(
            "--save_by_iter",
            action="store_true",
            help="name those of save_latest_freq iter_N instead of latest",
        )
        add(
            "--continue_train",
            action="store_true",
            help="go on exactly where the run was stopped; options come from it",
        )
        add(
            "--accept_new_data",
            action="store_true",
            help="continue_train: go on though images were added, removed or renamed",
        )
        add(
            "--keep",
            type=int,
            default=0,
            help="keep this many older training states (state_*.pth) beside the last one",
        )
        add("--epoch_count", type=int, default=1, help="number of the first epoch")
        add("--phase", default="train", help="train reads trainA, trainB, ...")
        add(
            "--cache_images",
            nargs="?",
            const="",
            metavar="FOLDER",
            help="decode and resize each image once and keep its pixels "
            "in FOLDER (not given: CHECKPOINTS_DIR/.cache), memory-mapped by all workers; on a RAM disk: in memory",
        )
        add(
            "--jpeg_draft",
            action="store_true",
            help="decode JPEGs of twice --load_size or more at 1/2, 1/4 or 1/8: faster, "
            "but other pixels than a full decode",
        )
        # the optimisation
        add("--n_epochs", type=int, default=100, help="epochs at the full learning rate")
        add(
            "--n_epochs_decay",
            type=int,
            default=100,
            help="epochs in which it then falls to zero (policy linear)",
        )
        add("--beta1", type=float, default=0.5, help="first momentum of Adam")
        add("--lr", type=float, default=0.0002, help="learning rate of Adam")
        add(
            "--gan_mode",
            default="lsgan",
            choices=("lsgan", "vanilla", "wgangp"),
            help="adversarial loss",
        )
        add(
            "--pool_size",
            type=int,
            default=50,
            help="size of the history of generated images; 0: none",
        )
        add(
            "--lr_policy",
            default="linear",
            choices=("linear", "step", "plateau", "cosine"),
            help="how the learning rate falls (util/schedules.py)",
        )
        add(
            "--lr_decay_iters",
            type=int,
            default=50,
            help="policy step: multiply by 0.1 every N epochs",
        )
        # speed and memory (docs/performance.md)
        add(
            "--accumulate",
            type=int,
            default=1,
            metavar="N",
            help="a step takes N batches, one by one, as one large one",
        )
        add(
            "--ema",
            type=float,
            default=0.0,
            metavar="DECAY",
            help="also keep generators averaged over steps, e.g. 0.999, as EPOCH_net_G_A_ema.pth (test.py --ema)",
        )
        add(
            "--checkpoint_activations",
            action="store_true",
            help="less memory: compute the features of ResNet generators again for their gradients",
        )
        add(
            "--amp",
            default="none",
            choices=("none", "bf16", "fp16"),
            help="precision of convolutions; losses, norms and weights stay float32. bf16 for GPUs since 2020",
        )
        add(
            "--channels_last",
            action="store_true",
            help="memory layout that tensor cores like; best with --compile",
        )
        add(
            "--no_tf32",
            action="store_true",
            help="full float32 in convolutions and products on GPUs, at a third of the speed",
        )
        add(
            "--compile",
            action="store_true",
            help="compile whole networks; the first steps take minutes",
        )
        add(
            "--cuda_graphs",
            action="store_true",
            help="with --compile, and images of one size: launch each network as one",
        )
        # validation (models/training/validation.py)
        add(
            "--val_freq",
            type=int,
            default=0,
            help="validate every N epochs, on valA and valB (or val); 0: never",
        )
        add(
            "--val_share",
            type=float,
            default=0.0,
            help="validate on this share of the training images, which are left out then",
        )
        add(
            "--val_metric",
            default="auto",
            choices=("auto", "l1", "psnr", "ssim", "cycle", "patches"),
            help="decides what is best; auto: l1 for pairs, else patches",
        )
        # safety
        add(
            "--dry_run",
            action="store_true",
            help="look through the data, print the plan and leave (scripts/check_data.py)",
        )
        add(
            "--deterministic",
            action="store_true",
            help="bit-equal reruns on GPUs too, at some cost in speed",
        )
        add(
            "--on_bad_image",
            default="stop",
            choices=("stop", "skip"),
            help="what to do about an image that cannot be read",
        )
        add(
            "--on_nonfinite",
            default="stop",
            choices=("stop", "skip"),
            help="what to do about a gradient that is not finite",
        )
        add(
            "--stall_timeout",
            type=float,
            default=600,
            help="seconds without a step until all stacks are logged; 0: never",
        )
        return parser

    def find_run(self, parser: Parser, given: dict[str, Any]) -> dict[str, Any]:
        """With ``--continue_train``, every option that is not given comes from the run."""
        if not given.get("continue_train"):
            return {}
        opt = parser.preview(given)
        folder = Path(opt.checkpoints_dir) / opt.name
        if not folder.is_dir():
            raise UserError(
                f"--continue_train: there is no run {folder} (--name and --checkpoints_dir say which)"
            )
        run = checkpoint.saved_options(folder)
        if "model" in run:
            parser.set_defaults(model=run["model"])
        return run

    def apply_run_defaults(
        self, parser: Parser, given: dict[str, Any], model: type[BaseModel]
    ) -> None:
        known = {action.dest for action in parser._actions} - NOT_RESUMED
        parser.set_defaults(**{k: v for k, v in self.run.items() if k in known})

    def check(self, opt: Namespace) -> None:
        super().check(opt)
        if not (0 <= opt.lr < math.inf and 0 <= opt.beta1 < 1):
            raise UsageError(
                f"--lr {opt.lr:g} should not be negative, --beta1 {opt.beta1:g} from 0 to below 1"
            )
        if not 0 <= opt.ema < 1:
            raise UsageError(f"--ema {opt.ema:g}: should be from 0 (none) to below 1")
        if opt.checkpoint_activations and (
            not opt.netG.startswith("resnet") or "batch" in opt.norm
        ):
            raise UsageError(
                f"--checkpoint_activations recomputes blocks of a --netG resnet with --norm instance or none, not "
                f"of {opt.netG} with {opt.norm}: U-Nets have none, and batch norm would count images twice"
            )
        if opt.cuda_graphs and (not opt.compile or opt.preprocess in ("none", "scale_width")):
            raise UsageError(
                "--cuda_graphs needs --compile, and images of one size: no --preprocess none or scale_width"
            )
        if opt.cuda_graphs and opt.accumulate > 1:
            raise UsageError(
                "--cuda_graphs and --accumulate: graphs belong to one thread and keep memory, but each batch of "
                "a step has a thread of its own, and memory is to be saved: leave one out"
            )
        if not 0 <= opt.val_share < 1 or opt.val_share and not opt.val_freq:
            raise UsageError(
                f"--val_share {opt.val_share:g}: should be from 0 to below 1, together with --val_freq"
            )
        if (
            opt.norm == "sync_batch"
            and distributed.world_size() > 1
            and not choose_device(opt.gpu_ids)[0]
        ):
            raise UsageError(
                "--norm sync_batch: PyTorch synchronises the batch norm of several processes on CUDA GPUs only; on "
                "CPUs take instance, or batch (each process for itself)"
            )
        if opt.norm == "sync_batch" and distributed.world_size() > 1 and opt.compile:
            raise UsageError(
                "--compile takes whole networks, in the midst of which the --norm sync_batch of several processes "
                "exchanges numbers: leave one out"
            )
        self._check_resume(opt)
        if opt.epoch_count > opt.n_epochs + opt.n_epochs_decay:
            raise UsageError(
                f"--epoch_count {opt.epoch_count} is past the last epoch, {opt.n_epochs + opt.n_epochs_decay} "
                "(--n_epochs + --n_epochs_decay): nothing would be trained"
            )

    def _check_resume(self, opt: Namespace) -> None:
        """Say which options a continued run changes; refuse those that its state does not fit."""
        warm = [
            name
            for name in opt.explicit_options
            if name.startswith("init_") and name not in ("init_type", "init_gain")
        ]
        if opt.continue_train and warm:
            raise UsageError(
                f"--{warm[0]} starts a new run from other weights, --continue_train goes on with its own: give one"
            )
        run = self.run if checkpoint.resumable(opt) else {}
        changed = {
            k: run[k]
            for k in opt.explicit_options
            if k in run and k not in NOT_RESUMED and run[k] != getattr(opt, k)
        }
        misfits = [
            f"--{k} {getattr(opt, k)} (the run has {v})"
            for k, v in changed.items()
            if k in FIXED
            and str(v).removeprefix("sync_") != str(getattr(opt, k)).removeprefix("sync_")
        ]
        if misfits:
            raise UsageError(
                f"--continue_train cannot change {', '.join(misfits)}; leave it out, or start a new run from these "
                "weights with --init_NET FILE"
            )
        if changed:
            say(
                "Changed for the rest of the run: "
                + ", ".join(f"--{k} {v} -> {getattr(opt, k)}" for k, v in changed.items())
            )
