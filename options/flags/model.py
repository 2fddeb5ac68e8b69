"""Options of the networks."""

from options.flags.flag import Flag
from util.limits import real, whole

NET_D = ("basic", "n_layers", "pixel")
NET_G = ("resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128")
NORM = ("instance", "batch", "none", "sync_batch", "syncbatch", "sync_instance")
UPSAMPLE = ("transpose", "resize")
INIT = ("normal", "xavier", "kaiming", "orthogonal")

FLAGS = (
    Flag("model", str, "cycle_gan", "name of a model, or path of a .py file that defines one"),
    Flag("input_nc", whole(1, 1024), 3, "channels of input images: 3 for RGB, 1 for grayscale"),
    Flag("output_nc", whole(1, 1024), 3, "channels of output images"),
    Flag("ngf", whole(1, 1024), 64, "generator filters in the first layer"),
    Flag("ndf", whole(1, 1024), 64, "discriminator filters in the first layer"),
    Flag("netG", NET_G, "resnet_9blocks", "generator; in the paper 6 blocks at 128x128, else 9"),
    Flag("netD", NET_D, "basic", "discriminator; basic: 70x70 PatchGAN, pixel: 1x1 PatchGAN"),
    Flag("n_layers_D", whole(1, 10), 3, "convolution layers of --netD n_layers"),
    Flag("norm", NORM, "instance", "normalization; sync_batch: batch norm over all processes"),
    Flag("init_type", INIT, "normal", "initialization of the weights"),
    Flag("init_gain", real(0, 100), 0.02, "standard deviation (normal), gain (xavier, orthogonal)"),
    Flag("upsample", UPSAMPLE, "transpose", "how generators enlarge; resize: no checkerboards"),
    Flag("no_dropout", bool, False, "no dropout in the generator"),
)
