"""The texts of a nested locale file, with their keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from civicbench.datasets.readers.pairing import Entry
from civicbench.datasets.readers.record import Malformed, Scalar

_MAXIMUM_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Members:
    """An object's members as they stand in the file, doubled keys included."""

    pairs: list[tuple[str, "Tree"]]
    """Keys and values in their order."""


Tree = Scalar | list["Tree"] | Members


def iterate_texts(tree: Tree, *, file: str, pointer: str = "") -> Iterator[Entry | Malformed]:
    """Yield an entry for each scalar of a tree.

    The parts of a key are joined by dots; the entries of a list are numbered from 0.
    """
    pending: list[tuple[tuple[str, ...], str, Tree]] = [((), pointer, tree)]
    while pending:
        parts, place, value = pending.pop()
        if len(parts) > _MAXIMUM_DEPTH:
            problem = f"nested deeper than {_MAXIMUM_DEPTH} levels"
            yield Malformed(f"{file}#{place[:200]}", problem, parts[-1])
        elif isinstance(value, Members):
            pending.extend(
                ((*parts, key), f"{place}/{_escape(key)}", entry)
                for key, entry in reversed(value.pairs)
            )
        elif isinstance(value, list):
            pending.extend(
                ((*parts, str(index)), f"{place}/{index}", entry)
                for index, entry in reversed(list(enumerate(value)))
            )
        else:
            yield Entry(".".join(parts), value, f"{file}#{place}")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
