"""Wave after wave of layers: what is ready together is solved in one go through the samples of both graphs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.recovery.batch_norm import BatchNormFit, affine
from compressor.passes.recovery.constant import ConstantFit
from compressor.passes.recovery.fit import HELD_EVERY, Fit, Positions
from compressor.passes.recovery.moments import Matrix
from compressor.passes.recovery.order import dependencies, next_wave
from compressor.passes.recovery.outcome import Outcome
from compressor.passes.recovery.tasks import Task
from compressor.passes.recovery.walk import Values, Walk
from compressor.passes.rewrite_rules import Removal
from compressor.passes.shape_values import Array

_WAVE_BYTES = 1 << 30  # what the systems of layers solved together may take
_FLAT_GAIN = 1e-3  # batch-norm channels with less of the largest gain do not say what their input should be


def is_held(number: int) -> bool:
    """Whether a chunk is set aside."""
    return number % HELD_EVERY == HELD_EVERY - 1


class Waves:
    """Solves task after task, those that are ready together in one go through the samples."""

    def __init__(self, tasks: Sequence[Task], graph: gs.Graph, removal: Removal, where: Positions, widest: int) -> None:
        self._tasks, self._removal, self._where, self._widest = tasks, removal, where, widest
        needs = dependencies(graph, [task.output for task in tasks])
        self._needs = {number: needs.get(task.input, 0) for number, task in enumerate(tasks)}
        self._others = {
            number: needs.get(task.residual.other, 0) for number, task in enumerate(tasks) if task.residual is not None
        }
        self.remaining = list(range(len(tasks)))

    def solve_next(self, original: Walk, pruned: Walk) -> list[Outcome]:
        """Solve the next wave: its new weights are in the graph afterwards."""
        wave = self._affordable(next_wave(self.remaining, self._needs, self._others))
        groups = self._grouped(wave)
        made_up = dict(wave)
        theirs: set[str] = set()
        ours: set[str] = set()
        for number, compensated in wave:
            task = self._tasks[number]
            residual = task.residual if compensated else None
            theirs |= {task.output} if residual is None else {residual.total, task.output}
            ours |= {task.input} if residual is None else {task.input, residual.other}
            if task.fold is not None or task.norm is not None:
                theirs.add(task.original_input)
        fits = [(numbers, self._fit(numbers, made_up)) for numbers in groups]
        left, right = original.stream(theirs), pruned.stream(ours)
        with closing(left), closing(right):
            for number, (want, have) in enumerate(zip(left, right, strict=True)):
                for numbers, fit in fits:
                    tasks = [self._tasks[each] for each in numbers]
                    fit.observe(
                        have[tasks[0].input],
                        [self._target(self._tasks[each], made_up[each], want, have) for each in numbers],
                        [self._original(task, want) for task in tasks],
                        number, held=is_held(number),
                    )  # fmt: skip
        self.remaining = [number for number in self.remaining if number not in made_up]
        return [outcome for _, fit in fits for outcome in fit.finish()]

    def _affordable(self, wave: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
        """As many from the front as memory allows, at least one."""
        spent, taken = 0, list[tuple[int, bool]]()
        for number, flag in wave:
            layer = self._tasks[number].layer
            spent += 0 if layer is None else 8 * min(layer.shape[1], self._widest) ** 2 * layer.shape[0]
            if taken and spent > _WAVE_BYTES:
                break
            taken.append((number, flag))
        return taken

    def _grouped(self, wave: Sequence[tuple[int, bool]]) -> list[list[int]]:
        """Layers with the same rows together."""
        groups: dict[Any, list[int]] = {}
        for number, _ in wave:
            task = self._tasks[number]
            key = (task.input, *task.layer.geometry, task.layer.shape[:2]) if task.layer else (task.output, "norm")
            groups.setdefault(key, []).append(number)
        return list(groups.values())

    def _fit(self, numbers: Sequence[int], made_up: dict[int, bool]) -> Fit | BatchNormFit | ConstantFit:
        tasks = [self._tasks[number] for number in numbers]
        if tasks[0].norm is not None:
            return BatchNormFit(tasks[0].norm)
        if tasks[0].added is not None:
            return ConstantFit(*tasks[0].added)
        layers = [task.layer for task in tasks if task.layer is not None]
        flags = [made_up[number] for number in numbers]
        return Fit(layers, flags, [task.fold for task in tasks], self._where, self._widest)

    def _target(self, task: Task, compensated: bool, want: Values, have: Values) -> Array:
        """What the layer's output should be in the pruned graph."""
        plain = self._kept(task.output, want[task.output])
        residual = task.residual
        if not compensated or residual is None:
            return plain
        lacking = np.asarray(self._kept(residual.total, want[residual.total]), np.float64) - have[residual.other]
        return lacking.reshape(plain.shape) if residual.norm is None else _before_norm(residual.norm, lacking, plain)

    def _original(self, task: Task, want: Values) -> Array | None:
        if task.norm is not None:
            return self._kept(task.original_input, want[task.original_input])
        return want[task.original_input] if task.fold is not None else None

    def _kept(self, name: str, value: Array) -> Array:
        """The part of an original activation that the pruned graph has."""
        for axis, mask in enumerate(self._removal.tensor_masks(name)):
            if mask is not None and mask.size == value.shape[axis]:
                value = np.compress(mask, value, axis=axis)
        return value


def _before_norm(norm: gs.Node, after: Array, plain: Array) -> Array:
    """What must go into a batch normalisation for ``after`` to come out; ``plain`` where it hardly passes anything."""
    gain, shift = affine(norm)
    flat = np.abs(gain) <= _FLAT_GAIN * np.abs(gain).max(initial=0)
    shape = (1, -1, *(1 for _ in after.shape[2:]))
    safe: Matrix = np.where(flat, 1.0, gain)
    return np.where(flat.reshape(shape), plain, (after - shift.reshape(shape)) / safe.reshape(shape))
