"""Options of the dataset and of the preprocessing of images."""

from math import inf

from options.flags.flag import Flag

PREPROCESS = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none")

FLAGS = (
    Flag("dataroot", str, None, "folder with trainA, trainB, testA, testB (pairs: train, test)"),
    Flag("dataset_mode", str, "unaligned", "name of a dataset class, or path of its .py file"),
    Flag("phase", str, "train", "part of the dataset: train reads trainA and trainB"),
    Flag("direction", ("AtoB", "BtoA"), "AtoB", "AtoB: translate domain A to domain B"),
    Flag("serial_batches", bool, False, "take images in order instead of shuffling them"),
    Flag("num_threads", int, 4, "processes that load images; 0: the main process", lowest=0),
    Flag("batch_size", int, 1, "images per step, in each process; 1 in the paper", lowest=1),
    Flag("max_dataset_size", int, inf, "use at most N images of each domain", lowest=1),
    Flag("preprocess", PREPROCESS, "resize_and_crop", "resizing and cropping of loaded images"),
    Flag("load_size", int, 286, "resize images to this size (or width)", lowest=1),
    Flag("crop_size", int, 256, "then crop images to this size", lowest=1),
    Flag("no_flip", bool, False, "no random horizontal flips"),
    Flag("no_exif", bool, False, "ignore the orientation in EXIF data"),
)
