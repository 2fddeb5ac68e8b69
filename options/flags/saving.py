"""Options of saving and resuming."""

from options.flags.flag import Flag
from util.limits import whole

FLAGS = (
    Flag("save_latest_freq", whole(1, 10**9), 5000, "save the latest networks every N images"),
    Flag("save_epoch_freq", whole(1, 10**9), 5, "save the networks of every N-th epoch"),
    Flag("save_by_iter", bool, False, "--save_latest_freq saves as iter_N instead of latest"),
    Flag(
        "keep", whole(0, 10**4), 0, "keep N earlier training states (state_*.pth) beside the last"
    ),
    Flag("continue_train", bool, False, "resume the run where it stopped, with its options"),
    Flag("accept_new_data", bool, False, "resume although the images of the dataset have changed"),
)
