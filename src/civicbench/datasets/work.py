"""What a process does to a batch of rows: the steps of one pass, and the keys of the next."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from civicbench.datasets.finishing import Finish
from civicbench.datasets.personal_data.detector import find_personal_data, redact
from civicbench.datasets.readers.record import Malformed
from civicbench.datasets.spool import KEY_BYTES, dump, pack, unpack
from civicbench.datasets.steps.step import (
    Changed,
    Fields,
    KeyFunction,
    Removed,
    RowStep,
    StepContext,
    WholeStep,
    texts,
)  # fmt: skip

EXAMPLES = 3
_EXAMPLE_CHARACTERS = 160
_MALFORMED = "malformed record"


@dataclass(frozen=True, slots=True)
class Item:
    """What a reader gave."""

    source: int
    """The number of its source."""
    place: str
    """Where it stands."""
    content: Fields | Malformed
    """Its fields, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A row or record that was left out."""

    step: int
    """The number of the step."""
    source: int
    """The number of the source."""
    place: str
    """Where it stood."""
    reason: str
    """Why, in words that many share."""
    detail: str
    """What is said of this one alone."""
    refuse: bool = False
    """Whether the build stops for it."""


@dataclass(slots=True)
class Tally:
    """What a step did so far."""

    rows_in: int = 0
    """Rows it was given."""
    rows_out: int = 0
    """Rows it passed on."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows were removed, counted."""
    changes: Counter[str] = field(default_factory=Counter)
    """What was changed, counted."""
    examples: list[str] = field(default_factory=list)
    """A few rows that were removed or changed."""

    def add(self, other: "Tally") -> None:
        """Take in what the same step did to the next batch."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.reasons.update(other.reasons)
        self.changes.update(other.changes)
        self.examples = (self.examples + other.examples)[:EXAMPLES]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the rows.

    Attributes:
        steps: Row steps with their numbers in the report; the first pass's first is the check.
        whole: What decides over the rows afterwards, from their keys.
        context: What steps may know.
        refusing: For each source, whether a row that fails a check stops the build.
        labels: For each source, its name for people.
        checks: Numbers of the steps that are checks.
    """

    steps: tuple[tuple[int, RowStep], ...]
    whole: WholeStep | Finish
    context: StepContext
    refusing: tuple[bool, ...]
    labels: tuple[str, ...]
    checks: frozenset[int]


@dataclass(slots=True)
class BatchResult:
    """What became of a batch."""

    lines: list[bytes] = field(default_factory=list)
    """The rows that go on, packed."""
    keys: list[bytes] = field(default_factory=list)
    """Their keys, the bytes of each column."""
    tallies: dict[int, Tally] = field(default_factory=dict)
    """What each step did."""
    exclusions: list[Exclusion] = field(default_factory=list)
    """What was left out, in order."""
    names: set[str] = field(default_factory=set)
    """Every field that a row had when it came."""


Batch = Sequence[Item] | Sequence[bytes]


def open_pass(plan: Pass) -> "Callable[[Batch], BatchResult]":
    """Return the function that does a pass to a batch; called once in each process."""
    return _Worker(plan).run


class _Worker:
    def __init__(self, plan: Pass) -> None:
        self._plan = plan
        self._judges = [(number, step.open(plan.context)) for number, step in plan.steps]
        self._key: KeyFunction | None = None
        if isinstance(plan.whole, WholeStep):
            self._key = plan.whole.open_key(plan.context)

    def run(self, batch: Batch) -> BatchResult:
        result = BatchResult(tallies={number: Tally() for number, _ in self._plan.steps})
        keys: list[Sequence[int]] = []
        for entry in batch:
            if isinstance(entry, bytes):
                source, place, content = unpack(entry)
                fields = json.loads(content)
            else:
                source, place = entry.source, entry.place
                if isinstance(entry.content, Malformed):
                    self._malformed(result, source, entry.content)
                    continue
                fields = entry.content
                result.names.update(fields)
            passed = self._judge(result, source, place, fields)
            if passed is None:
                continue
            key: Sequence[int]
            if isinstance(self._plan.whole, Finish):
                line, key = self._plan.whole.finish(passed)
            else:
                line, key = dump(passed), self._key(passed) if self._key else ()
            result.lines.append(pack(source, place, line))
            keys.append(key)
        result.keys = [
            b"".join(key[column].to_bytes(KEY_BYTES, "little") for key in keys)
            for column in range(self._plan.whole.key_columns)
        ]
        return result

    def _judge(self, result: BatchResult, source: int, place: str, fields: Fields) -> Fields | None:
        for number, judge in self._judges:
            tally = result.tallies[number]
            tally.rows_in += 1
            verdict = judge(fields)
            if isinstance(verdict, Removed):
                refuse = verdict.refuse
                if number in self._plan.checks:
                    refuse = self._plan.refusing[source]
                result.exclusions.append(
                    Exclusion(number, source, place, verdict.reason, hide(verdict.detail), refuse)
                )
                tally.reasons[verdict.reason] += 1
                if len(tally.examples) < EXAMPLES:
                    said = "" if verdict.private else self._show(fields)
                    where = locate(self._plan.labels[source], place)
                    tally.examples.append(example(where, verdict.reason, verdict.detail, said))
                return None
            if isinstance(verdict, Changed):
                fields = verdict.fields
                tally.changes[verdict.reason] += 1
                if verdict.example and len(tally.examples) < EXAMPLES:
                    where = locate(self._plan.labels[source], place)
                    tally.examples.append(example(where, verdict.reason, verdict.example, ""))
            tally.rows_out += 1
        return fields

    def _malformed(self, result: BatchResult, source: int, found: Malformed) -> None:
        number = self._plan.steps[0][0]
        tally = result.tallies[number]
        tally.rows_in += 1
        tally.reasons[_MALFORMED] += 1
        refuse = self._plan.refusing[source]
        got = f": {found.got}" if found.got else ""
        detail = hide(f"{found.problem}{got}")
        reason = found.problem if refuse else _MALFORMED
        result.exclusions.append(Exclusion(number, source, found.place, reason, detail, refuse))
        if len(tally.examples) < EXAMPLES:
            where = locate(self._plan.labels[source], found.place)
            tally.examples.append(example(where, _MALFORMED, detail, ""))

    def _show(self, fields: Fields) -> str:
        return show_row(fields, self._plan.context)


def locate(label: str, place: str) -> str:
    """Return a place with its source's name, where the place does not begin with that."""
    return place if place.startswith(label) else f"{label}, {place}"


def show_row(fields: Fields, context: StepContext) -> str:
    """Return what a row says, for an example."""
    return " | ".join(text for _, text in texts(fields, context.format.turn_fields))


def example(place: str, reason: str, detail: str, said: str) -> str:
    """Return an example for a report, short and without personal data that detectors know."""
    said = hide(" ".join(said[: 4 * _EXAMPLE_CHARACTERS].split()))
    if len(said) > _EXAMPLE_CHARACTERS:
        said = said[: _EXAMPLE_CHARACTERS - 3] + "..."
    return ": ".join(part for part in (place, reason, hide(detail), said) if part)


def hide(text: str) -> str:
    """Return a text without personal data that the detectors find."""
    return redact(text, find_personal_data(text)) if text else text
