"""Options of validation."""

from options.flags.flag import Flag
from util.image.ranges import RANGES
from util.limits import real, whole

FEATURES_HELP = "network for FID and KID: inception, efficientnet-lite0, TorchScript or ONNX file"
METRIC = ("auto", "l1", "psnr", "ssim", "cycle", "patches", "fid", "kid")

FLAGS = (
    Flag("val_freq", whole(0, 10**6), 0, "validate every N epochs on valA, valB or val; 0: never"),
    Flag("val_share", real(0, below=1), 0.0, "hold out this share of the training set"),
    Flag("val_metric", METRIC, "auto", "metric of the best epoch; auto: l1 of pairs, else patches"),
    Flag("features", str, None, FEATURES_HELP, metavar="NETWORK"),
    Flag("inception_weights", str, None, "torch-fidelity's weights of inception", metavar="FILE"),
    Flag("features_size", whole(1, 4096), 224, "input size of a network file"),
    Flag("features_range", tuple(RANGES), "imagenet", "value range of its input"),
    Flag("early_stop", whole(0, 10**6), 0, "stop after N validations without a new best; 0: never"),
)
