"""Options of logs, the training page, visdom and TensorBoard."""

from options.flags.flag import Flag

FLAGS = (
    Flag("print_freq", int, 100, "print the losses every N images", lowest=1),
    Flag(
        "display_freq", int, 400, "show images in visdom and on the page every N images", lowest=1
    ),
    Flag("display_ncols", int, 4, "images per row in visdom; 0: a window per image"),
    Flag("display_id", int, 1, "window in visdom; 0 or less: no visdom"),
    Flag("display_server", str, "http://localhost", "visdom server"),
    Flag("display_env", str, "main", "visdom environment"),
    Flag("display_port", int, 8097, "visdom port"),
    Flag("update_html_freq", int, 1000, "save images to the page every N images", lowest=1),
    Flag("no_html", bool, False, "write no training page"),
    Flag("panel", str, None, "images to translate after every epoch", nargs="+", metavar="FILE"),
    Flag("panel_size", int, 4, "without --panel: translate N validation or test images", lowest=0),
    Flag("no_health", bool, False, "no warnings of mode collapse, inverted colors and the like"),
    Flag("use_tensorboard", bool, False, "log to TensorBoard (pip install tensorboard)"),
)
