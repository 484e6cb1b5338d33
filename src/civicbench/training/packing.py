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
    _masks: dict[tuple[int, torch.dtype, torch.device], torch.Tensor] = field(default_factory=dict)

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
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key = key.repeat_interleave(groups, dim=1)
            value = value.repeat_interleave(groups, dim=1)
        shared = self.shared
        read = []
        if shared:
            read.append(
                functional.scaled_dot_product_attention(
                    query[:, :, :shared],
                    key[:, :, :shared],
                    value[:, :, :shared],
                    is_causal=True,
                    scale=scale,
                )
            )
        for start, end in zip(self.starts, self.ends, strict=True):
            own_key, own_value = key[:, :, start:end], value[:, :, start:end]
            if shared:
                own_key = torch.cat((key[:, :, :shared], own_key), dim=2)
                own_value = torch.cat((value[:, :, :shared], own_value), dim=2)
            read.append(
                functional.scaled_dot_product_attention(
                    query[:, :, start:end],
                    own_key,
                    own_value,
                    attn_mask=self._mask(end - start, query) if shared else None,
                    is_causal=not shared,
                    scale=scale,
                )
            )
        return torch.cat(read, dim=2).transpose(1, 2)

    def _mask(self, tokens: int, like: torch.Tensor) -> torch.Tensor:
        """Return what is added to the scores of a row's tokens: all of the beginning is seen."""
        name = (tokens, like.dtype, like.device)
        if name not in self._masks:
            seen = torch.ones((tokens, self.shared + tokens), dtype=torch.bool).tril(self.shared)
            mask = torch.zeros(seen.shape, dtype=like.dtype).masked_fill_(~seen, -torch.inf)
            self._masks[name] = mask.to(like.device)
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
        row_tokens: Tokens of the rows as they are, the shared beginning counted in each.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    predicting: torch.Tensor
    targets: torch.Tensor
    segments: Segments
    row_tokens: int

    def to(self, device: torch.device) -> "PackedRows":
        """Return the same on a device."""
        return PackedRows(
            self.input_ids.to(device),
            self.position_ids.to(device),
            self.predicting.to(device),
            self.targets.to(device),
            self.segments,
            self.row_tokens,
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
        sum(example.length for example in examples),
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
