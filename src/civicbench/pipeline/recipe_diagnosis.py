"""What training would read of a recipe's rows, looked at before it is run."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import Row, read_split
from civicbench.models.prepare import PreparedModel, find_prepared, prepare_model
from civicbench.models.rendering import ChatRenderer, build_renderer, load_tokenizer
from civicbench.models.settings import FolderSource, RandomSource
from civicbench.pipeline import row_checks, template_checks, vocabulary_checks
from civicbench.pipeline.finding import Finding
from civicbench.pipeline.mixing import conversations_of, read_training_data
from civicbench.pipeline.pair_checks import check_pairs
from civicbench.pipeline.previewing import PreviewRow, preview_examples
from civicbench.pipeline.reading_rows import RowText, read_texts, read_trained
from civicbench.pipeline.snapshots import (
    mixed_snapshots,
    recipe_snapshot,
    refuse_absent_sources,
)
from civicbench.recipes.loading import Recipe
from civicbench.training.examples import Example
from civicbench.training.settings import TrainingSettings


class RecipeDiagnosis(BaseModel):
    """What was found of a recipe's rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    recipe: str
    """The recipe."""
    model: str
    """The base model."""
    findings: tuple[Finding, ...]
    """What was looked at."""
    example: PreviewRow | None
    """One row, token by token; None where it cannot be rendered."""

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that found something bad."""
        return tuple(finding.what for finding in self.findings if finding.state == "bad")


def diagnose_recipe(
    recipe: Recipe, *, example: str | None, workspace: Workspace, reporter: Reporter
) -> RecipeDiagnosis:
    """Look at the rows that a recipe would train on, without training or fetching.

    Args:
        recipe: The recipe; its snapshot is built where it does not stand.
        example: The row to show: its place among the training rows, counted from 1, or its id;
            None for the first.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Raises:
        PartAbsentError: The model or a source is not on this machine.
        InvalidInputError: There is no such row, or the dataset has mistakes.
    """
    for dataset in (recipe.dataset, *recipe.mixed):
        refuse_absent_sources(dataset, workspace=workspace)
    prepared = _prepare(recipe, workspace=workspace, reporter=reporter)
    snapshot = recipe_snapshot(recipe, workspace=workspace, reporter=reporter).folder
    mixed = mixed_snapshots(recipe, snapshot=snapshot, workspace=workspace, reporter=reporter)
    train = read_training_data(
        recipe, snapshot=snapshot, mixed=[output.folder for output in mixed]
    ).rows
    if not train:
        raise InvalidInputError(
            "there is no row to train on", where=f"dataset {recipe.settings.dataset}"
        )
    shown = _choose(
        [row.id for row in train], example, where=f"dataset {recipe.settings.dataset}, split train"
    )
    findings, row = diagnose_rows(
        [*train, *read_split(snapshot, "validation")],
        shown=shown,
        prepared=prepared,
        settings=recipe.training,
    )
    return RecipeDiagnosis(
        recipe=recipe.settings.name, model=recipe.model.name, findings=findings, example=row
    )


def diagnose_rows(
    rows: Sequence[Row],
    *,
    shown: int,
    prepared: PreparedModel,
    settings: TrainingSettings,
) -> tuple[tuple[Finding, ...], PreviewRow | None]:
    """Look at rows, and show one of them token by token.

    Args:
        rows: The rows.
        shown: Position of the row to show.
        prepared: The base model.
        settings: The training settings.
    """
    entry = prepared.entry
    tokenizer = load_tokenizer(prepared)
    findings = [
        vocabulary_checks.check_special_tokens(tokenizer, entry.end_of_turn, entry.pad_token),
        vocabulary_checks.check_end_of_turn(tokenizer, entry.end_of_turn),
        vocabulary_checks.check_padding(tokenizer, entry.end_of_turn),
    ]
    try:
        renderer = build_renderer(entry, tokenizer)
    except InvalidInputError as error:
        refused = f"{error.problem}: {error.got}" if error.got else error.problem
        findings.append(
            Finding(
                what="chat template",
                found=f"{refused}; no row was looked at",
                state="bad",
                remedy=error.remedy or f"mend {error.where}",
            )
        )
        return tuple(findings), None
    share_beginning = settings.dropout == 0
    texts = read_texts([(row.id, row.messages) for row in rows], renderer=renderer)
    less_liked: list[RowText] = []
    if settings.objective == "dpo":
        less_liked = read_texts(
            [(_rejected_name(row), conversations_of(row)[1]) for row in rows if row.rejected],
            renderer=renderer,
        )
    findings += _check_rows(
        texts,
        less_liked,
        renderer=renderer,
        prepared=prepared,
        settings=settings,
        share=share_beginning,
    )
    return tuple(findings), _show(texts[shown], renderer=renderer)


def _rejected_name(row: Row) -> str:
    return f"{row.id} (rejected)"


def _check_rows(
    preferred: Sequence[RowText],
    rejected: Sequence[RowText],
    *,
    renderer: ChatRenderer,
    prepared: PreparedModel,
    settings: TrainingSettings,
    share: bool,
) -> list[Finding]:
    texts = [*preferred, *rejected]
    rows = list(read_trained(texts, renderer=renderer, share_beginning=share))
    mask = row_checks.check_mask(texts, rows)
    highest = max((max(row.packed.ids) for row in rows), default=0)
    return [
        vocabulary_checks.check_control_tokens(
            renderer.tokenizer, next((row.whole for row in texts if row.refused is None), "")
        ),
        vocabulary_checks.check_embeddings(renderer.tokenizer, prepared, highest_id=highest),
        template_checks.check_refusals(texts),
        template_checks.check_date(texts, renderer=renderer),
        template_checks.check_words(texts, renderer=renderer),
        template_checks.check_order(texts, renderer=renderer),
        row_checks.check_beginning(rows, renderer=renderer),
        mask,
        template_checks.check_generation_markers(
            renderer, proven_rows=0 if mask.state == "bad" else len(rows)
        ),
        row_checks.check_written(rows, renderer=renderer),
        row_checks.check_end_trained(texts, rows, renderer=renderer),
        template_checks.check_after_turn(texts, end_of_turn=renderer.end_of_turn),
        row_checks.check_padding_untrained(rows, renderer=renderer),
        row_checks.check_answers(rows),
        *row_checks.check_lengths(
            rows,
            limit_tokens=settings.max_length_tokens,
            context_tokens=prepared.record.context_length_tokens,
        ),
        row_checks.check_system_turns(preferred),
        row_checks.check_equal_prompts(preferred),
        *([check_pairs(rows, pairs=len(preferred))] if settings.objective == "dpo" else []),
    ]


def _show(row: RowText, *, renderer: ChatRenderer) -> PreviewRow | None:
    try:
        example = Example(row.name, renderer.render_example(row.messages))
    except InvalidInputError:
        return None  # the findings say why
    return preview_examples([example], renderer=renderer, share_beginning=False)[0]


def _prepare(recipe: Recipe, *, workspace: Workspace, reporter: Reporter) -> PreparedModel:
    entry = recipe.model
    found = find_prepared(entry, workspace=workspace)
    if found is not None:
        return found
    if not isinstance(entry.source, RandomSource | FolderSource):
        raise PartAbsentError(
            "the base model is not ready on this machine, and doctor fetches nothing",
            where=f"model {entry.name}",
            remedy=f"civicbench models fetch {entry.name}",
        )
    return prepare_model(entry, workspace=workspace, reporter=reporter)


def _choose(names: Sequence[str], example: str | None, *, where: str) -> int:
    """Return the position of the row that was asked for."""
    if example is None:
        return 0
    if example in names:
        return names.index(example)
    if example.isascii() and example.isdigit() and 1 <= int(example) <= len(names):
        return int(example) - 1
    raise InvalidInputError(
        "there is no such row",
        where=where,
        got=example,
        remedy=f"give a row's id, or its place from 1 to {len(names)}",
    )
