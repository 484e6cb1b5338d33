"""Errors a user can cause, and the exit codes that scripts and Slurm chains rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `civicbench` command; a stable contract (docs/exit-codes.md)."""

    DONE = 0
    INTERNAL_ERROR = 1
    INVALID_USE = 2
    GATE_FAILED = 3
    WAITING_FOR_DECISION = 4
    PART_ABSENT = 5
    INTEGRITY_FAILED = 6
    TRY_AGAIN = 75
    INTERRUPTED = 130


class CivicbenchError(Exception):
    """Something a user can cause and mend: shown without a traceback.

    Args:
        problem: What is wrong, in one sentence.
        where: The file, key or stage in which it was found.
        got: What was found there, as text.
        remedy: What the reader can do about it.
    """

    exit_code = ExitCode.INTERNAL_ERROR

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if self.got is not None:
            lines.append(f"  got: {self.got}")
        if self.remedy is not None:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)


class InvalidInputError(CivicbenchError):
    """A recipe, dataset, suite or command line that cannot be used as it stands."""

    exit_code = ExitCode.INVALID_USE


class PartAbsentError(CivicbenchError):
    """A file, model, package, network or disk space that is needed and is not there."""

    exit_code = ExitCode.PART_ABSENT


class IntegrityError(CivicbenchError):
    """Bytes that are not what their digest says they are."""

    exit_code = ExitCode.INTEGRITY_FAILED


class GateFailedError(CivicbenchError):
    """A registered version that does not meet its gate."""

    exit_code = ExitCode.GATE_FAILED


class DecisionAwaitedError(CivicbenchError):
    """A version on which a person has to decide first."""

    exit_code = ExitCode.WAITING_FOR_DECISION


class WorkFailedError(CivicbenchError):
    """Training or evaluation that had to stop: non-finite loss, an inactive adapter."""


class StoppedError(CivicbenchError):
    """Work that a signal asked to stop, and that the same command goes on with."""

    exit_code = ExitCode.TRY_AGAIN


class DiskFullError(PartAbsentError):
    """A write that found no space left; what was half-written has been removed."""
