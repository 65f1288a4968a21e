"""Sweep ../shared/zoo: `python -m tests.zoo_sweep [--only PREFIX] [--width] [--share 0.5] [--jobs 1] [--json FILE]`.

Removes random channels of every prunable space of every network, and checks the result. Exit code 0: all right;
1: some network failed; 2: a wrong argument; 3: the collection is absent; 130: interrupted.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from compressor.backends.fingerprint import fingerprint
from tests.zoo import source, table
from tests.zoo.checks import check_network
from tests.zoo.row import Row

OK, FAILED, USAGE, ABSENT, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = _parser().parse_args(arguments)
    console = Console(width=table.LINE, highlight=False, soft_wrap=True)
    if not source.is_present():
        console.print(f"Nothing was checked: {source.ABSENT}.")
        return ABSENT
    chosen = source.names(options.only)
    if not chosen:
        console.print(f"No network starts with {options.only!r}. There are: {', '.join(source.names())}")
        return USAGE
    console.print(_conditions(options))
    table.print_heading(console)
    rows: list[Row] = []
    interrupted = False
    try:
        for row in _sweep(chosen, options):
            rows.append(row)
            table.print_row(console, row)
    except KeyboardInterrupt:
        interrupted = True
        console.print("Interrupted; this is what there is:")
    console.print()
    for line in table.summary(rows, len(chosen)):
        console.print(escape(line))
    if options.json:
        _save(options, rows, chosen)
    if interrupted:
        return INTERRUPTED
    return FAILED if any(row.failure for row in rows) else OK


def _sweep(chosen: Sequence[str], options: argparse.Namespace) -> Iterator[Row]:
    check = functools.partial(check_network, share=options.share, width=options.width, seed=options.seed)
    if options.jobs == 1:
        for name in chosen:
            yield check(name)
            gc.collect()  # graphs are full of cycles: free this model before the next is loaded
        return
    # A fresh process for each network gives its memory back. Spawned: ONNX Runtime's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        try:
            yield from pool.map(check, chosen)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _conditions(options: argparse.Namespace) -> str:
    machine = fingerprint()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    which = "every space" if options.width else "every space that no normalisation runs over"
    return (
        f"random {options.share:.0%} of {which} cut, seed {options.seed}; seconds: best of 3, {options.jobs} job(s)\n"
        f"{machine.cpu_model}, {machine.affinity} CPUs, load {load}, onnxruntime {machine.libraries['onnxruntime']}\n"
        "params: share kept; error: of the largest output; sizes: how many sets of input sizes were tried"
    )


def _save(options: argparse.Namespace, rows: Sequence[Row], chosen: Sequence[str]) -> None:
    settings = {key: value for key, value in vars(options).items() if key != "json"}
    document = {
        "kind": "zoo-sweep",
        "settings": settings,
        "summary": table.summary(rows, len(chosen)),
        "rows": [row.to_json() for row in rows],
        "environment": fingerprint().to_json(),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _jobs(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo_sweep", description="Prune all of ../shared/zoo.")
    parser.add_argument("--only", default="", metavar="PREFIX", help="names that start so, for example tv_")
    parser.add_argument("--width", action="store_true", help="cut the spaces that a normalisation runs over, too")
    parser.add_argument("--share", type=_share, default=0.5, help="share of every space to remove (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the removals and inputs")
    parser.add_argument("--jobs", type=_jobs, default=1, help="processes (timings are fair with 1 only)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save all that was found")
    return parser


if __name__ == "__main__":
    sys.exit(main())
