"""A dataset's card: its snapshot, rows counted in tokens, written as files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from civicbench.cards.croissant import CROISSANT_NAME
from civicbench.cards.data_card import write_data_card
from civicbench.cards.token_lengths import TokenLengths, summarise_lengths
from civicbench.core.errors import PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import (
    Dataset,
    build_snapshot,
    load_dataset_settings,
    read_record,
)
from civicbench.datasets.languages import measure_languages
from civicbench.datasets.rows import SPLITS, iterate_split
from civicbench.datasets.snapshots import read_rows
from civicbench.models.catalogue import list_model_entries, load_model_entry
from civicbench.models.prepare import PreparedModel, find_prepared
from civicbench.models.rendering import load_renderer
from civicbench.pipeline.decontaminating import dataset_references

# Tokenising takes about half a millisecond a row; more rows would change the figures little.
_COUNTED_ROWS = 20_000
_SAMPLES = 5


def build_dataset(name: str, *, workspace: Workspace, reporter: Reporter) -> Path:
    """Build a dataset's snapshot, with its card and Croissant description beside the rows.

    The card depends on the snapshot alone; `write_dataset_card` counts tokens, too.

    Returns:
        The snapshot's folder.

    Raises:
        CivicbenchError: A source is absent, or sources, rows or suites have mistakes.
    """
    dataset = load_dataset_settings(name)
    snapshot = _build(dataset, workspace=workspace, reporter=reporter)
    if not (snapshot / CROISSANT_NAME).is_file():
        _write(dataset, snapshot, folder=snapshot, models=())
    return snapshot


def write_dataset_card(
    name: str,
    *,
    folder: Path | None,
    tokenizers: Sequence[str] | None,
    workspace: Workspace,
    reporter: Reporter,
) -> tuple[Path, ...]:
    """Write a dataset's card, building its snapshot where it does not stand done.

    Args:
        name: The dataset.
        folder: Where to, made where absent; None writes beside the snapshot's rows.
        tokenizers: Base models to count tokens with; None for every one that stands ready here.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Returns:
        The Markdown file, the HTML file and the Croissant description.

    Raises:
        PartAbsentError: A named base model is not ready here, or the stylesheet was not built.
        InvalidInputError: No such dataset or base model.
    """
    models = _prepared(tokenizers, workspace=workspace)
    dataset = load_dataset_settings(name)
    snapshot = _build(dataset, workspace=workspace, reporter=reporter)
    return _write(dataset, snapshot, folder=folder or snapshot, models=models)


def _build(dataset: Dataset, *, workspace: Workspace, reporter: Reporter) -> Path:
    return build_snapshot(
        dataset, references=dataset_references(dataset), workspace=workspace, reporter=reporter
    ).folder


def _write(
    dataset: Dataset, snapshot: Path, *, folder: Path, models: Sequence[PreparedModel]
) -> tuple[Path, ...]:
    record = read_record(snapshot)
    return write_data_card(
        folder,
        record=record,
        created=dataset.settings.created,
        tokens=tuple(
            lengths
            for model in models
            for lengths in _lengths(snapshot, model, rows={s.name: s.rows for s in record.splits})
        ),
        languages=measure_languages(
            snapshot, fields=dataset.settings.format.turn_fields, declared=record.languages
        ),
        samples=tuple(read_rows(snapshot, "train", start=0, rows=_SAMPLES)),
    )


def _prepared(names: Sequence[str] | None, *, workspace: Workspace) -> list[PreparedModel]:
    if names is None:
        found = [find_prepared(entry, workspace=workspace) for entry in list_model_entries()]
        return [model for model in found if model is not None]
    models = []
    for name in names:
        prepared = find_prepared(load_model_entry(name), workspace=workspace)
        if prepared is None:
            raise PartAbsentError(
                "the base model is not ready here, so its tokens cannot be counted",
                where=name,
                remedy=f"civicbench models fetch {name}",
            )
        models.append(prepared)
    return models


def _lengths(
    snapshot: Path, model: PreparedModel, *, rows: dict[str, int]
) -> Iterator[TokenLengths]:
    renderer = load_renderer(model)
    for split in SPLITS:
        every = max(-(-rows.get(split, 0) // _COUNTED_ROWS), 1)
        lengths = []
        for number, row in enumerate(iterate_split(snapshot, split)):
            if number % every == 0:
                rendered = renderer.render_example(row.messages)
                lengths.append(len(rendered.prompt_ids) + len(rendered.completion_ids))
        if lengths:
            yield summarise_lengths(lengths, model=model.entry.name, split=split, rows=rows[split])
