"""Joining the entries of several languages by key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.reader import Item
from civicbench.datasets.readers.record import Malformed, Scalar, make_record
from civicbench.datasets.readers.text import path_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of one language's file."""

    key: str
    """The key as records name it."""
    text: Scalar
    """Its text."""
    place: str
    """Where it stands."""


def name_files(files: Mapping[str, Path], languages: Sequence[str]) -> dict[str, str]:
    """Return a name for each language's file: as much of its path's end as tells them apart.

    Raises:
        InvalidInputError: A language has no file, or two have the same.
    """
    paths = {language: path_of(files, language) for language in languages}
    longest = max(len(path.parts) for path in paths.values())
    for length in range(1, longest + 1):
        names = {one: "/".join(path.parts[-length:]) for one, path in paths.items()}
        if len(set(names.values())) == len(names):
            return names
    raise InvalidInputError(
        "two languages have one file",
        got=", ".join(f"{one}: {path}" for one, path in paths.items()),
    )


class Catalogue:
    """The entries of one language's file, by key; a later one of the same key counts."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> Iterator[Malformed]:
        """Take an entry in, and yield the one that it overrides."""
        earlier = self.entries.pop(entry.key, None)
        if earlier is not None:
            problem = (
                f"the key {entry.key!r} stands again at {entry.place}, and the last one counts"
            )
            yield Malformed(earlier.place, problem, str(earlier.text))
        self.entries[entry.key] = entry


def pair(catalogues: Mapping[str, Catalogue]) -> Iterator[Item]:
    """Yield a record a key, in the first language's order, then what only others have.

    A language that lacks the key has None in its field. The record's place is that of the first
    language that has the key; `file` is the name of the first language's file.
    """
    file = next(iter(catalogues.values())).file
    keys = dict.fromkeys(key for one in catalogues.values() for key in one.entries)
    for key in keys:
        entries = {
            language: one.entries[key] for language, one in catalogues.items() if key in one.entries
        }
        texts: dict[str, Scalar] = {
            language: entries[language].text if language in entries else None
            for language in catalogues
        }
        place = next(iter(entries.values())).place
        yield make_record(place, {"key": key, **texts, "file": file})
