"""Listing what was left out: `excluded.jsonl`, and the mistakes that stop a build."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.spool import dump
from civicbench.datasets.work import Exclusion

EXCLUDED_NAME = "excluded.jsonl"
_MISTAKES_SHOWN = 20


class ExclusionList:
    """Writes every exclusion as a line, and keeps the first of those that stop the build.

    Args:
        path: The file.
        steps: The steps' names by number.
        sources: The sources' names by number.
        where: The dataset, for messages.
    """

    def __init__(
        self, path: Path, *, steps: Sequence[str], sources: Sequence[str], where: str
    ) -> None:
        self._stream = path.open("wb")
        self._steps = steps
        self._sources = sources
        self._where = where
        self._mistakes: list[str] = []
        self._mistaken = 0
        self.count = 0
        self.first: str | None = None
        """The first exclusion, for an error that asks where all rows went."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def add(self, exclusions: Iterable[Exclusion]) -> None:
        """Write exclusions down."""
        for found in exclusions:
            self.count += 1
            if self.first is None:
                self.first = ": ".join(filter(None, (found.place, found.reason, found.detail)))
            entry = {
                "step": self._steps[found.step],
                "source": self._sources[found.source],
                "place": found.place,
                "reason": found.reason,
                "detail": found.detail,
            }
            self._stream.write(dump(entry) + b"\n")
            if found.refuse:
                self._mistaken += 1
                if len(self._mistakes) < _MISTAKES_SHOWN:
                    self._mistakes.append(f"{found.place}: {found.reason}")

    def stop_at_mistakes(self) -> None:
        """Stop the build where a row may not be left out.

        Raises:
            InvalidInputError: With the first mistakes and the number of all.
        """
        if not self._mistaken:
            return
        lines = [f"  - {mistake}" for mistake in self._mistakes]
        if self._mistaken > len(self._mistakes):
            lines.append(f"  - and {self._mistaken - len(self._mistakes)} more")
        raise InvalidInputError(
            "\n".join([f"{self._mistaken} rows cannot be used", *lines]), where=self._where
        )
