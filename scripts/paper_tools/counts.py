"""Count the runs of an ablation that found the right correspondence, and compare the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

from util.tables import markdown

SHARE = 0.7  # a run with a larger share of correct pixels in A -> B found the correspondence
LEVEL = 0.05  # a smaller p-value decides
RIVALS = ("full", "gan")  # variants whose counts decide the outcome
HEADING = "### Which losses find the right correspondence"
RULE = (
    "Without pairs, a run can draw clean maps with exchanged classes, such as land where water is. "
    "A run has found the\nright correspondence if more than {share:.0f} % of the pixels of its "
    "test images are correct in A → B after the final epoch."
)
CONCLUSION = "{} found the right correspondence in {} of {} runs, {} in {} of {}: {} (p = {})."
VERDICTS = {True: "a clear difference", False: "not distinguishable"}
TEST = "p is from Fisher's exact test, two-sided; below {level} the difference counts as clear."
Counts = dict[str, tuple[int, int]]  # variant -> runs that found it, runs


def fisher(a: int, n: int, b: int, m: int) -> float:
    """Return the two-sided p-value of Fisher's exact test for ``a`` of ``n`` and ``b`` of ``m``.

    It is the probability of all outcomes with the same sum ``a + b`` that are no more likely than
    the observed one.
    """
    total = a + b
    ways = [comb(n, k) * comb(m, total - k) for k in range(max(0, total - m), min(n, total) + 1)]
    observed = comb(n, a) * comb(m, b)
    return sum(count for count in ways if count <= observed) / sum(ways)


def lines(shares: Mapping[str, Sequence[float]], titles: Mapping[str, str]) -> list[str]:
    """Return the conclusion and the table of counts; nothing if no run measured its share.

    Args:
        shares: for each variant, the share of correct pixels of each run that measured it.
        titles: names of the variants.
    """
    counts = counts_of(shares)
    if not counts:
        return []
    text = [HEADING, "", RULE.format(share=100 * SHARE)]
    if sentence := conclusion(shares, titles):
        text += [f"**{sentence}**"]
    text += [TEST.format(level=LEVEL), ""]
    head = (
        "Loss",
        "found it",
        f"p against {titles[RIVALS[0]]}",
        "share of correct pixels, each run",
    )
    rows = []
    for key, (found, of) in counts.items():
        compared = key != RIVALS[0] and RIVALS[0] in counts
        p = shown(fisher(found, of, *counts[RIVALS[0]])) if compared else "-"
        each = " ".join(f"{100 * share:.0f}" for share in sorted(shares[key], reverse=True))
        rows.append((titles[key], f"{found} of {of}", p, f"{each} %"))
    return [*text, *markdown(head, rows), ""]


def counts_of(shares: Mapping[str, Sequence[float]]) -> Counts:
    """Return the counts of the variants that have shares."""
    return {key: (sum(x > SHARE for x in of), len(of)) for key, of in shares.items() if of}


def conclusion(shares: Mapping[str, Sequence[float]], titles: Mapping[str, str]) -> str:
    """Return whether the counts of ``RIVALS`` differ; an empty text if one was not measured."""
    counts = counts_of(shares)
    if not set(RIVALS) <= counts.keys():
        return ""
    first, second = RIVALS
    p = fisher(*counts[first], *counts[second])
    found = (titles[first], *counts[first], titles[second], *counts[second])
    return CONCLUSION.format(*found, VERDICTS[p < LEVEL], shown(p))


def shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
