"""The collector is off inside and as it was afterwards, also after an error."""

from __future__ import annotations

import gc

import pytest

from compressor.gc_pause import gc_paused


@gc_paused()
def _fail() -> None:
    assert not gc.isenabled()
    raise ValueError("inside")


def test_off_inside_and_back_afterwards() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"):
        _fail()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        gc_paused()(lambda: None)()
        assert not gc.isenabled()
    finally:
        gc.enable()
