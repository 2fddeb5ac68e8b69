"""Rules of training options: what a resumed run takes over, and which options go together."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from options.flags import SHARED, TRAIN
from options.inherited import SavedRun
from options.parser import Parser, choose_device
from options.rules import Rules
from util import checkpoint, distributed, plugins
from util.console import say
from util.errors import UsageError
from util.gpu import lacks_bf16
from util.runs import require_run

# Options of a run that --continue_train does not take over: they belong to one call.
NOT_RESUMED = {
    "name", "checkpoints_dir", "gpu_ids", "continue_train", "epoch", "load_iter", "epoch_count",
    "suffix", "verbose", "dry_run", "accept_new_data", "config",
}  # fmt: skip
# Options that must not change when a training state is resumed.
FIXED = {
    "model", "dataset_mode", "input_nc", "output_nc", "ngf", "ndf", "netG", "netD", "n_layers_D",
    "norm", "no_dropout", "direction", "seed", "serial_batches", "max_dataset_size", "beta1",
    "pool_size", "lr_policy", "val_share", "val_metric", "features", "features_size",
    "features_range", "value_range", "value_range_A", "value_range_B", "bands_A", "bands_B",
    "nodata", "npz_key",
}  # fmt: skip
SYNC = re.compile("^sync_?")  # of --norm: the weights fit with and without it
# Models that keep no output or gradient of a network for the next step.
GRAPH_SAFE = ("cycle_gan", "pix2pix", "colorization")


class TrainingRules(Rules):
    """Rules of training; the defaults of the tables are the paper's recipe (section 7.1)."""

    tables = {**SHARED, **TRAIN}
    once = left_out_of_files = NOT_RESUMED

    def find_run(self, parser: Parser, given: dict[str, Any]) -> None:
        """Find the run that ``--continue_train`` resumes. Raises UserError: no such run."""
        if not given.get("continue_train"):
            return
        opt = parser.preview(given)
        require_run(opt, "--continue_train")
        self.run = SavedRun(Path(opt.checkpoints_dir) / opt.name)
        self.run.default_plugin(parser, "model", given)

    def apply_run_defaults(self, parser: Parser, given: dict[str, Any], model: type[Any]) -> None:
        parser.set_defaults(**self.saved_values(parser, given))

    def check(self, opt: Namespace) -> None:
        super().check(opt)
        self._check_combinations(opt)
        self._check_resume(opt)
        last = opt.n_epochs + opt.n_epochs_decay
        if opt.epoch_count > last:
            raise UsageError(
                f"--epoch_count {opt.epoch_count} is past the last epoch, {last} "
                "(--n_epochs + --n_epochs_decay): nothing would be trained"
            )

    @staticmethod
    def _check_combinations(opt: Namespace) -> None:
        """Raise UsageError for options that exclude or need each other."""
        sync_batch = opt.norm in ("sync_batch", "syncbatch") and distributed.world_size() > 1
        needs_gpu = opt.amp == "bf16" or opt.cuda_graphs or sync_batch
        gpus = choose_device(opt.gpu_ids)[0] if needs_gpu else []  # imports PyTorch
        for broken, message in (*speed_rules(opt, gpus), *norm_rules(opt, gpus, sync_batch)):
            if broken:
                raise UsageError(message)

    def _check_resume(self, opt: Namespace) -> None:
        """Remark on the changes of a resumed run. Raises UsageError: they do not fit its state."""
        other = ("init_type", "init_gain", "init_bare")
        inits = [name for name in opt.explicit_options if name.startswith("init_")]
        warm_starts = [n for n in inits if n not in other and isinstance(getattr(opt, n), str)]
        if opt.continue_train and warm_starts:
            raise UsageError(
                f"--{warm_starts[0]} starts a new run from other weights, --continue_train resumes "
                "this run with its own: give one of them"
            )
        run = self.run.options if checkpoint.resumes_from_state(opt) else {}
        changed = {
            name: run[name]
            for name in opt.explicit_options
            if name in run
            and name not in NOT_RESUMED
            and run[name] != getattr(opt, name)
            and name not in getattr(opt, "own_options", ())
        }
        misfits = [
            f"--{name} {getattr(opt, name)} (the run has {value})"
            for name, value in changed.items()
            if name in FIXED
            and not plugins.same(str(value), str(getattr(opt, name)))
            and SYNC.sub("", str(value)) != SYNC.sub("", str(getattr(opt, name)))
        ]
        if misfits:
            raise UsageError(
                f"--continue_train cannot change {', '.join(misfits)}; leave it out, or "
                "start a new run from these weights with --init_NET FILE"
            )
        if changed:
            changes = [
                f"--{name} {value} -> {getattr(opt, name)}" for name, value in changed.items()
            ]
            self.remarks.append((say, f"Changed for the rest of the run: {', '.join(changes)}"))


def speed_rules(opt: Namespace, gpus: list[int]) -> list[tuple[object, str]]:
    """Return, for options of speed and of validation, (True if they are refused, the message).

    Args:
        gpus: the GPU of this process, if it has one.
    """
    emulating = lacks_bf16(gpus[0]) if gpus and opt.amp == "bf16" else ""
    return [
        (
            emulating,
            f"--amp bf16: {emulating} has no bf16 units (GPUs since 2020 have them) and would "
            "only emulate them; use --amp fp16",
        ),
        (
            opt.amp == "fp16" and opt.gan_mode == "wgangp",
            "--amp fp16 and --gan_mode wgangp: the loss scale of fp16 does not reach the "
            "gradients inside the penalty, which vanish; use --amp bf16",
        ),
        (
            opt.checkpoint_activations and opt.netG.startswith("unet"),
            f"--checkpoint_activations needs a --netG resnet, not {opt.netG}: "
            "it recomputes residual blocks",
        ),
        (opt.cuda_graphs and not opt.compile, "--cuda_graphs needs --compile"),
        (
            opt.cuda_graphs and opt.model not in GRAPH_SAFE,
            f"--cuda_graphs needs --model {', '.join(GRAPH_SAFE)}, not {opt.model}: a graph "
            "overwrites images and gradients that other models may keep for the next step",
        ),
        (
            opt.cuda_graphs and opt.preprocess in ("none", "scale_width"),
            f"--cuda_graphs needs images of one size, not --preprocess {opt.preprocess}",
        ),
        (
            opt.cuda_graphs and opt.accumulate > 1,
            "--cuda_graphs and --accumulate: a graph overwrites its outputs at the next "
            "micro-batch; leave one out",
        ),
        (opt.cuda_graphs and not gpus, "--cuda_graphs needs a CUDA GPU"),
        (opt.val_share and not opt.val_freq, "--val_share needs --val_freq"),
        (opt.features and not opt.val_freq, "--features needs --val_freq"),
        (
            opt.val_metric in ("fid", "kid") and not opt.features,
            f"--val_metric {opt.val_metric} needs --features NETWORK: inception, "
            "efficientnet-lite0, or a TorchScript or ONNX file",
        ),
        (opt.early_stop and not opt.val_freq, "--early_stop needs --val_freq"),
    ]


def norm_rules(opt: Namespace, gpus: list[int], sync_batch: bool) -> list[tuple[object, str]]:
    """Return, for ``--norm``, (True if it is refused, the message).

    Args:
        sync_batch: True if batch norm synchronises several processes.
    """
    no_sync = f"cannot be combined with --norm {opt.norm} of several processes, because they"
    return [
        (
            opt.checkpoint_activations and "batch" in opt.norm,
            f"--checkpoint_activations needs --norm instance or none, not {opt.norm}: "
            "recomputed batch norm would count images twice",
        ),
        (
            sync_batch and not gpus,
            f"--norm {opt.norm} needs CUDA GPUs if several processes train: PyTorch has no "
            "synchronized batch norm on CPUs; use instance, or batch in each process",
        ),
        (sync_batch and opt.compile, f"--compile {no_sync} communicate within the networks"),
        (
            sync_batch and opt.accumulate > 1,
            f"--accumulate {no_sync} may have different numbers of micro-batches",
        ),
    ]
