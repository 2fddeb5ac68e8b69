"""Options of test.py only."""

from math import inf

from options.flags.flag import Flag

FORMAT = ("png", "jpg", "webp")

FLAGS = (
    Flag("results_dir", str, "./results/", "folder of all results"),
    Flag("num_test", int, inf, "test at most N images", lowest=1),
    Flag("aspect_ratio", float, 1.0, "stretch results: height over width, relative", above=0),
    Flag("eval", bool, False, "evaluation mode: no dropout, running statistics in batch norm"),
    Flag("ema", bool, False, "use the averaged generators of a run with --ema"),
    Flag("save", str, None, "save only these, e.g. fake_B rec_A", nargs="+", metavar="LABEL"),
    Flag("format", FORMAT, "png", "file format of saved images"),
)
