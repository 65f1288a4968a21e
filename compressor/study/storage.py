"""The database of a study: SQLite for one machine, PostgreSQL for many."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compressor.errors import EnvironmentProblem, UsageError
from compressor.extras import require
from compressor.study.recipe import Recipe

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from sqlalchemy.engine import Connection, Engine

_LOCK_WAIT_S = 120.0
_OPENINGS = 5
_DIGEST, _RECIPE = "recipe digest", "recipe"


@dataclass(frozen=True)
class Pulse:
    """How often a worker says that it lives, and after how long a silence its trial is given to another."""

    interval_s: int = 15
    grace_s: int = 60


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn what Optuna raises when the database fails into one of our errors.

    Raises:
        EnvironmentProblem: the database does not answer any more.
    """
    require("optuna", "study", "a study")
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        what = f"the storage does not answer: {error.__cause__ or error}"
        raise EnvironmentProblem(what, where=_shown(url), fix="Start again: what is done stays done.") from error


def _shown(url: str) -> str:
    """Without name and password."""
    return url.rpartition("@")[2]


def study_of(storage: RDBStorage, recipe: Recipe, digest: str) -> Study:
    """The study in the storage, made where it is not there yet.

    Raises:
        UsageError: it was made from another recipe.
    """
    import optuna

    study = optuna.create_study(
        storage=storage, study_name=recipe.name, load_if_exists=True, sampler=optuna.samplers.RandomSampler(),
        direction="maximize" if recipe.higher_is_better else "minimize",
    )  # fmt: skip
    there = study.user_attrs.get(_DIGEST)
    if there is None:  # of two that come first both write the same, or the later one sees the difference
        study.set_user_attr(_RECIPE, recipe.model_dump(mode="json"))
        study.set_user_attr(_DIGEST, digest)
    elif there != digest:
        raise UsageError(
            f"the study {recipe.name!r} was made from another recipe, or from other files", where="storage",
            fix="Give the recipe another name, or the study another storage.",
        )  # fmt: skip
    return study


def open_storage(url: str, pulse: Pulse) -> RDBStorage:
    """The database of a URL, with its tables.

    Raises:
        EnvironmentProblem: Optuna or the database's driver is not installed, or the database does not answer.
        UsageError: the URL names no database.
    """
    require("optuna", "study", "a study")
    import optuna
    from sqlalchemy import exc

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    wait: dict[str, Any] = {"connect_args": {"timeout": _LOCK_WAIT_S}} if url.startswith("sqlite") else {}
    shown = _shown(url)
    for opening in range(1, _OPENINGS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                storage = optuna.storages.RDBStorage(
                    url, engine_kwargs=wait, heartbeat_interval=pulse.interval_s, grace_period=pulse.grace_s
                )
            break
        except ImportError as error:
            raise EnvironmentProblem(
                "the database's driver is not installed", where=shown,
                fix="For PostgreSQL: `pip install psycopg2-binary`.",
            ) from error  # fmt: skip
        except (exc.ArgumentError, exc.NoSuchModuleError, ValueError) as error:
            fix = "Give for example sqlite:///study.db or postgresql://user@host/name."
            raise UsageError("is no storage", where=shown, fix=fix) from error
        except (exc.OperationalError, exc.IntegrityError, exc.ProgrammingError) as error:
            if opening == _OPENINGS:  # before that: of several that come first, each may be making the tables
                raise EnvironmentProblem(f"the storage does not answer: {error.orig}", where=shown) from error
            time.sleep(0.2 * opening)
        except exc.DatabaseError as error:
            raise UsageError(f"is no database of a study: {error.orig}", where=shown) from error
    if url.startswith("sqlite"):
        _one_writer(storage.engine)
    return storage


def _one_writer(engine: Engine) -> None:
    """SQLite knows no SELECT FOR UPDATE: without this, two workers may both find a trial waiting and both take it."""
    from sqlalchemy import event

    def manual(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    def immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", manual)
    event.listen(engine, "begin", immediate)
    engine.dispose()
