"""Worker processes of a study: each takes trials until none is left, and none needs the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from compressor.errors import CompressorError, Terminated
from compressor.proof import Progress, silent
from compressor.study.carrying_out import carry_out, originals
from compressor.study.reading import read_recipe
from compressor.study.shared import Shared
from compressor.study.storage import Pulse, answering

_POLL_S = 1.0
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Job:
    """Where a study is.

    Attributes:
        recipe: path of its file.
        storage: URL of its database.
        pulse: how workers say that they live.
    """

    recipe: Path
    storage: str
    pulse: Pulse = field(default_factory=Pulse)

    def open(self) -> Shared:
        """The study, as this process sees it."""
        recipe = read_recipe(self.recipe)
        return Shared(recipe, recipe.digest(self.folder), self.storage, self.pulse)

    @property
    def folder(self) -> Path:
        """To which the recipe's paths are relative."""
        return self.recipe.resolve().parent


def run(job: Job, workers: int, *, retry_failed: bool = False, progress: Progress = silent) -> Shared:
    """Do all trials that are left, in ``workers`` processes; others may join from anywhere.

    Raises:
        CompressorError: the recipe or the storage is no good.
    """
    with answering(job.storage):
        shared = job.open()
        if retry_failed:
            shared.retry_failed()
        if not shared.originals:
            shared.set_originals(originals(shared.recipe, job.folder))
        if workers == 1:
            work(job, shared, progress)
        else:
            _in_processes(job, shared, workers, progress)
    return shared


def work(
    job: Job, shared: Shared, progress: Progress = silent, *, act: Callable[..., dict[str, object]] = carry_out
) -> int:
    """Take trials until all are done, by whomever; how many this process did.

    Ctrl-C leaves the current trial to others.
    """
    done = 0
    while not (tally := shared.tally()).over:
        progress("trials", tally.done + tally.failed, tally.total)
        claimed = shared.claim()
        if claimed is None:  # others are at work on the last ones, and may die of it
            time.sleep(_POLL_S)
            continue
        number, trial = claimed
        finished = False
        try:
            with shared.pulse(number):
                try:
                    finished = shared.finish(number, act(shared.recipe, job.folder, trial, progress))
                except CompressorError as error:
                    shared.fail(number, error.one_line())
        except KeyboardInterrupt:
            shared.put_back(number)
            raise
        done += finished
    progress("trials", shared.tally().total, shared.tally().total)
    return done


def _in_processes(job: Job, shared: Shared, workers: int, progress: Progress) -> None:
    """Start them, tell how far they are, wait for all."""
    context = multiprocessing.get_context("spawn")  # fresh ones: threads and locks of PyTorch do not survive a fork
    with _few_threads(shared.recipe.threads):
        processes = [context.Process(target=_worker, args=(job,)) for _ in range(workers)]
        for process in processes:
            process.start()
    try:
        while any(process.is_alive() for process in processes):
            tally = shared.tally()
            progress("trials", tally.done + tally.failed, tally.total)
            next((process for process in processes if process.is_alive()), processes[0]).join(_POLL_S)
    except Terminated:  # they know nothing of it, unlike Ctrl-C
        for process in processes:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        raise
    finally:  # each puts its trial back
        for process in processes:
            process.join()


def _worker(job: Job) -> None:
    """In a process of its own."""
    try:
        with answering(job.storage):
            work(job, job.open())
    except KeyboardInterrupt:
        sys.exit(130)
    except CompressorError as error:
        sys.stderr.write(f"error: {error.one_line()}\n")
        sys.exit(error.exit_code)


@contextmanager
def _few_threads(count: int) -> Iterator[None]:
    """What processes started inside take for the number of their threads."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
