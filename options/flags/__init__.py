"""The options of train.py and test.py: one table per group. Models and datasets add their own."""

from options.flags import (
    common,
    data,
    display,
    losses,
    model,
    saving,
    schedule,
    speed,
    testing,
    training,
    validation,
)

SHARED = {"run": common.FLAGS, "networks": model.FLAGS, "data": data.FLAGS}
TRAIN = {
    "losses": losses.FLAGS,
    "schedule": schedule.FLAGS,
    "training": training.FLAGS,
    "saving and resuming": saving.FLAGS,
    "display": display.FLAGS,
    "validation": validation.FLAGS,
    "speed and memory": speed.FLAGS,
}
TEST = {"test": testing.FLAGS}

RENAMED = {  # names before 2019
    "loadSize": "--load_size",
    "fineSize": "--crop_size",
    "resize_or_crop": "--preprocess",
    "which_direction": "--direction",
    "which_model_netG": "--netG",
    "which_model_netD": "--netD",
    "niter": "--n_epochs",
    "niter_decay": "--n_epochs_decay",
    "how_many": "--num_test",
    "nThreads": "--num_threads",
    "batchSize": "--batch_size",
    "which_epoch": "--epoch",
    "identity": "--lambda_identity",
    "no_lsgan": "--gan_mode vanilla",
}
