"""Options of validation."""

from options.flags.flag import Flag
from util.limits import real, whole

METRIC = ("auto", "l1", "psnr", "ssim", "cycle", "patches")

FLAGS = (
    Flag("val_freq", whole(0, 10**6), 0, "validate every N epochs on valA, valB or val; 0: never"),
    Flag("val_share", real(0, below=1), 0.0, "hold out this share of the training set"),
    Flag("val_metric", METRIC, "auto", "metric of the best epoch; auto: l1 of pairs, else patches"),
    Flag("early_stop", whole(0, 10**6), 0, "stop after N validations without a new best; 0: never"),
)
