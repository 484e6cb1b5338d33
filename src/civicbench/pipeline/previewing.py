"""Rows as training sees them: rendered, collated, and each token marked as trained on or not."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import SplitName
from civicbench.datasets.snapshots import read_rows
from civicbench.models.prepare import prepare_model
from civicbench.models.rendering import load_renderer
from civicbench.pipeline.inputs import render_rows
from civicbench.pipeline.snapshots import recipe_snapshot
from civicbench.recipes.loading import Recipe
from civicbench.training.collating import collate
from civicbench.training.examples import IGNORED_LABEL, Example, PreferencePair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PreviewToken(_Part):
    """One token of a batch."""

    id: int
    """Its number in the vocabulary."""
    text: str
    """Its text; a replacement character where it is a part of one only."""
    trained: bool
    """Whether the loss is taken on it."""


class PreviewSpan(_Part):
    """Tokens in a row that are all trained on, or all not."""

    text: str
    """Their text."""
    trained: bool
    """Whether the loss is taken on them."""


class PreviewRow(_Part):
    """One row of a batch as training reads it."""

    id: str
    """The row's name."""
    tokens: tuple[PreviewToken, ...]
    """Its tokens, padding left out."""
    spans: tuple[PreviewSpan, ...]
    """The same as text, cut where training begins or ends."""
    padding_tokens: int
    """Padding that the batch adds after it; never trained on."""


class Preview(_Part):
    """A batch of a recipe's rows."""

    recipe: str
    """The recipe."""
    model: str
    """The base model whose tokenizer and template were used."""
    split: SplitName
    """The split that the rows are of."""
    rows: tuple[PreviewRow, ...]
    """The batch; a preference makes two rows of it, the chosen answer first."""


def preview_recipe(
    recipe: Recipe,
    *,
    split: SplitName,
    rows: int,
    start: int,
    workspace: Workspace,
    reporter: Reporter,
) -> Preview:
    """Return some rows as the recipe's training would batch them, through its own collator.

    Args:
        recipe: The recipe; its snapshot and base model are made ready where they are not.
        split: The split to look at.
        rows: How many rows make the batch.
        start: Rows of the split to pass over.
        workspace: Where work is kept.
        reporter: Told what is going on.

    Raises:
        InvalidInputError: The split has no row there, or a row is too long to train on.
    """
    snapshot = recipe_snapshot(recipe, workspace=workspace, reporter=reporter)
    chosen = read_rows(snapshot.folder, split, start=start, rows=rows)
    if not chosen:
        raise InvalidInputError(
            "there is no row to show",
            where=f"dataset {recipe.settings.dataset}, split {split}",
            remedy="see `civicbench datasets show NAME` for how many there are",
        )
    prepared = prepare_model(recipe.model, workspace=workspace, reporter=reporter)
    renderer = load_renderer(prepared)
    examples = [
        example
        for rendered in render_rows(recipe, chosen, prepared=prepared, renderer=renderer)
        for example in _conversations(rendered)
    ]
    batch = collate(examples, renderer=renderer)
    shown = []
    for position, example in enumerate(examples):
        real = int(batch["attention_mask"][position].sum())
        ids = batch["input_ids"][position][:real].tolist()
        labels = batch["labels"][position].tolist()
        marks = [label != IGNORED_LABEL for label in labels[:real]]
        shown.append(
            PreviewRow(
                id=example.name,
                tokens=tuple(
                    PreviewToken(id=token, text=_decode(renderer.tokenizer, [token]), trained=mark)
                    for token, mark in zip(ids, marks, strict=True)
                ),
                spans=_spans(renderer.tokenizer, ids, marks),
                padding_tokens=len(labels) - real,
            )
        )
    return Preview(
        recipe=recipe.settings.name, model=recipe.model.name, split=split, rows=tuple(shown)
    )


def _conversations(row: Example | PreferencePair) -> tuple[Example, ...]:
    if isinstance(row, Example):
        return (row,)
    return (
        Example(f"{row.name} (chosen)", row.chosen),
        Example(f"{row.name} (rejected)", row.rejected),
    )


def _spans(
    tokenizer: "PreTrainedTokenizerBase", ids: list[int], marks: list[bool]
) -> tuple[PreviewSpan, ...]:
    spans = []
    start = 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or marks[place] != marks[start]:
            text = _decode(tokenizer, ids[start:place])
            spans.append(PreviewSpan(text=text, trained=marks[start]))
            start = place
    return tuple(spans)


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
