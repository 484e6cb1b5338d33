"""Packed rows taken apart again: to show, and to prove, what training computes its loss on."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.training.examples import Example
from civicbench.training.packing import PackedRows, pack_rows


@dataclass(frozen=True)
class UnpackedRow:
    """One row as a forward pass reads it.

    Attributes:
        ids: Its tokens.
        targets: For each of them, the token that the loss asks for in its place; None where the
            loss is not taken.
        shared: How many of its first tokens the pass computes once for all of its rows.
    """

    ids: tuple[int, ...]
    targets: tuple[int | None, ...]
    shared: int

    @property
    def trained(self) -> tuple[bool, ...]:
        """For each token, whether the loss is taken on it."""
        return tuple(target is not None for target in self.targets)


def pack_and_unpack(examples: Sequence[Example], *, share_beginning: bool) -> list[UnpackedRow]:
    """Return rows after they went through what training packs them with.

    Args:
        examples: The rows of one forward pass.
        share_beginning: As training would call it: see `pack_rows`.
    """
    return unpack_rows(pack_rows(examples, share_beginning=share_beginning))


def unpack_rows(packed: PackedRows) -> list[UnpackedRow]:
    """Return the rows of a packed sequence."""
    ids: list[int] = packed.input_ids[0].tolist()
    asked: list[int | None] = [None] * len(ids)
    for place, target in zip(packed.predicting.tolist(), packed.targets.tolist(), strict=True):
        asked[place + 1] = target
    shared = packed.segments.shared
    return [
        UnpackedRow(
            ids=(*ids[:shared], *ids[start:end]),
            targets=(*asked[:shared], *asked[start:end]),
            shared=shared,
        )
        for start, end in zip(packed.segments.starts, packed.segments.ends, strict=True)
    ]
