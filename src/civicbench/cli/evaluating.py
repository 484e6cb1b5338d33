"""Commands that score models and check scores."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.comparisons import print_comparisons, print_judges
from civicbench.cli.output import print_json, print_table
from civicbench.cli.stopping import stops_when_asked
from civicbench.cli.working import overrides_argument, recipe_argument
from civicbench.core.errors import InvalidInputError

if TYPE_CHECKING:
    from civicbench.pipeline.noise import NoiseRecord

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command()
@recipe_argument
@overrides_argument
@click.option(
    "--also", multiple=True, metavar="VERSION",
    help="Score a registered version on the same base beside them; may be given several times.",
)  # fmt: skip
@click.option(
    "--repeats", type=click.IntRange(min=2),
    help="Score again so many times in other batches and threads, and show how far scores move.",
)  # fmt: skip
@click.option(
    "--suite", "suites", multiple=True, metavar="SUITE",
    help="Score this suite of the recipe alone, and write no report: one task of an array.",
)  # fmt: skip
@click.option(
    "--to", "folder", type=click.Path(path_type=Path),
    help="Folder for the report; the workspace's own place where not given.",
)  # fmt: skip
@_json
def evaluate(
    recipe: str,
    overrides: tuple[str, ...],
    also: tuple[str, ...],
    repeats: int | None,
    suites: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """Score the base and the tuned model of RECIPE on its suites, and compare them by pairs.

    Trains first where that does not stand done; registers nothing. Ends with a table and
    writes a report. Started by torchrun, all its processes share the scoring.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.evaluating import evaluate_recipe
    from civicbench.pipeline.reporting import (
        evaluate_command,
        report_on,
        write_evaluation_report,
    )
    from civicbench.pipeline.sharing import shared_ranks
    from civicbench.recipes.loading import load_recipe

    if suites:
        if also or repeats or folder:
            raise click.UsageError("--suite goes with none of --also, --repeats and --to")
        _evaluate_suites(recipe, overrides, suites=suites, as_json=as_json)
        return
    workspace = Workspace.locate()
    with stops_when_asked(), shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        loaded = load_recipe(recipe, overrides=overrides)
        done = evaluate_recipe(
            loaded,
            also=also,
            repeats=repeats,
            workspace=workspace,
            reporter=Reporter(),
            ranks=ranks,
        )
    command = evaluate_command(recipe, overrides=overrides, also=also, repeats=repeats)
    report = report_on(done, recipe=loaded, command=command, workspace=workspace)
    paths = write_evaluation_report(report, folder=folder, workspace=workspace)
    if as_json:
        print_json(
            {
                "comparisons": {
                    found.contender.label: [c.model_dump(mode="json") for c in found.comparisons]
                    for found in done.scores.contenders
                },
                "noise": [record.model_dump(mode="json") for record in done.noise],
                "report": str(paths.html),
            }
        )
        return
    for found in done.scores.contenders:
        if len(done.scores.contenders) > 1:
            click.echo(f"{found.contender.label} against its base")
        print_comparisons(found.comparisons)
    print_judges(scored.result for model in report.models for scored in model.suites.values())
    for record in done.noise:
        _print_noise(record)
    for suite, output in done.scores.tuned.outputs.items():
        click.echo(f"Answers to {suite}: {output.folder / 'items.jsonl'}")
    click.echo(f"Report: {paths.html}")


def _evaluate_suites(
    recipe: str, overrides: tuple[str, ...], *, suites: tuple[str, ...], as_json: bool
) -> None:
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.evaluating import score_named_suites
    from civicbench.pipeline.sharing import shared_ranks
    from civicbench.recipes.loading import load_recipe

    workspace = Workspace.locate()
    with stops_when_asked(), shared_ranks(workspace=workspace) as ranks:
        if ranks is not None and ranks.rank > 0:
            return
        scores = score_named_suites(
            load_recipe(recipe, overrides=overrides),
            suites,
            workspace=workspace,
            reporter=Reporter(),
            ranks=ranks,
        )
    if as_json:
        print_json([c.model_dump(mode="json") for c in scores.tuned.comparisons])
    else:
        print_comparisons(scores.tuned.comparisons)


def _print_noise(record: "NoiseRecord") -> None:
    print_table(
        f"Noise of {record.suite}, {record.role} model: {record.repeats} repeats, threads "
        + ", ".join(str(count) for count in record.threads),
        ("measure", "lowest", "highest", "items that changed", "log-likelihoods differ by"),
        [
            (
                f"{noise.title}: {noise.metric}",
                f"{noise.spread.lowest:.4f}",
                f"{noise.spread.highest:.4f}",
                f"{noise.spread.changed_items} of {noise.spread.items}",
                f"{noise.log_likelihood_range:.2g}",
            )
            for noise in record.metrics
        ],
    )


@click.group()
def scores() -> None:
    """Scores that stand in the workspace."""


@scores.command("list")
@_json
def list_scores(as_json: bool) -> None:
    """List the scores that stand in the workspace."""
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.scoring import read_result
    from civicbench.evaluation.verifying import score_folders

    found = [(folder, read_result(folder)) for folder in score_folders(Workspace.locate().scores)]
    if as_json:
        print_json([{"folder": str(f), "result": r.model_dump(mode="json")} for f, r in found])
        return
    print_table(
        "",
        ("suite", "model", "trained", "measure", "value", "folder"),
        [
            (
                result.suite,
                result.model,
                (result.adapter_digest or "none")[:12],
                metric.title,
                f"{metric.estimate.value:.3f}",
                folder.name,
            )
            for folder, result in found
            for metric in result.metrics
            if metric.headline
        ],
    )


@scores.command("verify")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@_json
def verify(folders: tuple[Path, ...], as_json: bool) -> None:
    """Compute scores again from the stored answers; exit with 6 where a number differs.

    FOLDERS are score folders, or their names in the workspace; all of them where none is named.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.judges.preparing import find_judges
    from civicbench.evaluation.verifying import score_folders, verify_scores

    here = Workspace.locate().scores
    chosen = [folder if folder.is_dir() else here / folder for folder in folders]
    if not folders:
        chosen = score_folders(here)
        if not chosen:
            raise InvalidInputError("no scores stand here", where=str(here))
    judges = find_judges(workspace=Workspace.locate())
    found = [verify_scores(folder, judges=judges) for folder in chosen]
    if as_json:
        print_json([verified.model_dump(mode="json") for verified in found])
        return
    print_table(
        "",
        ("suite", "model", "items", "metrics", "folder"),
        [(v.suite, v.model, str(v.items), str(v.metrics), Path(v.folder).name) for v in found],
    )
    click.echo("every number follows from the stored answers")
    trusted = sum(v.labels_not_judged_again for v in found)
    if trusted:
        click.echo(
            f"{trusted} labels were taken as they stand: their judge is a model, or is not built "
            "here (`civicbench judge build`)"
        )


@scores.command("table")
@click.argument("versions", nargs=-1, required=True, metavar="VERSION...")
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False),
    help="A Markdown file: written between its result marks, or anew where it is not there.",
)  # fmt: skip
def table(versions: tuple[str, ...], target: Path | None) -> None:
    """Show base, tuned, difference and verdict of every headline measure of VERSIONs.

    Suite by suite, as Markdown, from the stored scores of registered versions. A version is MODEL,
    MODEL:NUMBER or the beginning of a digest.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.tabulating import tabulate_versions, write_tables

    text = tabulate_versions(versions, workspace=Workspace.locate())
    if target is None:
        click.echo(text, nl=False)
        return
    write_tables(target, text)
    click.echo(f"Tables of {len(versions)} versions: {target}")
