"""Validation while a training runs: how good the translations are, and which epoch was best (best_net_*.pth, best.json).

Images come from valA and valB (or val), else with ``--val_share`` from the training set, never from the test set. They are
translated as test.py does it, with ``--ema`` by the averaged generators. The training does not notice, but for ``--lr_policy
plateau``, which follows the metric.

l1, psnr, ssim: against the true image, where the two domains are pairs: equal names but for _A, _B. In levels of 255, dB.
patches: distance of colours and textures to those of the target domain (util/image/patch_distance.py), in levels;
    blind to whether a translation fits its input.
cycle: L1 between an image and its reconstruction, in levels. No proof of quality: it is 0 where nothing is translated.
"""

from __future__ import annotations

import contextlib
import math
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

import numpy as np

from data import find_dataset_using_name
from data.base_dataset import BaseDataset
from data.image_folder import stem
from data.pipeline.loader import Loader, Unreadable
from models.base_model import BaseModel
from models.training.panel import as_in_tests, translated, untouched
from util import distributed
from util.console import say
from util.errors import UserError
from util.image import metrics
from util.image.patch_distance import cut, distance

PAIRED = {"l1": metrics.l1, "psnr": metrics.psnr, "ssim": metrics.ssim}
LOSS = {
    "psnr": lambda db: 255 * 10 ** (-db / 20),
    "ssim": lambda value: 1 - value,
}  # for a plateau: positive, less is better
SIGN = {"psnr": -1, "ssim": -1}  # of metrics of which more is better


class Validation:
    """``validation(at, visualizer)`` at the end of an epoch: rank 0 measures if due; True if this epoch is the best."""

    def __init__(self, opt: Namespace, model: BaseModel, training: Loader) -> None:
        """Raises UserError: there are no images to validate on, or ``--val_metric`` cannot be measured with them."""
        self.opt, self.model, self.metric = opt, model, opt.val_metric
        if not opt.val_freq:
            return
        mine = as_in_tests(opt, opt.phase if opt.val_share else "val")
        mine.batch_size, mine.num_threads, mine.max_dataset_size = 1, 0, opt.max_dataset_size
        try:
            self.images = Loader(find_dataset_using_name(opt.dataset_mode)(mine), mine)
            self.images.device = opt.device
        except UserError as error:
            hint = (
                ""
                if opt.val_share
                else ". Or hold out some of the training images: --val_share 0.1"
            )
            raise UserError(f"--val_freq: {error}{hint}") from None
        used, held = files(training.dataset), files(self.images.dataset)
        if opt.val_share and (not held or used & held):
            raise UserError(
                f"--val_share: --dataset_mode {opt.dataset_mode} does not leave images out (by find_images in "
                "data/image_folder.py); give a folder of validation images instead"
            )
        self.paired = pairs(self.images.dataset)
        there = self.measure(limit=1)
        self.metric = {"auto": "l1" if "l1" in there else "patches"}.get(self.metric, self.metric)
        if self.metric not in there:
            raise UserError(
                f"--val_metric {self.metric} cannot be measured here, but {', '.join(there)} can (l1, psnr and ssim "
                "need pairs, cycle a model that reconstructs its input)"
            )

    def __call__(self, at, visualizer) -> bool:
        """``at``: the :class:`models.training.run_state.Position`, whose ``validated`` is brought up to date on rank 0."""
        best, error = False, ""
        if distributed.is_main():
            try:
                with distributed.single_rank():
                    best = self._is_best(at, visualizer)
            except UserError as e:
                error = str(e)
        best, error = distributed.broadcast_object((best, error))
        if error:
            raise Unreadable(error)
        return best

    def _is_best(self, at, visualizer) -> bool:
        last = at.epoch == self.opt.n_epochs + self.opt.n_epochs_decay
        if not self.opt.val_freq or (at.epoch % self.opt.val_freq and not last):
            return False
        start = time.time()
        values = {f"val_{name}": value for name, value in self.measure().items()}
        lr = next(
            (
                group["lr"]
                for optimizer in self.model.optimizers
                for group in optimizer.param_groups
            ),
            0.0,
        )
        visualizer.measures(
            at.epoch, at.seen, at.total, values, lr, (time.time() - start) / len(self.images)
        )
        value, sign = values[f"val_{self.metric}"], SIGN.get(self.metric, 1)
        best = at.validated[1] if at.validated else (0, math.nan)
        improved = math.isnan(best[1]) or sign * value < sign * best[1]
        at.validated = [(at.epoch, value), (at.epoch, value) if improved else best]
        if improved:
            at.best = {"epoch": at.epoch, "metric": self.metric, "value": value}
        if self.opt.lr_policy == "plateau":
            self.model.metric = LOSS.get(self.metric, float)(value)
        return improved

    def conclude(self, at) -> None:
        """Say how the last epoch and the best one did."""
        if self.opt.val_freq and at.validated:
            (last, value), (best, least) = at.validated
            say(
                f"Validation ({self.metric}): epoch {last} has {value:.4g}; the best is epoch {best} with {least:.4g}, kept as "
                f"best_net_*.pth (test.py --epoch best{' --ema' if self.opt.ema else ''})"
            )

    def measure(self, limit: int | None = None) -> dict[str, float]:
        """The mean of each metric over all images (or the first ``limit``) and directions."""
        found: dict[str, list[float]] = defaultdict(list)
        patches: dict[str, list] = defaultdict(list)
        rng = np.random.default_rng(self.opt.seed)
        self.images.epoch = 1
        with untouched(self.model), averaged(self.model):
            for data in islice(self.images, limit):
                visuals = {
                    label: image
                    for label, image in translated(self.model, data, self.opt.seed).items()
                    if label.startswith(("real_", "fake_", "rec_"))
                }
                self._compare(visuals, found)
                for label, image in visuals.items():
                    patches[label].append(cut(image, rng))
        targets = {
            label: label.replace("fake_", "real_") for label in patches if label.startswith("fake_")
        }
        if not targets or not patches.keys() >= set(targets.values()):
            raise UserError(
                f"--val_freq: --model {self.opt.model} has no images named fake_X and real_X to compare"
            )
        found["patches"] = [
            distance(patches[fake], patches[real], rng) for fake, real in targets.items()
        ]
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _compare(self, visuals: dict[str, metrics.Array], found: dict[str, list[float]]) -> None:
        """Add the metrics of one item: label -> uint8 (H, W, C)."""
        for label, image in visuals.items():
            kind, _, domain = label.partition("_")
            real = visuals.get(f"real_{domain}")
            if (
                kind not in ("fake", "rec")
                or real is None
                or real.shape != image.shape
                or image.shape[2] != 3
            ):
                continue
            if kind == "rec":
                found["cycle"].append(metrics.l1(image, real))
            elif self.paired and min(image.shape[:2]) >= metrics.WINDOW:
                for name, metric in PAIRED.items():
                    found[name].append(min(metrics.PSNR_CAP, metric(image, real)))


@contextlib.contextmanager
def averaged(model: BaseModel) -> Iterator[None]:
    """The generators with the weights that ``--ema`` has averaged so far, where there are any; afterwards with their own."""
    nets = {name: model.get_networks()[name.removesuffix("_ema")] for name in model.ema}
    own = {
        name: {key: value.clone() for key, value in net.state_dict().items()}
        for name, net in nets.items()
    }
    try:
        for name, net in nets.items():
            net.load_state_dict(model.ema[name])
        yield
    finally:
        for name, net in nets.items():
            net.load_state_dict(own[name])


def files(dataset: BaseDataset) -> set[str]:
    return {
        path
        for paths in vars(dataset).values()
        if isinstance(paths, list)
        for path in paths
        if isinstance(path, str)
    }


def pairs(dataset: BaseDataset) -> bool:
    """Whether each item's two images belong together: halves of one file, or files of equal names but for _A, _B."""
    A, B = ([stem(path) for path in getattr(dataset, f"{domain}_paths", ())] for domain in "AB")
    return A == B if A or B else hasattr(dataset, "AB_paths")
