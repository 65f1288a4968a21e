"""Solve, build, measure, correct, until the measured ratio is what was asked for (design, section 5)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from compressor.backends.comparison import Comparison
from compressor.backends.timing import compare, compare_here
from compressor.errors import NothingToPruneError, UsageError
from compressor.latency.goal import TOLERANCE
from compressor.latency.measured import Measured, Quantity, measured_of
from compressor.latency.measuring import measure, proto_of
from compressor.latency.outcome import Outcome, Round, Tried, outcome_of, refuse_unless_better
from compressor.latency.prediction import Floats, Prediction
from compressor.latency.setting import Setting
from compressor.latency.source import TableSource
from compressor.passes.analysis import Analysis
from compressor.passes.cost import NO_ATOMS, CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.axis_lengths import Lengths
from compressor.passes.latency.selection import exact_lengths, select_within
from compressor.passes.latency.work_units import WorkUnits
from compressor.passes.selection import Options, Selection
from compressor.passes.slices import Scores

_ROUNDS = 6
_PROCESSES = 3  # that confirm a candidate
_CONFIRMED = 2  # candidates, where none came close enough to be confirmed on the way
_ORIGINAL, _CANDIDATE = "original", "candidate"
_NAMES: dict[Quantity, str] = {"time": "a latency", "energy": "an energy"}
Tell = Callable[[str, int, int], None]


@dataclass
class Loop:
    """The loop for one graph.

    Attributes:
        analysis, cost: with all channels.
        source: of the latency table; what is measured on the way is added to its samples.
        budgets: further ones, by name: see ``select_within``.
        of: what is measured: time or energy.
    """

    analysis: Analysis
    cost: CostModel
    source: TableSource
    setting: Setting
    tell: Tell
    budgets: Mapping[str, tuple[float, Callable[[Lengths], Floats]]] = field(default_factory=dict)
    of: Quantity = "time"

    def reach(
        self, ratio: float, scores: Scores, options: Options, gone: Labels = NO_ATOMS, *, confirm: bool = True
    ) -> tuple[Selection, Outcome]:
        """The cut that loses least at this share of the original's latency.

        Args:
            ratio: goal.
            scores, options, gone: see ``select_within``.
            confirm: measure what is returned in several fresh processes, and refuse it where it is not faster.

        Raises:
            NothingToPruneError: the goal is out of reach; says what is not.
            NotFasterError: the cut is not measurably faster.
            BackendError: energy is wanted and cannot be measured.
        """
        if self.of == "energy" and not self.source.here:
            raise UsageError(
                "energy has to be measured, and the latency table is another machine's",
                where=str(self.source.path),
                fix="Leave --table out, or run this on that machine.",
            )
        rounds: list[Round] = []
        tried: list[Tried] = []
        out_of_reach: NothingToPruneError | None = None
        correction = 1.0
        for turn in range(1, _ROUNDS + 1):
            self.tell("meet the latency", turn - 1, _ROUNDS)
            try:
                selection, prediction = self._candidate(ratio * correction, scores, options, gone)
            except NothingToPruneError as error:
                if not tried:
                    raise
                out_of_reach = error  # by what was measured; by the table alone it was not
                break
            rounds.append(Round(ratio * correction, prediction.ratio(selection.atoms)))
            if not self.source.here:
                return selection, self._unmeasured(ratio, prediction, selection, rounds)
            found = self._found(selection.atoms, fresh=False)
            bound = self._bound_otherwise(rounds[-1]) and found.ratio.ratio <= ratio * (1 + TOLERANCE)
            close = bound or found.error(ratio) <= TOLERANCE / 2
            if close and confirm:
                found = self._found(selection.atoms, fresh=True)
            rounds[-1].measured_ratio = found.ratio.ratio
            tried.append(Tried(selection, found, rounds[-1], fresh=close and confirm))
            if turn == _ROUNDS or (close and (bound or not confirm or found.error(ratio) <= TOLERANCE)):
                break
            correction = self._learn(selection.atoms) / rounds[-1].measured_ratio
        self.tell("meet the latency", _ROUNDS, _ROUNDS)
        best = self._confirmed(tried, ratio) if confirm else min(tried, key=lambda one: one.found.error(ratio))
        reached = best.found.ratio.ratio
        if out_of_reach is not None and reached > ratio * (1 + TOLERANCE):
            raise NothingToPruneError(
                f"{_NAMES[self.of]} ratio of {ratio:g} cannot be reached: {reached:.3f} was the least measured",
                where=self.setting.backend,
                fix=out_of_reach.fix,
            )
        return best.selection, outcome_of(ratio, best, rounds)

    def _confirmed(self, tried: list[Tried], ratio: float) -> Tried:
        """The one nearest to the goal in fresh processes; those nearest by now are measured so where none was.

        Raises:
            NotFasterError: it is not measurably faster.
        """
        fresh = [one for one in tried if one.fresh]
        near = sorted((one for one in tried if not one.fresh), key=lambda one: one.found.error(ratio))
        for one in near[:_CONFIRMED]:
            if any(other.found.error(ratio) <= TOLERANCE for other in fresh):
                break
            fresh.append(Tried(one.selection, self._found(one.selection.atoms, fresh=True), one.turn, fresh=True))
        best = min(fresh, key=lambda one: one.found.error(ratio))
        refuse_unless_better(best.found, self.setting.backend, len(self.source.table.samples))
        return best

    def _candidate(
        self, budget: float, scores: Scores, options: Options, gone: Labels
    ) -> tuple[Selection, Prediction]:  # fmt: skip
        prediction = self.source.prediction(self.analysis, self.cost)
        limit = budget * prediction.original_ms
        all_kept = float(prediction.ms(exact_lengths(self.cost, NO_ATOMS))[0])
        if budget < 1 and limit > all_kept:  # the original happened to be measured slow: still, something has to go
            limit = budget * all_kept
        selection = select_within(
            self.analysis, self.cost, scores, {"latency in ms": (limit, prediction.ms), **self.budgets}, options,
            gone=gone, steps=prediction.steps_by_row,
        )  # fmt: skip
        return selection, prediction

    def _bound_otherwise(self, turn: Round) -> bool:
        """Whether a further budget, not the latency, is what kept more from staying."""
        return bool(self.budgets) and turn.predicted_ratio < turn.budget_ratio * (1 - TOLERANCE)

    def _learn(self, atoms: Labels) -> float:
        """Add a candidate to the table; the ratio that is predicted for it from then on."""
        units = WorkUnits(self.analysis, self.cost.table)
        self.source.add(measure(self.analysis, units, atoms, self.setting))
        return self.source.prediction(self.analysis, self.cost).ratio(atoms)

    def _found(self, atoms: Labels, *, fresh: bool) -> Measured:
        return measured_of(self._measure(atoms, fresh=fresh), _CANDIDATE, self.of)

    def _measure(self, atoms: Labels, *, fresh: bool) -> Comparison:
        """Against the original: in this process, or in several of their own."""
        models = {_ORIGINAL: proto_of(self.analysis, NO_ATOMS), _CANDIDATE: proto_of(self.analysis, atoms)}
        backend = self.setting.opened()
        with backend.open(models[_ORIGINAL], threads=self.setting.threads) as session:
            feeds = self.setting.feeds(models[_ORIGINAL], session)
        if fresh:
            return compare(
                models, feeds, backend=self.setting.backend, threads=self.setting.threads, processes=_PROCESSES,
                seed=self.setting.seed, energy=self.of == "energy",
            )  # fmt: skip
        openers = {
            name: functools.partial(backend.open, model, threads=self.setting.threads) for name, model in models.items()
        }
        return compare_here(
            openers, feeds, backend=self.setting.backend, seed=self.setting.seed, energy=self.of == "energy"
        )

    def _unmeasured(self, ratio: float, prediction: Prediction, selection: Selection, rounds: list[Round]) -> Outcome:
        return Outcome(
            ratio, rounds[-1].predicted_ratio, rounds[-1].predicted_ratio, measured=False,
            original_ms=prediction.original_ms, candidate_ms=prediction.of(selection.atoms), rounds=rounds,
        )  # fmt: skip
