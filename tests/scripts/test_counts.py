"""Counts of runs that found the right correspondence, and Fisher's exact test."""

from __future__ import annotations

import pytest

from scripts.paper_tools import ablation, counts, results

TITLES = {key: title for key, (title, _) in ablation.VARIANTS.items()}


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "p"),
    [
        (3, 4, 1, 4, 0.485714),  # Fisher's lady tasting tea, two-sided
        (8, 10, 1, 6, 0.034965),  # the example in the documentation of scipy.stats.fisher_exact
        (1, 10, 11, 14, 0.002759),  # the example in Wikipedia's article on the test
        (0, 10, 10, 10, 2 / 184756),
        (5, 10, 5, 10, 1.0),
        (0, 3, 0, 2, 1.0),
    ],
)
def test_fisher(a: int, n: int, b: int, m: int, p: float) -> None:
    assert counts.fisher(a, n, b, m) == pytest.approx(p, abs=1e-6)
    assert counts.fisher(b, m, a, n) == pytest.approx(p, abs=1e-6)
    assert counts.fisher(n - a, n, m - b, m) == pytest.approx(p, abs=1e-6)


def test_the_counts_decide() -> None:
    shares = {"gan": [0.5] * 8 + [0.9, 0.7], "full": [0.95] * 9 + [0.1]}
    text = "\n".join(counts.lines(shares, TITLES))
    assert (
        "CycleGAN found the right correspondence in 9 of 10 runs, GAN alone in 1 of 10: a clear"
        in text
    )
    assert ": a clear difference (p = 0.001).**" in text
    assert "| GAN alone | 1 of 10 | 0.001 | 90 70 50 50 50 50 50 50 50 50 % |" in text
    assert "| CycleGAN | 9 of 10 | - |" in text

    shares = {"gan": [0.9] * 3, "full": [0.9] * 3 + [0.2]}
    text = "\n".join(counts.lines(shares, TITLES))
    assert "in 3 of 4 runs, GAN alone in 3 of 3: not distinguishable (p = 1.000).**" in text


def test_no_counts_without_label_maps() -> None:
    others = [{"scores": {"latest": {"AtoB": {"FID": 3.0}}}}]
    assert results.values(others, "latest", "AtoB", results.SEGMENTS[0]) == []
    assert counts.lines({"gan": [], "full": []}, TITLES) == []
    one = counts.lines({"full": [0.9]}, TITLES)
    assert "**" not in "\n".join(one) and "| CycleGAN | 1 of 1 | - | 90 % |" in one
