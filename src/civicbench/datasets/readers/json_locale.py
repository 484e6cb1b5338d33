"""JSON locale files: nested keys to texts, a file per language."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.locale_tree import Members, Tree, iterate_texts
from civicbench.datasets.readers.pairing import Catalogue, Entry, name_files, pair
from civicbench.datasets.readers.reader import Item, LocaleReader
from civicbench.datasets.readers.text import Encoding, read_text


class JsonLocale(LocaleReader):
    """Reads nested JSON locale files, as i18next and others have them."""

    reader: Literal["json-locale"] = "json-locale"
    """The reader's name."""

    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield a record a key with the fields `key`, a text per language, and `file`.

        The key's parts are joined by dots; the entries of a list are numbered from 0.
        """
        catalogues = {}
        for language, name in name_files(files, self.languages).items():
            catalogue = Catalogue(name)
            for item in iterate_texts(_read_members(files[language], self.encoding), file=name):
                if isinstance(item, Entry):
                    yield from catalogue.add(item)
                else:
                    yield item
            catalogues[language] = catalogue
        yield from pair(catalogues)


def _read_members(path: Path, encoding: Encoding) -> Members:
    text = read_text(path, encoding=encoding)
    try:
        tree: Tree = json.loads(text, object_pairs_hook=Members)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            "is not valid JSON",
            where=f"{path}:{error.lineno}",
            got=f"column {error.colno}: {error.msg}",
        ) from None
    except (RecursionError, ValueError) as error:
        raise InvalidInputError("cannot be read", where=str(path), got=str(error)) from None
    if not isinstance(tree, Members):
        raise InvalidInputError(
            "is no locale file: its top is not an object",
            where=str(path),
            got=f"a {type(tree).__name__}",
        )
    return tree
