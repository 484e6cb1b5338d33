"""Attention over packed tokens: each tree sees its prefix and itself, and no padding is computed.

The tokens of all trees of a batch stand one after another in one row, so that the model's matrix
products run over them all; only attention tells them apart. The heads that share a key are folded
into the queries (grouped-query attention, arXiv 2305.13245), so that keys are not copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as functional
from transformers import AttentionInterface

from civicbench.evaluation.scorer.schedule import Tree

NAME = "civicbench_shared_prefix"
# A run of tokens is attended to in blocks of this many queries: less of the dense mask is waste.
_BLOCK_QUERIES = 512
KeysValues = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Block:
    """Queries of one tree with the mask of what they see.

    Attributes:
        start: Place of the first query in the packed row.
        end: Place after the last.
        first_key: Place of the tree's first token in the packed row.
        mask: Added to the scores, of shape [queries, prefix + end - first_key].
    """

    start: int
    end: int
    first_key: int
    mask: torch.Tensor


@dataclass
class Packing:
    """How the tokens of one packed row see each other.

    Attributes:
        blocks: The queries, tree by tree.
        prefix: Keys and values of each layer of the kept prefix, each [heads, tokens, width].
        kept: Filled with this row's own keys and values, layer by layer, where asked for.
        keep: Whether to fill `kept`.
    """

    blocks: Sequence[Block]
    prefix: Sequence[KeysValues]
    keep: bool
    kept: list[KeysValues] = field(default_factory=list)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Return what each token reads, of shape [1, tokens, heads, width].

        Args:
            layer: The layer's number.
            query: Of shape [1, heads, tokens, width].
            key: Of shape [1, key heads, tokens, width].
            value: Like `key`.
            scale: Factor of the scores.
        """
        heads, tokens, width = query.shape[1:]
        keys, values = key[0], value[0]
        groups = heads // keys.shape[0]
        if self.keep:
            self.kept.append((keys, values))
        read = query.new_empty((1, tokens, heads, width))
        for block in self.blocks:
            seen_keys = keys[:, block.first_key : block.end]
            seen_values = values[:, block.first_key : block.end]
            if self.prefix:
                before_keys, before_values = self.prefix[layer]
                seen_keys = torch.cat((before_keys, seen_keys), dim=1)
                seen_values = torch.cat((before_values, seen_values), dim=1)
            folded = query[0, :, block.start : block.end].reshape(keys.shape[0], -1, width)
            answer = functional.scaled_dot_product_attention(
                folded[None],
                seen_keys[None],
                seen_values[None],
                attn_mask=block.mask.to(query).repeat(groups, 1),
                scale=scale,
            )
            read[0, block.start : block.end] = answer.view(heads, -1, width).transpose(0, 1)
        return read


def pack(
    trees: Sequence[Tree],
    *,
    prefix: Sequence[KeysValues],
    keep: bool,
    device: torch.device,
) -> Packing:
    """Return how a batch of trees is packed into one row.

    Args:
        trees: The trees, in the order of the row.
        prefix: The kept prefix; empty for none.
        keep: Whether the row's own keys and values are wanted.
        device: The device of the model's first layer.
    """
    before = prefix[0][0].shape[1] if prefix else 0
    blocks: list[Block] = []
    start = 0
    for tree in trees:
        is_run = len(tree.runs) == 1
        step = _BLOCK_QUERIES if is_run else tree.length
        seen = None if is_run else torch.from_numpy(tree.seen())
        for low in range(0, tree.length, step):
            high = min(low + step, tree.length)
            own = seen if seen is not None else _causal(low, high)
            mask = torch.zeros((high - low, before + high))
            mask[:, before:].masked_fill_(~own, -torch.inf)
            blocks.append(Block(start + low, start + high, start, mask.to(device)))
        start += tree.length
    return Packing(blocks, prefix, keep)


def _causal(low: int, high: int) -> torch.Tensor:
    """Return what queries from `low` to `high` of a run see of its tokens up to `high`."""
    return torch.ones((high - low, high), dtype=torch.bool).tril(low)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    packing: Any,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Answer transformers' attention interface with whatever packing the scorer passed on."""
    return packing.attend(module.layer_idx, query, key, value, scaling), None


AttentionInterface.register(NAME, _attend)
