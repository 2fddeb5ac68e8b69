"""Options of the adversarial loss. Models add the weights of their losses."""

from options.flags.flag import Flag
from util.limits import whole

FLAGS = (
    Flag("gan_mode", ("lsgan", "vanilla", "wgangp"), "lsgan", "adversarial loss"),
    Flag(
        "pool_size", whole(0, 10**5), 50, "size of the history of generated images; 0: no history"
    ),
)
