"""The time of a training, from a few steps on its device, for ``train.py --dry_run``."""

from __future__ import annotations

import statistics
import time
from argparse import Namespace
from datetime import timedelta

from models import create_model
from models.training.memory import out_of_memory
from models.training.step import Step
from util import distributed
from util.errors import is_out_of_memory
from util.words import amount

STEPS = 3


def line(opt: Namespace, batch: dict, steps: int) -> str:
    """Return a line with the time of ``steps`` steps, from three that are timed.

    They train a new model with random weights, and nothing of the run is read or written. The
    step before them is not timed: it takes longer, because memory is allocated and networks are
    compiled.

    Args:
        batch: a batch of the dataset, on any device.
        steps: those of the whole training.

    Raises:
        UserError: a step needs more memory than there is, or an option does not fit the model.
    """
    try:
        with distributed.single_rank():
            seconds = statistics.median(timed_steps(Step(opt, create_model(opt)), batch))
    except Exception as error:  # of any kind, from the code of a model
        if is_out_of_memory(error):
            raise out_of_memory(opt) from error
        raise
    return (
        f"Time: about {shown(seconds * steps)} for {amount(steps, 'step')} of {seconds:.3g} s on "
        f"{opt.device}, the median of {STEPS} steps with random weights; reading of images that "
        "takes longer than a step, saving and validation add to it"
    )


def timed_steps(step: Step, batch: dict) -> list[float]:
    """Return the seconds of each of three steps, after one that is not timed."""
    seconds = []
    for _ in range(1 + STEPS):
        begin = time.perf_counter()
        step(batch)
        step.check()  # waits for the device
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def shown(seconds: float) -> str:
    """Return "43 hours", or hours, minutes and seconds below ten hours."""
    if seconds < 36_000:
        return str(timedelta(seconds=round(seconds)))
    hours = round(seconds / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours} hours ({hours / 24:.1f} days)"
