"""Options of the dataset and of the preprocessing of images."""

from math import inf

from options.flags.flag import Flag
from util.limits import whole

PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")

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
)
