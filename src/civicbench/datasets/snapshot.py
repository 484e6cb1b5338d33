"""Writing a snapshot: the splits' files, what was left out, and the record."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from civicbench.core.digests import digest_json
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.datasets.curation import Curation, Report, step_names
from civicbench.datasets.dealing import SPLIT_STEP, Dealing
from civicbench.datasets.excluding import EXCLUDED_NAME, ExclusionList
from civicbench.datasets.record import FileFact, ReasonFact, SnapshotRecord, SourceFact, StepFact
from civicbench.datasets.settings import DatasetSettings
from civicbench.datasets.sources import Needed, source_digest
from civicbench.datasets.steps.step import StepContext

RECORD_NAME = "snapshot.json"


def write_snapshot_files(
    settings: DatasetSettings,
    files: Iterable[tuple[int, Mapping[str, Path]]],
    *,
    needed: Sequence[list[list[Needed]]],
    context: StepContext,
    folder: Path,
    where: str,
    reporter: Reporter,
    cores: int | None = None,
) -> SnapshotRecord:
    """Curate a dataset's sources and write the snapshot into a folder.

    Args:
        settings: The dataset.
        files: The number of a source, and a verified file for each role, for each reading.
        needed: Each source's files, for the record.
        context: What steps may know.
        folder: Where to; it is made where absent.
        where: The dataset, for messages.
        reporter: Told what is going on.
        cores: How many processes; None takes the machine's.

    Raises:
        InvalidInputError: Rows that may not be left out, or none left to train on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / "between-steps"
    work.mkdir()
    names = [*step_names(settings), SPLIT_STEP]
    labels = [source.label for source in settings.sources]
    with ExclusionList(
        folder / EXCLUDED_NAME, steps=names, sources=labels, where=where
    ) as excluded:
        curated = Curation(
            settings, context=context, work=work, excluded=excluded, where=where,
            reporter=reporter, cores=cores,
        ).run(files)  # fmt: skip
        writing = Dealing(settings, curated, excluded, where=where)
        splits = writing.write(folder)
    curated.spool.remove()
    work.rmdir()
    record = SnapshotRecord(
        name=settings.name,
        title=settings.title,
        description=settings.description,
        licence=settings.licence,
        languages=settings.languages,
        personal_data=settings.personal_data,
        limits=settings.limits,
        sources=tuple(
            SourceFact(
                name=source.label,
                sha256=source_digest(needed[number]),
                licence=source.licence,
                attribution=source.attribution,
                rows=curated.counts.rows[number],
                malformed=curated.counts.malformed[number],
                files=_file_facts(needed[number]),
            )
            for number, source in enumerate(settings.sources)
        ),
        steps=tuple(_fact(report, settings) for report in writing.reports),
        splits=tuple(splits),
        excluded=excluded.count,
        kept_apart_from=tuple(sorted({reference.suite for reference in context.references})),
        written_as=settings.written_as,
        preferences=settings.format.rejected is not None,
        digest=digest_json({split.name: split.rows_sha256 or split.sha256 for split in splits}),
    )
    write_text_whole(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    return record


def _file_facts(entries: list[list[Needed]]) -> tuple[FileFact, ...]:
    flat = [needed for entry in entries for needed in entry]
    if len(flat) == 1 and flat[0].pinned is None:
        return ()
    names = [n.name if n.member is None else f"{n.name}!{n.member}" for n in flat]
    return tuple(FileFact(name=name, sha256=n.sha256) for name, n in zip(names, flat, strict=True))


def _fact(report: Report, settings: DatasetSettings) -> StepFact:
    tally = report.tally
    removed, changed = _reasons(tally.reasons), _reasons(tally.changes)
    said = [f"{r.rows:,} removed: {r.reason}" for r in removed]
    said += [f"{c.rows:,} stayed: {c.reason}" for c in changed]
    note = "; ".join(said) or "every row passed as it was"
    if report.name == SPLIT_STEP:
        note = f"whole groups by {settings.group}, seed {settings.split.seed}" + (
            f"; {note}" if said else ""
        )
    return StepFact(
        name=report.name,
        rows_in=tally.rows_in,
        rows_out=tally.rows_out,
        note=note,
        removed=removed,
        changed=changed,
        examples=tuple(tally.examples),
    )


def _reasons(counts: Counter[str]) -> tuple[ReasonFact, ...]:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(ReasonFact(reason=reason, rows=rows) for reason, rows in ordered)
