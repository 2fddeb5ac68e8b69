"""The frozen command line: official options keep name, type, choices and default."""

from __future__ import annotations

from pathlib import Path

import pytest
from parsing import PROGRAMS, parse

from util.limits import value_or_nan

INF = float("inf")

# The official options (junyanz/pytorch-CycleGAN-and-pix2pix at da39a52): type, default, choices.
# bool: an option without a value.
BASE = {
    "dataroot": (str, None),
    "name": (str, "experiment_name"),
    "gpu_ids": (str, "0"),
    "checkpoints_dir": (str, "./checkpoints"),
    "model": (str, "cycle_gan"),
    "input_nc": (int, 3),
    "output_nc": (int, 3),
    "ngf": (int, 64),
    "ndf": (int, 64),
    "netD": (str, "basic", "basic n_layers pixel"),
    "netG": (str, "resnet_9blocks", "resnet_9blocks resnet_6blocks unet_256 unet_128"),
    "n_layers_D": (int, 3),
    "norm": (str, "instance", "instance batch none sync_batch syncbatch sync_instance"),
    "init_type": (str, "normal", "normal xavier kaiming orthogonal"),
    "init_gain": (float, 0.02),
    "no_dropout": (bool, False),
    "dataset_mode": (str, "unaligned"),
    "direction": (str, "AtoB", "AtoB BtoA"),
    "serial_batches": (bool, False),
    "num_threads": (int, 4),
    "batch_size": (int, 1),
    "load_size": (int, 286),
    "crop_size": (int, 256),
    "max_dataset_size": (int, INF),
    "preprocess": (
        str,
        "resize_and_crop",
        "resize_and_crop crop scale_width scale_width_and_crop none",
    ),
    "no_flip": (bool, False),
    "display_winsize": (int, 256),
    "epoch": (str, "latest"),
    "load_iter": (int, 0),
    "verbose": (bool, False),
    "suffix": (str, ""),
    "use_wandb": (bool, False),
    "wandb_project_name": (str, "CycleGAN-and-pix2pix"),
}
TRAIN = BASE | {
    "display_freq": (int, 400),
    "display_ncols": (int, 4),
    "display_id": (int, 1),
    "display_server": (str, "http://localhost"),
    "display_env": (str, "main"),
    "display_port": (int, 8097),
    "update_html_freq": (int, 1000),
    "print_freq": (int, 100),
    "no_html": (bool, False),
    "save_latest_freq": (int, 5000),
    "save_epoch_freq": (int, 5),
    "save_by_iter": (bool, False),
    "continue_train": (bool, False),
    "epoch_count": (int, 1),
    "phase": (str, "train"),
    "n_epochs": (int, 100),
    "n_epochs_decay": (int, 100),
    "beta1": (float, 0.5),
    "lr": (float, 0.0002),
    "gan_mode": (str, "lsgan", "vanilla lsgan wgangp"),
    "pool_size": (int, 50),
    "lr_policy": (str, "linear", "linear step plateau cosine"),
    "lr_decay_iters": (int, 50),
}
TEST = BASE | {
    "model": (str, "test"),
    "load_size": (int, 256),
    "results_dir": (str, "./results/"),
    "aspect_ratio": (float, 1.0),
    "phase": (str, "test"),
    "eval": (bool, False),
    "num_test": (int, 50),
}
OFFICIAL = {"train": TRAIN, "test": TEST}

# Defaults that differ from the official ones on purpose. The official test.py sets no_flip,
# serial_batches and num_threads after parsing, whatever is given.
DEVIATIONS = {
    "train": {"gpu_ids": "auto"},
    "test": {
        "gpu_ids": "auto",
        "num_test": INF,
        "no_flip": True,
        "serial_batches": True,
        "num_threads": 0,
    },
}
# Our own options: every new one is added here.
BOTH = {
    "seed": (int, None),
    "no_exif": (bool, False),
    "max_pixels": (int, 10**8),
    "value_range": (float, None),
    "value_range_A": (float, None),
    "value_range_B": (float, None),
    "bands_A": (int, None),
    "bands_B": (int, None),
    "nodata": (value_or_nan, None),
    "npz_key": (str, None),
}
BOTH |= {"config": (str, None)}
BOTH |= {"show_bands": (int, None), "show_range": (str, "range", "range percentiles")}
BOTH |= {"upsample": (str, "transpose", "transpose resize")}
OURS = {
    "train": BOTH
    | {
        "keep": (int, 0),
        "cache_images": (str, None),
        "jpeg_draft": (bool, False),
        "init_bare": (bool, False),
        "deterministic": (bool, False),
        "min_batch": (int, 1),
        "on_bad_image": (str, "stop", "stop skip"),
        "dry_run": (bool, False),
        "accept_new_data": (bool, False),
        "use_tensorboard": (bool, False),
        "no_health": (bool, False),
        "accumulate": (int, 1),
        "ema": (float, 0.0),
        "amp": (str, "none", "none bf16 fp16"),
        "checkpoint_activations": (bool, False),
        "channels_last": (bool, False),
        "no_tf32": (bool, False),
        "compile": (bool, False),
        "cuda_graphs": (bool, False),
        "on_nonfinite": (str, "stop", "stop skip"),
        "stall_timeout": (float, 600),
        "note": (str, ""),
        "panel": (str, None),
        "panel_size": (int, 4),
        "val_freq": (int, 0),
        "val_share": (float, 0.0),
        "val_metric": (str, "auto", "auto l1 psnr ssim cycle patches fid kid"),
        "features": (str, None),
        "inception_weights": (str, None),
        "features_size": (int, 224),
        "features_range": (str, "imagenet", "0..1 -1..1 0..255 imagenet efficientnet fcn8s hed"),
        "early_stop": (int, 0),
    },
    "test": BOTH
    | {"ema": (bool, False), "save": (str, None), "format": (str, None, "png jpg webp tif npy")}
    | {"tile": (int, None), "tile_stats": (str, None, "exact sample"), "tile_samples": (int, None)},
}
WARM_STARTS = {
    "cycle_gan": ["init_G_A", "init_G_B", "init_D_A", "init_D_B"],
    "pix2pix": ["init_G", "init_D"],
    "colorization": ["init_G", "init_D"],
    "bigan": ["init_G", "init_E", "init_D"],
    "cogan": ["init_G", "init_D"],
    "content_gan": ["init_G_A", "init_D_A"],
}  # in training only

# Of each model: changed defaults, defaults changed in training, options added in training,
# options added in tests.
PIX2PIX = (
    {"norm": "batch", "netG": "unet_256", "dataset_mode": "aligned"},
    {"pool_size": 0, "gan_mode": "vanilla"},
    {"lambda_L1": (float, 100.0)},
    {},
)
UPSAMPLE_B = {"upsample_B": (str, None, "transpose resize")}  # our own, as is lambda_GAN
SEARCH = {"latent_steps": (int, 100), "latent_starts": (int, 8)}  # of CoGAN's z
MODELS: dict[str, tuple[dict, dict, dict, dict]] = {
    "cycle_gan": (
        {"no_dropout": True},
        {},
        dict.fromkeys(("lambda_A", "lambda_B"), (float, 10.0))
        | {"lambda_identity": (float, 0.5), "lambda_GAN": (float, 1.0)}
        | UPSAMPLE_B,
        UPSAMPLE_B,
    ),
    "pix2pix": PIX2PIX,
    "colorization": (
        PIX2PIX[0] | {"dataset_mode": "colorization", "input_nc": 1, "output_nc": 2},
        *PIX2PIX[1:],
    ),
    "bigan": ({"no_dropout": True}, {}, {}, {}),
    "content_gan": (
        {"no_dropout": True},
        {},
        {
            "content_loss": (str, "pixel", "pixel features vgg none"),
            "lambda_A": (float, 10.0),
            "content_features": (str, "vgg16"),
            "content_layer": (str, None),
            "content_weights": (str, None),
            "content_size": (int, 224),
            "content_range": (str, "imagenet", "0..1 -1..1 0..255 imagenet efficientnet fcn8s hed"),
            "released_gradient": (bool, False),
        },
        {},
    ),
    "template": ({"dataset_mode": "aligned"}, {}, {"lambda_regression": (float, 1.0)}, {}),
    "cogan": (
        {"norm": "batch", "crop_size": 64, "load_size": 64, "eval": True},
        {
            "batch_size": 64,
            "min_batch": 2,
            "load_size": 66,
            "gan_mode": "vanilla",
            "n_epochs": 200,
            "n_epochs_decay": 0,
            "pool_size": 0,
            "panel_size": 1,
        },
        {
            "shared_G": (int, None),
            "shared_D": (int, None),
            "latent_steps": (int, 100),
            "weight_decay": (float, 1e-4),
        },
        {"shared_G": (int, None), **SEARCH},
    ),
    "test": ({"dataset_mode": "single"}, {}, {}, {"model_suffix": (str, ""), **SEARCH}),
}
# Of each dataset: changed defaults, options added.
DATASETS: dict[str, tuple[dict, dict]] = {
    "unaligned": ({}, {}),
    "aligned": ({}, {}),
    "single": ({}, {}),
    "colorization": ({"input_nc": 1, "output_nc": 2, "direction": "AtoB"}, {}),
    "template": (
        {"max_dataset_size": 10, "new_dataset_option": 2.0},
        {"new_dataset_option": (float, 1.0)},
    ),
}
CASES = [
    (program, model, None)
    for program in PROGRAMS
    for model in (None, *MODELS)
    if (program, model) != ("train", "test")
]
CASES += [(program, "cycle_gan", mode) for program in PROGRAMS for mode in DATASETS]


@pytest.mark.parametrize(("program", "model", "mode"), CASES)
def test_frozen(program: str, model: str | None, mode: str | None) -> None:
    """Every option of each model and dataset has the expected name, type, choices and default."""
    given = {k: v for k, v in (("model", model), ("dataset_mode", mode)) if v}
    options = PROGRAMS[program]()
    opt = options.gather_options([word for k, v in given.items() for word in (f"--{k}", v)])
    actual_model = model or ("cycle_gan" if program == "train" else "test")
    changed, changed_in_training, added_in_training, added_in_tests = MODELS[actual_model]
    changed_by_dataset, added_by_dataset = DATASETS[mode or "single"]
    expected = OFFICIAL[program] | OURS[program] | added_by_dataset
    if program == "train":
        expected |= added_in_training
        expected |= dict.fromkeys(WARM_STARTS.get(actual_model, ()), (str, None))
    else:
        expected |= added_in_tests
    defaults = {name: row[1] for name, row in expected.items()} | DEVIATIONS[program]
    defaults |= changed | changed_by_dataset
    defaults |= (changed_in_training if program == "train" else {}) | given

    actions = {action.dest: action for action in options.parser._actions if action.dest != "help"}
    assert actions.keys() == expected.keys()
    for name, (kind, _, *choices) in expected.items():
        action = actions[name]
        assert action.option_strings == [f"--{name}"]
        declared = getattr(action.type, "kind", action.type)  # numbers have limits, too
        assert (bool if action.nargs == 0 else declared or str) is kind, name
        assert set(action.choices or ()) == set(choices[0].split() if choices else ()), name
        assert getattr(opt, name) == defaults[name], name
        assert action.help, name


@pytest.mark.parametrize("program", OFFICIAL)
def test_every_official_option_parses(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All options together are accepted, and every value arrives."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "checkpoints" / "experiment_name").mkdir(parents=True)  # for --continue_train
    special = ("dataroot", "gpu_ids", "model", "dataset_mode")
    values: dict[str, object] = {}
    for name, (kind, default, *_) in OFFICIAL[program].items():
        if name not in special:
            values[name] = True if kind is bool else 3 if default == INF else default
    args = [f"--{name}" if v is True else f"--{name}={v}" for name, v in values.items()]
    opt = parse(program, *args, "--model", "cycle_gan", "--dataset_mode", "unaligned")
    assert {name: getattr(opt, name) for name in values} == values
    assert set(opt.explicit_options) == OFFICIAL[program].keys()
