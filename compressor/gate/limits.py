"""Exact numbers against limits: at most so much, or at most so many times the baseline's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compressor.gate.finding import Finding


def at_most(
    check: str, rule: str, candidate: float, limit: float, *, unit: str = "",
    form: Callable[[float], str] = "{:g}".format,
) -> Finding:  # fmt: skip
    """The candidate's own number against the largest allowed."""
    kept = candidate <= limit
    words = f"{form(candidate)} is {'at most' if kept else 'more than'} {form(limit)}"
    return Finding(
        check, rule, "pass" if kept else "fail", words, unit, candidate=candidate, value=candidate, limit=limit
    )  # fmt: skip


def ratio_at_most(
    check: str, rule: str, baseline: float, candidate: float, limit: float, *, unit: str = "",
    form: Callable[[float], str] = "{:g}".format,
) -> Finding:  # fmt: skip
    """Candidate / baseline against the largest ratio allowed; a baseline of 0 allows 0."""
    ratio = candidate / baseline if baseline else (0.0 if not candidate else float("inf"))
    kept = ratio <= limit  # not candidate <= limit * baseline: 57 of 100 would be more than 0.57
    words = f"{form(candidate)} is {ratio:.4g} times {form(baseline)}, {'at most' if kept else 'more than'} {limit:g}"
    return Finding(
        check, rule, "pass" if kept else "fail", words, unit, baseline=baseline, candidate=candidate, value=ratio,
        limit=limit,
    )  # fmt: skip


def both(
    check: str, baseline: Callable[[], float], candidate: float, most: float | None, max_ratio: float | None,
    name: str, unit: str, form: Callable[[float], str],
) -> Iterator[Finding]:  # fmt: skip
    """The findings of a check that has a largest number, a largest ratio, or both."""
    if most is not None:
        yield at_most(check, name, candidate, most, unit=unit, form=form)
    if max_ratio is not None:
        yield ratio_at_most(check, "max_ratio", baseline(), candidate, max_ratio, unit=unit, form=form)
