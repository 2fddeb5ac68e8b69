"""Validation during a training: metrics of the translations, and which epoch was best.

The images come from valA and valB (or val), or with ``--val_share`` from the training set, never
from the test set. They are translated as test.py translates them, with ``--ema`` by the averaged
generators. The training is not affected, except that ``--lr_policy plateau`` follows the metric.

Metrics, in levels of 0 to 255 unless noted. With more than 8-bit pictures, l1 and cycle are in the
unit of the files, psnr and ssim are of the range of their values, and pixels without data do not
count.
    l1, psnr (dB), ssim (0 to 1): against the true image. Only for pairs, whose file names are equal
        apart from _A and _B.
    patches: distance of colours and textures to those of the target domain
        (util/image/patch_distance.py). It does not depend on whether a translation matches its
        input.
    cycle: L1 between an image and its reconstruction. It is 0 if nothing is translated, so it does
        not prove quality.
    fid, kid (times 1000): distance of the features of ``--features`` to those of the target domain
        (set_metrics.py).
"""

from __future__ import annotations

import copy
import math
import time
from argparse import Namespace
from collections import defaultdict
from itertools import islice

import numpy as np

from data import find_dataset_using_name
from data.dataset_of_images import BaseDataset
from data.listing import stem
from data.pipeline.loader import Loader, Unreadable
from models.base_model import BaseModel
from models.training.inspection import options_for_testing, translate_apart
from models.training.measured import Measured, Value, averages
from models.training.position import Position
from models.training.set_metrics import NAMES, SetMetrics
from util import distributed
from util.console import quiet, say
from util.errors import UserError
from util.image import metrics
from util.image.patch_distance import patch_distance, sample_patches
from util.option_defaults import theirs
from util.schedules import last_epoch, learning_rates
from util.values import masks_of
from util.visualizer import Visualizer
from util.words import amount

PAIRED_METRICS = {"l1": metrics.l1, "psnr": metrics.psnr, "ssim": metrics.ssim}


def validation_images(opt: Namespace) -> Loader:
    """Return the images of ``--val_freq``. Raises UserError: there are none."""
    val_opt = options_for_testing(opt, opt.phase if opt.val_share else "val")
    val_opt.batch_size, val_opt.num_threads = 1, 0
    val_opt.max_dataset_size = opt.max_dataset_size
    try:
        return Loader(find_dataset_using_name(opt.dataset_mode)(theirs(val_opt)), val_opt)
    except UserError as error:
        hint = ". Or hold out some of the training images: --val_share 0.1"
        raise UserError(f"--val_freq: {error}{hint * (not opt.val_share)}") from None


class Validation:
    """Measures how good the translations are, and keeps the networks of the best epoch."""

    def __init__(self, opt: Namespace, model: BaseModel, training: Loader) -> None:
        """Raises UserError: there are no validation images for ``--val_metric``."""
        self.opt, self.model, self.metric = opt, model, opt.val_metric
        self.said_time = False
        if not opt.val_freq:
            return
        self.images = validation_images(opt)
        self.images.device = opt.device
        training_files, held_out = listed_files(training.dataset), listed_files(self.images.dataset)
        if opt.val_share and (not held_out or training_files & held_out):
            raise UserError(
                f"--val_share: --dataset_mode {opt.dataset_mode} does not hold images out (with "
                "find_images in data/listing.py); use a folder of validation images instead"
            )
        self.paired = is_paired(self.images.dataset)
        if any(self.images.values.values()):
            say("Validation: l1 and cycle in the unit of the files; psnr and ssim of their range")
        self.sets = SetMetrics(opt) if opt.features else None
        with quiet():  # values outside of the range are reported by the first validation
            measurable = [*self.compute_metrics(limit=1), *(NAMES if self.sets else ())]
        self.images.clipped.reported = False
        if self.sets:
            limit = getattr(model, "validation_limit", None) or 10**9
            counts = [min(len(files), limit) for files in files_of_sides(self.images.dataset)]
            self.sets.require_enough(counts)
        if self.metric == "auto":
            self.metric = "l1" if "l1" in measurable else "patches"
        if self.metric not in measurable:
            raise UserError(
                f"--val_metric {self.metric} cannot be measured here, only {', '.join(measurable)} "
                "(l1, psnr and ssim need pairs, cycle a model that reconstructs its input)"
            )

    def is_due(self, epoch: int) -> bool:
        """True every ``--val_freq`` epochs and after the last one; never with 0."""
        last = epoch == last_epoch(self.opt)
        return self.opt.val_freq > 0 and (epoch % self.opt.val_freq == 0 or last)

    def validate(self, position: Position, visualizer: Visualizer) -> bool:
        """Validate on rank 0; True on all ranks if the networks are the best so far.

        Args:
            position: its ``validated`` and ``without_best`` are updated, on rank 0 also ``best``.
            visualizer: logs the values.

        Raises Unreadable: a validation image cannot be read.
        """
        improved, error = False, ""
        if distributed.is_main():
            try:
                with distributed.single_rank(), visualizer.timer.paused():
                    improved = self._measure(position, visualizer)
            except UserError as e:
                error = str(e)
        results = improved, error, position.validated, position.without_best
        improved, error, *found = distributed.broadcast_object(results)
        position.validated, position.without_best = found
        if error:
            raise Unreadable(error)
        return improved

    def _measure(self, position: Position, visualizer: Visualizer) -> bool:
        """Measure, log and compare with the best epoch so far.

        Returns True if this epoch is better.
        """
        start = time.monotonic()
        values = {f"val_{name}": value for name, value in self.compute_metrics().items()}
        lr = next(iter(learning_rates(self.model.optimizers)), 0.0)
        self._say_time(time.monotonic() - start)
        seconds = (time.monotonic() - start) / len(self.images)
        visualizer.print_current_losses(position.epoch, position.seen, values, seconds, 0.0)
        more = {"lr": lr, "time": seconds, "data": 0.0, **values}
        visualizer.plot_current_losses(position.epoch, 1.0, {}, position.total, more)
        value = values[f"val_{self.metric}"]
        _, best = position.validated[1] if position.validated else (0, math.nan)
        better = value > best if self.metric in metrics.HIGHER_IS_BETTER else value < best
        improved = better or math.isnan(best)
        latest = (position.epoch, value)
        position.validated = [latest, latest if improved else position.validated[1]]
        position.without_best = 0 if improved else position.without_best + 1
        if improved:
            position.best = {"epoch": position.epoch, "metric": self.metric, "value": value}
        if self.opt.lr_policy == "plateau":
            self.model.metric = as_loss(self.metric, value)
        return improved

    def _say_time(self, seconds: float) -> None:
        """Print once how long a validation takes, because that may be more than the training."""
        if self.said_time:
            return
        self.said_time = True
        text = f"The first validation of {amount(len(self.images), 'image')} took {seconds:.1f} s"
        if self.sets:
            text += f", {self.sets.seconds:.1f} s of it for FID and KID; later ones need only the "
            text += "features of translations"
        say(text)

    def last_epoch(self, position: Position) -> int:
        """Return the last epoch: the planned one, or the one in which ``--early_stop`` ends it."""
        last, patience = last_epoch(self.opt), self.opt.early_stop
        if 0 < patience <= position.without_best:
            last = min(last, position.validated[0][0])
        return last

    def early_end(self, position: Position) -> str:
        """Return when and why ``--early_stop`` has ended the training, or ""."""
        planned, last = last_epoch(self.opt), self.last_epoch(position)
        if not last < position.epoch <= planned:
            return ""
        validations = amount(position.without_best, "validation")
        return (
            f"stopped early after epoch {last} of {planned}: {validations} without a new best "
            f"(--early_stop {self.opt.early_stop})"
        )

    def how_it_ended(self, position: Position) -> str:
        """Return what a training that is complete did, and how to continue it."""
        if early := self.early_end(position):
            return f"{early}; to continue it: --early_stop 0"
        epochs = amount(last_epoch(self.opt), "epoch")
        return f"has finished its {epochs}; to extend it: --n_epochs or --n_epochs_decay"

    def conclude(self, position: Position) -> None:
        """Print the values of the last and of the best epoch."""
        if self.opt.val_freq and position.validated:
            (last, value), (best, best_value) = position.validated
            say(
                f"Validation ({self.metric}): epoch {last} has {value:.4g}; the best is epoch "
                f"{best} with {best_value:.4g}, kept as best_net_*.pth "
                f"(test.py --epoch best{' --ema' * bool(self.opt.ema)})"
            )
        if early := self.early_end(position):
            say(f"The training {early}; to continue it, resume it with --early_stop 0")

    def compute_metrics(self, limit: int | None = None) -> dict[str, float]:
        """Return the mean of each metric over the first ``limit`` images (None: all)."""
        limit = limit or getattr(self.model, "validation_limit", None)  # of slow models
        values: dict[str, list[Value]] = defaultdict(list)
        patches: dict[str, list] = defaultdict(list)
        rng = np.random.default_rng(self.opt.seed)
        rules = self.images.values
        self.images.epoch = 1
        if self.sets:
            self.sets.begin()
        model = with_averaged_networks(self.model)
        for batch in islice(self.images, limit):
            images = translate_apart(model, batch, self.opt.seed)[1]
            masks = masks_of(batch)
            visuals = {
                label: Measured.of(label, image, self.opt.direction, rules, masks)
                for label, image in images.items()
                if label.startswith(("real_", "fake_", "rec_"))
            }
            for label, image in visuals.items():
                kind, _, domain = label.partition("_")
                patches[label].append(sample_patches(image.levels, rng))
                if self.sets:
                    self.sets.add(label, image.levels, batch)
                measured = self._compare(kind, image, visuals.get(f"real_{domain}"))
                for name, value in measured.items():
                    if not math.isnan(value):  # no pixel holds data
                        values[name].append(Value(domain, image.span or metrics.DATA_RANGE, value))
        fakes = [label for label in patches if label.startswith("fake_")]
        pairs = [(fake, fake.replace("fake_", "real_")) for fake in fakes]
        if not pairs or any(real not in patches for _, real in pairs):
            needed = "has no images named fake_X and real_X to compare"
            raise UserError(f"--val_freq: --model {self.opt.model} {needed}")
        distances = [patch_distance(patches[fake], patches[real], rng) for fake, real in pairs]
        means: dict[str, float] = {}
        for name, measured_values in values.items():
            means |= averages(name, measured_values)
        means["patches"] = float(np.mean(distances))
        return means | (self.sets.distances() if self.sets and limit != 1 else {})

    def _compare(self, kind: str, image: Measured, real: Measured | None) -> dict[str, float]:
        """Return the metrics of a reconstruction (rec) or translation (fake)."""
        if real is None or not image.is_comparable(real):
            return {}
        if kind == "rec":
            return {"cycle": image.compare(real, metrics.l1)}
        if kind == "real" or not self.paired or min(image.pixels.shape[:2]) < metrics.WINDOW:
            return {}
        measured = {name: image.compare(real, metric) for name, metric in PAIRED_METRICS.items()}
        return measured | {"psnr": min(measured["psnr"], metrics.PSNR_CAP)}


def with_averaged_networks(model: BaseModel) -> BaseModel:
    """Return a shallow copy of ``model`` with the generators averaged by ``--ema``, if any.

    The averages replace all attributes that are these generators.
    """
    networks = model.get_networks()
    averages = {id(networks[name]): average.module for name, average in model.averaged.items()}
    model = copy.copy(model)
    vars(model).update({k: averages.get(id(v), v) for k, v in vars(model).items()})
    return model


def as_loss(metric: str, value: float) -> float:
    """Return a positive number that is smaller for a better ``value``."""
    if metric == "psnr":
        return 255 * 10 ** (-value / 20)  # the root mean square error that gives this PSNR
    if metric == "kid":
        return math.exp(value / 1000)  # an unbiased KID may be negative
    return 1 - value if metric == "ssim" else value


def listed_files(dataset: BaseDataset) -> set[str]:
    """Return the strings in all lists of ``dataset``, e.g. the paths in ``A_paths``."""
    lists = [value for value in vars(dataset).values() if isinstance(value, list)]
    return {path for paths in lists for path in paths if isinstance(path, str)}


def files_of_sides(dataset: BaseDataset) -> list[set[str]]:
    """Return the image files of each domain; [] if ``dataset`` does not list them as ours do."""
    lists = [getattr(dataset, f"{name}_paths", None) for name in ("A", "B", "AB")]
    return [set(paths) for paths in lists if paths]


def is_paired(dataset: BaseDataset) -> bool:
    """True if the two images of each item are halves of one file, or have one name (see stem)."""
    A, B = ([stem(path) for path in getattr(dataset, f"{domain}_paths", ())] for domain in "AB")
    return A == B if A or B else hasattr(dataset, "AB_paths")
