"""The processes of one run on one machine: started together, told together, ended together."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from civicbench.core.environment import usable_cores
from civicbench.core.errors import ExitCode

# What a scheduler or a person sends to the starter is meant for the run.
_PASSED_ON = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_LOOK_EVERY_S = 0.02
# A process whose neighbour is gone notices within a second; one that hangs is ended.
_GRACE_S = 20.0
_SHOWN_LINES = 15
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Group:
    """Processes that share a run, as they are numbered; the first one leads.

    Attributes:
        processes: How many run on this machine.
        address: The name or address of the machine on which the first process runs.
        port: A free port there, by which they meet.
        machines: How many machines there are, each with as many processes.
        machine: Which of them this is, counted from 0.
    """

    processes: int
    address: str
    port: int
    machines: int = 1
    machine: int = 0

    @property
    def size(self) -> int:
        """All processes on all machines."""
        return self.processes * self.machines

    def rank(self, place: int) -> int:
        """Return the number of a process among all, by its place on this machine."""
        return self.machine * self.processes + place

    def variables(self, place: int) -> dict[str, str]:
        """Return what a process is told of the others: the variables that torchrun sets.

        Args:
            place: The process on this machine, counted from 0.
        """
        return {
            "RANK": str(self.rank(place)),
            "LOCAL_RANK": str(place),
            "WORLD_SIZE": str(self.size),
            "LOCAL_WORLD_SIZE": str(self.processes),
            "GROUP_RANK": str(self.machine),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
        }


@dataclass(frozen=True)
class Ended:
    """How the processes of this machine ended.

    Attributes:
        code: What the whole ends with: an exit code of Civicbench.
        rank: The process that ended first with that code, or because of a signal; None where all
            went well.
        reason: That in words.
        log: That process's log; None for a process that writes to the terminal.
        by_signal: Whether a signal ended it, so that it could not say why.
    """

    code: int
    rank: int | None = None
    reason: str = ""
    log: Path | None = None
    by_signal: bool = False

    def last_lines(self) -> list[str]:
        """Return the end of that process's log."""
        if self.log is None or not self.log.is_file():
            return []
        return self.log.read_text("utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]


def run_group(
    command: Sequence[str],
    *,
    group: Group,
    logs: Path,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command once for each process of this machine, and wait for all of them.

    The first process of all keeps the terminal; each other one writes into a log of its own.
    SIGTERM, SIGUSR1 and SIGINT are passed on. Where a process ends with an error, the others are
    ended; where this process is killed, they get SIGTERM.

    Args:
        command: The command.
        group: The processes.
        logs: Gets `rank-N.log` for each but the first; made where absent.
        environment: Variables beside those of this process.
    """
    logs.mkdir(parents=True, exist_ok=True)
    started: dict[int, subprocess.Popen[bytes]] = {}
    asked: list[signal.Signals] = []
    with _signals_passed_on(started, asked):
        for place in range(group.processes):
            started[group.rank(place)] = _start(
                command, group=group, place=place, logs=logs, environment=environment or {}
            )
        first = _wait(started)
    codes = {rank: process.returncode for rank, process in started.items()}
    return _judged(codes, first=first, asked=asked, logs=logs)


def log_of(logs: Path, rank: int) -> Path | None:
    """Return where a process's output goes; None for the one that keeps the terminal."""
    return logs / f"rank-{rank}.log" if rank > 0 else None


def _start(
    command: Sequence[str],
    *,
    group: Group,
    place: int,
    logs: Path,
    environment: Mapping[str, str],
) -> "subprocess.Popen[bytes]":
    variables = {**os.environ, **environment, **group.variables(place)}
    # As many threads as cores in each process would have them wait for each other.
    variables.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // group.processes)))
    path = log_of(logs, group.rank(place))
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(path.open("wb")) if path is not None else None
        return subprocess.Popen(  # noqa: S603 (this program itself)
            command,
            env=variables,
            stdin=subprocess.DEVNULL if path is not None else None,
            stdout=output,
            stderr=subprocess.STDOUT if path is not None else None,
            process_group=0,  # Ctrl-C reaches the starter alone, which passes it on once
            preexec_fn=_end_with_parent,
        )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@contextlib.contextmanager
def _signals_passed_on(
    started: "Mapping[int, subprocess.Popen[bytes]]", asked: list[signal.Signals]
) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(signal.Signals(number))
        for process in started.values():
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(started: "Mapping[int, subprocess.Popen[bytes]]") -> int | None:
    """Wait for all, ending the others where one failed; return the rank that failed first."""
    first: int | None = None
    failed_at = 0.0
    left = dict(started)
    told = killed = False
    while left:
        for rank, process in list(left.items()):
            if process.poll() is None:
                continue
            del left[rank]
            if process.returncode != 0 and first is None:
                first, failed_at = rank, time.monotonic()
        waited_s = time.monotonic() - failed_at
        if first is not None and not told and waited_s > _GRACE_S / 2:
            told = True
            _send(left, signal.SIGTERM)
        if first is not None and not killed and waited_s > _GRACE_S:
            killed = True
            _send(left, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)
    return first


def _send(left: "Mapping[int, subprocess.Popen[bytes]]", number: signal.Signals) -> None:
    for process in left.values():
        process.send_signal(number)


def _judged(
    codes: Mapping[int, int],
    *,
    first: int | None,
    asked: Sequence[signal.Signals],
    logs: Path,
) -> Ended:
    if first is None:
        return Ended(ExitCode.DONE)
    # One that was told before it could listen had nothing to save.
    unheard = {-number for number in asked if number != signal.SIGINT}
    stopped = [r for r, code in codes.items() if code == ExitCode.TRY_AGAIN or code in unheard]
    if asked and stopped:
        return Ended(ExitCode.TRY_AGAIN, stopped[0], f"stopped by {asked[0].name}")
    code = codes[first]
    log = log_of(logs, first)
    if code < 0:
        name = signal.Signals(-code).name
        likely = ", as the system does where memory runs out" if -code == signal.SIGKILL else ""
        return Ended(ExitCode.INTERNAL_ERROR, first, f"was ended by {name}{likely}", log, True)
    return Ended(code, first, f"ended with exit code {code}", log)
