"""Peak memory is that of a stretch of work, not of the process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compressor.peak_memory import PeakMemory

MEBI = 1 << 20
SIZE = 300 * MEBI


def resets() -> bool:
    """Whether this system lets a process reset its high-water mark."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


needs_resets = pytest.mark.skipif(not resets(), reason="the high-water mark of memory cannot be reset here")


def touched() -> int:
    """Use a lot of memory and give it back."""
    return int(np.ones(SIZE, np.uint8).sum(dtype=np.int64))


@needs_resets
def test_each_stretch_has_its_own() -> None:
    with PeakMemory() as quiet:
        pass
    with PeakMemory() as loud:
        assert touched() == SIZE
    with PeakMemory() as after:
        pass
    assert loud.bytes > quiet.bytes + SIZE * 0.8
    assert after.bytes < loud.bytes - SIZE * 0.8


@needs_resets
def test_an_outer_stretch_sees_what_inner_ones_saw() -> None:
    with PeakMemory() as outer:
        with PeakMemory() as inner:
            touched()
        with PeakMemory() as small:
            pass
    assert outer.bytes >= inner.bytes > small.bytes + SIZE * 0.8


def test_an_error_passes_and_leaves_no_trace() -> None:
    with pytest.raises(ValueError, match="x"), PeakMemory():
        raise ValueError("x")
    with PeakMemory() as peak:
        pass
    assert peak.bytes > 0
    assert PeakMemory._outer == []
