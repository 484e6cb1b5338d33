"""Rows as the template writes them, as evaluation asks them and as training packs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import ChatRenderer, Message
from civicbench.training.examples import Example
from civicbench.training.unpacking import UnpackedRow, pack_and_unpack

_ROWS_OF_A_PASS = 64


@dataclass(frozen=True)
class RowText:
    """A row as the template writes it.

    Attributes:
        name: The row's id.
        messages: Its conversation.
        refused: Why the template refuses it; None where it does not.
        prompt: The text up to where the answer begins, as evaluation would ask it.
        whole: The text of the whole conversation.
    """

    name: str
    messages: tuple[Message, ...]
    refused: str | None
    prompt: str
    whole: str

    @property
    def begins_with_prompt(self) -> bool:
        """Whether the conversation is the prompt and more."""
        return self.whole.startswith(self.prompt)

    def ends_turn(self, end_of_turn: str) -> bool:
        """Return whether an end of turn stands after the prompt."""
        return end_of_turn in self.whole[len(self.prompt) :]

    def after_turn(self, end_of_turn: str) -> str:
        """Return what the template writes after the last end of turn."""
        return self.whole.rpartition(end_of_turn)[2]


@dataclass(frozen=True)
class TrainedRow:
    """A row that can be trained on, as each part reads it.

    Attributes:
        text: The row's text.
        asked_ids: Its prompt's tokens in evaluation.
        written_ids: Tokens of the whole conversation's text up to its last end of turn.
        packed: What training reads and where it takes the loss.
    """

    text: RowText
    asked_ids: tuple[int, ...]
    written_ids: tuple[int, ...]
    packed: UnpackedRow


def read_texts(
    rows: Sequence[tuple[str, Sequence[Message]]], *, renderer: ChatRenderer
) -> list[RowText]:
    """Return each row's text, and the template's own words where it refuses one.

    Args:
        rows: Row id and messages.
        renderer: The base model's renderer.
    """
    return [_read_text(name, tuple(messages), renderer=renderer) for name, messages in rows]


def read_trained(
    texts: Sequence[RowText], *, renderer: ChatRenderer, share_beginning: bool
) -> Iterator[TrainedRow]:
    """Yield the rows that have a prompt and an end of turn, through training's own packing.

    Args:
        texts: The rows' texts.
        renderer: The base model's renderer.
        share_beginning: Whether training computes once what the rows of a pass begin with.
    """
    end = renderer.end_of_turn
    sound = [
        row
        for row in texts
        if row.refused is None and row.begins_with_prompt and row.ends_turn(end)
    ]
    for start in range(0, len(sound), _ROWS_OF_A_PASS):
        some = sound[start : start + _ROWS_OF_A_PASS]
        examples = [Example(row.name, renderer.render_example(row.messages)) for row in some]
        packed = pack_and_unpack(examples, share_beginning=share_beginning)
        for row, unpacked in zip(some, packed, strict=True):
            until = row.whole.rpartition(end)[0] + end
            yield TrainedRow(
                text=row,
                asked_ids=tuple(renderer.encode(renderer.render_prompt(row.messages[:-1]))),
                written_ids=tuple(renderer.encode(until)),
                packed=unpacked,
            )


def _read_text(name: str, messages: tuple[Message, ...], *, renderer: ChatRenderer) -> RowText:
    try:
        prompt = renderer.render_prompt(messages[:-1])
        whole = renderer.render_conversation(messages)
    except InvalidInputError as error:
        return RowText(name, messages, error.got or error.problem, "", "")
    return RowText(name, messages, None, prompt, whole)
