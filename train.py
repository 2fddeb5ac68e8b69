"""Train a model (default: CycleGAN): ``python train.py --dataroot ./datasets/atlas --name atlas``.

models/cycle_gan_model.py and models/networks.py say what a step computes; models/training/ holds
what surrounds the steps. The files of a training are in checkpoints/--name.

Each save replaces state.pth, from which --continue_train restores everything: networks, optimizers,
image history, position. Most saves also write the networks alone, under one or more names: NAME
gives NAME_net_G_A.pth, ... in the format of the official code, which test.py and other programs
read (with --ema also the averaged generators, NAME_net_G_A_ema.pth, ...).

    When                                           Names
    before the first step of a new run             none: only state.pth, to resume after a crash
    every --save_latest_freq images                latest, or with --save_by_iter iter_N (N images)
    after a validation that was the best so far    latest and best
    after every --save_epoch_freq epochs           latest and the epoch, e.g. 5_net_G_A.pth
    after the last epoch, or by a signal           latest
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
        from models.training import check_data

        sys.exit(check_data.report(opt))
    from models.training.run import Run  # not at the top: PyTorch would slow --help down

    run = Run(opt)
    with run.create_or_restore():  # model, dataset, ...; closed at the end, also after an error
        options.record(opt)  # prints the options and writes train_opt.txt
        run.prepare_first_step()  # prints the plan, and saves the initial state of a new run
        train(run)
    run.finish()  # prints where the results are; after a signal, exits with its status


def train(run: Run) -> None:
    """Train until the last epoch, or until a signal.

    The first Ctrl-C or SIGTERM finishes the step (and the epoch, if it was the last step), saves
    "latest" and ends; a second one quits at once, without a save. Each of several GPUs has a
    process that runs this loop. save(), validate() and poll_signal() need all of them.

    To validate every 500 steps, train with --val_freq 1 and insert before the check for a signal:

        images = 500 * dataset.global_batch_size  # per step: those of all micro-batches and GPUs
        if position.crossed_multiple_of(images) and not run.epoch_complete:  # end_epoch validates
            if run.validation.validate(position, run.visualizer):  # True: the best so far
                state.save("latest", "best")
    """
    model = run.model  # networks, losses and optimizers
    dataset = run.dataset  # gives the batches of an epoch; after a resume, those that are left
    step = run.step  # what options such as --amp add to a step (models/training/step.py)
    position = run.position  # epoch, from 1; images seen in this epoch and in total
    report = run.report  # decides when losses and images are due; run.visualizer shows them
    state = run.state  # saves the training, and resumes it

    while position.epoch <= run.last_epoch and not run.stopping:
        dataset.epoch = position.epoch  # with --seed, decides the order, crops and flips
        run.visualizer.reset()  # the page and other displays get images of each epoch
        # Learning rates are constant for n_epochs, then fall linearly towards 0 (section 7.1). The
        # factor is 1 - max(0, epoch - n_epochs) / (n_epochs_decay + 1): of 100 + 100 epochs, epoch
        # 101 has 100/101, and epoch 200 has 1/101. Other --lr_policy: util/schedules.py.
        run.set_learning_rates(position.epoch)
        names: list[int | str] = []
        for batch in report.timed_batches(dataset):
            # Seeds all random numbers first, by --seed and images_seen; averages weights at the
            # end (--ema). batch_share: this process's fraction of the step's images on all GPUs.
            with step.context(batch, dataset.batch_share, images_seen=position.total):
                if run.opt.accumulate > 1:  # the batch holds that many micro-batches
                    step.accumulate(batch)  # by model.gradient_methods
                else:
                    model.set_input(batch)
                    model.optimize_parameters()
            position.advance(dataset.last_batch_images)
            run.raise_if_failed()  # a gradient was not finite, or a save has failed
            report.log_and_show(position, model, dataset)  # by --print_freq and --display_freq
            names = state.names_due()  # every --save_latest_freq images: ["latest"] or ["iter_N"]
            if names and not run.epoch_complete:  # else end_epoch saves
                state.save(*names)
            if run.poll_signal():  # sets run.stopping
                break
        if run.epoch_complete:  # all images were seen, even if a signal came in the last step
            end_epoch(run, names)
        else:  # a signal has ended the epoch early
            state.save("latest")


def end_epoch(run: Run, names: list[int | str]) -> None:
    """Validate, show the progress, and save if due.

    Args:
        names: those due by --save_latest_freq, not saved yet.
    """
    position, validation = run.position, run.validation
    epoch = position.epoch
    if validation.is_due(epoch):  # every --val_freq epochs
        # Logs the metrics; with --ema, they are those of the averaged generators.
        is_best = validation.validate(position, run.visualizer)
        names = [*names, "best"] if is_best else names
    if epoch % run.opt.save_epoch_freq == 0:
        names = [*names, epoch]
    run.report.print_epoch(position, run.model)
    run.panel.show(run.model, epoch)  # the same few validation images, after every epoch
    position.begin_next_epoch()  # before the save, which contains the position
    run.poll_signal()  # sets run.stopping, also for a signal during the validation
    if names or run.stopping or epoch == run.last_epoch:
        run.state.save("latest", *names)  # a name that is given twice is written once


if __name__ == "__main__":
    run_main(main)
