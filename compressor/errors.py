"""Every error the product raises on purpose: what was wrong, where, and what to do about it."""

from __future__ import annotations

EXIT_USAGE = 2
EXIT_FAILED = 1
EXIT_ENVIRONMENT = 3
EXIT_INCONCLUSIVE = 4


class CompressorError(Exception):
    """Base of all deliberate errors.

    Args:
        what: one sentence saying what is wrong.
        where: the file, node or tensor it was found at.
        fix: one sentence saying what the user can do.
    """

    exit_code = EXIT_FAILED

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(self.one_line())

    def one_line(self) -> str:
        """The whole message on one line, as the command line prints it."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.fix:
            text = f"{text.rstrip('.')}. {self.fix}"
        return " ".join(text.split())


class UsageError(CompressorError):
    """An argument is out of range, unknown, or contradicts another."""

    exit_code = EXIT_USAGE


class ModelFileError(CompressorError):
    """A model file is missing, unreadable, corrupt, unsafe, or cannot be written."""

    exit_code = EXIT_USAGE


class GraphError(CompressorError):
    """A graph is malformed or uses something that cannot be analysed."""

    exit_code = EXIT_USAGE


class PlanError(CompressorError):
    """A plan is malformed or was made for another graph."""

    exit_code = EXIT_USAGE


class NothingToPruneError(CompressorError):
    """No channel can be removed, or the target cannot be reached."""


class VerificationError(CompressorError):
    """The pruned model differs from the masked original."""


class CandidateError(CompressorError):
    """A candidate for release cannot do what the baseline does: it does not open, or its interface is another."""


class BackendError(CompressorError):
    """A runtime is missing, refused the model, or did not use the provider asked for."""

    exit_code = EXIT_ENVIRONMENT


class MachineError(BackendError):
    """A runtime cannot do here what was asked, whatever the model: too few CPUs, no such provider, full memory."""


class EnvironmentProblem(CompressorError):
    """A package, device or folder that the work needs is not there."""

    exit_code = EXIT_ENVIRONMENT


class Terminated(KeyboardInterrupt):
    """SIGTERM: the work is undone, and other processes are ended, as after Ctrl-C."""


class RegistryError(UsageError):
    """A name is registered twice, or is not registered at all."""
