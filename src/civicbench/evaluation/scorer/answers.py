"""Written answers: prompts read once, then all rows of a batch one token a step.

Keys and values stand at the left of each row's own room, so rows need no padding before them; a
row that has ended leaves the batch. What all prompts share is kept once for all rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from civicbench.evaluation.scorer.attention import KeysValues
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.schedule import Tree
from civicbench.models.rendering import ChatRenderer

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
            rows = [_Row(question, self._renderer) for question in asked]
            decoding = _Decoding(rows, reader=self._reader, prefix=self._prefix)
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
                _, self._prefix = self._reader.read_trees([_run(shared)], prefix=(), keep=True)


def _run(token_ids: Sequence[int]) -> Tree:
    return Tree(list(token_ids), list(range(len(token_ids))), [(0, len(token_ids), -1)])


def _choose(rows: "Sequence[_Row]", logits: torch.Tensor) -> list[int]:
    """Return the next token of each row."""
    likeliest: list[int] = logits.argmax(-1).tolist()
    return [
        best if row.asked.sampling is None else row.draw(logits[number])
        for number, (row, best) in enumerate(zip(rows, likeliest, strict=True))
    ]


class _Row:
    """One answer as it grows."""

    def __init__(self, asked: Asked, renderer: ChatRenderer) -> None:
        self.asked = asked
        self.token_ids: list[int] = []
        self.finish: Finish | None = None
        self._renderer = renderer
        self._tail_tokens = max((len(stop.encode()) for stop in asked.stops), default=0) + 8
        seed = asked.sampling.seed if asked.sampling else 0
        # The draws depend on seed and prompt alone, not on what else is in the batch.
        self._generator = np.random.default_rng([seed, *asked.prompt])

    def append(self, token: int) -> None:
        """Take a token, and note whether it ends the answer."""
        self.token_ids.append(token)
        if token == self._renderer.end_of_turn_id:
            self.finish = "end of turn"
        elif self._stops():
            self.finish = "stop text"
        elif len(self.token_ids) == self.asked.limit_tokens:
            self.finish = "token limit"

    def draw(self, logits: torch.Tensor) -> int:
        """Return a token drawn by temperature and nucleus."""
        sampling = self.asked.sampling
        assert sampling is not None  # noqa: S101 (greedy rows are not drawn)
        scores = logits.double().cpu().numpy() / sampling.temperature
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        order = np.argsort(-chances, kind="stable")
        reached = np.cumsum(chances[order])
        kept = order[: int(np.searchsorted(reached, sampling.top_p)) + 1]
        return int(self._generator.choice(kept, p=chances[kept] / chances[kept].sum()))

    def written(self) -> Written:
        """Return the ended answer."""
        assert self.finish is not None  # noqa: S101 (the loop runs until every row has ended)
        text = self._renderer.decode(self.token_ids)
        for stop in self.asked.stops:
            text = text.split(stop)[0]
        return Written(tuple(self.token_ids), text, self.finish)

    def _stops(self) -> bool:
        if not self.asked.stops:
            return False
        # A stop text ends within the last tokens or not at all: each holds at least a byte.
        tail = self._renderer.decode(self.token_ids[-self._tail_tokens :])
        return any(stop in tail for stop in self.asked.stops)


class _Decoding:
    """The rows that are being written, with the keys and values of what each has read."""

    def __init__(
        self, rows: Sequence[_Row], *, reader: Reader, prefix: Sequence[KeysValues]
    ) -> None:
        self.active = list(rows)
        self._reader = reader
        self._prefix = prefix
        self._layers: list[KeysValues] = []
        self._lengths = torch.empty(0, dtype=torch.long)

    def read_prompts(self, shared: int) -> torch.Tensor:
        """Read what follows the shared tokens; return the last hidden state of each row."""
        trees = [_run(row.asked.prompt[shared:]) for row in self.active]
        hidden, own = self._reader.read_trees(trees, prefix=self._prefix, keep=True)
        lengths = [tree.length for tree in trees]
        room = max(n + row.asked.limit_tokens for n, row in zip(lengths, self.active, strict=True))
        own.reverse()
        while own:  # each layer's first copy is let go as soon as the second stands
            keys, values = own.pop()
            heads, _, width = keys.shape
            shape = (len(trees), heads, room, width)
            padded = (keys.new_zeros(shape), values.new_zeros(shape))
            start = 0
            for number, length in enumerate(lengths):
                for target, source in zip(padded, (keys, values), strict=True):
                    target[number, :, :length] = source[:, start : start + length]
                start += length
            self._layers.append(padded)
        self._lengths = torch.tensor(lengths)
        return hidden[self._lengths.cumsum(0) - 1]

    def drop_ended(self) -> bool:
        """Drop rows that have ended; return whether any is left."""
        for place in reversed(range(len(self.active))):
            if self.active[place].finish is None:
                continue
            # The last row moves into the place that becomes free: one row is copied, not all.
            last = len(self.active) - 1
            if place < last:
                for keys, values in self._layers:
                    keys[place] = keys[last]
                    values[place] = values[last]
                self._lengths[place] = self._lengths[last]
                self.active[place] = self.active[last]
            self.active.pop()
            self._lengths = self._lengths[:last]
        return bool(self.active)

    def step(self) -> torch.Tensor:
        """Read each active row's newest token; return hidden states of shape [rows, width]."""
        before = self._prefix[0][0].shape[1] if self._prefix else 0
        packing = _Step(self._layers, self._prefix, self._lengths)
        hidden = self._reader.read(
            [row.token_ids[-1] for row in self.active],
            (self._lengths + before).tolist(),
            packing,
        )
        self._lengths = self._lengths + 1
        return hidden


class _Step:
    """Attention of one new token a row to the shared prefix and to the row's own room."""

    def __init__(
        self,
        layers: Sequence[KeysValues],
        prefix: Sequence[KeysValues],
        lengths: torch.Tensor,
    ) -> None:
        self._layers = layers
        self._prefix = prefix
        self._rows = torch.arange(len(lengths))
        self._lengths = lengths
        self._longest = int(lengths.max()) + 1
        unseen = torch.arange(self._longest)[None] > lengths[:, None]
        self._mask = torch.zeros(unseen.shape).masked_fill_(unseen, -torch.inf)[:, None, None]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Return what each row's token reads, of shape [1, rows, heads, width]."""
        heads, rows, width = query.shape[1:]
        keys, values = self._layers[layer]
        key_heads = keys.shape[1]
        keys[self._rows, :, self._lengths] = key[0].transpose(0, 1)
        values[self._rows, :, self._lengths] = value[0].transpose(0, 1)
        keys, values = keys[:rows, :, : self._longest], values[:rows, :, : self._longest]
        folded = query[0].transpose(0, 1).reshape(rows, key_heads, -1, width)
        own = torch.matmul(folded, keys.transpose(2, 3)).float() * scale
        own = own + self._mask.to(own.device)
        if not self._prefix:
            read = torch.matmul(own.softmax(-1).to(values.dtype), values)
            return read.reshape(1, rows, heads, width)
        before_keys, before_values = self._prefix[layer]
        groups = heads // key_heads
        flat = folded.transpose(0, 1).reshape(key_heads, rows * groups, width)
        before = torch.bmm(flat, before_keys.transpose(1, 2)).float() * scale
        before = before.view(key_heads, rows, groups, -1).transpose(0, 1)
        chances = torch.cat((before, own), -1).softmax(-1).to(values.dtype)
        count = before.shape[-1]
        early = chances[..., :count].transpose(0, 1).reshape(key_heads, rows * groups, count)
        read = torch.bmm(early, before_values).view(key_heads, rows, groups, width)
        read = read.transpose(0, 1) + torch.matmul(chances[..., count:], values)
        return read.reshape(1, rows, heads, width)
