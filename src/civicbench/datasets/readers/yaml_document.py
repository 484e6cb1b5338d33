"""YAML documents: records at a pattern."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from civicbench.datasets.readers.reader import Item, TextFileReader, refuse_foreign
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.readers.selecting import (
    Pattern,
    Shape,
    make_selected,
    select,
    split_pattern,
)
from civicbench.datasets.readers.yaml_values import read_yaml


class YamlDocument(TextFileReader, Shape):
    """Reads records out of one YAML document; tags of other languages are refused."""

    reader: Literal["yaml"] = "yaml"
    """The reader's name."""
    records: Pattern = "/*"
    """Where the records stand: a JSON pointer in which `*` is any key or index; empty for the
    whole document as one record."""
    ancestors: bool = False
    """Whether a record also gets the scalars of the mappings above it and the keys that
    wildcards met, prefixed with the step's name (`parts.key`, `parts.name`)."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the records at the pattern. The document is held whole."""
        yield from refuse_foreign(self._items(path), path=path, kind="YAML with such records")

    def _items(self, path: Path) -> Iterator[Item]:
        value, doubled = read_yaml(path, encoding=self.encoding)
        for double in doubled:
            problem = f"the key {double.key!r} stands again below, and the last one counts"
            yield Malformed(f"{path.name}:{double.line}", problem, double.value)
        for selected in select(value, split_pattern(self.records)):
            yield make_selected(path.name, selected, shape=self, ancestors=self.ancestors)
