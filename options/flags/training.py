"""Options of the training loop: averaging, safety, reproducibility."""

from options.flags.flag import Flag
from util.limits import real, whole

ON_ERROR = ("stop", "skip")

FLAGS = (
    Flag(
        "dry_run",
        bool,
        False,
        "check the data, print the plan with time, memory and disk space, and exit",
    ),
    Flag("ema", real(0, below=1), 0.0, "decay of averaged generators, e.g. 0.999; 0: none"),
    Flag("init_bare", bool, False, "initialize the networks that a custom model built itself, too"),
    Flag("deterministic", bool, False, "bitwise reproducible on GPUs too, but slower"),
    Flag(
        "min_batch", whole(1, 4096), 1, "fewer images at the end of an epoch join the batch before"
    ),
    Flag("on_bad_image", ON_ERROR, "stop", "what to do if an image cannot be read"),
    Flag("on_nonfinite", ON_ERROR, "stop", "what to do if a gradient is infinite or NaN"),
    Flag(
        "stall_timeout",
        real(1, 10**7, zero=True),
        600,
        "log stacks after X seconds without a step; 0: never",
    ),
)
