"""Train a model (default: CycleGAN): ``python train.py --dataroot ./datasets/atlas --name atlas``.

models/cycle_gan_model.py and models/networks.py say what a step computes. models/training/step.py
adds mixed precision, accumulation, several GPUs and averaged weights.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from options.program import Program
from options.train_options import TrainOptions
from util.console import duration, run_main, say
from util.schedules import learning_rates

if TYPE_CHECKING:
    from models.training.run import Run


def main() -> None:
    options = Program(TrainOptions())
    opt = options.parse()  # train_opt.txt is written below, once the run has started
    if opt.dry_run:
        from models.training.check_data import report

        sys.exit(report(opt))
    from models.training.run import Run  # not at the top: PyTorch would slow --help down

    run = Run(opt)
    with run.running():  # creates dataset, model, ...; cleans up; errors end in one line
        options.record(opt)
        run.begin()
        train(run)
    run.finish()


def train(run: Run) -> None:
    """Train ``run.model`` until the last epoch.

    The first Ctrl-C or SIGTERM finishes the step, saves "latest" and ends; a second one quits at
    once, without a save.

    ``run.at`` is the position: at.epoch (from 1), at.seen images of this epoch, at.total images in
    all; at.crossed(n) is True if at.total passed a multiple of n in the last step.

    The other parts are also in models/training: run.report (report.py) prints, logs and shows
    losses and images, run.validation (validation.py) measures, run.panel (panel.py) translates the
    same images after every epoch, run.state (run_state.py) saves and resumes.
    """
    at = run.at
    while at.epoch <= run.last_epoch and not run.stopping:
        begin_epoch(run)
        for batch in run.report.timed(run.dataset):  # after a resume: the rest of the epoch
            run.train_step(batch)  # set_input() and optimize_parameters() of the model
            after_step(run)
            run.check_signals()  # sets run.stopping if a signal has come, on any GPU
            if run.stopping:
                break
        if run.epoch_complete:
            end_epoch(run)
        else:  # stopped by a signal
            run.state.save("latest")


def begin_epoch(run: Run) -> None:
    """Set the learning rates: constant for n_epochs, then linear towards 0 (section 7.1).

    The factor is 1 - max(0, epoch - n_epochs) / (n_epochs_decay + 1): of 100 + 100 epochs, epoch
    101 has 100/101, and epoch 200 has 1/101. Other --lr_policy: util/schedules.py.
    """
    run.epoch_started = time.monotonic()
    run.dataset.epoch = run.at.epoch
    run.visualizer.reset()
    run.set_learning_rates(run.at.epoch)  # by the model's update_learning_rate()


def after_step(run: Run) -> None:
    """Log, show and save what is due; the intervals count images.

    To validate every 500 steps, besides every --val_freq epochs, add at the end:
        images = 500 * run.dataset.global_batch_size  # of 500 optimizer steps
        if run.at.crossed(images) and not run.epoch_complete:
            if run.validation.validate(run.at, run.visualizer):  # True: the best so far
                run.state.save("latest", "best")
    """
    run.report.after_step(run.at, run.model, run.dataset)  # --print_freq, --display_freq
    if not run.epoch_complete:  # else end_epoch saves
        run.state.save_if_due()


def end_epoch(run: Run) -> None:
    """Validate if due, and save each network as NAME_net_G_A.pth, ... in checkpoints/--name.

    NAME     when
    EPOCH    after every --save_epoch_freq epochs, e.g. 5_net_G_A.pth
    best     after a validation that was the best so far
    latest   every --save_latest_freq images; with EPOCH and best; at the end; on a signal
    iter_N   with --save_by_iter, every --save_latest_freq images; N = images seen so far
    Each save also replaces state.pth, from which --continue_train restores everything, the weights
    too; --ema adds NAME_net_G_A_ema.pth.
    """
    at, epoch = run.at, run.at.epoch
    names = run.state.due_names()  # by --save_latest_freq: latest or iter_N
    if run.validation.is_due(epoch):
        improved = run.validation.validate(at, run.visualizer)
        names += ["best"] if improved else []
    if epoch % run.opt.save_epoch_freq == 0:
        names.append(epoch)
    seconds = time.monotonic() - run.epoch_started
    rates = ", ".join(f"{rate:.3g}" for rate in learning_rates(run.model.optimizers))
    say(f"End of epoch {epoch} / {run.last_epoch}, {duration(seconds)}; learning rate {rates}")
    run.panel.show(run.model, epoch)
    at.begin_next_epoch()  # where a resume starts
    run.check_signals()
    if names or epoch == run.last_epoch or run.stopping:
        run.state.save("latest", *names)


if __name__ == "__main__":
    run_main(main)
