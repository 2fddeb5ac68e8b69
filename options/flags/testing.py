"""Options of test.py only."""

from math import inf

from options.flags.flag import Flag
from util.limits import real, whole

TILE_STATS = ("exact", "sample")
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
    Flag(
        "tile",
        whole(1, 10**6),
        None,
        "translate in tiles of N pixels, without seams: bounded memory, with --preprocess none and "
        "TIFF or .npy files for the images themselves, too (docs/large_images.md)",
    ),
    Flag(
        "tile_stats",
        TILE_STATS,
        None,
        "with --tile, norms use statistics of the whole image or of a sample of tiles, with the "
        "measured error (default: exact, if it takes at most an hour)",
    ),
    Flag(
        "tile_samples",
        whole(8, 10**6),
        None,
        "with --tile_stats sample, the number of tiles of the sample, a multiple of 4 (default: a "
        "tenth of all tiles, at least 16)",
    ),
)
