"""Rows as training sees them: rendered, packed, and each token marked as trained on or not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import SplitName
from civicbench.datasets.snapshots import read_rows
from civicbench.models.prepare import prepare_model
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.pipeline.inputs import render_rows
from civicbench.pipeline.snapshots import recipe_snapshot
from civicbench.recipes.loading import Recipe
from civicbench.training.examples import Example, PreferencePair
from civicbench.training.unpacking import pack_and_unpack

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
    """Its tokens."""
    spans: tuple[PreviewSpan, ...]
    """The same as text, cut where training begins or ends."""
    shared_tokens: int
    """Tokens at its beginning that all rows of the batch share: computed once."""


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
    """Return some rows as the recipe's training would batch them, through its own packing.

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
    return Preview(
        recipe=recipe.settings.name,
        model=recipe.model.name,
        split=split,
        rows=preview_examples(
            examples, renderer=renderer, share_beginning=recipe.training.dropout == 0
        ),
    )


def preview_examples(
    examples: Sequence[Example], *, renderer: ChatRenderer, share_beginning: bool
) -> tuple[PreviewRow, ...]:
    """Return rows as one forward pass of training reads them.

    Args:
        examples: The rows of the pass.
        renderer: The base model's renderer.
        share_beginning: Whether training computes once what they all begin with.
    """
    shown = []
    packed = pack_and_unpack(examples, share_beginning=share_beginning)
    for example, row in zip(examples, packed, strict=True):
        texts = renderer.pieces(row.ids)
        shown.append(
            PreviewRow(
                id=example.name,
                tokens=tuple(
                    PreviewToken(id=token, text=text, trained=trained)
                    for token, text, trained in zip(row.ids, texts, row.trained, strict=True)
                ),
                spans=_spans(renderer.tokenizer, row.ids, row.trained),
                shared_tokens=row.shared,
            )
        )
    return tuple(shown)


def _conversations(row: Example | PreferencePair) -> tuple[Example, ...]:
    if isinstance(row, Example):
        return (row,)
    return (
        Example(f"{row.name} (chosen)", row.chosen),
        Example(f"{row.name} (rejected)", row.rejected),
    )


def _spans(
    tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], marks: Sequence[bool]
) -> tuple[PreviewSpan, ...]:
    spans = []
    start = 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or marks[place] != marks[start]:
            text = _decode(tokenizer, ids[start:place])
            spans.append(PreviewSpan(text=text, trained=marks[start]))
            start = place
    return tuple(spans)


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    return str(
        tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )
