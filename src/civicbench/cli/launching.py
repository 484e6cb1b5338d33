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
@click.option("--cluster", metavar="NAME",
              help="Launch on a Slurm cluster: a profile of slurm/clusters/.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the cluster's batch scripts; launch nothing.")
def launch(
    recipe: str,
    overrides: tuple[str, ...],
    processes: int | None,
    must_resume: bool,
    only_training: bool,
    machines: int,
    machine: int,
    meeting: str | None,
    cluster: str | None,
    dry_run: bool,
) -> None:
    """Start RECIPE on the devices of this machine, or on a cluster, the whole way.

    One process for each GPU shares training and scoring; on a processor it is one, or as many as
    --processes says. SIGTERM and SIGUSR1 are passed on to all: they end with a checkpoint and exit
    code 75, and the same command goes on. Where one process dies, all end, and it is named.

    With --cluster it queues training, then a job for each suite, then gate and registry;
    `civicbench jobs` shows how they stand.
    """
    if cluster is not None:
        if machines > 1 or machine or meeting is not None:
            raise click.UsageError("--cluster goes with none of --machines, --machine and --meet")
        _launch_on_cluster(
            recipe,
            overrides,
            cluster=cluster,
            processes=processes,
            must_resume=must_resume,
            only_training=only_training,
            dry_run=dry_run,
        )
        return
    if dry_run:
        raise click.UsageError("--dry-run goes with --cluster; here, see `civicbench plan`")
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


def _launch_on_cluster(
    recipe: str,
    overrides: tuple[str, ...],
    *,
    cluster: str,
    processes: int | None,
    must_resume: bool,
    only_training: bool,
    dry_run: bool,
) -> None:
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.profile import load_cluster
    from civicbench.launch.slurm.submitting import require_shared, submit
    from civicbench.pipeline.cluster.launching import launch_of
    from civicbench.recipes.loading import load_recipe

    workspace = Workspace.locate()
    planned = launch_of(
        load_recipe(recipe, overrides=overrides),
        load_cluster(cluster),
        reference=recipe,
        processes=processes,
        must_resume=must_resume,
        only_training=only_training,
    )
    if dry_run:
        try:
            require_shared(workspace, planned.profile)
        except InvalidInputError as error:
            click.echo(f"would be refused: {error}", err=True)
        folder = workspace.jobs / f"{planned.what}-DRY-RUN"
        for step, script in planned.scripts(folder).items():
            click.echo(f"### {step}.sbatch\n{script}")
        return
    submission = submit(planned, workspace=workspace, reporter=Reporter())
    click.echo(f"Launch: {submission.name}")
    click.echo(f"Next: civicbench jobs show {submission.name}")
