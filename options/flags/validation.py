"""Options of validation."""

from options.flags.flag import Flag

METRIC = ("auto", "l1", "psnr", "ssim", "cycle", "patches")

FLAGS = (
    Flag("val_freq", int, 0, "validate every N epochs on valA, valB or val; 0: never", lowest=0),
    Flag("val_share", float, 0.0, "hold out this share of the training set", lowest=0, below=1),
    Flag("val_metric", METRIC, "auto", "metric of the best epoch; auto: l1 of pairs, else patches"),
)
