"""Training examples: conversations as token ids, checked before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from civicbench.core.errors import InvalidInputError
from civicbench.models.rendering import Message, RenderedExample, RendersExamples

_SHOWN = 10
IGNORED_LABEL = -100
# An end-of-turn token alone is what an empty answer renders to.
_SHORTEST_COMPLETION = 2


@dataclass(frozen=True)
class Example:
    """A named conversation as token ids.

    Attributes:
        name: The row's id.
        rendered: Its token ids.
    """

    name: str
    rendered: RenderedExample

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """The prompt alone."""
        return self.rendered.prompt_ids

    @property
    def input_ids(self) -> list[int]:
        """Prompt and completion together."""
        return [*self.rendered.prompt_ids, *self.rendered.completion_ids]

    @property
    def labels(self) -> list[int]:
        """The same with the prompt masked out of the loss."""
        return [IGNORED_LABEL] * len(self.rendered.prompt_ids) + [*self.rendered.completion_ids]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return _length(self.rendered)


@dataclass(frozen=True)
class PreferencePair:
    """A prompt as token ids with two answers, of which the first is preferred.

    Attributes:
        name: The row's id.
        chosen: The prompt and the answer to prefer.
        rejected: The same prompt and the answer to prefer it to.

    Raises:
        InvalidInputError: The two do not begin with the same prompt: their likelihoods could not
            be compared.
    """

    name: str
    chosen: RenderedExample
    rejected: RenderedExample

    def __post_init__(self) -> None:
        if self.chosen.prompt_ids != self.rejected.prompt_ids:
            raise InvalidInputError(
                "the prompts of the chosen and the rejected answer are not the same tokens",
                where=f"row {self.name}",
            )

    @property
    def conversations(self) -> tuple[Example, Example]:
        """The chosen and the rejected conversation."""
        return Example(self.name, self.chosen), Example(self.name, self.rejected)

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """The prompt of both."""
        return self.chosen.prompt_ids

    @property
    def length(self) -> int:
        """Number of tokens of both conversations, the prompt counted in each."""
        return sum(_length(rendered) for rendered in (self.chosen, self.rejected))

    @property
    def longest(self) -> int:
        """Number of tokens of the longer conversation."""
        return max(_length(rendered) for rendered in (self.chosen, self.rejected))


TrainingRows = Sequence[Example] | Sequence[PreferencePair]
_Kind = TypeVar("_Kind", Example, PreferencePair)


def rows_of_kind(rows: TrainingRows, kind: type[_Kind]) -> list[_Kind]:
    """Return training rows as what an objective takes.

    Args:
        rows: Rows of one kind.
        kind: The kind that is expected.

    Raises:
        TypeError: A row is of the other kind, which is a mistake of the caller.
    """
    found = [row for row in rows if isinstance(row, kind)]
    if len(found) != len(rows):
        raise TypeError(f"{len(rows) - len(found)} rows are not {kind.__name__}")
    return found


def conversations_in(rows: TrainingRows) -> list[Example]:
    """Return every conversation of training rows: one a row, or a pair's two."""
    found: list[Example] = []
    for row in rows:
        found += row.conversations if isinstance(row, PreferencePair) else (row,)
    return found


def render_examples(
    conversations: Sequence[tuple[str, Sequence[Message]]],
    *,
    renderer: RendersExamples,
    max_length_tokens: int,
    context_length_tokens: int,
) -> list[Example]:
    """Render conversations, or refuse them all with the reasons.

    Args:
        conversations: Row id and messages.
        renderer: The base model's renderer.
        max_length_tokens: The recipe's limit.
        context_length_tokens: The model's limit.

    Raises:
        InvalidInputError: No rows, an empty answer, or rows that would have to be cut.
    """
    _check_limits(
        len(conversations),
        max_length_tokens=max_length_tokens,
        context_length_tokens=context_length_tokens,
    )
    examples = [
        Example(name, renderer.render_example(messages)) for name, messages in conversations
    ]
    empty = [e.name for e in examples if _is_empty(e.rendered)]
    if empty:
        raise InvalidInputError(
            f"{len(empty)} rows have an empty answer", got=", ".join(empty[:_SHOWN])
        )
    long = [e for e in examples if e.length > max_length_tokens]
    if long:
        worst = sorted(long, key=lambda e: -e.length)[:_SHOWN]
        raise InvalidInputError(
            f"{len(long)} rows are longer than {max_length_tokens} tokens; cutting them would "
            "cut the answers that are trained on",
            got=", ".join(f"{e.name} ({e.length} tokens)" for e in worst),
            remedy="raise training.max_length_tokens, or shorten or leave out these rows",
        )
    return examples


def render_pairs(
    rows: Sequence[tuple[str, Sequence[Message], str]],
    *,
    renderer: RendersExamples,
    max_length_tokens: int,
    context_length_tokens: int,
) -> list[PreferencePair]:
    """Render preferences, or refuse them all with every reason at once.

    Args:
        rows: Row id, messages that end with the chosen answer, and the rejected answer.
        renderer: The base model's renderer.
        max_length_tokens: The recipe's limit, for each of the two conversations.
        context_length_tokens: The model's limit.

    Raises:
        InvalidInputError: No rows, an empty answer, two answers of the same tokens, or rows that
            would have to be cut.
    """
    _check_limits(
        len(rows), max_length_tokens=max_length_tokens, context_length_tokens=context_length_tokens
    )
    pairs = [
        PreferencePair(
            name,
            renderer.render_example(messages),
            renderer.render_example((*messages[:-1], Message(role="assistant", content=rejected))),
        )
        for name, messages, rejected in rows
    ]
    problems = [
        *_problem("have an empty chosen answer", [p.name for p in pairs if _is_empty(p.chosen)]),
        *_problem(
            "have an empty rejected answer", [p.name for p in pairs if _is_empty(p.rejected)]
        ),
        *_problem(
            "have the same tokens as chosen and as rejected answer",
            [p.name for p in pairs if p.chosen == p.rejected],
        ),
        *_problem(
            f"are longer than {max_length_tokens} tokens; cutting them would cut the answers that "
            "are trained on",
            [
                f"{p.name} ({p.longest} tokens)"
                for p in sorted(pairs, key=lambda p: -p.longest)
                if p.longest > max_length_tokens
            ],
        ),
    ]
    if problems:
        raise InvalidInputError(
            "\n".join(["preferences that cannot be trained on", *problems]),
            remedy="mend or leave out these rows; training.max_length_tokens may be raised",
        )
    return pairs


def _problem(what: str, named: Sequence[str]) -> list[str]:
    if not named:
        return []
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return [f"  - {len(named)} rows {what}: {', '.join(named[:_SHOWN])}{more}"]


def _is_empty(rendered: RenderedExample) -> bool:
    return len(rendered.completion_ids) < _SHORTEST_COMPLETION


def _length(rendered: RenderedExample) -> int:
    return len(rendered.prompt_ids) + len(rendered.completion_ids)


def _check_limits(rows: int, *, max_length_tokens: int, context_length_tokens: int) -> None:
    if not rows:
        raise InvalidInputError(
            "there are no rows to train on", remedy="see `civicbench datasets show NAME`"
        )
    if max_length_tokens > context_length_tokens:
        raise InvalidInputError(
            "max_length_tokens is longer than the model's context",
            where="training.max_length_tokens",
            got=f"{max_length_tokens}, the model reads {context_length_tokens}",
        )
