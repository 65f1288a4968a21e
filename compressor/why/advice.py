"""What the figures say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compressor.why.one_op import Steps
from compressor.why.rows import Row

_WORTH_SAYING = 0.03  # of a run
_MUCH = 0.10
_LOW_RATE = 0.2  # of the best layer's multiply-accumulates a second
_IN_VAIN = 0.9  # time left where the work fell much more
_SHOWN = 3


@dataclass(frozen=True)
class Facts:
    """All that advice is drawn from.

    Attributes:
        rows: of all ops, slowest first.
        whole_ms: of a run of the model that counts, without profiling.
        whole_before_ms: of the one before the cut; 0 where there is none.
        kernels_ms: of all its kernels, in a profiled run.
        idle_ms: of a run of a model that computes next to nothing.
        space_sizes: of every space before, in words, by name.
        steps: by tensor of a row, what was found at widths around its own.
    """

    rows: Sequence[Row]
    whole_ms: float
    whole_before_ms: float
    kernels_ms: float
    idle_ms: float
    space_sizes: Mapping[str, str]
    steps: Mapping[str, Sequence[Steps]]

    @property
    def compared(self) -> bool:
        """Whether there is a model after the cut."""
        return self.whole_before_ms > 0

    @property
    def rows_ms(self) -> float:
        """Sum over all rows, in the model that counts."""
        return sum(row.ms for row in self.rows if self.present(row))

    def share(self, ms: float) -> float:
        """Of the time of all rows: medians of single kernels need not add up to the median of a run."""
        return ms / self.rows_ms if self.rows_ms else 0.0

    def present(self, row: Row) -> bool:
        """Whether the model that counts has this op."""
        return row.after_ms is not None or not self.compared


def advise(facts: Facts) -> list[str]:
    """Lines of advice, the most important first."""
    found = [
        *_slower(facts),
        *_dominant(facts),
        *_alike(facts),
        *_off_the_steps(facts),
        *_cut_in_vain(facts),
        *_layouts(facts),
    ]
    return [*found, *_slow_layers(facts), *_without_work(facts), *_overhead(facts)]


def by_space(facts: Facts) -> dict[str, float]:
    """Milliseconds of the ops that work along each space, most first; an op counts for each of its spaces."""
    found: dict[str, float] = {}
    for row in facts.rows:
        for space in row.spaces:
            found[space] = found.get(space, 0.0) + row.ms
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _slower(facts: Facts) -> Iterator[str]:
    if facts.whole_ms > facts.whole_before_ms > 0:
        yield f"The cut made it slower: {facts.whole_before_ms:.4g} ms before, {facts.whole_ms:.4g} ms after."


def _dominant(facts: Facts) -> Iterator[str]:
    for row in facts.rows[:1]:
        yield f"{_name(row)} takes {facts.share(row.ms):.0%} of a run, more than any other op."
    for space, ms in list(by_space(facts).items())[:_SHOWN]:
        if facts.share(ms) >= _MUCH:
            most = ": to cut there helps most" if space == next(iter(by_space(facts))) else ""
            size = f"{'before: ' if facts.compared else ''}{facts.space_sizes[space]}"
            yield f"{facts.share(ms):.0%} of a run is spent in ops along {space} ({size}){most}."


def _alike(facts: Facts) -> Iterator[str]:
    """Spaces of one size, as blocks have that are repeated: single ones may be too small to be worth a line."""
    groups: dict[str, list[str]] = {}
    for space in by_space(facts):
        groups.setdefault(facts.space_sizes[space], []).append(space)
    shares = {
        size: facts.share(sum(row.ms for row in facts.rows if not set(spaces).isdisjoint(row.spaces)))
        for size, spaces in groups.items()
        if len(spaces) > 1
    }
    for size, share in sorted(shares.items(), key=lambda item: -item[1])[:_SHOWN]:
        if share >= _MUCH:
            spaces = groups[size]
            listed = f"{', '.join(spaces[:_SHOWN])}{', ...' if len(spaces) > _SHOWN else ''}"
            yield f"{share:.0%} of a run is spent along one or more of {len(spaces)} spaces of {size}: {listed}."


def _off_the_steps(facts: Facts) -> Iterator[str]:
    told: set[int] = set()
    for row in facts.rows:
        for steps in () if row.added else facts.steps.get(row.tensor, ()):
            alike = sum(steps in found for found in facts.steps.values())
            if id(steps) in told:
                continue
            told.add(id(steps))
            if steps.wide_as != steps.width:
                others = f" and {alike - 1} like it" if alike > 1 else ""
                yield f"{steps.width} {steps.axis} channels of {_name(row)}{others} {_against_wider(steps)}."


def _against_wider(steps: Steps) -> str:
    own, wide = steps.ms[steps.width], steps.wider_cheaper or steps.wide_as
    compared = "more than" if steps.wider_cheaper else "as much as"
    text = f"cost {compared} {wide} ({own:.3g} ms against {steps.ms[wide]:.3g} ms, alone)"
    if steps.cheaper is not None:
        text += f"; {steps.cheaper} take {1 - steps.ms[steps.cheaper] / own:.0%} less"
    return text


def _cut_in_vain(facts: Facts) -> Iterator[str]:
    """Layers whose work fell while their time did not."""
    found = []
    for row in facts.rows:
        if row.before_ms and row.after_ms and row.before_macs and facts.share(row.after_ms) >= _WORTH_SAYING:
            work, time = row.after_macs / row.before_macs, row.after_ms / row.before_ms
            if time > _IN_VAIN and work < _IN_VAIN**2:
                found.append((row, work, time))
    for row, work, time in found[:_SHOWN]:
        yield f"{_name(row)} has {work:.0%} of its multiplications left and takes {time:.0%} of its time."


def _layouts(facts: Facts) -> Iterator[str]:
    added = [row for row in facts.rows if row.added]
    after, before = sum(row.ms for row in added if facts.present(row)), sum(row.before_ms or 0 for row in added)
    if facts.share(after) >= _WORTH_SAYING:
        worst = ", ".join(f"{row.op} of {row.tensor}" for row in added[:_SHOWN])
        yield f"What the runtime added to change layouts costs {facts.share(after):.0%} of a run; first of all {worst}."
    if facts.compared and after > before + _WORTH_SAYING * facts.rows_ms:
        yield (
            f"The cut brought changes of layout with it: {before:.3g} ms before, {after:.3g} ms after. "
            "The widths left do not fit the runtime's blocks."
        )


def _slow_layers(facts: Facts) -> Iterator[str]:
    """Layers that multiply far slower than the best one."""
    rates = {row.tensor: _macs(row) / row.ms for row in facts.rows if _macs(row) and row.ms}
    best = max(rates.values(), default=0.0)
    slow = [row for row in facts.rows if rates.get(row.tensor, best) < _LOW_RATE * best]
    spent = sum(row.ms for row in slow)
    if facts.share(spent) >= _MUCH:
        listed = ", ".join(_name(row) for row in slow[:_SHOWN])
        yield (
            f"{facts.share(spent):.0%} of a run goes to layers that multiply less than {_LOW_RATE:.0%} as fast as the "
            f"best one ({best / 1e6:.3g} GMAC/s): they wait for memory, or the runtime has no fast kernel for them. "
            f"First of all {listed}."
        )


def _macs(row: Row) -> int:
    return row.after_macs or row.before_macs


def _without_work(facts: Facts) -> Iterator[str]:
    light = [row for row in facts.rows if row.layer is None and not row.added and facts.present(row)]
    spent = sum(row.ms for row in light)
    if facts.share(spent) >= _MUCH:
        kinds = ", ".join(dict.fromkeys(row.op for row in light[:_SHOWN]))
        yield (
            f"{facts.share(spent):.0%} of a run moves data without multiplying ({kinds}): "
            "it gets faster only as the tensors get smaller."
        )
    stuck = [row for row in facts.rows if not row.spaces and not row.added and facts.present(row)]
    spent = sum(row.ms for row in stuck)
    if facts.share(spent) >= _WORTH_SAYING:
        listed = ", ".join(_name(row) for row in stuck[:_SHOWN])
        yield f"{facts.share(spent):.0%} of a run is in ops that no cut of channels makes faster: {listed}."


def _overhead(facts: Facts) -> Iterator[str]:
    if facts.whole_ms and facts.idle_ms >= _WORTH_SAYING * facts.whole_ms:
        share, idle_us = facts.idle_ms / facts.whole_ms, 1e3 * facts.idle_ms
        yield (
            f"{share:.0%} of a run ({idle_us:.3g} us) is what the runtime takes for any model: "
            "a larger --batch shares it among more samples."
        )
    if facts.kernels_ms > (1 + _MUCH) * facts.whole_ms:
        longer = facts.kernels_ms / facts.whole_ms - 1
        yield (
            f"To take the times of single ops makes a run {longer:.0%} longer here: "
            "ops of a few microseconds look heavier than they are."
        )


def _name(row: Row) -> str:
    return f"{row.op} {row.node!r}"
