"""Options of speed and memory (docs/performance.md)."""

from options.flags.flag import Flag
from util.limits import whole

FLAGS = (
    Flag("amp", ("none", "bf16", "fp16"), "none", "mixed precision; bf16: GPUs since 2020"),
    Flag("compile", bool, False, "compile the networks; the first steps take minutes"),
    Flag("cuda_graphs", bool, False, "capture each compiled network in a CUDA graph"),
    Flag("channels_last", bool, False, "channels-last memory format; best with --compile"),
    Flag("no_tf32", bool, False, "full float32 instead of TF32 on GPUs, a third of the speed"),
    Flag("accumulate", whole(1, 10**4), 1, "gradient accumulation: N micro-batches per step"),
    Flag(
        "checkpoint_activations",
        bool,
        False,
        "activation checkpointing of ResNet generators: less memory, a third slower",
    ),
    Flag(
        "cache_images",
        str,
        None,
        "cache decoded, resized images in FOLDER (without a value: CHECKPOINTS_DIR/.cache)",
        nargs="?",
        metavar="FOLDER",
    ),
    Flag("jpeg_draft", bool, False, "decode large JPEGs at 1/2, 1/4 or 1/8: faster, less exact"),
)
