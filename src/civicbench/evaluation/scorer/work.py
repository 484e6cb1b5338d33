"""What is to be computed of a set of requests, in pieces that any process can take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from civicbench.evaluation.scorer.asked import Asked, Finish
from civicbench.evaluation.scorer.choices import ChoiceScorer
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.schedule import Batch, Tree, make_schedule
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.writing import AnswerWriter, batch_answers
from civicbench.models.rendering import ChatRenderer

# A shared beginning is kept for written answers where it saves at least so many tokens.
_SHARED_TOKENS = 32


@dataclass(frozen=True)
class Batching:
    """How requests are put together.

    Attributes:
        choice_tokens: Most tokens of one pass over choices.
        answer_tokens: Most tokens of prompts and answers that are written together.
        order_seed: Puts choices into batches in a random order; None sorts them by length.
    """

    choice_tokens: int = 2048
    answer_tokens: int = 2560
    order_seed: int | None = None


Value = tuple[int, float, bool]
Answer = tuple[int, list[int], str, Finish]


class ChoiceWork:
    """Log-likelihoods of continuations.

    Args:
        reader: The model.
        requests: What is to be scored, each once.
        batching: How it is put together.
        missing: Numbers of the requests whose results are wanted.
    """

    def __init__(
        self,
        reader: Reader,
        requests: Sequence[Request],
        *,
        batching: Batching,
        missing: Sequence[int],
    ) -> None:
        self.pieces: list[Batch] = []
        """Batches with the trees that a missing request needs, in the schedule's order."""
        self._owners: list[int] = []
        self._open: dict[int, int] = {}
        self._sums: dict[int, list[float]] = {}
        self._greedy: dict[int, bool] = {}
        if not missing:
            return
        # All requests shape the batches, so that a run that is taken up has the same ones.
        schedule = make_schedule(
            requests, batch_tokens=batching.choice_tokens, order_seed=batching.order_seed
        )
        for number, request in enumerate(requests):
            self._owners += [number] * len(request.continuation)
        self._open = {number: len(requests[number].continuation) for number in missing}
        self._sums = {number: [] for number in missing}
        self._greedy = dict.fromkeys(missing, True)
        for batch in schedule.batches:
            trees = tuple(tree for tree in batch.trees if self._is_open(tree))
            if trees:
                self.pieces.append(replace(batch, trees=trees))
        self._schedule = schedule
        self._scorer = ChoiceScorer(reader, schedule)

    @property
    def computed_tokens(self) -> int:
        """Tokens that all pieces feed, kept prefixes once."""
        if not self.pieces:
            return 0
        sections: set[int] = set()
        for piece in self.pieces:
            section = piece.section
            while section >= 0:
                sections.add(section)
                section = self._schedule.sections[section].parent
        chains = sum(self._schedule.sections[number].chain.length for number in sections)
        return chains + sum(
            tree.length for piece in self.pieces if not piece.is_chain for tree in piece.trees
        )

    def compute(self, piece: Batch) -> list[Value]:
        """Return (slot, log-probability in nats, is greedy) of what a piece predicts."""
        return [
            (scored.slot, scored.log_probability, scored.is_greedy)
            for scored in self._scorer.compute(piece)
        ]

    def complete(self, scored: Sequence[Value]) -> list[Value]:
        """Take a piece's results; return (request, log-likelihood, is greedy) of what is whole."""
        whole: list[Value] = []
        for slot, value, greedy in scored:
            number = self._owners[slot]
            if number not in self._open:
                continue  # shares a batch with a missing one, and is known
            self._sums[number].append(value)
            self._greedy[number] &= greedy
            self._open[number] -= 1
            if not self._open[number]:
                whole.append((number, math.fsum(self._sums[number]), self._greedy[number]))
        return whole

    def _is_open(self, tree: Tree) -> bool:
        return any(self._owners[slot] in self._open for _, _, slot in tree.wanted)


class AnswerWork:
    """Written answers.

    Args:
        reader: The model.
        renderer: Turns tokens into text.
        asked: The questions, each once.
        batching: How they are put together.
        missing: Numbers of the questions whose answers are wanted.
    """

    def __init__(
        self,
        reader: Reader,
        renderer: ChatRenderer,
        asked: Sequence[Asked],
        *,
        batching: Batching,
        missing: Sequence[int],
    ) -> None:
        wanted = set(missing)
        batches = batch_answers(asked, batch_tokens=batching.answer_tokens)
        self.pieces = [
            [number for number in batch if number in wanted]
            for batch in batches
            if not wanted.isdisjoint(batch)
        ]
        """Numbers of the questions that are answered together."""
        self._asked = asked
        self._shared = _shared_beginning([question.prompt for question in asked])
        self._writer = AnswerWriter(reader, renderer)

    @property
    def computed_prompt_tokens(self) -> int:
        """Tokens of prompts that all pieces feed."""
        numbers = [number for piece in self.pieces for number in piece]
        own = sum(len(self._asked[number].prompt) - len(self._shared) for number in numbers)
        return own + (len(self._shared) if numbers else 0)

    def compute(self, piece: Sequence[int]) -> list[Answer]:
        """Return (question, token ids, text, why it ended) of a piece's questions."""
        written = self._writer.write([self._asked[n] for n in piece], shared=self._shared)
        return [
            (number, list(answer.token_ids), answer.text, answer.finish)
            for number, answer in zip(piece, written, strict=True)
        ]


def _shared_beginning(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return what all prompts begin with, leaving each a token of its own; empty where short."""
    if len(prompts) < 2:
        return ()
    first, last = min(prompts), max(prompts)
    most = min(len(prompt) for prompt in prompts) - 1
    shared = 0
    while shared < most and first[shared] == last[shared]:
        shared += 1
    return first[:shared] if shared >= _SHARED_TOKENS else ()
