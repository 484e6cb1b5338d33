"""Finding personal data in rows, and what is done about it."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from civicbench.datasets.personal_data.kinds import KINDS, PLACEHOLDERS, Kind
from civicbench.datasets.steps.step import (
    Changed,
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    texts,
)  # fmt: skip

_AROUND_CHARACTERS = 40


class PersonalData(RowStep):
    """Detects personal data; what was found is never written into a report."""

    step: Literal["personal-data"] = "personal-data"
    """The step's name."""
    action: Literal["detect", "redact", "exclude", "refuse"]
    """detect: count the rows and keep them; redact: put the name of its kind in its place; exclude:
    leave the row out; refuse: stop the build and list the places."""
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    """What is looked for."""
    fields: tuple[str, ...] | None = None
    """Which fields; None for every text."""

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return self.fields or ()

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that looks at a row."""
        from civicbench.datasets.personal_data.detector import find_personal_data, redact

        kinds = frozenset(self.kinds)

        def judge(fields: Fields) -> Verdict:
            counts: Counter[str] = Counter()
            places = []
            new: Fields = {}
            example = ""
            for name, text in texts(fields, self.fields):
                findings = find_personal_data(text, kinds=kinds)
                if not findings:
                    continue
                counts.update(finding.kind for finding in findings)
                places.append(name)
                new[name] = redact(text, findings)
                example = example or around(str(new[name]))
            if not counts:
                return None
            # What is counted says kinds alone: a reason that few rows share would name one.
            kinds_found = ", ".join(sorted(counts))
            return self._verdict(fields, new, kinds_found, f"in {', '.join(places)}", example)

        return judge

    def _verdict(
        self, fields: Fields, new: Fields, kinds: str, places: str, example: str
    ) -> Verdict:
        if self.action == "detect":
            return Changed(fields, f"{kinds} found, row kept", f"(shown redacted) {example}")
        if self.action == "redact":
            return Changed(fields | new, f"{kinds} redacted", example)
        return Removed(kinds, places, refuse=self.action == "refuse", private=True)


def around(text: str) -> str:
    """Return the surroundings of a redacted text's first placeholder."""
    place = min((i for mark in PLACEHOLDERS.values() if (i := text.find(mark)) >= 0), default=0)
    start = max(0, place - _AROUND_CHARACTERS)
    return text[start : place + 2 * _AROUND_CHARACTERS]
