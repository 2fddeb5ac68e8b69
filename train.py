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
    opt = options.parse()
    if opt.dry_run:
        from models.training.check_data import report

        sys.exit(report(opt))
    from models.training.run import Run  # not at the top: PyTorch would slow --help down

    run = Run(opt)
    with run.create_parts():  # dataset, model, displays, ...; closes them, errors end in one line
        options.record(opt)  # prints the options and writes train_opt.txt
        run.prepare_first_step()  # prints the plan, and saves the initial state of a new run
        train(run)
    run.finish()  # prints where the results are; after a signal, exits with its status


def train(run: Run) -> None:
    """Train ``run.model`` on ``run.dataset`` until the last epoch.

    The first Ctrl-C or SIGTERM finishes the step, saves "latest" and ends; a second one quits at
    once, without a save.

    position.epoch counts from 1, position.seen the images of this epoch, position.total all images.
    """
    position = run.position
    while position.epoch <= run.last_epoch and not run.stopping:
        begin_epoch(run)
        for batch in run.report.timed_batches(run.dataset):  # after a resume: the epoch's rest
            run.train_step(batch)  # model.set_input(batch); model.optimize_parameters()
            after_step(run)
            run.stopping = run.signal_received()  # by any process, if several GPUs train
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
    run.dataset.epoch = run.position.epoch  # with --seed, decides the order, crops and flips
    run.visualizer.reset()  # the page gets images of each epoch
    run.set_learning_rates(run.position.epoch)  # by model.update_learning_rate()


def after_step(run: Run) -> None:
    """Log, show and save what is due; the intervals count images.

    To validate every 500 steps, besides every --val_freq epochs, add at the end:
        images = 500 * run.dataset.global_batch_size  # of 500 optimizer steps
        if run.position.reached_multiple_of(images) and not run.epoch_complete:
            if run.validation.validate(run.position, run.visualizer):  # True: the best so far
                run.state.save("latest", "best")
    """
    # Losses every --print_freq images, to loss_log.txt and all displays; pictures by --display_freq
    run.report.log_and_show(run.position, run.model, run.dataset)
    names = run.state.names_due()  # by --save_latest_freq: "latest" or "iter_N", else none
    if names and not run.epoch_complete:  # else end_epoch saves
        run.state.save(*names)


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
    position, epoch = run.position, run.position.epoch
    names = run.state.names_due()
    if run.validation.is_due(epoch):  # every --val_freq epochs
        is_best = run.validation.validate(position, run.visualizer)  # logs the metrics
        names += ["best"] if is_best else []
    if epoch % run.opt.save_epoch_freq == 0:
        names.append(epoch)
    seconds = time.monotonic() - run.epoch_started
    rates = ", ".join(f"{rate:.3g}" for rate in learning_rates(run.model.optimizers))
    say(f"End of epoch {epoch} / {run.last_epoch}, {duration(seconds)}; learning rate {rates}")
    run.panel.show(run.model, epoch)  # translates the same few validation images for the page
    position.begin_next_epoch()  # the state saved below resumes there
    run.stopping = run.signal_received()
    if names or epoch == run.last_epoch or run.stopping:
        run.state.save("latest", *names)


if __name__ == "__main__":
    run_main(main)
