"""Worked examples that stand before every item of a suite."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.digests import digest_text
from civicbench.core.documents import iterate_json_lines
from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Item, refuse_items
from civicbench.models.rendering import Message

_MISTAKES_SHOWN = 20


@dataclass(frozen=True)
class Shot:
    """A worked example.

    Attributes:
        id: Its name.
        question: The user's turn.
        answer: The assistant's.
    """

    id: str
    question: str
    answer: str


def read_shots(path: Path) -> list[Shot]:
    """Read worked examples from a JSON-lines file with id, prompt and answer.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: Lines with mistakes, each with its place.
    """
    shots: list[Shot] = []
    mistakes: list[str] = []
    for number, line in iterate_json_lines(path):
        texts = [line.get(name) for name in ("id", "prompt", "answer")]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            mistakes.append(f"line {number}: id, prompt and answer must each be text")
        else:
            shots.append(Shot(*(str(text) for text in texts)))
    refuse_items(mistakes, where=str(path))
    return shots


def put_shots_before(
    items: Sequence[Item], shots: Sequence[Shot], *, count: int, seed: int, where: str
) -> list[Item]:
    """Put the same worked examples before every item, after its system turn.

    The examples are the first in the order of sha256(seed, id): the choice depends on names and
    seed alone.

    Raises:
        InvalidInputError: Too few examples, or one that is an item itself: it would be leaked.
    """
    own = {item.id for item in items} | {item.messages[-1].content for item in items}
    leaked = [shot.id for shot in shots if shot.id in own or shot.question in own]
    if leaked:
        raise InvalidInputError(
            "a worked example is an item of the suite: its answer would be shown",
            where=where,
            got=", ".join(leaked[:_MISTAKES_SHOWN]),
        )
    if len(shots) < count:
        raise InvalidInputError("too few worked examples", where=where, got=f"{len(shots)}, "
                                f"shots.count is {count}")  # fmt: skip
    chosen = sorted(shots, key=lambda shot: digest_text(f"{seed}:{shot.id}"))[:count]
    turns = [
        turn
        for shot in chosen
        for turn in (
            Message(role="user", content=shot.question),
            Message(role="assistant", content=shot.answer),
        )
    ]
    found = []
    for item in items:
        system = [turn for turn in item.messages[:1] if turn.role == "system"]
        rest = item.messages[len(system) :]
        found.append(item.model_copy(update={"messages": (*system, *turns, *rest)}))
    return found
