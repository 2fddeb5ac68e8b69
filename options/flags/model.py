"""Options of the networks."""

from options.flags.flag import Flag

NET_D = ("basic", "n_layers", "pixel")
NET_G = ("resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128")
NORM = ("instance", "batch", "none", "sync_batch", "sync_instance")
INIT = ("normal", "xavier", "kaiming", "orthogonal")

FLAGS = (
    Flag("model", str, "cycle_gan", "name of a model, or path of a .py file that defines one"),
    Flag("input_nc", int, 3, "channels of input images: 3 for RGB, 1 for grayscale", lowest=1),
    Flag("output_nc", int, 3, "channels of output images", lowest=1),
    Flag("ngf", int, 64, "generator filters in the first layer", lowest=1),
    Flag("ndf", int, 64, "discriminator filters in the first layer", lowest=1),
    Flag("netG", NET_G, "resnet_9blocks", "generator; in the paper 6 blocks at 128x128, else 9"),
    Flag("netD", NET_D, "basic", "discriminator; basic: 70x70 PatchGAN, pixel: 1x1 PatchGAN"),
    Flag("n_layers_D", int, 3, "convolution layers of --netD n_layers", lowest=1),
    Flag("norm", NORM, "instance", "normalization; sync_batch: batch norm over all processes"),
    Flag("init_type", INIT, "normal", "initialization of the weights"),
    Flag(
        "init_gain", float, 0.02, "standard deviation (normal), gain (xavier, orthogonal)", lowest=0
    ),
    Flag("no_dropout", bool, False, "no dropout in the generator"),
)
