"""Parts of a data card: the sources with their licences, and what each step did."""

from civicbench.cards.licence_links import link_licence
from civicbench.datasets.record import SnapshotRecord, SourceFact, StepFact
from civicbench.pages.document import (
    Block,
    Bullets,
    Details,
    Paragraph,
    Section,
    Subheading,
    Table,
    Words,
    code,
    words,
)
from civicbench.pages.wording import count_of, format_count

# Unbroken, it keeps the column wide enough for the longest name of a step.
_STEP_HEAD = "Name of the step".replace(" ", "\N{NO-BREAK SPACE}")


def describe_sources(record: SnapshotRecord) -> Section:
    """Return where the rows come from, under which licences, and whom to name."""
    blocks: list[Block] = [
        Table(
            "Where the rows come from",
            ("Source", "Rows read", "Malformed", "Licence", "Whom to name"),
            tuple(
                (
                    words(source.name),
                    words(format_count(source.rows)),
                    words(format_count(source.malformed)),
                    link_licence(source.licence),
                    words(source.attribution),
                )
                for source in record.sources
            ),
        )
    ]
    blocks += [_files(source) for source in record.sources]
    return Section("sources", "Where it comes from", tuple(blocks))


def _files(source: SourceFact) -> Block:
    files = [(fact.name, fact.sha256) for fact in source.files]
    if not files:
        files = [(source.name, source.sha256)]
    return Details(
        f"Files of {source.name} ({count_of(len(files), 'file')})",
        (
            Table(
                "Files and their digests",
                ("File", "sha256"),
                tuple((code(name), code(sha256)) for name, sha256 in files),
            ),
        ),
    )


def describe_steps(record: SnapshotRecord) -> Section:
    """Return what was done to the rows, with counts, reasons and examples."""
    first, last = record.steps[0], record.steps[-1]
    left_out = (
        f"{format_count(first.rows_in)} records were read and {format_count(last.rows_out)} rows "
        f"stand in the splits. {format_count(record.excluded)} were left out; excluded.jsonl "
        "beside the rows lists each with its place and the reason."
    )
    blocks: list[Block] = [
        Paragraph(left_out),
        Table(
            "Steps in order",
            (_STEP_HEAD, "Rows in", "Rows out", "What it did"),
            tuple(
                (
                    words(step.name),
                    words(format_count(step.rows_in)),
                    words(format_count(step.rows_out)),
                    words(step.note),
                )
                for step in record.steps
            ),
        ),
    ]
    for number, step in enumerate(record.steps, start=1):
        blocks += _step(number, step)
    return Section("steps", "What was done to it", tuple(blocks))


def _step(number: int, step: StepFact) -> list[Block]:
    if not step.removed and not step.changed and not step.examples:
        return []
    title = f"Step {number}: {step.name}"
    blocks: list[Block] = []
    facts = [("removed", fact) for fact in step.removed]
    facts += [("stayed", fact) for fact in step.changed]
    if facts:
        blocks.append(
            Table(
                title,
                ("Reason", "Rows", "What became of them"),
                tuple(
                    (words(fact.reason), words(format_count(fact.rows)), (Words(what),))
                    for what, fact in facts
                ),
            )
        )
    else:
        blocks.append(Subheading(title))
    if step.examples:
        blocks.append(Details("Examples", (Bullets(step.examples),)))
    return blocks


def tabulate_splits(caption: str, record: SnapshotRecord) -> Table:
    """Return how many rows, groups and characters each split has."""
    return Table(
        caption,
        ("Split", "Rows", "Groups", "Characters"),
        tuple(
            (
                words(split.name),
                words(format_count(split.rows)),
                words(format_count(split.groups)),
                words(format_count(split.characters)),
            )
            for split in record.splits
        ),
    )
