"""The warnings of the health checks are documented, and their advice fits the model."""

from __future__ import annotations

from argparse import Namespace

from conftest import ROOT

from models.training.health_warnings import WARNINGS, text_of


def test_advice_names_options_of_the_model() -> None:
    weights = {"lambda_A": 10.0, "lambda_GAN": 1.0}
    cycle = Namespace(**weights, lambda_B=10.0, lambda_identity=0.5)
    assert text_of("loss", cycle).endswith(
        "Try a smaller --ndf, smaller weights of the other losses (--lambda_A, --lambda_B), or "
        "more images"
    )
    assert "smaller --lambda_identity (or 0), " in text_of("change", cycle)
    assert "--lambda_identity 1, or" in text_of("correlation", cycle)
    assert "losses (--lambda_A) or a larger --ndf" in text_of("change", Namespace(**weights))
    assert text_of("dependence", Namespace()).endswith("input. Try a lower --lr or another --seed")
    assert text_of("change", Namespace()).endswith("unchanged. Try a larger --ndf")
    assert not any(
        "lambda_" in text_of(sign, Namespace()) for sign in set(WARNINGS) - {"robustness"}
    )


def test_every_warning_is_documented() -> None:
    guide = (ROOT / "docs" / "reading_a_run.md").read_text()
    for sign, (bad, well, *_) in WARNINGS.items():
        assert bad < well and f"`{sign}`" in guide and f"{bad:g}" in guide
