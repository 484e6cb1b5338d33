"""Written answers: prompts read once, then all rows of a batch one token a step."""

from collections.abc import Sequence

import torch

from civicbench.evaluation.scorer.asked import Asked, Written
from civicbench.evaluation.scorer.attention import KeysValues
from civicbench.evaluation.scorer.decoding import AnswerRow, Decoding, run_of
from civicbench.evaluation.scorer.reading import Reader
from civicbench.models.rendering import ChatRenderer


def batch_answers(asked: Sequence[Asked], *, batch_tokens: int) -> list[list[int]]:
    """Return which questions are answered together: of like length, within a token budget.

    Args:
        asked: The questions.
        batch_tokens: Most tokens of prompts and answers of one batch, where it has several.

    Returns:
        The questions' numbers, batch by batch, the longest first.
    """
    order = sorted(range(len(asked)), key=lambda n: (-_room(asked[n]), n))
    batches: list[list[int]] = []
    for number in order:
        if batches and (len(batches[-1]) + 1) * _room(asked[batches[-1][0]]) <= batch_tokens:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def _room(question: Asked) -> int:
    return len(question.prompt) + question.limit_tokens


class AnswerWriter:
    """Writes the answers of one batch after another.

    Args:
        reader: The model.
        renderer: Turns tokens into text.
    """

    def __init__(self, reader: Reader, renderer: ChatRenderer) -> None:
        self._reader = reader
        self._renderer = renderer
        self._prefix_ids: tuple[int, ...] = ()
        self._prefix: list[KeysValues] = []

    def write(self, asked: Sequence[Asked], *, shared: Sequence[int]) -> list[Written]:
        """Return the answers of a batch.

        Args:
            asked: The questions.
            shared: Tokens that every prompt begins with, none of them a prompt's last.
        """
        with self._reader.ready():
            self._keep_prefix(tuple(shared))
            rows = [AnswerRow(question, self._renderer) for question in asked]
            decoding = Decoding(rows, reader=self._reader, prefix=self._prefix)
            hidden = decoding.read_prompts(len(self._prefix_ids))
            while True:
                logits = self._reader.logits(hidden)
                for row, chosen in zip(decoding.active, _choose(decoding.active, logits),
                                       strict=True):  # fmt: skip
                    row.append(chosen)
                if not decoding.drop_ended():
                    return [row.written() for row in rows]
                hidden = decoding.step()

    def _keep_prefix(self, shared: tuple[int, ...]) -> None:
        if shared != self._prefix_ids:
            self._prefix_ids, self._prefix = shared, []
            if shared:
                _, self._prefix = self._reader.read_trees([run_of(shared)], prefix=(), keep=True)


def _choose(rows: "Sequence[AnswerRow]", logits: torch.Tensor) -> list[int]:
    """Return the next token of each row."""
    likeliest: list[int] = logits.argmax(-1).tolist()
    return [
        best if row.asked.sampling is None else row.draw(logits[number])
        for number, (row, best) in enumerate(zip(rows, likeliest, strict=True))
    ]
