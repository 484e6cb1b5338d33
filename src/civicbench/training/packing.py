"""Rows packed one after another into one sequence: no padding, and what they share only once.

The tokens that all rows of a pass begin with (a system turn) stand first, once; then each row's own
tokens. Attention lets every row see the shared beginning and itself, so each row's numbers, and the
gradients, are those that it would have alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as functional
from transformers import AttentionInterface

from civicbench.training.examples import Example
from civicbench.training.row_attention import BLOCK_QUERIES, RowAttention, RowBlocks, cut_rows

PACKED_ATTENTION = "civicbench_packed_rows"


@dataclass
class Segments:
    """Where the rows of a packed sequence stand.

    Attributes:
        shared: Tokens of the shared beginning, which stand first.
        ends: The place after each row's last token.
    """

    shared: int
    ends: Sequence[int]
    _masks: dict[tuple[int, int, torch.dtype, torch.device], torch.Tensor] = field(
        default_factory=dict
    )
    _blocks: RowBlocks | None = None

    @property
    def starts(self) -> list[int]:
        """The place of each row's first own token."""
        return [self.shared, *self.ends[:-1]]

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float
    ) -> torch.Tensor:
        """Return what each token reads, of shape [1, tokens, heads, width].

        Args:
            query: Of shape [1, heads, tokens, width].
            key: Of shape [1, key heads, tokens, width].
            value: Like `key`.
            scale: Factor of the scores.
        """
        if query.device.type != "cpu":
            return self.attend_row_by_row(query, key, value, scale=scale)
        if self._blocks is None:
            self._blocks = cut_rows(self.shared, self.ends)
        # Full training rotates in float32 what autocast computes in bfloat16.
        query, key = query.to(value.dtype), key.to(value.dtype)
        answer: torch.Tensor = RowAttention.apply(  # type: ignore[no-untyped-call]
            query, key, value, self._blocks, scale
        )
        return answer

    def attend_row_by_row(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float
    ) -> torch.Tensor:
        """Return the same as `attend`, with PyTorch's own attention for each row.

        Args:
            query: Of shape [1, heads, tokens, width].
            key: Of shape [1, key heads, tokens, width].
            value: Like `key`.
            scale: Factor of the scores.
        """
        sizes = [end - start for start, end in zip(self.starts, self.ends, strict=True)]
        # One split, not a slice for every row: its gradient is one joining instead of many sums.
        queries, keys, values = (
            torch.split(whole, [self.shared, *sizes], dim=2) for whole in (query, key, value)
        )
        read = [self._attend(queries[0], keys[0], values[0], scale=scale)] if self.shared else []
        for place, own_query in enumerate(queries[1:], start=1):
            own_keys, own_values = keys[place], values[place]
            if self.shared:
                own_keys = torch.cat((keys[0], own_keys), dim=2)
                own_values = torch.cat((values[0], own_values), dim=2)
            read.append(self._attend(own_query, own_keys, own_values, scale=scale))
        return torch.cat(read, dim=2).transpose(1, 2)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float
    ) -> torch.Tensor:
        """Return what one row's tokens read; its last key belongs to its last query.

        Heads that share a key are folded into the queries (arXiv 2305.13245), so that keys are not
        copied; long rows go in blocks, so that the mask stays small.
        """
        heads, tokens, width = query.shape[1:]
        key_heads = key.shape[1]
        before = key.shape[2] - tokens
        read = []
        for start in range(0, tokens, BLOCK_QUERIES):
            end = min(start + BLOCK_QUERIES, tokens)
            whole = start == 0 and end == tokens
            block = query if whole else query[:, :, start:end]
            answer = functional.scaled_dot_product_attention(
                block.reshape(1, key_heads, -1, width),
                key if whole else key[:, :, : before + end],
                value if whole else value[:, :, : before + end],
                attn_mask=self._mask(end - start, before + start, heads // key_heads, query),
                scale=scale,
            )
            read.append(answer.view(1, heads, end - start, width))
        return read[0] if len(read) == 1 else torch.cat(read, dim=2)

    def _mask(self, tokens: int, before: int, groups: int, like: torch.Tensor) -> torch.Tensor:
        """Return what is added to the scores of queries that see `before` keys and themselves."""
        name = (tokens, before, like.dtype, like.device)
        if name not in self._masks:
            seen = torch.ones((tokens, before + tokens), dtype=torch.bool).tril(before)
            mask = torch.zeros(seen.shape, dtype=like.dtype).masked_fill_(~seen, -torch.inf)
            self._masks[name] = mask.repeat(groups, 1).to(like.device)
        return self._masks[name]


@dataclass(frozen=True)
class PackedRows:
    """The rows of one forward pass.

    Attributes:
        input_ids: Tokens of shape [1, tokens].
        position_ids: Their places within their own rows, of shape [1, tokens].
        predicting: Places whose token's successor is trained on, of shape [trained].
        targets: Those successors, of shape [trained].
        segments: Where the rows stand.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    predicting: torch.Tensor
    targets: torch.Tensor
    segments: Segments

    def filled_up(self, tokens: int) -> "PackedRows":
        """Return the same with a row of padding after the others, which nothing else sees.

        Args:
            tokens: Tokens of the whole.
        """
        padding = tokens - self.input_ids.shape[1]
        if padding == 0:
            return self
        return PackedRows(
            functional.pad(self.input_ids, (0, padding)),
            torch.cat((self.position_ids, torch.arange(padding)[None]), dim=1),
            self.predicting,
            self.targets,
            Segments(self.segments.shared, (*self.segments.ends, tokens)),
        )

    def to(self, device: torch.device) -> "PackedRows":
        """Return the same on a device."""
        return PackedRows(
            self.input_ids.to(device),
            self.position_ids.to(device),
            self.predicting.to(device),
            self.targets.to(device),
            self.segments,
        )


def pack_rows(examples: Sequence[Example], *, share_beginning: bool) -> PackedRows:
    """Pack rows for one forward pass.

    Args:
        examples: The rows.
        share_beginning: Whether tokens that all rows begin with are computed once. With dropout
            they must not be: each row draws its own.
    """
    shared = _common_beginning(examples) if share_beginning and len(examples) > 1 else 0
    ids: list[int] = examples[0].input_ids[:shared]
    positions = list(range(shared))
    predicting: list[int] = []
    targets: list[int] = []
    ends: list[int] = []
    for example in examples:
        prompt = len(example.rendered.prompt_ids)
        first = len(ids) - shared
        ids += example.input_ids[shared:]
        positions += range(shared, example.length)
        predicting += range(first + prompt - 1, first + example.length - 1)
        targets += example.rendered.completion_ids
        ends.append(len(ids))
    return PackedRows(
        torch.tensor([ids]),
        torch.tensor([positions]),
        torch.tensor(predicting),
        torch.tensor(targets),
        Segments(shared, ends),
    )


def _common_beginning(examples: Sequence[Example]) -> int:
    """Return how many tokens all prompts begin with, short of any prompt's last token.

    The last one predicts the answer's first token, so each row keeps its own.
    """
    prompts = [example.rendered.prompt_ids for example in examples]
    shortest = min(len(prompt) for prompt in prompts) - 1
    first, last = min(prompts), max(prompts)  # whatever these two share, all share
    for place in range(shortest):
        if first[place] != last[place]:
            return place
    return max(shortest, 0)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    segments: Segments,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Answer transformers' attention interface with the segments that the trainer passed on."""
    return segments.attend(query, key, value, scale=scaling), None


AttentionInterface.register(PACKED_ATTENTION, _attend)
