"""Sweep ../shared/zoo through the bridge: ``python -m tests.bridge.zoo_sweep [--only PREFIX] [--json FILE]``."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

import torch

from compressor.backends.fingerprint import fingerprint
from tests.bridge.zoo_check import MOST_ERROR, BridgeRow, check_network
from tests.zoo import source

OK, FAILED, ABSENT = 0, 1, 3


def main(arguments: list[str] | None = None) -> int:
    """Print one line per network, and the sums."""
    parser = argparse.ArgumentParser(prog="python -m tests.bridge.zoo_sweep", description=__doc__)
    parser.add_argument("--only", default="", metavar="PREFIX", help="names that start so")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save all that was found")
    given = parser.parse_args(arguments)
    if not source.is_present():
        print(f"Nothing was checked: {source.ABSENT}.")
        return ABSENT
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"error: of the largest output, {MOST_ERROR:g} allowed, unless ONNX Runtime differs from itself as much")
    print(f"{'name':38} {'error':>8} {'trainable':>9} {'loss before':>11} {'after':>10} {'convert s':>9}")
    rows = []
    for name in source.names(given.only):
        rows.append(check_network(name))
        print(_line(rows[-1]), flush=True)
        gc.collect()
    good = [row for row in rows if not row.failure]
    errors = [row.max_error for row in rows if row.max_error is not None]
    print(f"{len(good)} of {len(rows)} equal ONNX Runtime and learn; largest error {max(errors, default=0):.1e}")
    matrices = [f"{row.name}: {line}" for row in rows for line in row.fixed_matrices]
    print(f"{len(matrices)} initializers of two or more axes are not trained")
    for line in matrices:
        print(f"    {line}")
    if given.json:
        document = {"kind": "bridge-zoo", "rows": [r.to_json() for r in rows], "environment": fingerprint().to_json()}
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return OK if len(good) == len(rows) else FAILED


def _line(row: BridgeRow) -> str:
    def number(value: float | None, spec: str) -> str:
        return "-" if value is None else format(value, spec)

    share = row.trainable / row.total if row.total else None
    note = row.failure
    if row.op_error is not None and not note:
        note = f"ONNX Runtime from itself {row.runtime_spread:.1e}, single ops within {row.op_error:.1e}"
    return (
        f"{row.name:38} {number(row.max_error, '.1e'):>8} {number(share, '.4f'):>9}"
        f" {number(row.loss_before, '.4g'):>11} {number(row.loss_after, '.4g'):>10}"
        f" {number(row.convert_s, '.2f'):>9} {note}"
    )


if __name__ == "__main__":
    sys.exit(main())
