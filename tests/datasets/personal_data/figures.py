"""Precision and recall of the detectors on the authored set, by exact span and kind."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.datasets.personal_data.detector import find_personal_data
from civicbench.datasets.personal_data.kinds import KINDS

Span = tuple[str, int, int]


@dataclass(frozen=True)
class Line:
    """A line of the authored set."""

    id: str
    part: str
    text: str
    spans: frozenset[Span]


@dataclass(frozen=True)
class Figures:
    """What was found of one kind."""

    found: int
    missed: int
    wrong: int

    @property
    def precision(self) -> tuple[float, float, float]:
        return share(self.found, self.found + self.wrong)

    @property
    def recall(self) -> tuple[float, float, float]:
        return share(self.found, self.found + self.missed)


def authored_lines() -> list[Line]:
    lines = []
    with Path(__file__).with_name("lines.jsonl").open(encoding="utf-8") as file:
        for written in file:
            line = json.loads(written)
            spans = frozenset((f["kind"], f["start"], f["end"]) for f in line["findings"])
            lines.append(Line(id=line["id"], part=line["part"], text=line["text"], spans=spans))
    return lines


def measure(lines: Sequence[Line]) -> dict[str, Figures]:
    found: list[Span] = []
    missed: list[Span] = []
    wrong: list[Span] = []
    for line in lines:
        got = {(f.kind, f.start, f.end) for f in find_personal_data(line.text)}
        found += line.spans & got
        missed += line.spans - got
        wrong += got - line.spans
    return {
        kind: Figures(*(sum(s[0] == kind for s in spans) for spans in (found, missed, wrong)))
        for kind in KINDS
    }


def share(count: int, total: int) -> tuple[float, float, float]:
    """Return a share with its 95% Wilson interval; the whole interval where there are none."""
    if total == 0:
        return math.nan, 0.0, 1.0
    z = 1.959963984540054
    middle = (count + z * z / 2) / (total + z * z)
    half = z * math.sqrt(count * (total - count) / total + z * z / 4) / (total + z * z)
    return count / total, max(0.0, middle - half), min(1.0, middle + half)


def table(lines: Sequence[Line]) -> str:
    rows = ["| kind | found | missed | wrong | precision | recall |", "|---|---|---|---|---|---|"]
    for kind, f in measure(lines).items():
        shares = (f"{p:.3f} [{low:.3f}, {high:.3f}]" for p, low, high in (f.precision, f.recall))
        rows.append(f"| {kind} | {f.found} | {f.missed} | {f.wrong} | {' | '.join(shares)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    everything = authored_lines()
    print("Held-out part\n" + table([line for line in everything if line.part == "held-out"]))
    print("\nAll lines\n" + table(everything))
