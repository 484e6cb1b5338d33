"""Building a snapshot: sources checked and fetched, rows curated, dealt and written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.content import find_content, list_content
from civicbench.core.digests import digest_json
from civicbench.core.documents import read_text, read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.settings import parse_settings
from civicbench.core.stages import Stage, StageOutput, run_stage
from civicbench.core.workspace import Workspace
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.settings import DatasetSettings
from civicbench.datasets.snapshot import RECORD_NAME, write_snapshot_files
from civicbench.datasets.sources import make_ready, needed_files, source_digest
from civicbench.datasets.steps.decontaminate import Decontaminate
from civicbench.datasets.steps.licences import Licences
from civicbench.datasets.steps.step import Reference, StepContext

CODE_VERSION = 3
_KIND = "datasets/{name}/dataset.yaml"


@dataclass(frozen=True)
class Dataset:
    """A dataset's settings with the folder they stand in."""

    settings: DatasetSettings
    folder: Path

    @property
    def suites(self) -> tuple[str, ...] | None:
        """Suites that its decontamination names; None where it has no such step."""
        steps = [step for step in self.settings.steps if isinstance(step, Decontaminate)]
        if not steps:
            return None
        return tuple(dict.fromkeys(suite for step in steps for suite in step.suites))


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


def snapshot_stage(
    dataset: Dataset, *, workspace: Workspace, references: Sequence[Reference] = ()
) -> Stage:
    """Return the stage that builds a dataset's snapshot; nothing is fetched.

    Args:
        dataset: The dataset.
        workspace: Where work is kept.
        references: Items of suites that its rows are kept apart from.

    Raises:
        PartAbsentError: A source file of this machine is missing.
        InvalidInputError: A licence that does not allow what the data is for.
    """
    check_licences(dataset)
    inputs = {
        source.label: source_digest(needed_files(source, folder=dataset.folder))
        for source in dataset.settings.sources
    }
    settings = dataset.settings.model_dump(mode="json")
    if dataset.suites is not None:
        inputs["items of suites"] = digest_json(
            sorted((r.suite, r.item, r.text) for r in references)
        )
    return Stage(
        kind="snapshot",
        name=f"dataset {dataset.settings.name}",
        folder=workspace.snapshots,
        settings=settings,
        inputs=inputs,
        code_version=CODE_VERSION,
    )


def check_licences(dataset: Dataset) -> None:
    """Refuse a dataset with a source whose licence does not allow its declared purpose.

    Raises:
        InvalidInputError: With every such source.
    """
    sources = [(source.label, source.licence) for source in dataset.settings.sources]
    for step in dataset.settings.steps:
        if isinstance(step, Licences):
            step.check(sources, where=str(dataset.folder))


def build_snapshot(
    dataset: Dataset,
    *,
    workspace: Workspace,
    reporter: Reporter,
    references: Sequence[Reference] = (),
) -> StageOutput:
    """Build a dataset's snapshot unless it stands done.

    Raises:
        InvalidInputError: Rows with mistakes, each with its place; nothing is written.
        PartAbsentError: A source is missing, and cannot be fetched.
        IntegrityError: A source that is not what was pinned.
    """
    stage = snapshot_stage(dataset, workspace=workspace, references=references)
    return run_stage(
        stage,
        lambda folder: write_snapshot(
            dataset, folder, workspace=workspace, reporter=reporter, references=references
        ),
        workspace=workspace,
        reporter=reporter,
    )


def read_record(snapshot: Path) -> SnapshotRecord:
    """Return what a snapshot folder says of itself."""
    return SnapshotRecord.model_validate_json(read_text(snapshot / RECORD_NAME))


def write_snapshot(
    dataset: Dataset,
    folder: Path,
    *,
    workspace: Workspace,
    reporter: Reporter,
    references: Sequence[Reference] = (),
    cores: int | None = None,
) -> None:
    """Write a dataset's splits, exclusions and record into a folder.

    Raises:
        InvalidInputError: Rows with mistakes, each with its place, or none left.
        PartAbsentError: A source is missing, and cannot be fetched.
        IntegrityError: A source that is not what was pinned.
    """
    check_licences(dataset)
    settings = dataset.settings
    needed = [needed_files(source, folder=dataset.folder) for source in settings.sources]
    # Every file is here and verified before the first row is read.
    ready = [
        list(make_ready(entries, workspace=workspace, reporter=reporter)) for entries in needed
    ]

    def files() -> Iterator[tuple[int, Mapping[str, Path]]]:
        for number, readings in enumerate(ready):
            for roles in readings:
                yield number, roles

    write_snapshot_files(
        settings,
        files(),
        needed=needed,
        context=StepContext(format=settings.format, references=tuple(references)),
        folder=folder,
        where=str(dataset.folder),
        reporter=reporter,
        cores=cores,
    )
