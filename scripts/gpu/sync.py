"""Steps do not wait for the GPU between two prints of losses."""

from __future__ import annotations

from collections.abc import Callable

import torch

from data import create_dataset
from models.training.step import Step
from scripts.gpu.checks import ATLAS, Check, Setup, Tally, Verdict
from scripts.gpu.training import SMALL, batch, build, models, options, size_for
from util.console import place_of
from util.errors import UsageError

SETTINGS = (
    "",
    "--amp bf16",
    "--amp fp16",
    "--channels_last",
    "--checkpoint_activations --norm instance",
    "--accumulate 2",
    "--ema 0.9",
    "--gan_mode wgangp",
    "--pool_size 50",
    "--norm batch",
)
REDUCED = ("", "--pool_size 50")


def checks() -> list[Check]:
    each_model = [Check("sync", model, settings, (model,), 15) for model in models()]
    return [*each_model, Check("sync", "loader", loader, (), 20)]


def settings(setup: Setup, model: str) -> Verdict:
    """Run steps in which PyTorch refuses to wait for the GPU, with each setting."""
    tally = Tally()
    for words in SETTINGS if setup.full else REDUCED:
        try:
            opt = options(setup, f"--model {model} {SMALL} {words}")
        except UsageError as error:  # a model or a GPU may refuse some settings
            tally.add(words, f"refused: {error}", "" if words else str(error))
            continue
        # Two images, because CoGAN's batch norm has no statistics of one
        data = batch(opt, 2 * opt.accumulate, size_for(model, (32, 32)))
        step = Step(opt, build(opt))
        step(data)  # allocates the states of the optimizers
        tally.add(words or "defaults", "ran", waits(setup, lambda: step(data)))  # noqa: B023
        step.check()
    return tally.verdict(f"{len(tally.figures)} settings{'' if setup.full else ' ran'}")


def loader(setup: Setup) -> Verdict:
    """Run steps on batches of the loader, as a training does."""
    opt = options(setup, f"{SMALL} --dataroot {ATLAS} --load_size 36 --crop_size 32")
    opt.max_dataset_size, opt.num_threads = 6, 2 if setup.full else 0
    batches = create_dataset(opt)
    batches.device = opt.device
    step = Step(opt, build(opt))
    for data in batches:  # the first epoch starts the workers
        step(data)

    def epoch() -> None:
        for data in batches:
            step(data)

    problem = waits(setup, epoch)
    batches.close()
    tally = Tally()
    tally.add("loader", "ran", problem)
    return tally.verdict("an epoch of 6 images")


def waits(setup: Setup, function: Callable[[], object]) -> str:
    """Call ``function``; return the place where it waits for the GPU, "" if it does not."""
    if not setup.full:
        function()
        return ""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        function()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        file, line = place_of(error)
        return f"waits at {file}:{line}"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""
