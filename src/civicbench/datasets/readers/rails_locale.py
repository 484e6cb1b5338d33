"""Rails locale files: YAML with the language's tag at the top, a file per language."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_values import JsonValue
from civicbench.datasets.readers.locale_tree import Members, Tree, iterate_texts
from civicbench.datasets.readers.pairing import Catalogue, Entry, name_files, pair
from civicbench.datasets.readers.reader import Item, LocaleReader
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.readers.yaml_values import read_yaml


class RailsLocale(LocaleReader):
    """Reads Rails I18n files; a tag such as `!ruby/object` is refused."""

    reader: Literal["rails-locale"] = "rails-locale"
    """The reader's name."""

    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield a record a key with the fields `key`, a text per language, and `file`.

        The key's parts are joined by dots, without the language at the top.
        """
        catalogues = {}
        for language, name in name_files(files, self.languages).items():
            path = files[language]
            value, doubled = read_yaml(path, encoding=self.encoding)
            for double in doubled:
                problem = f"the key {double.key!r} stands again below, and the last one counts"
                yield Malformed(f"{name}:{double.line}", problem, double.value)
            catalogue = Catalogue(name)
            tree = _members(_of_language(value, language, path))
            for item in iterate_texts(tree, file=name, pointer=f"/{language}"):
                if isinstance(item, Entry):
                    yield from catalogue.add(item)
                else:
                    yield item
            catalogues[language] = catalogue
        yield from pair(catalogues)


def _of_language(value: JsonValue, language: str, path: Path) -> JsonValue:
    if not isinstance(value, dict) or not isinstance(value.get(language), dict):
        tops = ", ".join(list(value)[:5]) if isinstance(value, dict) else type(value).__name__
        raise InvalidInputError(
            f"is no Rails locale file of {language}: it has no mapping under that key",
            where=str(path),
            got=tops,
        )
    return value[language]


def _members(value: JsonValue) -> Tree:
    if isinstance(value, dict):
        return Members([(key, _members(entry)) for key, entry in value.items()])
    if isinstance(value, list):
        return [_members(entry) for entry in value]
    return value
