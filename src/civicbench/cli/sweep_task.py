"""One run of a sweep, started by the sweep itself: `python -m ... FOLDER --processes N NUMBER`."""

import sys
from pathlib import Path

import click

from civicbench.cli.stopping import stops_when_asked
from civicbench.core.environment import keep_hub_offline, yield_waiting_threads
from civicbench.core.errors import CivicbenchError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--processes", type=click.IntRange(min=1), default=1, help="Processes that share it.")
@click.argument("number", type=int)
def run_one(folder: Path, processes: int, number: int) -> None:
    """Run task NUMBER of the sweep in FOLDER, and keep its result."""
    from civicbench.core.progress import Reporter
    from civicbench.pipeline.sweeps.task import run_task

    if processes > 1:
        sys.exit(_share(folder, number, processes=processes))
    with stops_when_asked():
        run_task(folder, number, reporter=Reporter())


def _share(folder: Path, number: int, *, processes: int) -> int:
    """Start several processes that share the task, and return the exit code."""
    from civicbench.launch.local import group_here
    from civicbench.launch.processes import run_group

    command = [sys.executable, "-m", "civicbench.cli.sweep_task", str(folder), str(number)]
    logs = folder / "logs" / f"{number:04d}"
    ended = run_group(command, group=group_here(processes), logs=logs)
    for line in ended.last_lines():
        click.echo(f"  | {line}", err=True)
    return int(ended.code)


def main() -> None:
    """Run the task and exit with its code."""
    keep_hub_offline()
    yield_waiting_threads()
    try:
        run_one.main(standalone_mode=False)
    except CivicbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
