"""Train a model (default: CycleGAN): ``python train.py --dataroot ./datasets/atlas --name atlas``.

models/cycle_gan_model.py and models/networks.py say what a step computes. ``run`` is one training,
created by models/training/run.py. Its parts are in models/training/ or in the file named:

    run.model            networks, losses and optimizers (models/cycle_gan_model.py)
    run.dataset          batches of images (data/pipeline/loader.py)
    run.train_step()     model.set_input(batch) and model.optimize_parameters(), with mixed
                         precision, accumulation, several GPUs and averaged weights (step.py)
    run.position         epoch, from 1, and images seen in this epoch and in total (position.py)
    run.report           decides when losses and images are due, and logs and shows them (report.py)
    run.visualizer       the log files and displays that report writes to (util/visualizer.py)
    run.validation       metrics of the translations of validation images (validation.py)
    run.panel            a few validation images that the page shows after every epoch (panel.py)
    run.state            saves the training, and resumes it (run_state.py)
    run.epoch_complete   True if all images of this epoch have been seen, on all GPUs together
    run.signal_received  True after Ctrl-C or SIGTERM (the handler: util/training_process.py)

Each save replaces state.pth, from which --continue_train restores everything: networks, optimizers,
image history, position. A save also has names. For each NAME, it writes the networks alone as
NAME_net_G_A.pth, ... in the format of the official code, which test.py and other programs read:

    (none)   before the first step of a new run, so that any crash can be resumed
    latest   every --save_latest_freq images, after the last epoch, when a signal stops the run,
             and with each save under another name at the end of an epoch
    iter_N   with --save_by_iter, instead of latest during an epoch; N = images seen so far
    EPOCH    after every --save_epoch_freq epochs, e.g. 5_net_G_A.pth
    best     after a validation that was the best so far

--ema adds NAME_net_G_A_ema.pth. The files are in checkpoints/--name.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from options.program import Program
from options.train_options import TrainOptions
from util.console import run_main

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
    with run.create_parts():  # closes the parts at the end; errors end in one line
        options.record(opt)  # prints the options and writes train_opt.txt
        run.prepare_first_step()  # prints the plan, and saves the initial state of a new run
        train(run)
    run.finish()  # prints where the results are; after a signal, exits with its status


def train(run: Run) -> None:
    """Train ``run.model`` on ``run.dataset`` until the last epoch.

    The first Ctrl-C or SIGTERM finishes the step, saves "latest" and ends; a second one quits at
    once, without a save.
    """
    while run.position.epoch <= run.last_epoch and not run.stopping:
        begin_epoch(run)
        for batch in run.report.timed_batches(run.dataset):  # after a resume: the epoch's rest
            run.train_step(batch)
            after_step(run)
            run.stopping = run.signal_received()  # a signal received by any process
            if run.stopping:
                break
        if run.epoch_complete:  # all images were seen, even if a signal came in the last step
            end_epoch(run)
        else:
            run.state.save("latest")


def begin_epoch(run: Run) -> None:
    """Set the learning rates: constant for n_epochs, then linear towards 0 (section 7.1).

    The factor is 1 - max(0, epoch - n_epochs) / (n_epochs_decay + 1): of 100 + 100 epochs, epoch
    101 has 100/101, and epoch 200 has 1/101. Other --lr_policy: util/schedules.py.
    """
    run.dataset.epoch = run.position.epoch  # with --seed, decides the order, crops and flips
    run.visualizer.reset()  # the page gets images of each epoch
    run.set_learning_rates(run.position.epoch)  # by model.update_learning_rate()


def after_step(run: Run) -> None:
    """Log, show and save what is due; the intervals count images.

    To validate every 500 steps, train with --val_freq 1, which validates after every epoch and
    needs validation images (else the program ends with an error at the start). Add at the end:

        images = 500 * run.dataset.global_batch_size  # of a step: all micro-batches, all GPUs
        if run.position.reached_multiple_of(images) and not run.epoch_complete:
            if run.validation.validate(run.position, run.visualizer):  # True: the best so far
                run.state.save("latest", "best")
    """
    # Losses every --print_freq images, to loss_log.txt and all displays; pictures by --display_freq
    run.report.log_and_show(run.position, run.model, run.dataset)
    names = run.state.names_due()  # by --save_latest_freq: ["latest"] or ["iter_N"], else []
    if names and not run.epoch_complete:  # after the last step of an epoch, end_epoch saves
        run.state.save(*names)


def end_epoch(run: Run) -> None:
    """Validate and save if due."""
    epoch = run.position.epoch  # the one that ends here, also below begin_next_epoch()
    names = run.state.names_due()
    if run.validation.is_due(epoch):  # every --val_freq epochs
        is_best = run.validation.validate(run.position, run.visualizer)  # logs the metrics
        names += ["best"] if is_best else []
    if epoch % run.opt.save_epoch_freq == 0:
        names.append(epoch)
    run.report.print_epoch(run.position, run.model)
    run.panel.show(run.model, epoch)
    run.position.begin_next_epoch()  # before the save, which contains the position
    run.stopping = run.signal_received()  # also during the validation
    if names or epoch == run.last_epoch or run.stopping:
        run.state.save("latest", *names)


if __name__ == "__main__":
    run_main(main)
