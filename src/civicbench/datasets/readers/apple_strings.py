"""Apple `.strings` files: `"key" = "text";`, a file per language."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.pairing import Catalogue, Entry, name_files, pair
from civicbench.datasets.readers.reader import Item, LocaleReader
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.readers.text import read_text

_SPACE = re.compile(r"(?:\s++|//[^\n]*+)*+")
# Possessive: a quote that is never closed costs one look, not one for each character.
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_.$:/-]+")
_ESCAPE = re.compile(r"\\(?:[uU]([0-9A-Fa-f]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "b": "\b", "v": "\v", "0": "\0"}
_NEXT_STATEMENT = re.compile(r"\n(?=[ \t]*\")")


class AppleStrings(LocaleReader):
    """Reads Apple `.strings` files: UTF-8 or UTF-16, `//` and `/* */` comments, escapes."""

    reader: Literal["apple-strings"] = "apple-strings"
    """The reader's name."""

    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield a record a key with the fields `key`, a text per language, and `file`."""
        catalogues = {}
        for language, name in name_files(files, self.languages).items():
            catalogue = Catalogue(name)
            yield from self._fill(catalogue, files[language])
            catalogues[language] = catalogue
        yield from pair(catalogues)

    def _fill(self, catalogue: Catalogue, path: Path) -> Iterator[Malformed]:
        malformed: list[Malformed] = []
        text = read_text(path, encoding=self.encoding)
        for item in _iterate_statements(text, catalogue.file):
            if isinstance(item, Malformed):
                malformed.append(item)
            else:
                malformed.extend(catalogue.add(item))
        if malformed and not catalogue.entries:
            raise InvalidInputError(
                'is no .strings file: it holds no "key" = "text";',
                where=malformed[0].place,
                got=malformed[0].got,
            )
        yield from malformed


def unescape(text: str) -> str:
    r"""Return a quoted text with its escapes resolved (`\n`, `\"`, `\U00e9`, `\351`).

    Octal escapes are taken as Latin-1, and pairs of `\U` surrogates are joined.
    """
    resolved = _ESCAPE.sub(_resolve, text)
    if any("\ud800" <= character <= "\udbff" for character in resolved):
        resolved = resolved.encode("utf-16-le", "surrogatepass").decode(
            "utf-16-le", "surrogatepass"
        )
    return resolved


def _resolve(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    if found[2]:
        return chr(int(found[2], 8))
    return _NAMED.get(found[3], found[3])


def _iterate_statements(text: str, file: str) -> Iterator[Entry | Malformed]:
    position, line, counted = 0, 1, 0
    while True:
        position = _skip(text, position)
        line += text.count("\n", counted, position)
        counted = position
        if position == len(text):
            return
        place = f"{file}:{line}"
        found = _statement(text, position)
        if isinstance(found, str):
            after = _NEXT_STATEMENT.search(text, position)
            end = after.end() if after else len(text)
            yield Malformed(place, found, text[position:end].strip())
        else:
            key, value, end = found
            yield Entry(key, value, place)
        position = end


def _statement(text: str, position: int) -> tuple[str, str, int] | str:
    """Return (key, text, the position after the semicolon), or what is wrong."""
    key, position = _token(text, position)
    if key is None:
        return 'neither a "key" nor a comment'
    if text[position : position + 1] != "=":
        return "no = after the key"
    value, position = _token(text, _skip(text, position + 1))
    if value is None:
        return 'no "text" after the ='
    if text[position : position + 1] != ";":
        return 'no ; after the text (a quote within it must be written \\")'
    return key, value, position + 1


def _token(text: str, position: int) -> tuple[str | None, int]:
    """Return (the token's text or None, the position of what follows it)."""
    quoted = _QUOTED.match(text, position)
    if quoted:
        return unescape(quoted[1]), _skip(text, quoted.end())
    bare = _BARE.match(text, position)
    if bare:
        return bare[0], _skip(text, bare.end())
    return None, position


def _skip(text: str, position: int) -> int:
    """Return the position after spaces and comments; a comment without an end stays."""
    while True:
        found = _SPACE.match(text, position)
        position = found.end() if found else position
        if not text.startswith("/*", position):
            return position
        end = text.find("*/", position + 2)
        if end < 0:
            return position
        position = end + 2
