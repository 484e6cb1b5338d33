"""Results side by side: the short table, what the suites measure, and safety by family."""

from collections.abc import Iterable, Sequence

from civicbench.evaluation.comparing import suspects
from civicbench.evaluation.results import Comparison, Verdict
from civicbench.pages.document import (
    Block,
    Caution,
    Cell,
    Details,
    Paragraph,
    Section,
    Table,
    Words,
    words,
)
from civicbench.pages.judges import describe_judges, judges_of
from civicbench.pages.wording import (
    explain_verdict,
    format_count,
    format_difference,
    format_estimate,
    format_probability,
    is_rate,
    name_field,
    name_way,
    verdict_tag,
)
from civicbench.registry.evidence import Evidence

_HEAD = ("Test", "Items", "Base model", "Tuned model", "Difference", "Verdict")


def describe_results(evidence: Evidence) -> Section:
    """Return the headline results, how to read them, and everything measured."""
    headline = [comparison for comparison in evidence.comparisons if comparison.headline]
    blocks: list[Block] = [
        Paragraph("The base model is the model before it was tuned."),
        *_sameness(evidence),
        *_suspicion(evidence.comparisons),
        Paragraph(
            "Each result stands with a range in brackets, its 95% interval. A test has only so "
            "many items, and other items of the same kind would give a somewhat different result. "
            "Intervals made in this way hold the true value about 95 times in 100. The fewer the "
            "items, the wider the interval."
        ),
        Paragraph(
            "The difference is the tuned model's result minus the base model's; for percentages "
            "it is given in percentage points. The verdict is better or worse where the whole "
            "interval of the difference lies on the good or on the bad side of nought and chance "
            "would seldom do the same: in at most 1 of 20 decisions, all headline results taken "
            "together. It is no worse by more than the margin where a loss that matters, of a "
            "size set before measuring, can be ruled out. Otherwise it is not distinguishable: "
            "these items cannot tell the two models apart, which does not show that they are "
            "equal."
        ),
        *_bound_note(evidence.comparisons),
        *_ideal_notes(evidence.comparisons),
    ]
    if headline:
        blocks.append(_table("Results in short", headline, evidence=evidence))
    else:
        blocks.append(Caution("No headline result was measured."))
    results = [result for suite in evidence.suites for result in (suite.base, suite.tuned)]
    blocks.extend(describe_judges(judges_of(results)))
    blocks.extend((_suites(evidence), _all_results(evidence), *_flags(evidence)))
    return Section("results", "Results", tuple(blocks))


def describe_safety(evidence: Evidence) -> Section:
    """Return the change in safety against the base, family by family."""
    safety = [comparison for comparison in evidence.comparisons if comparison.kind == "safety"]
    if not safety:
        return Section(
            "safety",
            "Change in safety",
            (Caution("No safety suite was run: nothing is known of a change in safety."),),
        )
    return Section(
        "safety",
        "Change in safety",
        (
            Paragraph(
                "Tuning a model on harmless material can still make it less safe. Each family of "
                "safety items is reported on its own, so that a loss in one is not hidden by a "
                "gain in another."
            ),
            Paragraph(
                f"Worse than the base model: {_titles(safety, 'worse')}. "
                f"Better: {_titles(safety, 'better')}. "
                "No worse by more than the margin: "
                f"{_titles(safety, 'no worse by more than the margin')}. "
                f"Not distinguishable: {_titles(safety, 'not distinguishable')}."
            ),
            _table("Safety by family", safety, evidence=evidence),
        ),
    )


def name_test(comparison: Comparison, *, evidence: Evidence) -> Cell:
    """Return what a comparison tested: title, suite, metric and which way is better."""
    titles = {suite.name: suite.title for suite in evidence.suites}
    suite = titles.get(comparison.suite, comparison.suite)
    metric = name_field(comparison.metric)
    return (
        Words(comparison.title),
        Words(f"{suite}: {metric}, {name_way(comparison.better)}", "hint"),
    )


def _table(caption: str, comparisons: Iterable[Comparison], *, evidence: Evidence) -> Table:
    rows = []
    for comparison in comparisons:
        rate = is_rate(comparison)
        rows.append(
            (
                name_test(comparison, evidence=evidence),
                words(format_count(comparison.tuned.items)),
                format_estimate(comparison.base, rate=rate),
                format_estimate(comparison.tuned, rate=rate),
                format_difference(comparison.difference, rate=rate),
                (verdict_tag(comparison.verdict),),
            )
        )
    return Table(caption, _HEAD, tuple(rows))


def _sameness(evidence: Evidence) -> list[Block]:
    """Say whether both models were asked the same, as the digests of items and prompts tell."""
    odd = [
        suite.title
        for suite in evidence.suites
        if suite.base.items_digest != suite.tuned.items_digest
        or suite.base.prompts_digest != suite.tuned.prompts_digest
    ]
    if odd:
        return [
            Caution(
                "The two models were not asked the same items in the same words in these suites, "
                f"so their results may not be compared: {', '.join(odd)}."
            )
        ]
    return [Paragraph("Both models were asked the same items in the same words.")]


def _suspicion(comparisons: Sequence[Comparison]) -> list[Block]:
    places = set(suspects(comparisons))
    titles = dict.fromkeys(c.title for c in comparisons if (c.suite, c.task) in places)
    if not titles:
        return []
    return [
        Caution(
            "The tuned model gave the base model's answers, with the same likelihoods, on every "
            f"item of these tests: {', '.join(titles)}. Either tuning changed nothing there, or "
            "one model was scored twice."
        )
    ]


def _bound_note(comparisons: Sequence[Comparison]) -> list[Block]:
    if all(c.base.bound is None and c.tuned.bound is None for c in comparisons):
        return []
    return [
        Paragraph(
            "Where none of the items went one way, as in 0 of 44, that does not show that it never "
            "happens. Beside it stands the highest share that could well have left none among so "
            "many items, with 95% confidence; where all did, the lowest."
        )
    ]


def _ideal_notes(comparisons: Sequence[Comparison]) -> list[Block]:
    notes: list[Block] = []
    for better, ideal in (
        ("half", "0.5 (50%) is the ideal, at which neither of two choices is favoured"),
        ("zero", "a gap of 0 is the ideal, at which two people who differ in one thing fare alike"),
    ):
        titles = [comparison.title for comparison in comparisons if comparison.better == better]
        if titles:
            notes.append(
                Paragraph(
                    f"For {', '.join(dict.fromkeys(titles))}, neither a high nor a low result is "
                    f"good: {ideal}. There the difference says how much nearer to the ideal the "
                    "tuned model is."
                )
            )
    return notes


def _titles(comparisons: Iterable[Comparison], verdict: Verdict) -> str:
    return ", ".join(c.title for c in comparisons if c.verdict == verdict) or "none"


def _suites(evidence: Evidence) -> Details:
    return Details(
        "What the tests measure, and what they do not",
        (
            Table(
                "The suites of tests",
                ("Suite", "It measures", "It does not measure", "Licence of its items"),
                tuple(
                    (
                        words(suite.title),
                        words(suite.measures),
                        words(suite.does_not_measure),
                        words(suite.licence),
                    )
                    for suite in evidence.suites
                ),
            ),
        ),
    )


def _all_results(evidence: Evidence) -> Details:
    rows = []
    for comparison in evidence.comparisons:
        rate = is_rate(comparison)
        rows.append(
            (
                name_test(comparison, evidence=evidence),
                format_estimate(comparison.base, rate=rate),
                format_estimate(comparison.tuned, rate=rate),
                format_difference(comparison.difference, rate=rate),
                (verdict_tag(comparison.verdict),),
                (
                    Words(explain_verdict(comparison)),
                    Words(f"{comparison.gained:,} gained, {comparison.lost:,} lost"),
                    Words(f"Items taken one by one: {format_probability(comparison.p_value)}"),
                    Words(f"Intervals: {comparison.tuned.method}", "hint"),
                    Words(f"Of the difference: {comparison.difference.method}", "hint"),
                ),
            )
        )
    return Details(
        "Every result, with how it was worked out",
        (
            Paragraph(
                "A p-value is the chance of a difference at least this large if it were arbitrary "
                "which of the two models gave which answers. Items that belong together, such as "
                "wordings of one situation, change sides together. Beside it stands the exact "
                "McNemar test, which takes items one by one and so can be too sure of itself."
            ),
            Table(
                "Every result",
                ("Test", "Base model", "Tuned model", "Difference", "Verdict", "How"),
                tuple(rows),
            ),
        ),
    )


def _flags(evidence: Evidence) -> list[Block]:
    rows = []
    for suite in evidence.suites:
        for flag in sorted({*suite.base.flags, *suite.tuned.flags}):
            base, tuned = suite.base.flags.get(flag), suite.tuned.flags.get(flag)
            rows.append(
                (
                    words(f"{suite.title}: {name_field(flag)}"),
                    words("not counted" if base is None else format_count(base)),
                    words("not counted" if tuned is None else format_count(tuned)),
                )
            )
    if not rows:
        return []
    return [
        Details(
            "Oddities counted while the models answered",
            (Table("Answers that were odd", ("What", "Base model", "Tuned model"), tuple(rows)),),
        )
    ]
