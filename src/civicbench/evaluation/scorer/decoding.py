"""Decoding the rows of a batch: each keeps what it has read, and grows one token a step.

Keys and values stand at the left of each row's own room, so rows need no padding before them; a
row that has ended leaves the batch. What all prompts share is kept once for all rows.
"""

from collections.abc import Sequence

import numpy as np
import torch

from civicbench.evaluation.scorer.asked import Asked, Finish, Written
from civicbench.evaluation.scorer.attention import KeysValues
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scorer.schedule import Tree
from civicbench.models.rendering import ChatRenderer

_READ_TOKENS = 1024


def run_of(token_ids: Sequence[int]) -> Tree:
    """Return tokens as a tree of one run."""
    return Tree(list(token_ids), list(range(len(token_ids))), [(0, len(token_ids), -1)])


class AnswerRow:
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


def _room_for(pair: KeysValues, rows: int, tokens: int) -> KeysValues:
    """Return room for the keys and values of rows, each of shape [rows, heads, tokens, width]."""
    keys, values = pair
    shape = (rows, keys.shape[0], tokens, keys.shape[2])
    return keys.new_zeros(shape), values.new_zeros(shape)


class Decoding:
    """The rows that are being written, with the keys and values of what each has read."""

    def __init__(
        self, rows: Sequence[AnswerRow], *, reader: Reader, prefix: Sequence[KeysValues]
    ) -> None:
        self.active = list(rows)
        self._reader = reader
        self._prefix = prefix
        self._layers: list[KeysValues] = []
        self._lengths = torch.empty(0, dtype=torch.long)

    def read_prompts(self, shared: int) -> torch.Tensor:
        """Read what follows the shared tokens; return the last hidden state of each row.

        A few prompts at a time: more at once would need memory, and be no faster.
        """
        trees = [run_of(row.asked.prompt[shared:]) for row in self.active]
        lengths = [tree.length for tree in trees]
        room = max(n + row.asked.limit_tokens for n, row in zip(lengths, self.active, strict=True))
        last = []
        first = 0
        while first < len(trees):
            end = first + 1
            while end < len(trees) and sum(lengths[first : end + 1]) <= _READ_TOKENS:
                end += 1
            hidden, own = self._reader.read_trees(trees[first:end], prefix=self._prefix, keep=True)
            if not self._layers:
                self._layers = [_room_for(pair, len(trees), room) for pair in own]
            for layer, pair in zip(self._layers, own, strict=True):
                start = 0
                for number in range(first, end):
                    for target, source in zip(layer, pair, strict=True):
                        target[number, :, : lengths[number]] = source[
                            :, start : start + lengths[number]
                        ]
                    start += lengths[number]
            last.append(hidden[torch.tensor(lengths[first:end]).cumsum(0) - 1])
            first = end
        self._lengths = torch.tensor(lengths)
        return torch.cat(last)

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
