"""What is asked for in writing, and what is written."""

from dataclasses import dataclass
from typing import Literal

Finish = Literal["end of turn", "stop text", "token limit"]


@dataclass(frozen=True)
class Sampling:
    """How a sampled answer is drawn.

    Attributes:
        temperature: Divides the logits.
        top_p: Only the likeliest tokens that together reach this share are drawn from (nucleus
            sampling, arXiv 1904.09751).
        seed: Seed of this answer's draws.
    """

    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True)
class Asked:
    """A prompt to be answered.

    Attributes:
        prompt: Its token ids, at least one.
        limit_tokens: The longest answer.
        stops: Texts that end the answer and are not part of it.
        sampling: How to draw; None takes the likeliest token each time.
    """

    prompt: tuple[int, ...]
    limit_tokens: int
    stops: tuple[str, ...]
    sampling: Sampling | None


@dataclass(frozen=True)
class Written:
    """An answer.

    Attributes:
        token_ids: Its tokens, with the one that ended it.
        text: Its text, without what ended it.
        finish: Why it ended.
    """

    token_ids: tuple[int, ...]
    text: str
    finish: Finish
