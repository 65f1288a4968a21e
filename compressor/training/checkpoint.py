"""Checkpoints: whole files of tensors and plain types, bound to the run that they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compressor.atomic import FileSet
from compressor.errors import UsageError
from compressor.foreign_errors import ForeignErrors, reason

_FORMAT = 1


def save(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file; its folder is made.
        state: nested dicts and lists of tensors, numbers and strings.
        identity: what the run depends on, JSON-ready.

    Raises:
        ModelFileError: it cannot be written.
    """
    with FileSet(path) as files:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.create(path) as file:
            torch.save({"format": _FORMAT, "identity": json.dumps(identity, sort_keys=True), **state}, file)
            files.sync(file)
        files.commit()


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The checkpoint of this very run, or None where there is no file.

    Raises:
        UsageError: the file is damaged, or belongs to a run with other settings, weights or data.
    """
    if not path.is_file():
        return None
    where, fix = str(path), "Remove it to start anew."

    def damaged(error: BaseException) -> UsageError:
        return UsageError(f"cannot be read as a checkpoint: {reason(error)}", where=where, fix=fix)

    with ForeignErrors(damaged):
        # weights_only: tensors and plain types; a file from elsewhere cannot run code.
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
        version, theirs = found["format"], json.loads(found["identity"])
    if version != _FORMAT:
        raise UsageError(f"is a checkpoint of format {version}, wanted {_FORMAT}", where=where, fix=fix)
    differing = _differences(theirs, json.loads(json.dumps(identity)))
    if differing:
        raise UsageError(f"belongs to another run: {'; '.join(differing)}", where=where, fix=fix)
    state: dict[str, Any] = found
    return state


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    names = sorted(theirs.keys() | ours.keys())
    return [f"{n} was {theirs.get(n)}, is {ours.get(n)}" for n in names if theirs.get(n) != ours.get(n)]


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """ "sha256:..." over names, types, shapes and values."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{found.hexdigest()}"


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values on the CPU that training no longer changes: ``state_dict`` itself only points at them."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
