"""Options of test.py only."""

from math import inf

from options.flags.flag import Flag
from util.limits import real, whole

FORMAT = ("png", "jpg", "webp", "tif", "npy")

FLAGS = (
    Flag("results_dir", str, "./results/", "folder of all results"),
    Flag("num_test", whole(1, 10**9, unlimited=True), inf, "test at most N images"),
    Flag("aspect_ratio", real(0.05, 20), 1.0, "stretch results: height over width, relative"),
    Flag("eval", bool, False, "evaluation mode: no dropout, running statistics in batch norm"),
    Flag("ema", bool, False, "use the averaged generators of a run with --ema"),
    Flag("save", str, None, "save only these, e.g. fake_B rec_A", nargs="+", metavar="LABEL"),
    Flag(
        "format",
        FORMAT,
        None,
        "file format of saved images (default: that of the files of each domain; png for 8 bits)",
    ),
)
