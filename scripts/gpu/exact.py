"""The GPU computes what the CPU computes: one step in double precision, every model and setting."""

from __future__ import annotations

import torch

from models.training.step import Step
from scripts.gpu.checks import Check, Setup, Tally, Verdict
from scripts.gpu.training import (
    FIXED_SIZE,
    SMALL,
    CpuNoise,
    batch,
    build,
    gradients,
    models,
    options,
    restore,
    size_for,
    start_weights,
)
from util.errors import UsageError

LOSS, GRADIENT = 1e-9, 1e-8  # largest differences, relative to the largest value
SETTINGS = (
    "",
    "--norm instance",
    "--norm batch",
    "--norm none",
    "--netD basic",
    "--netD pixel",
    "--netG resnet_9blocks",
    "--netG unet_128",
    "--gan_mode vanilla",
    "--gan_mode lsgan",
    "--gan_mode wgangp",
    "--norm instance --checkpoint_activations",
    "--accumulate 2",
    "--channels_last",
    "--ema 0.9",
    "--direction BtoA",
)
REDUCED = ("", "--gan_mode wgangp")  # the settings on a CPU
SIZE = {"--netG unet_128": (128, 128)}  # of the images; others have odd sizes


def checks() -> list[Check]:
    return [Check("exact", model, compare, (model,), 25) for model in models()]


def compare(setup: Setup, model: str) -> Verdict:
    """Compare losses and gradients of one step on the CPU and on the device, for each setting."""
    tally = Tally()
    settings = SETTINGS if setup.full else REDUCED
    for words in settings:
        name = words or "defaults"
        try:
            loss, gradient = differences(setup, f"--model {model} {SMALL} {words}", words)
        except UsageError as error:  # a model may refuse some settings
            tally.add(name, f"refused: {error}", "" if words else str(error))
            continue
        problem = f"losses differ by {loss:.1e}" if not loss <= LOSS else ""
        problem = problem or (f"gradients differ by {gradient:.1e}" if gradient > GRADIENT else "")
        tally.add(name, {"loss": loss, "gradient": gradient}, problem)
    numbers = [value for value in tally.figures.values() if isinstance(value, dict)]
    worst = [max(value[key] for value in numbers) for key in ("loss", "gradient")]
    return tally.verdict(
        f"{len(numbers)} settings; losses within {worst[0]:.0e}, gradients within {worst[1]:.0e}"
    )


def differences(setup: Setup, words: str, setting: str) -> tuple[float, float]:
    """Return the largest relative differences of losses and of gradients after one step."""
    results = []
    start: dict[str, dict[str, torch.Tensor]] = {}
    for device in ("cpu", setup.device):
        opt = options(setup, words, device)
        if opt.model not in FIXED_SIZE:
            opt.preprocess = "none"
        model = build(opt, torch.float64)
        start = start or start_weights(model)
        restore(model, start)  # a custom model may draw its weights on the device
        size = size_for(opt.model, SIZE.get(setting, (36, 45)))
        data = batch(opt, 2, size, torch.float64)
        with CpuNoise():
            Step(opt, model)(data)
        results.append((model.get_current_losses(), gradients(model)))
    (losses, wanted), (ours, found) = results
    loss = max(abs(ours[k] - losses[k]) / max(1, abs(losses[k])) for k in losses)
    gradient = max(
        float((found[k] - wanted[k]).abs().max() / wanted[k].abs().max().clamp_min(1e-300))
        for k in wanted
    )
    return loss, gradient
