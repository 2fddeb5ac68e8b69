"""Every model that takes channels trains on two inputs, trainA1 and trainA2, and is tested."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import CPU, ONE_EPOCH, TINY, Programs
from rasters import make_folder, ramp

from data.rasters.reading import read_array

pytest.importorskip("tifffile")

SEARCH = ("--batch_size", 2, "--latent_steps", 2)
MODELS = {  # options, and the number of bands of B
    "pix2pix": (("--netG", "resnet_6blocks"), 1),
    "bigan": ((), 1),
    "cogan": (SEARCH, 1),
    "content_gan": (("--content_loss", "pixel"), 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_inputs(run: Programs, model: str) -> None:
    options, bands = MODELS[model]
    data, size = run.folder / "data", (64, 64)
    images = [np.roll(ramp("int16", -99, 99, 1, size), 9 * i, axis=1) for i in range(2)]
    for phase in ("train", "test"):
        make_folder(data / f"{phase}A1", "tif", images)
        make_folder(data / f"{phase}A2", "tif", [-image for image in images])
        make_folder(data / f"{phase}B", "npy", [np.repeat(image, bands, 2) for image in images])
    flags = ("--model", model, "--direction", "AtoB", "--value_range", -99, 99, "--no_html")
    flags += ("--input_nc", 2, "--output_nc", bands, "--load_size", 64, "--crop_size", 64)
    shared = ("--dataroot", data, "--name", "x")
    run.train(*shared, *TINY, *ONE_EPOCH, *flags, *options).ok()
    starts = ("--latent_starts", 1) if model == "cogan" else ()
    run.test(*shared, *CPU, *starts).ok()
    results = run.results / "x" / "test_latest" / "images"
    real = read_array(str(results / "1_real_A.tif"))
    assert (real == np.dstack([images[1], -images[1]])).all()
    fake = read_array(str(results / "1_fake_B.npy"))
    assert fake.dtype == np.int16 and fake.shape == (64, 64, bands)


def test_a_loss_that_compares_pixels_needs_as_many_channels(run: Programs) -> None:
    for folder in ("trainA1", "trainA2", "trainB"):
        make_folder(run.folder / "data" / folder, "tif", [ramp("uint16", 0, 65535)])
    flags = ("--model", "content_gan", "--content_loss", "pixel", "--input_nc", 2)
    result = run.train("--dataroot", "data", "--name", "x", *TINY, *flags, "--output_nc", 1)
    result.refused(2, "--content_loss pixel", "--input_nc 2 and --output_nc 1")
