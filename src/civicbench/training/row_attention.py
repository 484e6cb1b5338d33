"""Attention of packed rows on a processor: computed in float32, with the least kept.

On a processor, PyTorch's attention is slower in bfloat16 than in float32, above all on its way
back, and each row's keys would be copied and kept beside what all rows share. Here the layer's
query, key and value are kept as they came, in the order of key heads, and cut into rows anew for
the gradient. Heads that share a key are folded into the queries (arXiv 2305.13245).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

BLOCK_QUERIES = 512
_attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_attend_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True)
class Block:
    """Queries of one row that are computed at once.

    Attributes:
        start: Place of the first in the packed sequence.
        end: The place after the last.
        row_start: Place of the row's first own token.
        shared: Tokens of the shared beginning that it sees.
    """

    start: int
    end: int
    row_start: int
    shared: int

    @property
    def keys(self) -> int:
        """How many keys its last query sees."""
        return self.shared + self.end - self.row_start


@dataclass
class RowBlocks:
    """How a packed sequence is cut for attention.

    Attributes:
        blocks: Its blocks, in the order of the sequence.
    """

    blocks: Sequence[Block]
    _masks: dict[tuple[int, int, int], torch.Tensor] = field(default_factory=dict)

    def mask(self, block: Block, groups: int) -> torch.Tensor:
        """Return what is added to a block's scores: [queries x groups, keys], query by query."""
        queries = block.end - block.start
        name = (queries, block.keys, groups)
        if name not in self._masks:
            seen = torch.ones((queries, block.keys), dtype=torch.bool).tril(block.keys - queries)
            mask = torch.zeros(seen.shape).masked_fill_(~seen, -torch.inf)
            self._masks[name] = mask.repeat_interleave(groups, dim=0)
        return self._masks[name]


def cut_rows(shared: int, ends: Sequence[int]) -> RowBlocks:
    """Cut a packed sequence into blocks of queries of one row each.

    Args:
        shared: Tokens of the shared beginning, which stand first.
        ends: The place after each row's last token.
    """
    return RowBlocks(tuple(_blocks(shared, ends)))


def _blocks(shared: int, ends: Sequence[int]) -> Iterator[Block]:
    rows = [(0, shared, 0)] if shared else []
    starts = [shared, *ends[:-1]]
    rows += [(start, end, shared) for start, end in zip(starts, ends, strict=True)]
    for start, end, before in rows:
        for place in range(start, end, BLOCK_QUERIES):
            yield Block(place, min(place + BLOCK_QUERIES, end), start, before)


class RowAttention(torch.autograd.Function):
    """What each token of packed rows reads, of shape [1, tokens, heads, width]."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        rows: RowBlocks,
        scale: float,
    ) -> torch.Tensor:
        """Compute it.

        Args:
            ctx: Keeps what the gradient needs.
            query: Of shape [1, heads, tokens, width].
            key: Of shape [1, key heads, tokens, width].
            value: Like `key`.
            rows: How the rows stand.
            scale: Factor of the scores.
        """
        key_heads, tokens = key.shape[1:3]
        groups = query.shape[1] // key_heads
        queries, keys, values = _folded(query, key_heads), _plain(key), _plain(value)
        read = torch.empty_like(queries)
        normalisers = torch.empty((1, key_heads, tokens * groups))
        for block in rows.blocks:
            place = slice(block.start * groups, block.end * groups)
            read[:, :, place], normalisers[:, :, place] = _attend(
                queries[:, :, place],
                _seen(keys, block),
                _seen(values, block),
                attn_mask=rows.mask(block, groups),
                scale=scale,
            )
        answer = _unfolded(read, tokens, query.dtype)
        ctx.save_for_backward(query, key, value, answer, normalisers)
        ctx.rows, ctx.scale = rows, scale
        return answer

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of query, key and value."""
        query, key, value, answer, normalisers = ctx.saved_tensors
        key_heads, tokens = key.shape[1:3]
        groups = query.shape[1] // key_heads
        queries, keys, values = _folded(query, key_heads), _plain(key), _plain(value)
        read = _folded(answer.transpose(1, 2), key_heads)
        of_read = _folded(gradients[0].transpose(1, 2), key_heads)
        of_queries = torch.empty_like(queries)
        of_keys, of_values = torch.zeros_like(keys), torch.zeros_like(values)
        for block in ctx.rows.blocks:
            place = slice(block.start * groups, block.end * groups)
            of_queries[:, :, place], own_keys, own_values = _attend_backward(
                of_read[:, :, place],
                queries[:, :, place],
                _seen(keys, block),
                _seen(values, block),
                read[:, :, place],
                normalisers[:, :, place],
                0.0,
                False,
                attn_mask=ctx.rows.mask(block, groups),
                scale=ctx.scale,
            )
            for whole, own in ((of_keys, own_keys), (of_values, own_values)):
                whole[:, :, : block.shared] += own[:, :, : block.shared]
                whole[:, :, block.row_start : block.end] += own[:, :, block.shared :]
        return (
            _unfolded(of_queries, tokens, query.dtype).transpose(1, 2),
            of_keys.to(key.dtype),
            of_values.to(value.dtype),
            None,
            None,
        )


def _folded(heads_first: torch.Tensor, key_heads: int) -> torch.Tensor:
    """Return [1, heads, tokens, width] as float32 [1, key heads, tokens x groups, width]."""
    _, heads, tokens, width = heads_first.shape
    groups = heads // key_heads
    by_key = heads_first.view(key_heads, groups, tokens, width).transpose(1, 2)
    folded = torch.empty((key_heads, tokens, groups, width))
    return folded.copy_(by_key).view(1, key_heads, tokens * groups, width)


def _unfolded(folded: torch.Tensor, tokens: int, kind: torch.dtype) -> torch.Tensor:
    """Return [1, key heads, tokens x groups, width] as [1, tokens, heads, width]."""
    _, key_heads, _, width = folded.shape
    by_key = folded.view(key_heads, tokens, -1, width).transpose(0, 1)
    whole = torch.empty(by_key.shape, dtype=kind)
    return whole.copy_(by_key).view(1, tokens, -1, width)


def _plain(heads_first: torch.Tensor) -> torch.Tensor:
    """Return a tensor in float32, one head's tokens after another."""
    return torch.empty(heads_first.shape).copy_(heads_first)


def _seen(whole: torch.Tensor, block: Block) -> torch.Tensor:
    """Return the keys or values that a block's last query sees."""
    own = whole[:, :, block.row_start : block.end]
    return torch.cat((whole[:, :, : block.shared], own), dim=2) if block.shared else own
