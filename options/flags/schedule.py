"""Options of the optimizers and the learning rate schedule."""

from options.flags.flag import Flag

POLICY = ("linear", "step", "plateau", "cosine")

FLAGS = (
    Flag("n_epochs", int, 100, "epochs at the initial learning rate", lowest=0),
    Flag("n_epochs_decay", int, 100, "epochs of linear decay to zero that follow", lowest=0),
    Flag("lr", float, 0.0002, "initial learning rate of Adam", lowest=0),
    Flag("beta1", float, 0.5, "beta1 of Adam: decay rate of the mean gradient", lowest=0, below=1),
    Flag("lr_policy", POLICY, "linear", "learning rate schedule"),
    Flag("lr_decay_iters", int, 50, "multiply by 0.1 every N epochs (--lr_policy step)", lowest=1),
    Flag("epoch_count", int, 1, "number of the first epoch", lowest=1),
)
