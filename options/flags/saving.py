"""Options of saving and resuming."""

from options.flags.flag import Flag

FLAGS = (
    Flag("save_latest_freq", int, 5000, "save the latest networks every N images", lowest=1),
    Flag("save_epoch_freq", int, 5, "save the networks of every N-th epoch", lowest=1),
    Flag("save_by_iter", bool, False, "--save_latest_freq saves as iter_N instead of latest"),
    Flag("keep", int, 0, "keep N earlier training states (state_*.pth) beside the last", lowest=0),
    Flag("continue_train", bool, False, "resume the run where it stopped, with its options"),
    Flag("accept_new_data", bool, False, "resume although the images of the dataset have changed"),
)
