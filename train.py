"""Train a model, by default a CycleGAN: ``python train.py --dataroot ./datasets/atlas --name atlas``."""

from __future__ import annotations

import shlex
import sys
import time
from argparse import Namespace
from pathlib import Path

from options.train_options import TrainOptions
from util import checkpoint, distributed
from util.console import Progress, duration, run_main, say
from util.errors import UserError
from util.schedules import describe, last_epoch


def main() -> None:
    options = TrainOptions()
    opt = options.parse(record=False)
    if opt.dry_run:
        from models.training.check_data import report

        sys.exit(report(opt))
    training = Training(opt)
    options.print_options(opt)
    training.begin()
    training.run()
    training.conclude()


class Training:
    """A run's parts, and the loop over epochs and steps. ``at`` says how far it is."""

    def __init__(self, opt: Namespace) -> None:
        from data import create_dataset
        from models import create_model
        from models.training.panel import Panel
        from models.training.report import Report
        from models.training.run_state import RunState
        from models.training.state_files import recover
        from models.training.validation import Validation
        from util.process import Lock, SignalHandler
        from util.seeds import seed_everything
        from util.visualizer import Visualizer

        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name
        self.lock = Lock(self.folder)
        if distributed.is_main():
            recover(self.folder)
        distributed.start(opt.device)
        opt.seed = distributed.broadcast_object(opt.seed)  # which may have been drawn
        self.leaving = SignalHandler()
        seed_everything(opt.seed, deterministic=opt.deterministic)
        self.dataset = create_dataset(opt)
        self.dataset.device = opt.device
        self.model = create_model(opt)
        self.model.setup(opt)
        with distributed.single_rank():
            self.validation = Validation(opt, self.model, self.dataset)
        self.visualizer = Visualizer(opt)
        self.panel = Panel(opt, self.visualizer.sinks.get("the page"))
        self.report = Report(opt, self.visualizer)
        self.state = RunState(opt, self.model, self.dataset, self.report)
        if opt.continue_train:
            self.state.resume()
        self.at, self.last, self.size = self.state.at, last_epoch(opt), len(self.dataset)

    def begin(self) -> None:
        """Say what will be done, and save a first state."""
        opt = self.opt
        ranks = (
            f" in each of {distributed.world_size()} processes"
            if distributed.world_size() > 1
            else ""
        )
        say(
            f"Training {opt.name} ({opt.model}) on {self.dataset.dataset}: {self.size} images per epoch, "
            f"batches of {opt.batch_size}, on {opt.device}{ranks}, seed {opt.seed}"
        )
        say(f"Learning rate: {describe(opt)}")
        if self.at.epoch > self.last:
            say(
                f"This run has finished its {self.last} epochs; to extend it: --n_epochs or --n_epochs_decay"
            )
        elif not checkpoint.resumes_from_state(opt):
            self.state.begin()

    def run(self) -> None:
        """Train up to the last epoch or a signal. Afterwards nothing runs any more, whatever has happened."""
        from models.training.gradients import NonFinite
        from models.training.step import Step
        from util.process import Watchdog

        try:
            with Watchdog(self.folder, self.opt.stall_timeout) as self.watchdog:
                self.step = Step(self.opt, self.model)
                self.state.before_save = self.step.check
                self.progress = Progress(
                    self.last * self.size, done=(self.at.epoch - 1) * self.size + self.at.seen
                )
                self.leaving.poll()
                while self.at.epoch <= self.last and not self.leaving.signal:
                    self.epoch()
                self.state.background.wait()
                self.progress.close()
        except RuntimeError as error:
            raise self.dataset.worker_died(error) or error from None
        except NonFinite as error:
            raise UserError(
                f"a gradient is not finite in epoch {self.at.epoch} at {error}; nothing of this step or after it is "
                f"saved. Try a lower --lr, or --on_nonfinite skip. Go on with: {command(self.opt)}"
            ) from None
        finally:
            self.state.background.join()
            self.visualizer.close()
            self.dataset.close()
            self.lock.close()
        distributed.stop()

    def epoch(self) -> None:
        """All that is left of an epoch, with what is due at its end; or up to a signal, with a save."""
        from data.pipeline.loader import Unreadable

        at, model, start = self.at, self.model, time.time()
        model.epoch, model.metric = at.epoch - 1, distributed.broadcast_object(model.metric)
        model.update_learning_rate()
        self.visualizer.reset()
        self.dataset.epoch = at.epoch
        try:
            names = self.steps()
            if at.seen >= self.size and self.validation(at, self.visualizer):
                names.append("best")
        except Unreadable:  # an image that cannot be read: the steps before it are complete
            self.state.save("latest")
            self.state.background.wait()
            raise
        if at.seen < self.size and self.leaving.signal:
            self.state.save("latest")
            return
        rates = [
            f"{group['lr']:.3g}"
            for optimizer in model.optimizers
            for group in optimizer.param_groups
        ]
        say(
            f"End of epoch {at.epoch} / {self.last}, {duration(time.time() - start)}; "
            f"learning rate {', '.join(dict.fromkeys(rates))}"
        )
        with distributed.single_rank():
            self.panel.show(model, at.epoch)
        if at.epoch % self.opt.save_epoch_freq == 0:
            names.append(at.epoch)
        at.epoch, at.seen, at.shown, at.printed = at.epoch + 1, 0, False, False
        if names or at.epoch > self.last or self.leaving.poll():
            self.state.save(*dict.fromkeys(["latest", *names]))

    def steps(self) -> list[int | str]:
        """Train on the batches of an epoch; returns the names under which its last step is to be saved."""
        at, dataset, idle_since = self.at, self.dataset, time.time()
        names: list[int | str] = []
        for data in dataset:
            start = time.time()
            self.step(data, dataset.batch_weight, at.total)
            at.seen += dataset.last_batch_images
            at.total += dataset.last_batch_images
            self.watchdog.step()
            self.state.background.check()  # whether the last save was written
            if at.crosses(self.opt.print_freq, dataset.last_batch_images):
                self.step.check()  # printing waits for the device anyway
            self.progress.update(dataset.last_batch_images, f"epoch {at.epoch}/{self.last}")
            if distributed.is_main():
                with distributed.single_rank():
                    self.report.after_step(at, self.model, dataset, start, start - idle_since)
            due = at.crosses(self.opt.save_latest_freq, dataset.last_batch_images)
            names = [f"iter_{at.total}" if self.opt.save_by_iter else "latest"] if due else []
            if names and at.seen < self.size:
                self.state.save(*names)
            if self.leaving.poll() and at.seen < self.size:
                break
            idle_since = time.time()
        return names

    def conclude(self) -> None:
        """Say what there is now; after a signal, leave by it."""
        if self.leaving.signal:
            say(
                f"Saved in epoch {self.at.epoch} after {self.at.seen} images. Go on with: {command(self.opt)}"
            )
            self.leaving.leave()
        if self.dataset.skipped:
            say(f"Images that could not be read were left out {self.dataset.skipped} times")
        self.validation.conclude(self.at)
        page = "" if self.opt.no_html else f" Page: {self.folder / 'web' / 'index.html'}"
        say(f"Done in {duration(self.at.elapsed)}. Networks: {self.folder}.{page}")


def command(opt: Namespace) -> str:
    where = (
        ""
        if opt.checkpoints_dir == "./checkpoints"
        else f" --checkpoints_dir {shlex.quote(opt.checkpoints_dir)}"
    )
    program = (
        "python"
        if distributed.world_size() == 1
        else f"torchrun --nproc_per_node {distributed.local_world_size()}"
    )
    return f"{program} train.py --continue_train --name {shlex.quote(opt.name)}{where}"


if __name__ == "__main__":
    run_main(main)
