"""One training: creates its parts, starts or resumes it, reports errors and ends it."""

from __future__ import annotations

import contextlib
import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from data import create_dataset
from data.pipeline.loader import Unreadable
from data.pipeline.processes import worker_error
from models import create_model
from models.base_model import BaseModel
from models.training.averaging import young_average
from models.training.disk import budget, expected_state
from models.training.facts import facts_of_start, resume_command
from models.training.gradients import NonFinite
from models.training.memory import out_of_memory
from models.training.panel import Panel
from models.training.report import Report
from models.training.run_index import RunIndex
from models.training.run_state import RunState
from models.training.schedulers import describe
from models.training.state_files import recover
from models.training.step import Step
from models.training.validation import Validation
from util import checkpoint, distributed, values
from util.console import Progress, duration, quiet, say, warn
from util.errors import UserError, first_line, is_out_of_memory
from util.lock import Lock
from util.option_defaults import theirs
from util.seeds import seed_everything
from util.sinks.training_page import TrainingPage
from util.training_process import SignalHandler, Watchdog
from util.visualizer import Visualizer
from util.words import amount


class Run:
    """One training in ``checkpoints/NAME``.

    Attributes (most exist only inside :meth:`create_or_restore`):
        position: the epoch, and the images seen in this epoch and in total. Restored by
            ``--continue_train``.
        last_epoch: ``n_epochs + n_epochs_decay``, or the epoch in which ``--early_stop`` ends it.
        dataset: iterating gives the batches of one epoch, or the rest of an epoch after a resume.
        model: the networks, losses and optimizers.
        step: ``step(batch, weight, images_seen)`` trains the model on one batch. Created by
            :meth:`prepare_first_step`.
        stopping: True once :meth:`poll_signal` has found a signal to stop, on any rank.
        report: logs the losses and shows images when they are due.
        validation: measures the model every ``--val_freq`` epochs.
        finished_before: True if ``--continue_train`` finds nothing left to train.
        panel: translates the same images after every epoch.
        visualizer: passes losses and images to all sinks (page, visdom, ...).
        index: the page of all runs, written at the start, after each save, and at the end.
        state: ``state.save(*names)`` saves state.pth and ``{name}_net_*.pth``.
        watchdog: writes the stall log.
        progress: the progress bar. Created by :meth:`prepare_first_step`.
    """

    def __init__(self, opt: Namespace) -> None:
        self.opt, self.folder = opt, Path(opt.checkpoints_dir) / opt.name

    @property
    def last_epoch(self) -> int:
        return self.validation.last_epoch(self.position)

    @contextlib.contextmanager
    def create_or_restore(self) -> Iterator[None]:
        """A context manager: creates all parts, turns errors into one line, closes the parts.

        Raises UserError: another training runs in the folder, a part cannot be created, an image
            cannot be read (the steps before it are saved), a worker process died, a gradient is not
            finite, or the memory does not suffice.
        """
        with contextlib.ExitStack() as parts, self._errors_in_one_line():
            self._create(parts)
            try:
                yield
            except Unreadable:
                self.state.save("latest")
                self.state.background.wait()
                raise
            self.state.background.wait()
            self.progress.close()
        distributed.stop()

    def _create(self, parts: contextlib.ExitStack) -> None:
        """Create all parts, and restore the saved state with ``--continue_train``.

        Args:
            parts: gets the functions to call at the end, in reverse order.
        """
        opt, call_at_end = self.opt, parts.callback
        self.waiting = contextlib.ExitStack()
        self.lines = self.waiting.enter_context(quiet()) if opt.continue_train else []
        call_at_end(self._say_waiting)
        self.lock = Lock(self.folder)
        call_at_end(self.lock.close)
        self.watchdog = Watchdog(self.folder, opt.stall_timeout)  # a start may hang, too
        call_at_end(self.watchdog.close)
        if distributed.is_main():
            recover(self.folder)
        distributed.start(opt.device)
        opt.seed = distributed.broadcast_object(opt.seed)
        self.signals, self.stopping = SignalHandler(), False
        seed_everything(opt.seed, deterministic=opt.deterministic)  # equal weights on all ranks
        self.dataset = create_dataset(opt)
        call_at_end(self.dataset.close)
        self.dataset.device, self.dataset.raise_on_all_ranks = opt.device, True
        self.model = create_model(opt)
        self.model.setup(theirs(opt))
        with distributed.single_rank():
            self.validation = Validation(opt, self.model, self.dataset)
        self.lock.check()  # the visualizer writes; creating the model has taken seconds
        self.visualizer, self.index = Visualizer(opt), RunIndex(opt)
        parts.push(self._note_end)  # once the visualizer has written its last lines
        call_at_end(self.visualizer.close)
        page = self.visualizer.sinks.get("the page")
        if isinstance(page, TrainingPage):
            page.facts = facts_of_start(opt, self.model, self.dataset.values)
            page.last_epoch = lambda: self.last_epoch
        self.panel = Panel(opt, page)
        self.report = Report(opt, self.visualizer)
        self.state = RunState(opt, self.model, self.dataset, self.report)
        call_at_end(self.state.background.join)
        for writer in (self.visualizer, self.panel, self.state):
            writer.before_write = self.lock.check
        if opt.continue_train:
            self.state.resume()
        self.position = self.state.position

    @contextlib.contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        """Turn errors of memory, workers and gradients, which are no bugs, into a UserError."""
        try:
            yield
        except (MemoryError, RuntimeError, OSError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(self.opt) from None
            raise worker_error(error, self.opt.num_threads) or error from None
        except NonFinite as error:
            raise UserError(
                f"a gradient is not finite in epoch {self.position.epoch} at {error}; nothing of "
                "this step or after it is saved. Try a lower --lr, or --on_nonfinite skip. "
                f"Resume with: {resume_command(self.opt)}"
            ) from None

    def _note_end(self, kind: type | None, error: BaseException | None, traceback: object) -> None:
        """Write how the training ended to its log and to the index of all runs.

        The arguments are those of ``__exit__``.
        """
        if not self.lock.begun:
            return
        with contextlib.suppress(UserError):  # the folder has been moved: nothing more is written
            self.lock.check()
            if isinstance(error, Exception):
                end = f"failed, {first_line(error)}"
            else:
                end = "finished" if self.position.epoch > self.last_epoch else "interrupted"
                early = self.validation.early_end(self.position)
                end += early and f", {early}"
            self.index.note_end(self.visualizer, min(self.position.epoch, self.last_epoch), end)

    def prepare_first_step(self) -> None:
        """Print the plan, save the initial state of a new run, and prepare the step."""
        opt, self.finished_before = self.opt, self.position.epoch > self.last_epoch
        self._say_waiting(wanted=not self.finished_before)
        if self.finished_before:
            say(f"This run {self.validation.how_it_ended(self.position)}.{self._page_address()}")
        else:
            self._say_plan()
            self._warn_of_a_full_disk()
            self._log_facts()
            if distributed.is_main():
                values.save(self.folder, self.dataset.values)
            if not checkpoint.resumes_from_state(opt):
                self.state.begin()
        self.lock.begun = True
        self.index.update()
        self.state.after_save = self.index.update
        self.step = Step(opt, self.model)
        self.state.before_save = self.step.check  # non-finite weights are never saved
        if self.position.total == 0 and self.position.epoch <= self.last_epoch:
            self.panel.show_first(self.model, self.position.epoch - 1)
        if not (self.finished_before or opt.no_html):
            say(self._page_address().strip())  # the panel has made the page
        batch = self.dataset.global_batch_size
        per_epoch = math.ceil(len(self.dataset) / batch) * batch  # a short batch counts as full
        done = (self.position.epoch - 1) * per_epoch + self.position.seen
        self.progress = Progress(self.last_epoch * per_epoch, done=done)
        self.poll_signal()

    def _say_waiting(self, wanted: bool = True) -> None:
        """Print the lines of a resumed run so far, or drop them if nothing is left to train."""
        self.waiting.close()
        lines, self.lines = self.lines, []
        if lines and wanted:
            say(*lines)

    def _say_plan(self) -> None:
        opt, ranks = self.opt, distributed.world_size()
        say(
            f"Training {opt.name} ({opt.model}) on {self.dataset.dataset}: "
            f"{amount(len(self.dataset), 'image')} per epoch, batches of {opt.batch_size}, "
            f"on {opt.device}{f' in each of {ranks} processes' * (ranks > 1)}, seed {opt.seed}"
        )
        say(f"Learning rate: {describe(opt)}")
        steps = self.last_epoch * len(self.dataset.order.weights())
        if distributed.is_main() and (problem := young_average(opt.ema, steps)):
            warn(problem)

    def _page_address(self) -> str:
        """Return " Page: file:///..." if there is a page: most terminals open this on a click."""
        page = self.folder.absolute() / "web" / "index.html"
        return "" if self.opt.no_html else f" Page: {page.as_uri()}"

    def _log_facts(self) -> None:
        """Log facts of the model, such as its content loss; on a resume, those that are new."""
        facts, lines = getattr(self.model, "facts_of_run", ()), []
        if facts and checkpoint.resumes_from_state(self.opt):
            log = self.visualizer.log.path
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for fact in facts:
            kind = fact.partition(":")[0] + ":"
            if [line for line in lines if line.startswith(kind)][-1:] != [fact]:
                self.visualizer.text(0, fact)

    def _warn_of_a_full_disk(self) -> None:
        """Print a warning if the disk has too little free space for all planned saves."""
        if distributed.is_main():
            state_size = expected_state(self.model)
            saves = budget(self.opt, self.model, state_size, len(self.dataset), self.position.epoch)
            if problem := saves.problem():
                warn(f"--checkpoints_dir {self.opt.checkpoints_dir}: {problem}")

    def set_learning_rates(self, epoch: int) -> None:
        """Call the model's official ``update_learning_rate()`` for ``epoch``, counted from 1."""
        self.model.set_next_epoch(epoch)
        self.model.metric = distributed.broadcast_object(self.model.metric)  # --lr_policy plateau
        own = self.model.overrides(BaseModel, "update_learning_rate")
        if not (own and self.position.seen):  # a method of a custom model may count its calls
            self.model.update_learning_rate()

    def raise_if_failed(self) -> None:
        """Check the last step, and show the progress.

        Raises:
            UserError: the last save failed.
            NonFinite: a gradient was not finite. On a GPU, this is checked only when losses are
                printed, because the check waits for the GPU.
        """
        position = self.position
        self.watchdog.step()
        self.state.background.check()
        if position.crossed_multiple_of(self.opt.print_freq):
            self.step.check()  # printing losses waits for the GPU, too
        self.progress.update(position.last_images, f"epoch {position.epoch}/{self.last_epoch}")

    @property
    def epoch_complete(self) -> bool:
        """True if all images of this epoch have been seen (on all ranks together)."""
        return self.position.seen >= len(self.dataset)

    def poll_signal(self) -> bool:
        """Set :attr:`stopping` on all ranks if any has received a signal to stop, and return it.

        All ranks must call this.
        """
        self.stopping = self.signals.poll() > 0
        return self.stopping

    def finish(self) -> None:
        """Print where the results are; after a signal, end with its exit status."""
        opt, position = self.opt, self.position
        if self.stopping:
            say(
                f"Saved in epoch {position.epoch} after {amount(position.seen, 'image')}. "
                f"Resume with: {resume_command(opt)}"
            )
            self.signals.leave()
        if self.dataset.skipped:
            times = amount(self.dataset.skipped, "time")
            say(f"Images that could not be read were left out {times}")
        if self.finished_before:
            return  # and prepare_first_step has said so
        self.validation.conclude(position)
        others = f"; all runs: {self.index.path}" if self.index.wanted else ""
        networks = f"Networks: {self.folder}{others}.{self._page_address()}"
        say(f"Done in {duration(position.elapsed)}. {networks}")
