"""Options of logs, the training page, visdom and TensorBoard."""

from options.flags.flag import Flag
from util.limits import whole

FLAGS = (
    Flag("print_freq", whole(1, 10**9), 100, "print the losses every N images"),
    Flag(
        "display_freq", whole(1, 10**9), 400, "show images in visdom and on the page every N images"
    ),
    Flag("display_ncols", whole(-1, 100), 4, "images per row in visdom; 0: a window per image"),
    Flag("display_id", whole(-1, 10**6), 1, "window in visdom; 0 or less: no visdom"),
    Flag("display_server", str, "http://localhost", "visdom server"),
    Flag("display_env", str, "main", "visdom environment"),
    Flag("display_port", whole(1, 65535), 8097, "visdom port"),
    Flag("update_html_freq", whole(1, 10**9), 1000, "save images to the page every N images"),
    Flag("no_html", bool, False, "write no training page and no index of runs"),
    Flag("note", str, "", "text about the run, for the index of runs", metavar="TEXT"),
    Flag("panel", str, None, "images to translate after every epoch", nargs="+", metavar="FILE"),
    Flag("panel_size", whole(0, 1000), 4, "without --panel: translate N validation or test images"),
    Flag("no_health", bool, False, "no warnings of mode collapse, inverted colors and the like"),
    Flag("use_tensorboard", bool, False, "log to TensorBoard (pip install tensorboard)"),
)
