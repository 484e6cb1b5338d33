"""Play framework `messages` files: `key=pattern` lines, a file per language."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.pairing import Catalogue, Entry, name_files, pair
from civicbench.datasets.readers.reader import Item, LocaleReader
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.readers.text import MAXIMUM_RECORD_CHARACTERS, Encoding, iterate_lines

_MESSAGE = re.compile(r"[ \t]*([A-Za-z0-9$_.-]+)[ \t]*=[ \t]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(\n|n|\\)")
_QUOTE = re.compile(r"''|'([^']*)'")


class PlayMessages(LocaleReader):
    r"""Reads Play `messages` files as Play's own parser does.

    Source of the rules: play.api.i18n.Messages.MessagesParser (comments with `#` at a line's
    beginning, `\` at its end to continue, `\n` and `\\` as escapes), java.text.MessageFormat.
    """

    reader: Literal["play-messages"] = "play-messages"
    """The reader's name."""
    apostrophes: Literal["message-format", "as-written"] = "message-format"
    """How `'` is read. message-format: `''` is one apostrophe and quoted braces lose their
    quotes; a single apostrophe, which MessageFormat would swallow, stays as its author meant it.
    as-written: no change."""

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
        for number, line in _logical_lines(path, self.encoding):
            place = f"{catalogue.file}:{number}"
            if line is None:
                problem = f"a line over {MAXIMUM_RECORD_CHARACTERS} characters"
                malformed.append(Malformed(place, problem, ""))
                continue
            found = _MESSAGE.fullmatch(line)
            if not found:
                malformed.append(Malformed(place, "not key=text", line))
                continue
            text = unescape(found[2])
            if self.apostrophes == "message-format":
                text = unquote(text)
            malformed.extend(catalogue.add(Entry(found[1], text, place)))
        if not catalogue.entries:
            first = malformed[0] if malformed else None
            raise InvalidInputError(
                "is no Play messages file: it holds no key=text line",
                where=first.place if first else str(path),
                got=first.got if first else "no line",
            )
        yield from malformed


def unescape(pattern: str) -> str:
    r"""Return a pattern with Play's escapes resolved: continuation lines, `\n`, `\\`."""
    return _ESCAPE.sub(lambda found: {"\n": "", "n": "\n", "\\": "\\"}[found[1]], pattern).strip()


def unquote(pattern: str) -> str:
    """Return a MessageFormat pattern's text; placeholders such as `{0}` stay."""
    return _QUOTE.sub(_unquote_one, pattern)


def _unquote_one(found: re.Match[str]) -> str:
    if found[1] is None:
        return "'"
    return found[1] if "{" in found[1] or "}" in found[1] else found[0]


def _logical_lines(path: Path, encoding: Encoding) -> Iterator[tuple[int, str | None]]:
    """Yield (number of its first line, text) for each message line, continuations joined."""
    parts: list[str] = []
    begun = 0
    for number, line in iterate_lines(path, encoding=encoding):
        if line is None:
            parts = []
            yield begun if parts else number, None
            continue
        if not parts and (not line.strip() or line.startswith("#")):
            continue
        begun = begun if parts else number
        parts.append(line)
        if _continues(line):
            continue
        yield begun, "\n".join(parts)
        parts = []
    if parts:
        yield begun, "\n".join(parts).removesuffix("\\")


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1
