"""Engines: what computes log-likelihoods and answers behind lm-eval's interface."""

from collections.abc import Sequence
from typing import Any, Protocol

from civicbench.evaluation.scorer.asked import Asked
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.work import Answer, AnswerWork, Batching, ChoiceWork, Value
from civicbench.models.rendering import ChatRenderer


class Choices(Protocol):
    """Continuations that are being scored, piece by piece."""

    @property
    def pieces(self) -> Sequence[Any]:
        """What is computed together."""
        ...

    @property
    def computed_tokens(self) -> int:
        """Tokens that all pieces feed."""
        ...

    def compute(self, piece: Any) -> list[Value]:
        """Return what a piece gives, as `complete` takes it."""
        ...

    def complete(self, scored: Sequence[Value]) -> list[Value]:
        """Take a piece's results; return (request, log-likelihood, is greedy) of what is whole."""
        ...


class Answers(Protocol):
    """Answers that are being written, piece by piece."""

    @property
    def pieces(self) -> Sequence[Any]:
        """What is computed together."""
        ...

    @property
    def computed_prompt_tokens(self) -> int:
        """Tokens of prompts that all pieces feed."""
        ...

    def compute(self, piece: Any) -> list[Answer]:
        """Return (question, token ids, text, why it ended) of a piece's questions."""
        ...


class Engine(Protocol):
    """A model, or a model with an adapter on, that computes answers to token ids."""

    def choices(
        self, requests: Sequence[Request], *, batching: Batching, missing: Sequence[int]
    ) -> Choices:
        """Return the work of scoring continuations.

        Args:
            requests: What is to be scored, each once.
            batching: How it is put together.
            missing: Numbers of the requests whose results are wanted.
        """
        ...

    def answers(
        self, asked: Sequence[Asked], *, batching: Batching, missing: Sequence[int]
    ) -> Answers:
        """Return the work of writing answers.

        Args:
            asked: The questions, each once.
            batching: How they are put together.
            missing: Numbers of the questions whose answers are wanted.
        """
        ...


class LocalEngine:
    """Our own scorer, on the model that this process holds.

    Args:
        reader: The model.
        renderer: Turns tokens into text.
    """

    def __init__(self, reader: Reader, renderer: ChatRenderer) -> None:
        self._reader = reader
        self._renderer = renderer

    def choices(
        self, requests: Sequence[Request], *, batching: Batching, missing: Sequence[int]
    ) -> ChoiceWork:
        """Return the work of scoring continuations: what they share is computed once."""
        return ChoiceWork(self._reader, requests, batching=batching, missing=missing)

    def answers(
        self, asked: Sequence[Asked], *, batching: Batching, missing: Sequence[int]
    ) -> AnswerWork:
        """Return the work of writing answers: what prompts share is kept once."""
        return AnswerWork(self._reader, self._renderer, asked, batching=batching, missing=missing)
