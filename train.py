"""Train a model, by default a CycleGAN: ``python train.py --dataroot ./datasets/atlas --name atlas``.

This file holds the loops over epochs and batches. What one step computes is in
models/cycle_gan_model.py, its networks are in models/networks.py. models/training/step.py adds the
options around a step (mixed precision, gradient accumulation, several GPUs, averaged weights), and
models/training/run.py what surrounds the loops (resume, errors, clean-up).
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from options.train_options import TrainOptions
from util import distributed
from util.console import duration, run_main, say

if TYPE_CHECKING:
    from models.training.run import Run


def main() -> None:
    options = TrainOptions()
    opt = options.parse(record=False)
    if opt.dry_run:
        from models.training.check_data import report

        sys.exit(report(opt))
    from models.training.run import Run  # imports PyTorch, so not at the top: --help stays fast

    run = Run(opt)
    options.print_options(opt)
    run.announce()
    with run.running():
        train(run)
    run.finish()


def train(run: Run) -> None:
    """Train ``run.model`` from the position ``run.at`` to the last epoch.

    Ctrl-C or SIGTERM: the step is finished and saved, and the loops end.
    """
    at, dataset = run.at, run.dataset
    run.signals.poll()
    while at.epoch <= run.last_epoch and not run.signals.signal:
        begin_epoch(run)
        save_names: list[int | str] = []
        for batch in run.report.timed(dataset):  # resumes in the middle of an epoch
            run.step(batch, dataset.batch_weight, images_seen=at.total)
            at.advance(dataset.last_batch_images)
            save_names = after_step(run)
            if run.signals.poll() and at.seen < len(dataset):
                run.state.save("latest")
                break
        else:
            end_epoch(run, save_names)


def begin_epoch(run: Run) -> None:
    """Set the learning rates of this epoch: constant, then linear decay (util/schedules.py)."""
    run.epoch_started = time.monotonic()
    run.dataset.epoch = run.at.epoch
    run.visualizer.reset()
    run.model.epoch = run.at.epoch - 1
    run.model.metric = distributed.broadcast_object(run.model.metric)  # for --lr_policy plateau
    run.model.update_learning_rate()  # moves model.epoch to this epoch


def after_step(run: Run) -> list[int | str]:
    """Log losses, show images and save, each when it is due. The intervals count images.

    Returns: names for ``end_epoch`` to save the last step of an epoch under.
    """
    opt, at, images = run.opt, run.at, run.dataset.last_batch_images
    run.watchdog.step()
    run.state.background.check()  # raises if the last save failed
    if at.crosses(opt.print_freq, images):
        run.step.check()  # raises NonFinite; printing losses waits for the GPU anyway
    run.progress.update(images, f"epoch {at.epoch}/{run.last_epoch}")
    if distributed.is_main():
        with distributed.single_rank():
            run.report.after_step(at, run.model, run.dataset)
    if not at.crosses(opt.save_latest_freq, images):
        return []
    name = f"iter_{at.total}" if opt.save_by_iter else "latest"
    if at.seen < len(run.dataset):
        run.state.save(name)
    return [name]


def end_epoch(run: Run, save_names: list[int | str]) -> None:
    """Validate (``--val_freq``), update the panel, and save as latest, best and EPOCH when due."""
    at, model = run.at, run.model
    if run.validation.is_due(at.epoch) and run.validation.is_best(at, run.visualizer):
        save_names.append("best")
    groups = (group for optimizer in model.optimizers for group in optimizer.param_groups)
    rates = ", ".join(dict.fromkeys(f"{group['lr']:.3g}" for group in groups))
    seconds = time.monotonic() - run.epoch_started
    say(f"End of epoch {at.epoch} / {run.last_epoch}, {duration(seconds)}; learning rate {rates}")
    with distributed.single_rank():
        run.panel.show(model, at.epoch)
    if at.epoch % run.opt.save_epoch_freq == 0:
        save_names.append(at.epoch)
    at.begin_next_epoch()
    if save_names or at.epoch > run.last_epoch or run.signals.poll():
        run.state.save(*dict.fromkeys(["latest", *save_names]))


if __name__ == "__main__":
    run_main(main)
