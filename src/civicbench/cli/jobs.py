"""Commands about launches on clusters."""

from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from civicbench.launch.slurm.states import JobState
    from civicbench.launch.slurm.watching import LaunchState, StepState

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_SECONDS_A_MINUTE = 60
_MINUTES_AN_HOUR = 60
_SHOWN_TASKS = 3
_SHOWN_LAUNCHES = 20


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="List all of them, not the newest 20.")
@_json
@click.pass_context
def jobs(context: click.Context, every: bool, as_json: bool) -> None:
    """Launches on a cluster: how they stand, why they wait, and their logs.

    Without a command it lists those of this workspace, the newest first.
    """
    if context.invoked_subcommand is not None:
        return
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.submission import list_submissions
    from civicbench.launch.slurm.watching import describe

    launches = list_submissions(Workspace.locate())
    found = describe(launches if every else launches[:_SHOWN_LAUNCHES])
    if as_json:
        print_json([_as_json(state) for state in found])
        return
    if not found:
        click.echo("nothing was launched from this workspace")
        return
    print_table(
        "",
        ("launch", "cluster", "launched (UTC)", "jobs", "state"),
        [
            (
                state.name,
                state.cluster,
                state.submitted_at.replace("T", " ").rstrip("Z"),
                ", ".join(step.job_id or "-" for step in state.steps),
                state.summary,
            )
            for state in found
        ],
    )


@jobs.command("show")
@click.argument("launch")
@_json
def show_launch(launch: str, as_json: bool) -> None:
    """Show each job of LAUNCH: its state, why it waits or how it ended, its log.

    LAUNCH is a launch's name, the beginning of it, or the number of one of its jobs.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.submission import find_submission
    from civicbench.launch.slurm.watching import describe

    [state] = describe([find_submission(Workspace.locate(), launch)])
    if as_json:
        print_json(_as_json(state))
        return
    click.echo(f"{state.name} on {state.cluster}: {state.summary}")
    print_table(
        "",
        ("step", "job", "state", "why", "nodes", "ran", "left", "restarts"),
        [row for step in state.steps for row in _rows(step)],
    )
    for step in state.steps:
        if step.script_note:
            click.echo(f"note: {step.script} {step.script_note}; Slurm runs what was launched")
    for step in state.steps:
        for log in step.logs:
            click.echo(f"log of {step.step}: {log}")
    click.echo(f"scripts: {state.folder}")


@jobs.command("logs")
@click.argument("launch")
@click.option("--step", help="The step: train, evaluate, register or sweep. Default: the one "
              "that runs, failed or ended last.")  # fmt: skip
@click.option("--task", type=click.IntRange(min=0), help="The task of an array, from 0.")
@click.option("-f", "--follow", "keep_on", is_flag=True,
              help="Go on until the job has ended.")  # fmt: skip
def show_logs(launch: str, step: str | None, task: int | None, keep_on: bool) -> None:
    """Print the log of a job of LAUNCH, live with -f."""
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.submission import find_submission
    from civicbench.launch.slurm.watching import choose_step, describe, follow

    folder, submission = find_submission(Workspace.locate(), launch)
    if step is None:
        [state] = describe([(folder, submission)])
        step, task = choose_step(state, task=task)
    pieces = follow(folder, submission, submission.job(step), task=task, keep_on=keep_on)
    for piece in pieces:
        click.echo(printable(piece.replace("\r", "\n")), nl=False)


@click.command()
@click.argument("launch")
@click.option("--step", help="End this step alone: train, evaluate, register or sweep.")
def cancel(launch: str, step: str | None) -> None:
    """End the jobs of LAUNCH that wait or run; what they finished is kept.

    Training gets a moment to save: launched again, it goes on from there.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.launch.slurm.submission import find_submission
    from civicbench.launch.slurm.watching import cancel as end

    _, submission = find_submission(Workspace.locate(), launch)
    ended = end(submission, step=step)
    if ended:
        click.echo(f"{submission.name}: ended job{'s' * (len(ended) > 1)} {', '.join(ended)}")
    else:
        click.echo(f"{submission.name}: nothing waits or runs")


def _as_json(state: "LaunchState") -> dict[str, object]:
    return {"summary": state.summary, **state.model_dump(mode="json")}


def _rows(step: "StepState") -> list[tuple[str, ...]]:
    """Return a row a job; of an array one for all tasks that ended well, and one for each other."""
    if not step.states:
        return [(step.step, step.job_id or "-", "not taken", "", "", "", "", "")]
    done = [state for state in step.states if state.is_done]
    rest = [state for state in step.states if not state.is_done]
    rows = []
    if len(done) > _SHOWN_TASKS:
        rows.append((step.step, step.job_id or "-", "COMPLETED", f"{len(done)} tasks", *[""] * 4))
    else:
        rest = list(step.states)
    return rows + [_row(step, state) for state in rest]


def _row(step: "StepState", state: "JobState") -> tuple[str, ...]:
    label = step.step
    if state.task is not None and state.task < len(step.tasks):
        label = f"{step.step}: {step.tasks[state.task]}"
    shown = state.state if not state.exit_code else f"{state.state} ({state.exit_code})"
    why = state.words
    if state.expected_start and state.state == "PENDING":
        why += f"; expected to start {state.expected_start.replace('T', ' ')}"
    return (
        label,
        state.job_id,
        shown,
        why,
        state.nodes or "",
        _duration(state.ran_s),
        _duration(state.left_s),
        "" if state.restarts is None else str(state.restarts),
    )


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, _SECONDS_A_MINUTE)
    hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
    return f"{hours}:{minutes:02}:{rest:02}"
