"""Commands for judges of written answers: built, measured, and checked by people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from civicbench.evaluation.results import Agreement

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def judge() -> None:
    """Judges of written answers: built, measured, and checked by people."""


@judge.command("list")
@_json
def list_all(as_json: bool) -> None:
    """List every judge, and whether it stands ready on this machine."""
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.judges.preparing import find_judges
    from civicbench.evaluation.judges.settings import list_judges

    ready = find_judges(workspace=Workspace.locate())
    found = [
        {
            "name": own.name,
            "title": own.title,
            "type": own.judging.type,
            "digest": own.digest,
            "ready": own.digest in ready,
        }
        for own in list_judges()
    ]
    if as_json:
        print_json(found)
        return
    print_table(
        "",
        ("name", "title", "type", "ready", "digest"),
        [
            (
                str(own["name"]),
                str(own["title"]),
                str(own["type"]),
                "yes" if own["ready"] else "no",
                str(own["digest"])[:12],
            )
            for own in found
        ],
    )


@judge.command("build")
@click.argument("name", default="trained")
def build(name: str) -> None:
    """Build the classifier of the judge NAME ("trained") from its pinned files.

    The same files give the same classifier, byte for byte; one that is not the pinned one is
    refused.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.judges.judge import TrainedJudge
    from civicbench.evaluation.judges.preparing import prepare_judge
    from civicbench.pages.judges import tell_agreement

    found = prepare_judge(name, workspace=Workspace.locate(), reporter=Reporter())
    if isinstance(found, TrainedJudge):
        click.echo(
            f"classifier {found.classifier.digest}: {len(found.classifier.vocabulary):,} phrases"
        )
    click.echo(tell_agreement(found.fact))


@judge.command("agreement")
@click.argument("name", default="trained")
@_json
def agreement(name: str, as_json: bool) -> None:
    """Show how far the judge NAME ("trained") agrees with people's labels.

    On the published labels with model, prompt or both held out, and on labels that were imported
    in this workspace.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pages.judges import tell_agreement
    from civicbench.pipeline.labelling import judge_agreement

    fact, since = judge_agreement(name, workspace=Workspace.locate(), reporter=Reporter())
    if as_json:
        print_json(
            {
                "judge": fact.model_dump(mode="json"),
                "labelled_here": [own.model_dump(mode="json") for own in since],
            }
        )
        return
    _print_agreements([*fact.agreements, *since])
    click.echo(tell_agreement(fact.model_copy(update={"agreements": fact.agreements or since})))


def _print_agreements(found: "Sequence[Agreement]") -> None:
    print_table(
        "",
        ("labels and answers", "held out", "answers", "equal labels", "kappa", "unequal labels"),
        [
            (
                f"{own.against}, {own.group}",
                own.held_out,
                f"{own.items:,}",
                f"{own.accuracy.value:.3f} [{own.accuracy.low:.3f}, {own.accuracy.high:.3f}]",
                f"{own.kappa.value:.3f} [{own.kappa.low:.3f}, {own.kappa.high:.3f}]",
                "; ".join(
                    f"{pair} {count}"
                    for pair, count in own.confusion.items()
                    if len(set(pair.split(" called "))) > 1
                ),
            )
            for own in found
        ],
    )


@judge.group()
def queue() -> None:
    """Answers for people to label: a blind sample out, their labels in."""


@queue.command("export")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--count", default=100, show_default=True, help="How many answers.")
@click.option("--seed", default=0, show_default=True, help="Decides which, and their order.")
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="The file: CSV, or JSON where its name ends with .json.",
)  # fmt: skip
def export(folders: tuple[Path, ...], count: int, seed: int, target: Path) -> None:
    """Write a blind sample of judged answers for people to label.

    FOLDERS are score folders, or their names in the workspace; all of them where none is named.
    The file shows question and answer, and neither the model nor the judge's label.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.labelling import export_queue

    workspace = Workspace.locate()
    chosen = [folder if folder.is_dir() else workspace.scores / folder for folder in folders]
    found = export_queue(chosen, count=count, seed=seed, target=target, workspace=workspace)
    click.echo(f"queue {found.name}: {len(found.entries)} answers in {target}")
    click.echo("label each row refusal, compliance or incoherent; then import the file")


@queue.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--labeller", required=True, help="Who labelled; a name or initials.")
def import_file(file: Path, labeller: str) -> None:
    """Take a labelled FILE back, and show how far judge and people agree.

    Unknown labels, and rows that stand twice, are missing or were changed, are refused and all
    named; then nothing is imported.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.judges.importing import import_labels
    from civicbench.evaluation.judges.queue import labels_of, load_queue, queue_agreements

    workspace = Workspace.locate()
    found = import_labels(file, labeller=labeller, workspace=workspace)
    click.echo(f"queue {found.queue}: {len(found.labels)} labels of {labeller}")
    own = load_queue(found.queue, workspace=workspace)
    labels = labels_of(own, workspace=workspace)
    _print_agreements([agreement for _, agreement in queue_agreements(own, labels)])


@queue.command("agreement")
@_json
def queue_agreement(as_json: bool) -> None:
    """Show how far judges and people agree on every queue, and the people with each other."""
    from civicbench.core.workspace import Workspace
    from civicbench.evaluation.judges.queue import labels_of, list_queues, queue_agreements

    workspace = Workspace.locate()
    found = [
        agreement
        for own in list_queues(workspace=workspace)
        for _, agreement in queue_agreements(own, labels_of(own, workspace=workspace))
    ]
    if as_json:
        print_json([agreement.model_dump(mode="json") for agreement in found])
        return
    if not found:
        click.echo("no labels were imported yet")
        return
    _print_agreements(found)
