"""Options of the optimizers and the learning rate schedule."""

from options.flags.flag import Flag
from util.limits import real, whole

POLICY = ("linear", "step", "plateau", "cosine")

FLAGS = (
    Flag("n_epochs", whole(0, 10**6), 100, "epochs at the initial learning rate"),
    Flag("n_epochs_decay", whole(0, 10**6), 100, "epochs of linear decay to zero that follow"),
    Flag("lr", real(0, 10), 0.0002, "initial learning rate of Adam"),
    Flag("beta1", real(0, below=1), 0.5, "beta1 of Adam: decay rate of the mean gradient"),
    Flag("lr_policy", POLICY, "linear", "learning rate schedule"),
    Flag(
        "lr_decay_iters", whole(1, 10**6), 50, "multiply by 0.1 every N epochs (--lr_policy step)"
    ),
    Flag("epoch_count", whole(1, 2 * 10**6), 1, "number of the first epoch"),
)
