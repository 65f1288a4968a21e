"""One process or, under torchrun, several that train together: who am I, and sums over all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed as dist
from torch import nn

from compressor.errors import UsageError
from compressor.training.torchrun import under_torchrun


@dataclass(frozen=True)
class Workers:
    """The processes of a run; process 0 alone writes files and shows progress."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def alone(self) -> bool:
        """Is this the only process?"""
        return self.world_size == 1

    @property
    def leads(self) -> bool:
        """Does this process write?"""
        return self.rank == 0

    def summed(self, values: list[float], device: torch.device) -> list[float]:
        """Each number, summed over all processes."""
        if self.alone:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        numbers: list[float] = total.tolist()
        return numbers

    def from_leader(self, value: float, device: torch.device) -> float:
        """Process 0's number: clocks differ, decisions must not."""
        if self.alone:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def share_state(self, module: nn.Module) -> None:
        """Give every process the leader's parameters and buffers: batch-norm statistics drift apart between steps."""
        if self.alone:
            return
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.data, 0)

    def meet(self) -> None:
        """Wait until all processes are here."""
        if not self.alone:
            dist.barrier()


@contextmanager
def joined_workers(device: str | None = None) -> Iterator[Workers]:
    """The processes that torchrun started, joined (nccl on CUDA, else gloo); or this one alone."""
    if not under_torchrun():
        yield Workers()
        return
    already = dist.is_initialized()
    local_rank = int(os.environ["LOCAL_RANK"])
    if not already:
        on_cuda = choose_device(device, local_rank).type == "cuda"
        dist.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield Workers(dist.get_rank(), dist.get_world_size(), local_rank)
    finally:
        if not already:
            dist.destroy_process_group()


def choose_device(wanted: str | None, local_rank: int = 0) -> torch.device:
    """The device asked for; without wish the first CUDA device, or this process's own, where there is one.

    Raises:
        UsageError: it does not exist here.
    """
    if wanted is None:
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda", local_rank) if wanted == "cuda" else torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise UsageError(f"no device {wanted!r} here", fix="Leave --device out, or choose cpu.") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
