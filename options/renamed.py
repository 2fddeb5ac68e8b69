"""Option names from before 2019, and what they are called today."""
RENAMED = {
    "loadSize": "--load_size", "fineSize": "--crop_size", "resize_or_crop": "--preprocess",
    "which_direction": "--direction", "which_model_netG": "--netG", "which_model_netD": "--netD",
    "niter": "--n_epochs", "niter_decay": "--n_epochs_decay", "how_many": "--num_test", "nThreads": "--num_threads",
    "batchSize": "--batch_size", "which_epoch": "--epoch", "identity": "--lambda_identity",
    "no_lsgan": "--gan_mode vanilla",
}
