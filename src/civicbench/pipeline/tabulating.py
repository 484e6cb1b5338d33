"""Base, tuned, difference and verdict of every headline measure, for named versions: Markdown.

Every number comes from the versions' stored evidence; nothing is scored or computed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.workspace import Workspace
from civicbench.evaluation.results import Comparison, Estimate
from civicbench.pages.characters import visible
from civicbench.pages.judges import judges_of, tell_agreement
from civicbench.pages.wording import format_change, format_value, is_rate, name_way
from civicbench.registry.evidence import Evidence
from civicbench.registry.registry import Registry
from civicbench.reports.report import task_title

BEGIN = "<!-- results: begin -->"
END = "<!-- results: end -->"


@dataclass(frozen=True)
class Named:
    """A registered version with its evidence.

    Attributes:
        reference: MODEL:NUMBER.
        evidence: What is known of it.
    """

    reference: str
    evidence: Evidence


def tabulate_versions(references: Sequence[str], *, workspace: Workspace) -> str:
    """Return the tables of some registered versions, suite by suite, as Markdown.

    Args:
        references: The versions: MODEL, MODEL:NUMBER or the beginning of a digest.
        workspace: Where the registry is.

    Raises:
        InvalidInputError: An unknown version, or one that is named twice.
    """
    named: list[Named] = []
    with Registry.open(workspace) as registry:
        for reference in references:
            found = registry.show(reference).reference
            if any(own.reference == found for own in named):
                raise InvalidInputError("the version is named twice", got=found)
            named.append(Named(found, registry.load_evidence(reference)))
    return render_tables(named)


def render_tables(named: Sequence[Named]) -> str:
    """Return the tables of some versions' evidence."""
    lines = [
        "Written by `civicbench scores table` from the stored scores of these versions:",
        "",
        *_table(
            ("Version", "Base model", "Trained by", "Trained on", "Digest"),
            [
                (
                    own.reference,
                    own.evidence.base.name,
                    f"recipe {own.evidence.recipe.name}",
                    ", ".join(
                        [own.evidence.dataset.name, *(m.dataset.name for m in own.evidence.mixed)]
                    ),
                    own.evidence.digest[:12],
                )
                for own in named
            ],
        ),
        "",
        "A difference is the tuned model's result minus the base model's on the same items, in "
        "percentage points where results are shares; brackets hold 95% intervals. Verdicts are "
        "judged for each version over all its headline measures together (Holm).",
    ]
    for name, title in _suites(named):
        lines += ["", f"### {_plain(title)}", ""]
        rows = [
            _row(own, comparison)
            for key in _measures(named, name)
            for own in named
            for comparison in own.evidence.comparisons
            if (comparison.suite, comparison.task, comparison.metric) == (name, *key)
        ]
        lines += _table(("Measure", "Version", "Base", "Tuned", "Difference", "Verdict"), rows)
        results = [
            result
            for own in named
            for suite in own.evidence.suites
            if suite.name == name
            for result in (suite.base, suite.tuned)
        ]
        for judge in judges_of(results):
            lines += ["", _plain(tell_agreement(judge))]
        flags = [
            f"{_plain(own.reference)} {role}: {flag} {count}"
            for own in named
            for suite in own.evidence.suites
            if suite.name == name
            for role, result in (("base", suite.base), ("tuned", suite.tuned))
            for flag, count in sorted(result.flags.items())
        ]
        if flags:
            lines += ["", f"Answers that were cut or empty: {'; '.join(dict.fromkeys(flags))}."]
    return "\n".join(lines) + "\n"


def write_tables(path: Path, text: str) -> None:
    """Write tables into a file: between its marks where it has them, else as a new file.

    Raises:
        InvalidInputError: The file is there and has no such marks, each once and in order.
    """
    if not path.exists():
        write_text_whole(path, text)
        return
    before = read_text(path)
    begin, end = before.find(BEGIN), before.find(END)
    if before.count(BEGIN) != 1 or before.count(END) != 1 or end < begin:
        raise InvalidInputError(
            "is there already, without one place for results",
            where=str(path),
            remedy=f"put {BEGIN} and {END} on lines of their own, or name a new file",
        )
    write_text_whole(path, f"{before[: begin + len(BEGIN)]}\n{text}{before[end:]}")


def _suites(named: Sequence[Named]) -> list[tuple[str, str]]:
    found = {suite.name: suite.title for own in named for suite in own.evidence.suites}
    return list(found.items())


def _measures(named: Sequence[Named], suite: str) -> list[tuple[str, str]]:
    """Return the headline measures (task, metric) of a suite, each once."""
    return list(
        dict.fromkeys(
            (comparison.task, comparison.metric)
            for own in named
            for comparison in own.evidence.comparisons
            if comparison.suite == suite and comparison.headline
        )
    )


def _row(own: Named, comparison: Comparison) -> tuple[str, ...]:
    rate = is_rate(comparison)
    return (
        f"{task_title(comparison.title, comparison.metric)} ({name_way(comparison.better)})",
        own.reference,
        _estimate(comparison.base, rate=rate),
        _estimate(comparison.tuned, rate=rate),
        f"{format_change(comparison.difference.value, rate=rate)} "
        f"[{format_change(comparison.difference.low, rate=rate)}, "
        f"{format_change(comparison.difference.high, rate=rate)}]",
        comparison.verdict,
    )


def _estimate(estimate: Estimate, *, rate: bool) -> str:
    value, low, high = (
        format_value(number, rate=rate) for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows),
    ]


def _plain(text: str) -> str:
    """Return a text that Markdown takes for nothing else: no cells, links, code or tags in it."""
    shown = visible(" ".join(text.split()))
    for mark in "\\|`*_<>[]":
        if mark in "[]":
            continue  # brackets alone hold intervals; a link needs "](", which is broken below
        shown = shown.replace(mark, f"\\{mark}")
    return shown.replace("](", "]\\(")
