"""Options of the dataset and of the preprocessing of images."""

from math import inf

from options.flags.flag import Flag
from util.limits import real, value_or_nan, whole

PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")

LIMIT = real(-1e300, 1e300)  # of a range of values
BAND = whole(1, 65535)

MAX_PIXELS = Flag("max_pixels", whole(1, 10**12), 10**8, "refuse images with more pixels")

FLAGS = (
    Flag("dataroot", str, None, "folder with trainA, trainB, testA, testB (pairs: train, test)"),
    Flag("dataset_mode", str, "unaligned", "name of a dataset class, or path of its .py file"),
    Flag("phase", str, "train", "part of the dataset: train reads trainA and trainB"),
    Flag("direction", ("AtoB", "BtoA"), "AtoB", "AtoB: translate domain A to domain B"),
    Flag("serial_batches", bool, False, "take images in order instead of shuffling them"),
    Flag("num_threads", whole(0, 256), 4, "processes that load images; 0: the main process"),
    Flag("batch_size", whole(1, 4096), 1, "images per step, in each process; 1 in the paper"),
    Flag(
        "max_dataset_size",
        whole(1, 10**9, unlimited=True),
        inf,
        "use at most N images of each domain",
    ),
    Flag("preprocess", PREPROCESS, "resize_and_crop", "resizing and cropping of loaded images"),
    Flag("load_size", whole(1, 8192), 286, "resize images to this size (or width)"),
    Flag("crop_size", whole(1, 8192), 256, "then crop images to this size"),
    Flag("no_flip", bool, False, "no random horizontal flips"),
    Flag("no_exif", bool, False, "ignore the orientation in EXIF data"),
    MAX_PIXELS,
    Flag(
        "value_range",
        LIMIT,
        None,
        "values that become -1..1, e.g. -1024 3071; default: 0 255, for 16 bits 0 65535",
        nargs=2,
        metavar=("LOW", "HIGH"),
    ),
    *(
        Flag(
            f"value_range_{domain}",
            LIMIT,
            None,
            f"the same for folder {domain} alone, whatever --direction",
            nargs=2,
            metavar=("LOW", "HIGH"),
        )
        for domain in "AB"
    ),
    *(
        Flag(
            f"bands_{domain}",
            BAND,
            None,
            f"bands of folder {domain} to use, counted from 1, e.g. 4 3 2; default: all",
            nargs="+",
            metavar="N",
        )
        for domain in "AB"
    ),
    Flag("nodata", value_or_nan, None, "pixels of this value (or nan) hold no data", metavar="X"),
    Flag("npz_key", str, None, "name of the array to read from .npz files", metavar="NAME"),
)
