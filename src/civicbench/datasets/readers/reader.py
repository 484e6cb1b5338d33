"""What all readers share: roles, and the refusal of a file that is of another format."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings
from civicbench.datasets.readers.record import Malformed, Record
from civicbench.datasets.readers.text import Encoding, path_of

Item = Record | Malformed
_TRIES = 100


class Reader(Settings):
    """Settings of one reader."""

    @property
    @abstractmethod
    def roles(self) -> tuple[str, ...]:
        """The roles for which `read` needs a file."""

    @abstractmethod
    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield the records of the files, and a `Malformed` where one cannot be read.

        Args:
            files: A verified local file for each role.

        Raises:
            InvalidInputError: A role has no file, or a file is of another format altogether.
            PartAbsentError: A file does not stand there.
        """


class FileReader(Reader):
    """A reader of one file, whose role is `file`."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The one role, `file`."""
        return ("file",)

    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield the file's records; see `Reader.read`."""
        yield from self.read_file(path_of(files, "file"))

    @abstractmethod
    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the records of one file; see `Reader.read`."""


class TextFileReader(FileReader):
    """A reader of one text file."""

    encoding: Encoding = "utf-8"
    """The file's encoding; a byte-order mark in the file overrides it."""


class LocaleReader(Reader):
    """A reader of one text per key and language, from a file per language."""

    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en", "cy")
    """BCP 47 tags: the roles of the files, and the fields of a record. The first leads."""
    encoding: Encoding = "utf-8"
    """The files' encoding; a byte-order mark in a file overrides it."""

    @model_validator(mode="after")
    def _refuse_doubles(self) -> "LocaleReader":
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("a language stands twice")
        if taken := {"key", "file"} & set(self.languages):
            raise ValueError(f"{taken.pop()} is no language tag")
        return self

    @property
    def roles(self) -> tuple[str, ...]:
        """The languages."""
        return self.languages


def refuse_foreign(items: Iterator[Item], *, path: Path, kind: str) -> Iterator[Item]:
    """Pass items on, but raise where a file begins with nothing that can be read.

    Raises:
        InvalidInputError: The file holds nothing, or its first hundred items (all, where it has
            fewer) are all malformed.
    """
    held: list[Malformed] = []
    for item in items:
        if isinstance(item, Malformed):
            held.append(item)
            if len(held) < _TRIES:
                continue
            break
        yield from held
        yield item
        yield from items
        return
    if not held:
        raise InvalidInputError("holds no record", where=str(path), remedy="is the file whole?")
    first = held[0]
    raise InvalidInputError(
        f"is not {kind}: no record could be read",
        where=first.place,
        got=f"{first.problem}: {first.got}",
    )
