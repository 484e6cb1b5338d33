"""The first parts of a card: what is asked of the reader, what the model is for, and the gate."""

from civicbench.evaluation.results import Comparison, Estimate
from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Cell,
    Inset,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    Tag,
    Words,
    words,
)
from civicbench.pages.wording import (
    decimals_apart,
    format_change,
    format_difference,
    format_estimate,
    format_value,
    is_rate,
)
from civicbench.registry.evidence import Evidence
from civicbench.registry.gates import Rule, RuleVerdict

_JUDGED_WORDS = {
    "estimate": "the result itself",
    "interval low": "the lower end of the interval",
    "interval high": "the upper end of the interval",
}


def describe_decision(evidence: Evidence, *, state: str, number: int) -> Section:
    """Return what is asked of the reviewer, about exactly which version."""
    gate = evidence.gate
    missed = [verdict.rule.name for verdict in gate.rules if not verdict.passed]
    blocks: list[Block] = [
        Paragraph(
            f"Decide whether version {number} of {evidence.model_name} may be used for the purpose "
            "below. This card is evidence for that decision; it does not make it."
        ),
    ]
    if missed:
        blocks.append(
            Caution(
                f"This version does not meet the gate \N{LEFT SINGLE QUOTATION MARK}{gate.title}"
                f"\N{RIGHT SINGLE QUOTATION MARK}. Rules not met: {', '.join(missed)}."
            )
        )
    if evidence.canaries is not None:
        blocks.append(
            Caution(
                f"This version must not be released: {evidence.canaries.rows:,} synthetic canaries "
                "stand in its training rows. It was made to test what a model gives away of its "
                "data."
            )
        )
    verdict = Tag("not met", "red") if missed else Tag("met", "green")
    blocks.append(
        Pairs(
            (
                ("Model", words(evidence.model_name)),
                ("Version", words(str(number))),
                ("State", (Tag(state, "blue"),)),
                ("Purpose", words(evidence.recipe.purpose)),
                ("Made from", words(evidence.base.title)),
                ("Gate", (Words(gate.title), verdict)),
                (
                    "Digest of this evidence",
                    (
                        Words(evidence.digest, "code"),
                        Words("A decision is about exactly what has this digest.", "hint"),
                    ),
                ),
            )
        )
    )
    return Section("decision", "The decision asked for", tuple(blocks))


def describe_uses(evidence: Evidence) -> Section:
    """Return what the model is for, what it is not for, and where a person checks."""
    recipe = evidence.recipe
    return Section(
        "uses",
        "What it is for",
        (
            Subheading("It may be used to"),
            _list(recipe.intended_uses),
            Subheading("It must not be used to"),
            _list(recipe.forbidden_uses),
            Subheading("Where a person checks"),
            Inset(recipe.human_review),
        ),
    )


def _list(uses: tuple[str, ...]) -> Block:
    return Bullets(uses) if uses else Paragraph("The recipe names none.")


def describe_gate(evidence: Evidence) -> Section:
    """Return the gate's rules, each with what was measured and whether it holds."""
    by_place = {(c.suite, c.task, c.metric): c for c in evidence.comparisons}
    gate = evidence.gate
    rows = tuple(
        _row(verdict, by_place.get((verdict.rule.suite, verdict.rule.task, verdict.rule.metric)))
        for verdict in gate.rules
    )
    return Section(
        "gate",
        "The gate",
        (
            Paragraph(
                "A gate is a set of rules that a version has to meet before it can be released. "
                "Where a rule judges an end of the interval rather than the result itself, a "
                "version meets it only if chance in the choice of items would not undo it. A rule "
                "that tolerates a loss up to a margin had its margin set before anything was "
                "measured."
            ),
            Table(
                f"{gate.title}: rule by rule",
                ("Rule", "What has to hold", "Measured", "Base model", "Verdict"),
                rows,
            ),
        ),
    )


def _row(verdict: RuleVerdict, comparison: Comparison | None) -> tuple[Cell, ...]:
    rule = verdict.rule
    rate = comparison is None or is_rate(comparison)
    decimals = 1 if verdict.measured is None else _decimals(rule, verdict.measured)
    tested = comparison.title if comparison else f"{rule.suite}, {rule.task}, {rule.metric}"
    return (
        (Words(rule.name), Words(rule.reason, "hint")),
        (Words(_condition(rule, rate=rate)), Words(tested, "hint")),
        _measured(verdict, rate=rate, decimals=decimals),
        format_estimate(verdict.base, rate=rate) if verdict.base else words("not measured"),
        _outcome(verdict),
    )


def _outcome(verdict: RuleVerdict) -> Cell:
    tag = Tag("met", "green") if verdict.passed else Tag("not met", "red")
    return (tag, Words(verdict.note, "hint")) if verdict.note else (tag,)


def _condition(rule: Rule, *, rate: bool) -> str:
    threshold = rule.threshold
    limit = "at least" if rule.at_least is not None else "at most"
    if rule.of == "difference":
        shown = format_change(threshold, rate=rate) + (" points" if rate else "")
        of = "difference from the base"
    else:
        shown = format_value(threshold, rate=rate)
        of = "tuned model"
    return f"{_JUDGED_WORDS[rule.judged_by].capitalize()} ({of}) is {limit} {shown}"


def _measured(verdict: RuleVerdict, *, rate: bool, decimals: int) -> Cell:
    if verdict.measured is None:
        return words("not measured")
    if verdict.rule.of == "difference":
        return format_difference(verdict.measured, rate=rate, decimals=decimals)
    return format_estimate(verdict.measured, rate=rate, decimals=decimals)


def _decimals(rule: Rule, measured: Estimate) -> int:
    """Return how many decimals show on which side of the threshold the judged number lies."""
    judged = {
        "estimate": measured.value,
        "interval low": measured.low,
        "interval high": measured.high,
    }[rule.judged_by]
    return decimals_apart([judged], (rule.threshold,), scale=100)
