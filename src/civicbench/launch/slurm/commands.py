"""Calling Slurm's own programs, and saying what they said."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from civicbench.core.errors import CivicbenchError, ExitCode, PartAbsentError
from civicbench.launch.slurm.explaining import explain_refusal

_PATIENCE_S = 120.0
_OPTIONS = re.compile(r"(SLURM|SBATCH|SRUN|SQUEUE|SACCT|SINFO|SCANCEL|SCONTROL)_")
_KEPT_VARIABLES = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"})
_SHUT_CONTROLLER = re.compile(
    r"Unable to contact slurm controller|Connection refused|Socket timed out|"
    r"Zero Bytes were transmitted|Could not establish a configuration source",
    re.IGNORECASE,
)


class SlurmRefusedError(CivicbenchError):
    """A request that Slurm refused; shown as Slurm said it."""

    exit_code = ExitCode.INVALID_USE


def ask_slurm(
    program: str, *arguments: str, what: str, folder: Path | None = None, text: str | None = None
) -> str:
    """Run one of Slurm's programs and return what it printed.

    Args:
        program: Its name, such as "squeue".
        arguments: Its arguments, as they are: no shell reads them.
        what: What is asked for, for the message.
        folder: The folder to run in.
        text: What it reads from its standard input.

    Raises:
        PartAbsentError: The program is not here, or Slurm's controller does not answer.
        SlurmRefusedError: Slurm refused, in its words and with what to change.
    """
    done = try_slurm(program, *arguments, folder=folder, text=text)
    if done.returncode == 0:
        return done.stdout
    said = (done.stderr.strip() or done.stdout.strip()) or f"exit code {done.returncode}"
    if _SHUT_CONTROLLER.search(said):
        raise PartAbsentError(
            "Slurm does not answer", where=what, got=said,
            remedy="try again in a while; `scontrol ping` shows whether its controller is up. If "
            "it timed out while submitting, look with `squeue --me` whether the job is there",
        )  # fmt: skip
    raise SlurmRefusedError(
        "Slurm refused it", where=what, got=said, remedy=explain_refusal(said)
    )  # fmt: skip


def try_slurm(
    program: str,
    *arguments: str,
    folder: Path | None = None,
    text: str | None = None,
    patience_s: float = _PATIENCE_S,
) -> "subprocess.CompletedProcess[str]":
    """Run one of Slurm's programs and return how it ended, whatever that was.

    Raises:
        PartAbsentError: The program is not here, or did not end.
    """
    path = shutil.which(program)
    if path is None:
        raise PartAbsentError(
            f"{program} is not here",
            where="Slurm",
            remedy="run this on a login node of the cluster, or load the site's Slurm module",
        )
    try:
        return subprocess.run(  # noqa: S603 (no shell, and the program is Slurm's)
            [path, *arguments],
            text=True,
            errors="replace",
            capture_output=True,
            check=False,
            cwd=folder,
            input=text if text is not None else "",
            timeout=patience_s,
            env=_client_environment(),
        )
    except subprocess.TimeoutExpired:
        raise PartAbsentError(
            f"{program} did not answer in {patience_s:.0f} s", where="Slurm",
            remedy="try again in a while",
        ) from None  # fmt: skip


def _client_environment() -> dict[str, str]:
    """Return an environment without what would change the programs' options or output.

    Within a job (an interactive one, say) Slurm's variables describe that job, and would be taken
    for wishes about the next.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or not _OPTIONS.match(name)
    }
