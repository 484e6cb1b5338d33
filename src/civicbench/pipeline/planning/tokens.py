"""How many tokens training reads, from the real tokenizer or estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.datasets.rows import Row
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import load_renderer
from civicbench.pipeline.mixing import conversations_of
from civicbench.pipeline.planning.plan import PlannedTokens
from civicbench.training.examples import Example, PreferencePair, TrainingRows
from civicbench.training.memory.passes import PassShape, epoch_tokens, largest_passes
from civicbench.training.memory.passes import estimated_passes as passes_of_lengths
from civicbench.training.settings import TrainingSettings

# English text in Llama-like vocabularies; used only where the tokenizer is not here.
_CHARACTERS_PER_TOKEN = 4.0
_TEMPLATE_TOKENS_PER_TURN = 5
_NAMED = 10


@dataclass(frozen=True)
class RowSizes:
    """The training rows as a plan knows them.

    Attributes:
        names: The rows' ids.
        lengths: Tokens of each, both conversations of a preference together.
        trained: Tokens of each that are trained on.
        longest: Tokens of each row's longest conversation.
        rendered: The rows themselves; None where the tokenizer is not here.
    """

    names: tuple[str, ...]
    lengths: tuple[int, ...]
    trained: tuple[int, ...]
    longest: tuple[int, ...]
    rendered: TrainingRows | None

    def passes(self, settings: TrainingSettings, processes: int) -> Sequence[PassShape]:
        """Return the largest forward passes under some settings."""
        if self.rendered is not None:
            return largest_passes(settings, self.rendered, processes=processes)
        return passes_of_lengths(
            settings, lengths=self.lengths, trained=self.trained, processes=processes
        )

    def planned(self, settings: TrainingSettings, *, processes: int) -> PlannedTokens:
        """Return the part of a plan that says what training reads."""
        long = [
            (length, name)
            for length, name in zip(self.longest, self.names, strict=True)
            if length > settings.max_length_tokens
        ]
        computed = (
            epoch_tokens(settings, self.rendered, processes=processes)
            if self.rendered is not None
            else sum(self.lengths)
        )
        return PlannedTokens(
            rows=len(self.lengths),
            tokens=sum(self.lengths),
            trained_tokens=sum(self.trained),
            computed_tokens=computed,
            padding_share=0.0,
            longest_row=max(self.longest),
            longest_answer=max(self.trained),
            truncated=0,
            too_long=len(long),
            too_long_rows=tuple(name for _, name in sorted(long, reverse=True)[:_NAMED]),
            exact=self.rendered is not None,
        )


def row_sizes(prepared: PreparedModel | None, rows: Sequence[Row]) -> RowSizes:
    """Return the sizes of training rows.

    Args:
        prepared: The base model with its tokenizer; None where it is not here.
        rows: The rows.
    """
    names = tuple(row.id for row in rows)
    if prepared is not None:
        renderer = load_renderer(prepared)
        found: list[Example | PreferencePair] = []
        for row in rows:
            one, *other = (renderer.render_example(turns) for turns in conversations_of(row))
            found.append(PreferencePair(row.id, one, other[0]) if other else Example(row.id, one))
        return RowSizes(
            names,
            tuple(row.length for row in found),
            tuple(_trained(row) for row in found),
            tuple(row.longest if isinstance(row, PreferencePair) else row.length for row in found),
            found,  # type: ignore[arg-type]  # all of one kind: a dataset has rejected answers or none
        )
    lengths, answers, longest = [], [], []
    for row in rows:
        turns = [
            [len(message.content) / _CHARACTERS_PER_TOKEN for message in conversation]
            for conversation in conversations_of(row)
        ]
        sizes = [int(sum(one) + _TEMPLATE_TOKENS_PER_TURN * len(one)) for one in turns]
        lengths.append(sum(sizes))
        longest.append(max(sizes))
        answers.append(sum(int(one[-1]) + 1 for one in turns))
    return RowSizes(names, tuple(lengths), tuple(answers), tuple(longest), None)


def _trained(row: Example | PreferencePair) -> int:
    if isinstance(row, Example):
        return len(row.rendered.completion_ids)
    return len(row.chosen.completion_ids) + len(row.rejected.completion_ids)
