"""The last thing that is done to a row: its line in the snapshot, and the keys of its split."""

from hashlib import sha256

from civicbench.core.settings import Settings
from civicbench.datasets.format import Format
from civicbench.datasets.formatting import fill
from civicbench.datasets.rows import Row
from civicbench.datasets.steps.exact_duplicates import digest_words
from civicbench.datasets.steps.step import Fields

GROUP, STRATUM, PROMPT, NAME, CHARACTERS = (0, 1), 2, (3, 4), (5, 6), 7
_COLUMNS = 8
_WORD_BYTES = 8


class Finish(Settings):
    """Makes a row's line and the numbers that deal it to a split."""

    identifier: str
    """The row's name, with fields in braces."""
    group: str
    """Its group, with fields in braces."""
    stratify: str | None
    """The field with its stratum."""
    seed: int
    """Seed of the deal."""
    format: Format
    """How it becomes a conversation."""

    @property
    def key_columns(self) -> int:
        """Group (2), stratum, prompt (2), name (2), characters."""
        return _COLUMNS

    def finish(self, fields: Fields) -> tuple[bytes, tuple[int, ...]]:
        """Return the row's line in the snapshot, and its key."""
        row = Row(
            id=fill(self.identifier, fields),
            group=fill(self.group, fields).strip(),
            messages=self.format.messages(fields),
            rejected=self.format.rejected_text(fields),
            fields=fields,
        )
        stratum = str(fields[self.stratify]) if self.stratify else ""
        key = (
            *group_lot(row.group, seed=self.seed),
            digest_words(stratum)[0],
            *digest_words(row.messages[-2].content),
            *digest_words(row.id),
            sum(len(message.content) for message in row.messages) + len(row.rejected or ""),
        )
        return row.model_dump_json().encode(), key


def group_lot(group: str, *, seed: int) -> tuple[int, int]:
    """Return a group's place in the order in which groups are dealt: 128 bits of its digest."""
    digest = sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).digest()
    return (
        int.from_bytes(digest[:_WORD_BYTES], "big"),
        int.from_bytes(digest[_WORD_BYTES : 2 * _WORD_BYTES], "big"),
    )
