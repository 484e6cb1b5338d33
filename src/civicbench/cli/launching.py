"""The command that starts a run's processes."""

import sys

import click

from civicbench.cli.working import overrides_argument, recipe_argument


@click.command()
@recipe_argument
@overrides_argument
@click.option(
    "--processes", type=click.IntRange(min=1),
    help="How many share the work on each machine; one for each GPU where not given, else one.",
)  # fmt: skip
@click.option(
    "--resume", "must_resume", is_flag=True,
    help="Go on from a checkpoint of this very run, or refuse and say what differs.",
)  # fmt: skip
@click.option("--only-training", is_flag=True, help="End with the trained weights.")
@click.option(
    "--machines", type=click.IntRange(min=1), default=1, show_default=True,
    help="How many machines share the work: the same command is given on each.",
)  # fmt: skip
@click.option(
    "--machine", type=int, default=0, show_default=True,
    help="Which of them this is, counted from 0.",
)  # fmt: skip
@click.option(
    "--meet", "meeting", metavar="HOST:PORT",
    help="Where the machines meet: the first one's name and a free port there.",
)  # fmt: skip
def launch(
    recipe: str,
    overrides: tuple[str, ...],
    processes: int | None,
    must_resume: bool,
    only_training: bool,
    machines: int,
    machine: int,
    meeting: str | None,
) -> None:
    """Start RECIPE on the devices of this machine, the whole way.

    One process for each GPU shares training and scoring; on a processor it is one, or as many as
    --processes says. SIGTERM and SIGUSR1 are passed on to all: they end with a checkpoint and exit
    code 75, and the same command goes on. Where one process dies, all end, and it is named.
    """
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.launch.local import choose_processes, group_among, group_here, logs_folder
    from civicbench.launch.processes import run_group
    from civicbench.recipes.loading import load_recipe

    workspace = Workspace.locate()
    loaded = load_recipe(recipe, overrides=overrides)
    hardware = loaded.settings.hardware
    if meeting is None and (machines > 1 or machine != 0):
        raise InvalidInputError(
            "several machines need a place to meet",
            where="command line: --meet",
            remedy="give the first machine's name and a free port there: --meet HOST:PORT",
        )
    count = choose_processes(
        loaded.training,
        asked=processes,
        hardware_devices=hardware.devices if hardware is not None else 1,
        machines=machines,
    )
    group = (
        group_here(count)
        if meeting is None
        else group_among(count, meeting=meeting, machines=machines, machine=machine)
    )
    command = [sys.executable, "-m", "civicbench", "train" if only_training else "run", recipe]
    command += [*overrides, *(["--resume"] if must_resume else [])]
    logs = logs_folder(workspace, recipe=loaded.settings.name)
    reporter = Reporter(live=False)
    if group.size > 1:
        reporter.say(f"> {group.size} processes; what all but the first say: {logs}")
    ended = run_group(command, group=group, logs=logs)
    if ended.reason and (ended.log is not None or ended.by_signal):
        reporter.say(f"error: process {ended.rank} of {group.size} {ended.reason}; all have ended")
        for line in ended.last_lines():
            reporter.say(f"  | {line}")
        if ended.log is not None:
            reporter.say(f"  its whole output: {ended.log}")
        reporter.say("  what to do: mend that, and run the same command to go on")
    sys.exit(ended.code)
