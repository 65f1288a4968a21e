"""Carries out a recipe: stage after stage, each taken from the store where its result is there already."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from compressor.errors import CompressorError
from compressor.model_io import read, write
from compressor.peak_memory import PeakMemory
from compressor.proof import Progress, silent
from compressor.recipe.common import RecipeFile
from compressor.recipe.pass_manager import PassManager
from compressor.recipe.planning import Planned, plan_run
from compressor.recipe.stage import INPUT, Flow, Work
from compressor.recipe.store import RECORD, Entry, Store
from compressor.study.paths import file_digest

DUMPS = "dump"


class Watcher(Protocol):
    """Is told what happens; may raise to end the run."""

    def planned(self, stages: Sequence[Planned], digests: Mapping[str, str], seed: int) -> None:
        """Before any work."""

    def finished(self, planned: Planned, entry: Entry) -> None:
        """A stage is done, or was found."""


@dataclass
class Run:
    """One run of a recipe.

    Attributes:
        recipe, out: what, and where to.
        stop_after: the last stage that runs; None for all.
        dump_after: stages and passes after which the model is written to ``out``/dump.
        watcher: told about every stage.
        progress: called with (what, done, total).
        planned: the stages of the recipe.
        inputs: digests of the products that are there before any of them.
        entries: the finished stages by name, in order; those of this run and those found.
        found: names of stages that were found.
    """

    recipe: RecipeFile
    out: Path
    stop_after: str | None = None
    dump_after: Collection[str] = ()
    watcher: Watcher | None = None
    progress: Progress = silent
    entries: dict[str, Entry] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.out)
        self.planned, self.inputs = plan_run(self.recipe)  # a bad recipe or model leaves no folder behind
        self._digests = dict(self.inputs)
        self._files: dict[str, Path] = {} if INPUT not in self._digests else {INPUT: self.recipe.model()}

    def stages(self) -> list[Planned]:
        """Those that are to run."""
        names = [one.name for one in self.planned]
        last = len(names) if self.stop_after is None else names.index(self.stop_after) + 1
        return self.planned[:last]

    def foretell(self) -> list[tuple[Planned, Entry | None]]:
        """What a run would do, and what it would find; changes nothing."""
        listed: list[tuple[Planned, Entry | None]] = []
        for planned in self.stages():
            entry = None
            if all(name in self._digests for name in planned.reads):
                entry = self.store.find(planned.name, planned.key(self._digests))
            if entry is not None:
                self._note(planned, entry)
            listed.append((planned, entry))
        return listed

    def prepare(self) -> None:
        """Let the watcher refuse the run before anything is touched."""
        if self.watcher is not None:
            self.watcher.planned(self.planned, self.inputs, self.recipe.seed)

    def carry_out(self) -> list[Entry]:
        """Run what is not there yet. The store must be open.

        Raises:
            CompressorError: of a stage; its name is added to the place.
        """
        stages = self.stages()
        for number, planned in enumerate(stages):
            self.progress("stages", number, len(stages))
            key = planned.key(self._digests)
            entry = None if set(planned.stage.passes) & set(self.dump_after) else self.store.find(planned.name, key)
            if entry is not None:
                self.found.append(planned.name)
            else:
                with _named(planned.name):
                    entry = self._carry_out(planned, key)
            self._note(planned, entry)
            if planned.name in self.dump_after:
                flow = planned.stage.after(self.recipe, planned.flow, planned.name)
                self._dump(planned.name, read(self._files[flow.model]))
            if self.watcher is not None:
                self.watcher.finished(planned, entry)
        self.progress("stages", len(stages), len(stages))
        return list(self.entries.values())

    def _carry_out(self, planned: Planned, key: str) -> Entry:
        def told(what: str, done: int, total: int) -> None:
            self.progress(f"{planned.name}: {what}", done, total)

        passes = PassManager(self.recipe.seed, told, self._dump, self.dump_after)
        files = {name: self._files[name] for name in planned.reads}
        with self.store.writing(planned.name) as folder:
            work = Work(self.recipe, planned.flow, folder, self.store.scratch(planned.name, key), files, passes, told)
            with PeakMemory() as peak:
                start = time.perf_counter()
                outcome = planned.stage.run(work)
                spent = time.perf_counter() - start
            records = [record.to_json() for record in passes.records]
            entry = Entry(
                planned.name, key, folder, {}, outcome.record, list(outcome.lines), outcome.exit_code, outcome.keep,
                round(spent, 3), peak.bytes, records,
            )  # fmt: skip
            return self.store.finish(folder, entry)

    def _note(self, planned: Planned, entry: Entry) -> None:
        """Its products are there for later stages."""
        self.entries[planned.name] = entry
        for name in entry.files:
            self._files[f"{planned.name}/{name}"] = entry.folder / name
            self._digests[f"{planned.name}/{name}"] = entry.digest(name)
        record = entry.folder / RECORD  # a product too: of those stages that tell about others
        self._files[f"{planned.name}/{RECORD}"] = record
        self._digests[f"{planned.name}/{RECORD}"] = file_digest(record)

    def final(self) -> Flow:
        """What there is when all stages that are to run are done."""
        last = self.stages()[-1]
        return last.stage.after(self.recipe, last.flow, last.name)

    def _dump(self, name: str, graph: Any) -> None:
        order = [one for planned in self.planned for one in (*planned.stage.passes, planned.name)]
        number = order.index(name) + 1
        (self.out / DUMPS).mkdir(parents=True, exist_ok=True)
        write(graph, self.out / DUMPS / f"{number:02}-{name}.onnx")


@contextmanager
def _named(stage: str) -> Iterator[None]:
    """Errors inside say in which stage they were."""
    try:
        yield
    except CompressorError as error:
        error.where = f"stage {stage}, {error.where}" if error.where else f"stage {stage}"
        raise
