"""Tensors in safetensors files that several processes wrote, each its own rows.

A file holds whole tensors, or says in its header which rows of each it holds. Any number of
processes can read what any other number wrote.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from civicbench.core.errors import IntegrityError
from civicbench.core.ranks import Ranks
from civicbench.training.distributed.sharing import Part

_HEADER = "rows"


@dataclass(frozen=True)
class _Piece:
    file: Any
    start: int
    rows: int


def write_parts(
    parts: Mapping[str, Part], *, folder: Path, stem: str, writers: Ranks | None
) -> None:
    """Write what this process holds: `STEM.safetensors`, or `STEM-N-of-M.safetensors`.

    Args:
        parts: What it holds, by name.
        folder: Gets the file.
        stem: The name's beginning.
        writers: The processes that write a part each; None where this one writes none.
    """
    if writers is None:
        return
    starts = {name: [part.start, part.rows] for name, part in parts.items()}
    save_file(
        {name: part.values.contiguous().cpu() for name, part in parts.items()},
        folder / _file_name(stem, writers),
        metadata={_HEADER: json.dumps(starts)} if writers.size > 1 else None,
    )


class PartReader:
    """Reads rows of tensors, whatever number of processes wrote them.

    Args:
        folder: Where the files stand.
        stem: Their names' beginning.
    """

    def __init__(self, folder: Path, *, stem: str) -> None:
        self._folder = folder
        self._stem = stem
        self._stack = ExitStack()
        self._pieces: dict[str, list[_Piece]] = {}

    def __enter__(self) -> "PartReader":
        for path in _files(self._folder, self._stem):
            opened = self._stack.enter_context(safe_open(path, framework="pt"))
            starts = json.loads((opened.metadata() or {}).get(_HEADER, "{}"))
            for name in opened.keys():  # noqa: SIM118 (not a mapping)
                shape = opened.get_slice(name).get_shape()
                rows = shape[0] if shape else 0
                start, _ = starts.get(name, (0, rows))
                self._pieces.setdefault(name, []).append(_Piece(opened, start, rows))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def names(self) -> set[str]:
        """The tensors' names."""
        return set(self._pieces)

    def rows(self, name: str, like: Part) -> torch.Tensor:
        """Return the rows of a tensor that a process holds.

        Args:
            name: The tensor.
            like: The part that they are for.

        Raises:
            IntegrityError: Not all of them were written.
        """
        pieces = self._pieces[name]
        if like.values.ndim == 0:
            found: torch.Tensor = pieces[0].file.get_tensor(name)
            return found
        first, last = like.start, like.start + like.values.shape[0]
        wanted = torch.empty_like(like.values, device="cpu")
        filled = 0
        for piece in pieces:
            low, high = max(first, piece.start), min(last, piece.start + piece.rows)
            if low < high:
                rows = piece.file.get_slice(name)[low - piece.start : high - piece.start]
                wanted[low - first : high - first] = rows
                filled += high - low
        if filled != last - first:
            raise IntegrityError(
                "a checkpoint lacks rows of a weight",
                where=str(self._folder),
                got=f"{name}: {filled} of {last - first}",
                remedy="remove the checkpoint to go on from the one before it",
            )
        return wanted


def _file_name(stem: str, writers: Ranks) -> str:
    if writers.size == 1:
        return f"{stem}.safetensors"
    return f"{stem}-{writers.rank + 1:05}-of-{writers.size:05}.safetensors"


def _files(folder: Path, stem: str) -> list[Path]:
    return sorted([*folder.glob(f"{stem}.safetensors"), *folder.glob(f"{stem}-*-of-*.safetensors")])
