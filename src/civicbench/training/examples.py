"""Training examples: conversations as token ids, checked before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass

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
        return len(self.rendered.prompt_ids) + len(self.rendered.completion_ids)


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
    if not conversations:
        raise InvalidInputError(
            "there are no rows to train on", remedy="see `civicbench datasets show NAME`"
        )
    if max_length_tokens > context_length_tokens:
        raise InvalidInputError(
            "max_length_tokens is longer than the model's context",
            where="training.max_length_tokens",
            got=f"{max_length_tokens}, the model reads {context_length_tokens}",
        )
    examples = [
        Example(name, renderer.render_example(messages)) for name, messages in conversations
    ]
    empty = [e.name for e in examples if len(e.rendered.completion_ids) < _SHORTEST_COMPLETION]
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
