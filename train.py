"""Train a model, by default a CycleGAN: ``python train.py --dataroot ./datasets/atlas --name atlas``."""
from __future__ import annotations

import time

from options.train_options import TrainOptions
from util.console import Progress, duration, run_main, say
from util.schedules import describe, last_epoch


def main() -> None:
    opt = TrainOptions().parse()
    from data import create_dataset
    from models import create_model
    from util.seeds import seed_everything
    from util.visualizer import Visualizer

    seed_everything(opt.seed)
    dataset = create_dataset(opt)
    model = create_model(opt)
    model.setup(opt)
    visualizer = Visualizer(opt)
    last = last_epoch(opt)
    say(f"Training {opt.name} ({opt.model}) on {dataset.dataset}: {len(dataset)} images per epoch, batches of {opt.batch_size}, "
        f"on {opt.device}, seed {opt.seed}")
    say(f"Learning rate: {describe(opt)}")

    start, total = time.time(), 0
    progress = Progress((last - opt.epoch_count + 1) * len(dataset))
    for epoch in range(opt.epoch_count, last + 1):
        epoch_start = idle_since = time.time()
        model.update_learning_rate(epoch)
        visualizer.reset()
        dataset.epoch = epoch
        seen, shown, printed = 0, False, False  # images of this epoch; as officially, a short last batch counts in full
        for data in dataset:
            step_start = time.time()
            seen += opt.batch_size
            total += opt.batch_size
            ends = seen >= len(dataset)

            def due(frequency: int, done: bool = True, total: int = total, ends: bool = ends) -> bool:
                """Whether ``total`` has just crossed a multiple; also at the end of an epoch without one (``done`` False)."""
                return total // frequency > (total - opt.batch_size) // frequency or (ends and not done)

            model.set_input(data)
            model.optimize_parameters()
            progress.update(min(opt.batch_size, len(dataset) - seen + opt.batch_size), f"epoch {epoch}/{last}")

            if due(opt.display_freq, shown):
                shown = True
                model.compute_visuals()
                visualizer.display_current_results(model.get_current_visuals(), epoch, due(opt.update_html_freq))
            if due(opt.print_freq, printed):
                printed = True
                losses = model.get_current_losses()
                visualizer.print_current_losses(epoch, seen, losses, (time.time() - step_start) / opt.batch_size,
                                                step_start - idle_since)
                visualizer.plot_current_losses(epoch, seen / len(dataset), losses)
            if due(opt.save_latest_freq):
                model.save_networks(f"iter_{total}" if opt.save_by_iter else "latest")
            idle_since = time.time()
        if epoch % opt.save_epoch_freq == 0:
            model.save_networks(epoch)
        if epoch % opt.save_epoch_freq == 0 or epoch == last:
            model.save_networks("latest")
        say(f"End of epoch {epoch} / {last}, {duration(time.time() - epoch_start)}; learning rate {model.learning_rate:.3g}")
    progress.close()
    visualizer.close()
    say(f"Done in {duration(time.time() - start)}. Networks: {model.save_dir}. "
        + ("" if opt.no_html else f"Page: {model.save_dir / 'web' / 'index.html'}"))


if __name__ == "__main__":
    run_main(main)
