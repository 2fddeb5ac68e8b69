"""Options of every program: the run, the device, the seed, and which weights are loaded."""

from options.flags.flag import Flag
from util.limits import whole

FLAGS = (
    Flag("name", str, "experiment_name", "name of the run, a folder in --checkpoints_dir"),
    Flag("checkpoints_dir", str, "./checkpoints", "folder of all runs"),
    Flag("suffix", str, "", "appended to --name; may name options, e.g. {model}_{netG}"),
    Flag(
        "config",
        str,
        None,
        "options from a JSON file, e.g. train_opt.json of a run; others on the command line win",
        metavar="FILE",
    ),
    Flag("gpu_ids", str, "auto", "number of the GPU, -1: CPU; several GPUs: use torchrun"),
    Flag("seed", whole(0, 2**32 - 1), None, "seed; training draws one, tests use 0"),
    Flag("epoch", str, "latest", "saved networks to load: number of an epoch, latest, or best"),
    Flag(
        "load_iter",
        whole(0, 10**12),
        0,
        "load the networks iter_N of --save_by_iter; 0: use --epoch",
    ),
    Flag("verbose", bool, False, "print all options and the layers of the networks"),
    Flag(
        "display_winsize", whole(1, 10**4), 256, "width of images in pixels on pages and in visdom"
    ),
    Flag(
        "show_bands",
        whole(1, 65535),
        None,
        "bands that pages show: one as gray, two as magenta and green, or red, green and blue; "
        "default: the first three",
        nargs="+",
    ),
    Flag(
        "show_range",
        ("range", "percentiles"),
        "range",
        "values that pages show from black to white",
    ),
    Flag("use_wandb", bool, False, "log to Weights & Biases (pip install wandb)"),
    Flag("wandb_project_name", str, "CycleGAN-and-pix2pix", "project on Weights & Biases"),
)
