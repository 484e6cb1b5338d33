"""Reading a dataset's sources: items in order, in batches of bounded size."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from civicbench.datasets.authored import read_authored_rows
from civicbench.datasets.formatting import fill, placeholders
from civicbench.datasets.readers.record import Malformed, Record
from civicbench.datasets.settings import DatasetSettings
from civicbench.datasets.source_settings import AnySource, FileSource
from civicbench.datasets.work import Item

BATCH_ROWS = 1000
_BATCH_CHARACTERS = 4 << 20


@dataclass
class SourceCounts:
    """What came out of each source so far."""

    rows: Counter[int] = field(default_factory=Counter)
    """Records by the source's number."""
    malformed: Counter[int] = field(default_factory=Counter)
    """Places without a record."""


def read_sources(
    settings: DatasetSettings,
    files: Iterable[tuple[int, Mapping[str, Path]]],
    *,
    counts: SourceCounts,
) -> Iterator[list[Item]]:
    """Yield batches of what the sources' files hold, in order.

    Args:
        settings: The dataset.
        files: The number of a source, and a verified file for each role, for each reading.
        counts: Counted up on the way.
    """
    names = Names(settings)
    batch: list[Item] = []
    characters = 0
    for number, roles in files:
        source = settings.sources[number]
        for item in _read(settings, source, roles):
            if isinstance(item, Malformed):
                counts.malformed[number] += 1
                batch.append(Item(number, item.place, item))
            else:
                counts.rows[number] += 1
                fields = {**item.fields, **source.fields}
                wrong = names.check(source, item.place, fields)
                batch.append(Item(number, item.place, wrong or fields))
                characters += sum(len(v) for v in fields.values() if isinstance(v, str))
            if len(batch) >= BATCH_ROWS or characters >= _BATCH_CHARACTERS:
                yield batch
                batch, characters = [], 0
    if batch:
        yield batch


def _read(
    settings: DatasetSettings, source: AnySource, roles: Mapping[str, Path]
) -> Iterator[Record | Malformed]:
    if isinstance(source, FileSource) and source.reader is None:
        needed = frozenset(settings.needed_fields)
        return read_authored_rows(roles["file"], name=source.file, needed=needed)
    if source.reader is None:
        raise AssertionError("only a file in the dataset's folder may do without a reader")
    return source.reader.read(roles)


class Names:
    """Finds rows of authored sources whose name another has, with the places of both.

    Other sources may be too long for this; their names are compared at the end, by digest.
    """

    def __init__(self, settings: DatasetSettings) -> None:
        self._text = settings.identifier_text
        self._needed = placeholders(self._text)
        self._label = settings.identifier
        self._seen: dict[str, str] = {}

    def check(
        self, source: AnySource, place: str, fields: Mapping[str, object]
    ) -> Malformed | None:
        """Return what is wrong with a row's name, or None."""
        if source.mistakes != "refuse" or any(fields.get(f) is None for f in self._needed):
            return None
        name = fill(self._text, fields)
        first = self._seen.setdefault(name, place)
        if first == place:
            return None
        return Malformed(place, f"{self._label} {name!r} stands at {first} too", "")
