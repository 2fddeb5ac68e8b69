"""The warnings of the health checks, with advice that fits the options of the model."""

from __future__ import annotations

from argparse import Namespace
from typing import NamedTuple

OF_ALL = ("lambda_GAN", "lambda_identity")  # the other options --lambda_... are weights of a loss


class Sign(NamedTuple):
    """A sign that something goes wrong.

    Attributes:
        bad: values below give the warning.
        good: values above end it.
        text: what is wrong; {G}, {D} and {X} are the networks and the domain.
        advice: what to try. {weights} stands for the weights of the losses beside the GAN loss.
            Advice on options that the model does not have is left out.
    """

    bad: float
    good: float
    text: str
    advice: tuple[str, ...]


OTHER_LOSSES = "weights of the other losses ({weights})"
WARNINGS = {
    "loss": Sign(
        0.08,
        0.16,
        "{D} has won: its loss has long been near 0, so {G} learns little from it. Try",
        ("a smaller --ndf", f"smaller {OTHER_LOSSES}", "more images"),
    ),
    "dependence": Sign(
        0.1,
        0.2,
        "{G} has collapsed: its output hardly depends on its input. Try",
        (f"larger {OTHER_LOSSES}", "a lower --lr", "another --seed"),
    ),
    "correlation": Sign(
        -0.6,
        -0.4,
        "{G} turns dark into light and light into dark. Unless your two domains are each other's "
        "negatives, start again with",
        ("another --seed", "--lambda_identity 1", "--init_gain 0.01"),
    ),
    "change": Sign(
        0.15,
        0.2,
        "{G} returns its input almost unchanged. Try",
        ("a smaller --lambda_identity (or 0)", f"smaller {OTHER_LOSSES}", "a larger --ndf"),
    ),
    "robustness": Sign(
        0.5,
        0.6,
        "{G} hides information: slight noise or JPEG compression of its output breaks the "
        "reconstruction, so a small cycle_{X} says little. Try",
        ("a smaller --lambda_{X}", "a larger --ndf"),
    ),
}


def text_of(sign: str, opt: Namespace) -> str:
    """Return the text of a warning with the advice that fits the options, still with {G} etc."""
    names = [name for name in vars(opt) if name.startswith("lambda_")]
    weights = ", ".join(f"--{name}" for name in names if name not in OF_ALL)
    advice = [
        words.replace("{weights}", weights)
        for words in WARNINGS[sign].advice
        if (weights or "{weights}" not in words)
        and ("lambda_identity" in names or "--lambda_identity" not in words)
    ]
    listed = ", ".join(advice[:-1]) + "," * (len(advice) > 2) + f" or {advice[-1]}"
    return f"{WARNINGS[sign].text} {listed if len(advice) > 1 else advice[0]}"
