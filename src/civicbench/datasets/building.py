"""Building a snapshot: read, check, drop copies, format, deal, write."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civicbench.core.content import find_content, list_content
from civicbench.core.digests import digest_file, digest_json, digest_text
from civicbench.core.documents import iterate_lines, parse_json_object, read_text, read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.settings import parse_settings
from civicbench.core.stages import Stage, StageOutput, run_stage
from civicbench.core.workspace import Workspace
from civicbench.datasets.formatting import fill
from civicbench.datasets.record import SnapshotRecord, SourceFact, SplitFact, StepFact
from civicbench.datasets.rows import SPLITS, Row
from civicbench.datasets.settings import DatasetSettings, FileSource
from civicbench.datasets.splitting import deal
from civicbench.models.rendering import Message

CODE_VERSION = 1
RECORD_NAME = "snapshot.json"
_KIND = "datasets/{name}/dataset.yaml"
_MISTAKES_SHOWN = 20
_Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Dataset:
    """A dataset's settings with the folder they stand in."""

    settings: DatasetSettings
    folder: Path

    def source_path(self, source: FileSource) -> Path:
        """Return a source's file."""
        return self.folder / source.file


def load_dataset_settings(name: str) -> Dataset:
    """Return a dataset by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    path = find_content(_KIND, name)
    settings = parse_settings(DatasetSettings, read_yaml_mapping(path), where=str(path))
    if settings.name != path.parent.name:
        raise InvalidInputError(
            "name must equal the folder's name", where=f"{path}: name", got=settings.name
        )
    return Dataset(settings, path.parent)


def list_datasets() -> list[Dataset]:
    """Return every dataset, by name."""
    return [load_dataset_settings(name) for name in sorted(list_content(_KIND))]


def snapshot_stage(dataset: Dataset, *, workspace: Workspace) -> Stage:
    """Return the stage that builds a dataset's snapshot.

    Raises:
        PartAbsentError: A source file is missing.
    """
    inputs = {}
    for source in dataset.settings.sources:
        path = dataset.source_path(source)
        read_text(path)  # names a missing or non-UTF-8 file before anything is started
        inputs[source.file] = digest_file(path)
    return Stage(
        kind="snapshot",
        name=f"dataset {dataset.settings.name}",
        folder=workspace.snapshots,
        settings=dataset.settings.model_dump(mode="json"),
        inputs=inputs,
        code_version=CODE_VERSION,
    )


def build_snapshot(dataset: Dataset, *, workspace: Workspace, reporter: Reporter) -> StageOutput:
    """Build a dataset's snapshot unless it stands done.

    Raises:
        InvalidInputError: Rows with mistakes, each with its place; nothing is written.
        PartAbsentError: A source file is missing.
    """
    stage = snapshot_stage(dataset, workspace=workspace)
    return run_stage(
        stage,
        lambda folder: write_snapshot(dataset, folder),
        workspace=workspace,
        reporter=reporter,
    )


def read_record(snapshot: Path) -> SnapshotRecord:
    """Return what a snapshot folder says of itself."""
    return SnapshotRecord.model_validate_json(read_text(snapshot / RECORD_NAME))


def write_snapshot(dataset: Dataset, folder: Path) -> None:
    """Write a dataset's splits and record into a folder.

    Raises:
        InvalidInputError: Rows with mistakes, each with its place.
    """
    settings = dataset.settings
    rows, sources = _read_rows(dataset)
    kept = _without_copies(rows)
    dealt = deal(kept, split=settings.split)
    if not dealt["train"]:
        raise InvalidInputError(
            "no rows are left to train on", where=str(dataset.folder),
            got=f"{len(rows)} rows read, {len(kept)} after copies were dropped",
        )  # fmt: skip
    splits = []
    for name in SPLITS:
        path = folder / f"{name}.jsonl"
        write_text_whole(path, "".join(row.model_dump_json() + "\n" for row in dealt[name]))
        splits.append(
            SplitFact(
                name=name,
                rows=len(dealt[name]),
                groups=len({row.group for row in dealt[name]}),
                characters=sum(len(m.content) for row in dealt[name] for m in row.messages),
                sha256=digest_file(path),
            )
        )
    steps = (
        StepFact(name="read", rows_in=len(rows), rows_out=len(rows),
                 note="every row has its fields, an answer and a name of its own"),
        StepFact(name="exact copies", rows_in=len(rows), rows_out=len(kept),
                 note=f"{len(rows) - len(kept)} rows repeated an earlier row's messages"),
        StepFact(name="split", rows_in=len(kept), rows_out=len(kept),
                 note=f"whole groups by {settings.group}, seed {settings.split.seed}"),
    )  # fmt: skip
    record = SnapshotRecord(
        name=settings.name,
        title=settings.title,
        description=settings.description,
        licence=settings.licence,
        languages=settings.languages,
        personal_data=settings.personal_data,
        limits=settings.limits,
        sources=tuple(sources),
        steps=steps,
        splits=tuple(splits),
        digest=digest_json({split.name: split.sha256 for split in splits}),
    )
    write_text_whole(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")


def _read_rows(dataset: Dataset) -> tuple[list[Row], list[SourceFact]]:
    rows: list[Row] = []
    sources: list[SourceFact] = []
    mistakes: list[str] = []
    seen: dict[str, str] = {}
    for source in dataset.settings.sources:
        path = dataset.source_path(source)
        before = len(rows)
        for number, line in iterate_lines(path):
            place = f"{source.file}:{number}"
            try:
                fields = parse_json_object(line, where=place)
            except InvalidInputError as error:
                mistakes.append(f"{place}: {error.problem}, got {error.got}")
                continue
            problem = _problem(dataset.settings, fields)
            if problem is None:
                name = str(fields[dataset.settings.identifier])
                if name in seen:
                    problem = f"{dataset.settings.identifier} {name!r} stands at {seen[name]} too"
                seen.setdefault(name, place)
            if problem is not None:
                mistakes.append(f"{place}: {problem}")
                continue
            rows.append(_row(dataset.settings, fields))
        sources.append(
            SourceFact(
                name=source.file,
                sha256=digest_file(path),
                licence=source.licence,
                attribution=source.attribution,
                rows=len(rows) - before,
            )
        )
    if mistakes:
        shown = mistakes[:_MISTAKES_SHOWN]
        more = len(mistakes) - len(shown)
        lines = [f"  - {mistake}" for mistake in shown] + ([f"  - and {more} more"] if more else [])
        raise InvalidInputError(
            "\n".join([f"{len(mistakes)} rows cannot be used", *lines]), where=str(dataset.folder)
        )
    if not rows:
        raise InvalidInputError("the dataset has no rows", where=str(dataset.folder))
    return rows, sources


def _problem(settings: DatasetSettings, fields: dict[str, Any]) -> str | None:
    """Return what is wrong with a source row, or None."""
    needed = [settings.identifier, settings.group, *settings.format.fields]
    if settings.split.stratify is not None:
        needed.append(settings.split.stratify)
    for name in dict.fromkeys(needed):
        value = fields.get(name)
        if value is None:
            return f"the field {name!r} is missing"
        if not isinstance(value, _Scalar):
            return f"the field {name!r} must be text or a number, got a {type(value).__name__}"
        if isinstance(value, str) and "\x00" in value:
            return f"the field {name!r} holds a NUL character"
    for part, text in (("user turn", settings.format.user), ("answer", settings.format.assistant)):
        if not fill(text, fields).strip():
            return f"the {part} is empty"
    # An answer whose every field is blank would train on the template's own words.
    answers = [n for n in settings.format.fields if f"{{{n}}}" in settings.format.assistant]
    blank = [name for name in answers if not str(fields[name]).strip()]
    if blank:
        return f"the answer's field {blank[0]!r} is empty"
    return None


def _row(settings: DatasetSettings, fields: dict[str, Any]) -> Row:
    turns = []
    if settings.format.system is not None:
        turns.append(Message(role="system", content=_normal(fill(settings.format.system, fields))))
    turns.append(Message(role="user", content=_normal(fill(settings.format.user, fields))))
    turns.append(
        Message(role="assistant", content=_normal(fill(settings.format.assistant, fields)))
    )
    return Row(
        id=str(fields[settings.identifier]),
        group=str(fields[settings.group]),
        messages=tuple(turns),
        fields={name: value for name, value in fields.items() if isinstance(value, _Scalar)},
    )


def _normal(text: str) -> str:
    """Return text in Unicode NFC without blanks at its ends (UAX 15)."""
    return unicodedata.normalize("NFC", text).strip()


def _without_copies(rows: Sequence[Row]) -> list[Row]:
    seen: set[str] = set()
    kept = []
    for row in rows:
        digest = digest_text("\x1f".join(m.content for m in row.messages if m.role != "system"))
        if digest not in seen:
            seen.add(digest)
            kept.append(row)
    return kept
