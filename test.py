"""Translate images with a trained model: ``python test.py --dataroot DATA --name RUN``."""

from __future__ import annotations

from options.program import Program
from options.test_options import TestOptions
from util.console import Progress, run_main, say
from util.option_defaults import theirs
from util.words import amount


def main() -> None:
    options = Program(TestOptions())
    opt = options.parse()
    from data import create_dataset
    from data.pipeline.loader import Unreadable
    from models import create_model
    from models.translation.results import Results, translate_batches
    from models.translation.tiling.network import tile_networks
    from models.translation.windowed_test import windowed_test
    from util.modules import batch_dependence

    dataset = create_dataset(opt)
    dataset.device = opt.device
    model = create_model(opt)
    model.setup(theirs(opt))
    options.record(opt)
    if opt.eval:
        model.eval()
    if opt.use_wandb:
        say("--use_wandb: tests are not logged there; the results page shows them")
    count = int(min(len(dataset), opt.num_test))
    if count < len(dataset):
        images = amount(len(dataset), "image")
        say(f"--num_test {count}: only the first {count} of {images} are tested")
    results = Results(opt, dataset.values)
    if opt.batch_size > 1 and (causes := batch_dependence(model.get_networks().values())):
        results.note(f"--batch_size {opt.batch_size} changes the results, because of {causes}")
    if opt.tile:
        tile_networks(model, count, results.note)
    windows = windowed_test(model, dataset, results, count) if opt.tile else None
    test = windows.run() if windows else translate_batches(model, dataset, results, count)
    progress = Progress(count, "Translating")
    try:
        for number in test:
            progress.update(number)
    except Unreadable:
        images = amount(count, "image")
        results.note(f"Only {progress.done} of {images}: the next cannot be translated")
        results.close()
        raise
    progress.close()
    results.close()
    if windows:
        windows.close()
    say(f"{amount(count, 'image')} on {opt.device}: {results.folder / 'index.html'}")


if __name__ == "__main__":
    run_main(main, "smaller images (--load_size, --crop_size), --batch_size 1, or --tile")
