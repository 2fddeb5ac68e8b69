"""Options of training only."""
from __future__ import annotations

from argparse import ArgumentParser, Namespace

from options.base_options import BaseOptions
from util.console import UserError


class TrainOptions(BaseOptions):
    """Defaults are the paper's recipe at 256x256 (section 7.1)."""

    isTrain = True

    def initialize(self, parser: ArgumentParser) -> ArgumentParser:
        add = super().initialize(parser).add_argument
        # what is shown and saved, and when; frequencies count images
        add("--display_freq", type=int, default=400, help="show images in visdom and on the page every N images")
        add("--display_ncols", type=int, default=4, help="images per row in visdom; 0 shows each in a window of its own")
        add("--display_id", type=int, default=1, help="visdom window; 0 or less: no visdom")
        add("--display_server", default="http://localhost", help="visdom server")
        add("--display_env", default="main", help="visdom environment")
        add("--display_port", type=int, default=8097, help="visdom port")
        add("--update_html_freq", type=int, default=1000, help="save images to the page every N images")
        add("--print_freq", type=int, default=100, help="print losses every N images")
        add("--no_html", action="store_true", help="write no page")
        add("--save_latest_freq", type=int, default=5000, help="save the latest networks every N images")
        add("--save_epoch_freq", type=int, default=5, help="keep the networks every N epochs")
        add("--save_by_iter", action="store_true", help="name those of save_latest_freq iter_N instead of latest")
        add("--continue_train", action="store_true", help="start from the networks in the run's folder")
        add("--epoch_count", type=int, default=1, help="number of the first epoch")
        add("--phase", default="train", help="train reads trainA, trainB, ...")
        # the optimisation
        add("--n_epochs", type=int, default=100, help="epochs at the full learning rate")
        add("--n_epochs_decay", type=int, default=100, help="epochs in which it then falls to zero (policy linear)")
        add("--beta1", type=float, default=0.5, help="first momentum of Adam")
        add("--lr", type=float, default=0.0002, help="learning rate of Adam")
        add("--gan_mode", default="lsgan", choices=("lsgan", "vanilla", "wgangp"), help="adversarial loss")
        add("--pool_size", type=int, default=50, help="size of the history of generated images; 0: none")
        add("--lr_policy", default="linear", choices=("linear", "step", "plateau", "cosine"),
            help="how the learning rate falls (util/schedules.py)")
        add("--lr_decay_iters", type=int, default=50, help="policy step: multiply by 0.1 every N epochs")
        return parser

    def check(self, opt: Namespace) -> None:
        super().check(opt)
        for name in ("display_freq", "update_html_freq", "print_freq", "save_latest_freq", "save_epoch_freq",
                     "lr_decay_iters", "epoch_count"):
            if getattr(opt, name) < 1:
                raise UserError(f"--{name} {getattr(opt, name)}: should be at least 1")
        if min(opt.n_epochs, opt.n_epochs_decay, opt.pool_size) < 0:
            raise UserError("--n_epochs, --n_epochs_decay and --pool_size should not be negative")
        if opt.epoch_count > opt.n_epochs + opt.n_epochs_decay:
            raise UserError(f"--epoch_count {opt.epoch_count} is past the last epoch, {opt.n_epochs + opt.n_epochs_decay} "
                            "(--n_epochs + --n_epochs_decay): nothing would be trained")
