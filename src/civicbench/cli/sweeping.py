"""Commands that run sweeps and show what they found."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table, printable
from civicbench.cli.working import recipe_argument
from civicbench.core.errors import WorkFailedError

if TYPE_CHECKING:
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.sweeps.declaring import Sweep
    from civicbench.pipeline.sweeps.results import SeedInterval, SweepResult, VariationResult

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_SHOWN_MEASURES = 6


@click.command()
@recipe_argument
@click.argument("values", nargs=-1, required=True, metavar="KEY.PATH=VALUE[,VALUE]...")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True,
    help="Run each combination with so many seeds, from the recipe's own on.",
)  # fmt: skip
@click.option(
    "--winner-rule", "rule", metavar="RULE",
    help="What decides, declared before the first run: min:held_out_loss (unless given), "
    "max:SUITE/TASK/METRIC; with :bound behind it, the worse end of the interval.",
)  # fmt: skip
@click.option("--only-training", is_flag=True, help="Score no suite.")
@click.option("--processes", type=click.IntRange(min=1),
              help="Processes that share each run; the cluster's profile, or one.")  # fmt: skip
@click.option("--cluster", metavar="NAME",
              help="Run as an array on a Slurm cluster, each run on one node.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would be run; declare nothing.")
@_json
def sweep(
    recipe: str,
    values: tuple[str, ...],
    seeds: int,
    rule: str | None,
    only_training: bool,
    processes: int | None,
    cluster: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run RECIPE with every combination of values and seeds, and choose a winner by rule.

    The rule and all combinations are checked and written down with a digest before the first run
    starts. Runs that stand done are not run again. One that fails is listed, the others go on, and
    the exit code is 1. Given again, the same command goes on.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.sweeps.declaring import declare_sweep

    workspace = Workspace.locate()
    folder, declared = declare_sweep(
        recipe,
        values,
        seeds=seeds,
        rule=rule,
        evaluated=not only_training,
        workspace=workspace,
        keep=not dry_run,
    )
    words = ["civicbench", "sweep", recipe, *values, "--seeds", str(seeds)]
    words += ["--winner-rule", declared.rule.text, *(["--only-training"] if only_training else [])]
    if cluster is not None:
        command = shlex.join([*words, "--cluster", cluster])
        _launch(folder, declared, cluster=cluster, command=command, processes=processes,
                dry_run=dry_run, workspace=workspace)  # fmt: skip
        return
    if dry_run:
        click.echo(f"{declared.name}: {declared.rule.words}")
        for task in declared.tasks:
            click.echo(" ".join(task.overrides))
        return
    _run_here(folder, declared, processes=processes or 1)
    result = _show(folder, declared, as_json=as_json)
    if result.failures:
        raise WorkFailedError(
            f"{len(result.failures)} of {result.tasks} runs failed; the others are kept",
            where=declared.name,
            remedy="mend the cause and give the same command again: what is done is not run again",
        )


def _run_here(folder: Path, declared: "Sweep", *, processes: int) -> None:
    from civicbench.core.progress import Reporter
    from civicbench.pipeline.sweeps.running import run_here

    reporter = Reporter()
    reporter.say(
        f"Sweep {declared.name}: {len(declared.tasks)} runs; declared under "
        f"{declared.digest[:12]}: {declared.rule.words}"
    )
    run_here(folder, declared, processes=processes, reporter=reporter)


def _launch(
    folder: Path,
    declared: "Sweep",
    *,
    cluster: str,
    command: str,
    processes: int | None,
    dry_run: bool,
    workspace: "Workspace",
) -> None:
    from civicbench.core.progress import Reporter
    from civicbench.launch.slurm.profile import load_cluster
    from civicbench.launch.slurm.submitting import submit
    from civicbench.pipeline.sweeps.running import forget_failures, launch_of_sweep

    profile = load_cluster(cluster)
    planned = launch_of_sweep(
        folder, declared, profile, command=command, processes=processes or profile.processes
    )
    if planned is None:
        click.echo(f"every run of {declared.name} is done: civicbench sweeps show {declared.name}")
        return
    if dry_run:
        for script in planned.scripts(workspace.jobs / f"{declared.name}-DRY-RUN").values():
            click.echo(script)
        return
    forget_failures(folder, declared)
    submission = submit(planned, workspace=workspace, reporter=Reporter())
    click.echo(f"Sweep: {declared.name}, declared under {declared.digest[:12]}")
    click.echo(f"Rule: {declared.rule.words}")
    click.echo(f"Launch: {submission.name}")
    click.echo(f"Next: civicbench sweeps show {declared.name}")


@click.group()
def sweeps() -> None:
    """Sweeps: what was declared, and what was found."""


@sweeps.command("list")
@_json
def list_sweeps(as_json: bool) -> None:
    """List the sweeps of this workspace."""
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.sweeps.declaring import list_declared
    from civicbench.pipeline.sweeps.results import read_results

    found = [read_results(*pair) for pair in list_declared(Workspace.locate())]
    if as_json:
        print_json([result.model_dump(mode="json") for result in found])
        return
    print_table(
        "",
        ("sweep", "declared (UTC)", "runs", "state", "rule"),
        [
            (
                result.name,
                result.declared_at.replace("T", " ").rstrip("Z"),
                f"{result.done} of {result.tasks}",
                result.state,
                result.rule.words,
            )
            for result in found
        ],
    )


@sweeps.command("show")
@click.argument("name")
@_json
def show_sweep(name: str, as_json: bool) -> None:
    """Show the results of the sweep NAME so far, and its winner where all runs have ended."""
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.sweeps.declaring import find_sweep

    _show(*find_sweep(Workspace.locate(), name), as_json=as_json)


def _show(folder: Path, declared: "Sweep", *, as_json: bool) -> "SweepResult":
    from civicbench.pipeline.sweeps.results import read_results

    result = read_results(folder, declared)
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        _print(result)
    return result


def _print(result: "SweepResult") -> None:
    click.echo(
        f"{result.name}: {result.done} of {result.tasks} runs done; rule declared at "
        f"{result.declared_at} under {result.digest[:12]}: {result.rule.words}"
    )
    names = [name for v in result.variations for name in v.measures]
    measures = [result.rule.measure, *(n for n in names if n != result.rule.measure)]
    shown = list(dict.fromkeys(measures))[:_SHOWN_MEASURES]
    print_table(
        "",
        ("settings", "runs", *shown, "against the winner"),
        [_row(result, variation, shown) for variation in result.variations],
    )
    for failure in result.failures:
        first = failure.error.splitlines()[0] if failure.error else ""
        click.echo(
            f"run {failure.number} failed ({failure.exit_code}): {' '.join(failure.overrides)}: "
            f"{printable(first)}"
        )
    for line in _verdict(result):
        click.echo(line)


def _row(result: "SweepResult", variation: "VariationResult", shown: list[str]) -> tuple[str, ...]:
    against = "winner" if variation.number == result.winner else ""
    if variation.behind is not None:
        apart = {True: "apart", False: "not distinguishable", None: "one seed"}
        against = f"{_interval(variation.behind)}, {apart[variation.distinguishable]}"
    failed = f", {variation.failed} failed" if variation.failed else ""
    return (
        " ".join(variation.overrides),
        f"{variation.done} of {len(result.seeds)}{failed}",
        *(_interval(variation.measures.get(name)) for name in shown),
        against,
    )


def _interval(found: "SeedInterval | None") -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.mean:.4f}"
    return f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"


def _verdict(result: "SweepResult") -> list[str]:
    if result.left:
        return [f"{len(result.left)} runs are left: no winner is chosen before they have ended"]
    if result.winner is None:
        return ["no combination has all of its runs done: there is no winner"]
    best = next(v for v in result.variations if v.number == result.winner)
    lines = [f"Winner: {' '.join(best.overrides)}"]
    like = [v for v in result.variations if v.distinguishable is False]
    if len(result.seeds) == 1:
        lines.append("One seed tells nothing of chance between seeds: ask for --seeds 3 or more.")
    elif like:
        lines.append(
            "Not distinguishable from it: " + "; ".join(" ".join(v.overrides) for v in like)
        )
    if "/" in result.rule.measure:
        lines.append(
            "It was chosen by this suite, so that its value there is better than it will be on "
            "items that nobody chose by."
        )
    if result.trained_before:
        lines.append(
            f"{result.trained_before} of the runs had been trained before the rule was declared."
        )
    return lines
