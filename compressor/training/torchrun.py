"""Whether torchrun started this process, without importing PyTorch."""

from __future__ import annotations

import os

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def under_torchrun() -> bool:
    """Does this process belong to a group?"""
    return all(name in os.environ for name in _VARIABLES)


def leads() -> bool:
    """Is this the process that writes files and speaks: the only one, or the group's first?"""
    return not under_torchrun() or os.environ["RANK"] == "0"
