"""Train a model, by default a CycleGAN: ``python train.py --dataroot ./datasets/atlas --name atlas``."""
from __future__ import annotations

import shlex
import sys
import time
from argparse import Namespace
from pathlib import Path

from options.train_options import TrainOptions
from util import checkpoint, distributed
from util.console import Progress, UserError, duration, run_main, say
from util.schedules import describe, last_epoch


def main() -> None:
    options = TrainOptions()
    opt = options.parse(record=False)
    if opt.dry_run:
        from scripts.check_data import report
        sys.exit(report(opt))
    from data import create_dataset
    from models import create_model
    from util.guard import Leaving, Lock, NonFinite, Watchdog
    from util.panel import Panel
    from util.run_state import RunState, recover
    from util.seeds import seed_everything
    from util.validation import Validation
    from util.visualizer import Visualizer

    folder = Path(opt.checkpoints_dir) / opt.name
    lock = Lock(folder)
    if distributed.is_main():
        recover(folder)
    distributed.start(opt.device)
    opt.seed = distributed.same(opt.seed)  # which may have been drawn
    leaving = Leaving()
    seed_everything(opt.seed, deterministic=opt.deterministic)
    dataset = create_dataset(opt)
    dataset.device = opt.device
    model = create_model(opt)
    model.setup(opt)
    with distributed.alone():
        validation = Validation(opt, model, dataset)
    if distributed.rank():  # the networks are alike, what they draw from now on is not
        seed_everything(opt.seed + distributed.rank())
    visualizer = Visualizer(opt)
    panel = Panel(opt, visualizer.sinks.get("the page"))
    run = RunState(opt, model, dataset, visualizer)
    if opt.continue_train:
        run.resume()
    options.print_options(opt)
    ranks = f" in each of {distributed.world()} processes" if distributed.world() > 1 else ""
    say(f"Training {opt.name} ({opt.model}) on {dataset.dataset}: {len(dataset)} images per epoch, "
        f"batches of {opt.batch_size}, on {opt.device}{ranks}, seed {opt.seed}")
    say(f"Learning rate: {describe(opt)}")
    if run.at.epoch > last_epoch(opt):
        say(f"This run has finished its {last_epoch(opt)} epochs; to extend it: --n_epochs or --n_epochs_decay")
    elif not checkpoint.resumable(opt):
        run.begin()
    try:
        with Watchdog(folder, opt.stall_timeout) as watchdog:
            train(opt, run, model, dataset, visualizer, panel, validation, leaving, watchdog)
    except RuntimeError as error:
        raise dataset.worker_died(error) or error from None
    except NonFinite as error:
        raise UserError(f"a gradient is not finite in epoch {run.at.epoch} at {error}; nothing of this step or after it is "
                        f"saved. Try a lower --lr, or --on_nonfinite skip. Go on with: {command(opt)}") from None
    finally:
        run.background.join()
        visualizer.close()
        dataset.close()
        lock.close()
    distributed.stop()
    if leaving.signal:
        say(f"Saved in epoch {run.at.epoch} after {run.at.seen} images. Go on with: {command(opt)}")
        leaving.leave()
    if dataset.skipped:
        say(f"Images that could not be read were left out {dataset.skipped} times")
    validation.conclude(run.at)
    page = "" if opt.no_html else f" Page: {folder / 'web' / 'index.html'}"
    say(f"Done in {duration(run.at.elapsed)}. Networks: {folder}.{page}")


def train(opt: Namespace, run, model, dataset, visualizer, panel, validation, leaving, watchdog) -> None:
    """The loop: epochs of steps, what is due after each, and a save at every end."""
    from data.loader import Unreadable
    from models.step import Step

    last, size, at = last_epoch(opt), len(dataset), run.at
    step = Step(opt, model)
    run.before_save = step.check
    progress = Progress(last * size, done=(at.epoch - 1) * size + at.seen)
    leaving.poll()
    while at.epoch <= last and not leaving.signal:
        model.epoch, model.metric = at.epoch - 1, distributed.same(model.metric)
        model.update_learning_rate()
        visualizer.reset()
        dataset.epoch, epoch_start, idle_since = at.epoch, time.time(), time.time()
        names: list[int | str] = []  # under which the networks are to be saved
        try:
            for data in dataset:
                step_start = time.time()
                step(data, dataset.share)
                at.seen += dataset.passed
                at.total += dataset.passed
                watchdog.step()
                run.background.check()  # whether the last save was written
                progress.update(dataset.passed, f"epoch {at.epoch}/{last}")
                if distributed.is_main():
                    with distributed.alone():
                        report(opt, at, dataset, model, visualizer, step_start, step_start - idle_since)
                due = crosses(at.total, dataset.passed, opt.save_latest_freq)
                names = ([f"iter_{at.total}"] if opt.save_by_iter else ["latest"]) if due else []
                if names and at.seen < size:
                    run.save(*names)
                if leaving.poll() and at.seen < size:
                    break
                idle_since = time.time()
            if at.seen >= size and validated(validation, at, visualizer):
                names.append("best")
        except Unreadable:  # an image that cannot be read: the steps before it are complete
            run.save("latest")
            run.background.wait()
            raise
        if at.seen < size and leaving.signal:
            run.save("latest")
        else:
            rates = [f"{group['lr']:.3g}" for optimizer in model.optimizers for group in optimizer.param_groups]
            say(f"End of epoch {at.epoch} / {last}, {duration(time.time() - epoch_start)}; "
                f"learning rate {', '.join(dict.fromkeys(rates))}")
            with distributed.alone():
                panel.show(model, at.epoch)
            ended, at.epoch, at.seen, at.shown, at.printed = at.epoch, at.epoch + 1, 0, False, False
            names += [ended] if ended % opt.save_epoch_freq == 0 else []
            if names or at.epoch > last or leaving.poll():
                run.save(*dict.fromkeys(["latest", *names]))
    run.background.wait()
    progress.close()


def validated(validation, at, visualizer) -> bool:
    """Whether rank 0, which alone measures, finds this epoch the best so far."""
    from data.loader import Unreadable

    best, error = False, ""
    if distributed.is_main():
        try:
            with distributed.alone():
                best = validation(at, visualizer)
        except UserError as e:
            error = str(e)
    best, error = distributed.same((best, error))
    if error:
        raise Unreadable(error)
    return best


def report(opt: Namespace, at, dataset, model, visualizer, step_start: float, waited: float) -> None:
    """Show and log what is due after a step, at least once an epoch."""
    size, passed = len(dataset), dataset.passed
    ends = at.seen >= size
    if crosses(at.total, passed, opt.print_freq) or (ends and not at.printed):
        at.printed = True
        losses = model.get_current_losses()
        more = {"lr": next((g["lr"] for o in model.optimizers for g in o.param_groups), 0.0),
                "time": (time.time() - step_start) / dataset.per_step, "data": waited}
        values, warnings = visualizer.health.check(model, losses, at.total)
        visualizer.scalars(at.epoch, at.seen, size, at.total, losses, more | values)
        for warning in warnings:
            visualizer.text(at.epoch, warning)
    if crosses(at.total, passed, opt.display_freq) or (ends and not at.shown):
        at.shown = True
        model.compute_visuals()
        save = crosses(at.total, passed, opt.update_html_freq)
        visualizer.display_current_results(model.get_current_visuals(), at.epoch, save)


def crosses(total: int, passed: int, frequency: int) -> bool:
    """Whether the last batch, of ``passed`` images, took ``total`` to or over a multiple of ``frequency``."""
    return total // frequency > (total - passed) // frequency


def command(opt: Namespace) -> str:
    where = "" if opt.checkpoints_dir == "./checkpoints" else f" --checkpoints_dir {shlex.quote(opt.checkpoints_dir)}"
    program = "python" if distributed.world() == 1 else f"torchrun --nproc_per_node {distributed.local_world()}"
    return f"{program} train.py --continue_train --name {shlex.quote(opt.name)}{where}"


if __name__ == "__main__":
    run_main(main)
