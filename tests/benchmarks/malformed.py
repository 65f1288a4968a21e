"""500 malformed inputs through the command line: `python -m tests.benchmarks malformed --count 500`.

Each must end well (the mutation did no harm), or in one line that says what is wrong, within 30 s and 4 GiB, and with
nothing written outside of the output folder. What is asked for may also be tried and not be had (exit code 1).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import track

from tests.benchmarks.report import new_table
from tests.malformed.running import CHECKED, CLEAN, HARMLESS, run_cases


def run(console: Console, count: int = 500) -> dict[str, Any]:
    """The cases 0 to ``count`` - 1."""
    verdicts = list(track(run_cases(range(count)), "malformed inputs", count, console=console, transient=True))
    kinds = Counter(verdict.kind for verdict in verdicts)
    table = new_table(
        "Malformed inputs", "kind", "inputs", "refused (2, 3)", "harmless (0)", "a check failed (1)", "wrong"
    )
    for kind in sorted(kinds):
        own = [verdict for verdict in verdicts if verdict.kind == kind]
        codes = Counter(verdict.code for verdict in own)
        numbers = (len(own), sum(codes[code] for code in CLEAN), codes[HARMLESS], codes[CHECKED])
        table.add_row(kind, *map(str, numbers), str(sum(bool(verdict.wrong) for verdict in own)))
    console.print(table)
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    for verdict in wrong:
        console.print(f"{verdict.number} {verdict.kind} {verdict.command}: {'; '.join(verdict.wrong)}", markup=False)
    slowest, largest = max(v.seconds for v in verdicts), max(v.peak_bytes for v in verdicts)
    console.print(f"{len(wrong)} wrong; the slowest took {slowest:.1f} s, the largest {largest / 2**30:.2f} GiB")
    return {
        "count": count, "wrong": [vars(verdict) for verdict in wrong], "slowest_seconds": slowest,
        "largest_bytes": largest, "codes": {str(code): n for code, n in Counter(v.code for v in verdicts).items()},
    }  # fmt: skip
