"""Creates the sinks that the options select."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from util.sinks.base import Sink, ThreadedSink
from util.sinks.tensorboard_sink import TensorBoardSink
from util.sinks.training_page import TrainingPage
from util.sinks.visdom_sink import VisdomSink
from util.sinks.wandb_sink import WandbSink

WANDB = "Weights & Biases"
UPLOAD = 30.0  # seconds that the end of a run waits for W&B, which starts in 3 s and then uploads


def make_sinks(opt: Namespace, folder: Path) -> dict[str, Sink]:
    """Create the sinks of the run in ``folder``.

    Returns:
        Name -> sink. Messages and saved states use these names.

    Raises:
        UserError: a package that the options ask for is not installed.
    """
    sinks: dict[str, Sink] = {}
    if opt.isTrain and not opt.no_html:
        sinks["the page"] = TrainingPage(opt, folder / "web")
    if opt.display_id > 0:
        sinks["visdom"] = ThreadedSink(VisdomSink(opt, folder))
    if opt.use_tensorboard:
        sinks["TensorBoard"] = ThreadedSink(TensorBoardSink(folder / "tensorboard"))
    if opt.use_wandb:
        sinks[WANDB] = ThreadedSink(WandbSink(opt), patience=UPLOAD)
    return sinks
