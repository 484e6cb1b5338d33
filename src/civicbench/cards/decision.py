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
    count_of,
    decimals_apart,
    format_change,
    format_difference,
    format_estimate,
    format_value,
    is_rate,
)
from civicbench.registry.evidence import Evidence
from civicbench.registry.gates import GateVerdict, Rule, RuleVerdict
from civicbench.registry.rules.outcomes import Check, Outcome
from civicbench.registry.situation import Situation

_OUTCOME_TAGS: dict[Outcome, Tag] = {
    "met": Tag("met", "green"),
    "not met": Tag("not met", "red"),
    "could not tell": Tag("could not tell", "red"),
    "asked at release": Tag("asked at release", "blue"),
}
_JUDGED_WORDS = {
    "estimate": "the result itself",
    "interval low": "the lower end of the interval",
    "interval high": "the upper end of the interval",
}


def describe_decision(
    evidence: Evidence, *, state: str, number: int, situation: Situation | None
) -> Section:
    """Return what is asked of the reviewer, about exactly which version."""
    gate = evidence.gate
    missed = gate.unmet
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
                *(_asked(situation) if situation is not None else ()),
            )
        )
    )
    return Section("decision", "The decision asked for", tuple(blocks))


def _asked(situation: Situation) -> tuple[tuple[str, Cell], ...]:
    """Return who is asked for what, and what else has to be there."""
    standing = situation.standing
    review = standing.review
    rows: list[tuple[str, Cell]] = []
    if review is not None:
        approvals = len(review.approvals)
        asked = f"Asked: {', '.join(review.assigned)}" if review.assigned else ""
        rows.append(
            (
                "Approvals",
                (
                    Words(f"{approvals} of {review.reviewers} that the gate asks for"),
                    *((Words(asked, "hint"),) if asked else ()),
                    *((Words(f"Note: {review.note}", "hint"),) if review.note else ()),
                ),
            )
        )
    rows.append(("Waits for", words(standing.waiting_for or "nobody")))
    own = situation.live == situation.version.reference
    live = "this one" if own else situation.live or "none of this model"
    rows.append(("Live version now", words(live)))
    left = count_of(len(situation.atrs_missing), "field")
    record = f"{left} still to be written" if situation.atrs_missing else "filled in"
    drafts = f"{count_of(situation.atrs_drafts, 'draft')} that no person has taken over"
    rows.append(
        (
            "Transparency record (ATRS)",
            (Words(record), *((Words(drafts, "hint"),) if situation.atrs_drafts else ())),
        )
    )
    return tuple(rows)


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
    live = evidence.grounds.live if evidence.grounds is not None else None
    live_by_place = {
        (c.suite, c.task, c.metric): c.base for c in (live.comparisons if live is not None else ())
    }
    gate = evidence.gate
    rows = []
    for verdict in gate.rules:
        rule = verdict.rule
        if isinstance(rule, Rule):
            place = (rule.suite, rule.task, rule.metric)
            rows.append(_row(rule, verdict, by_place.get(place), live=live_by_place.get(place)))
        else:
            rows += [
                _checked(check, verdict if first == 0 else None)
                for first, check in enumerate(verdict.checks)
            ]
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
            *_standing(gate),
            Table(
                f"{gate.title}: rule by rule",
                ("Rule", "What has to hold", "Measured", "Base model", "Live version", "Verdict"),
                tuple(rows),
            ),
            Paragraph(_name_live(evidence)),
        ),
    )


def _name_live(evidence: Evidence) -> str:
    grounds = evidence.grounds
    if grounds is None:
        return "Whether a version of this model was live was not kept when this one was evaluated."
    if grounds.live is None:
        return "No version of this model was live when this one was evaluated."
    text = f"The live version, when this one was evaluated, was {grounds.live.reference}."
    if grounds.live.not_compared:
        text += (
            " The two were not asked the same items, and so not compared, in: "
            f"{', '.join(grounds.live.not_compared)}."
        )
    return text


def _standing(gate: GateVerdict) -> tuple[Block, ...]:
    """Return what the log says of when the rules were written down."""
    if gate.standing is None:
        return ()
    if gate.moved:
        return (
            Caution(
                "Moved after results: the gate was changed after training. The rules below are not "
                f"those that were registered before ({gate.registered_digest}), so it is not met, "
                "whatever they say."
            ),
        )
    if gate.standing != "not registered before training":
        return (Paragraph(f"These rules were {gate.standing}: {gate.digest}."),)
    return (
        Caution(
            "These rules were not registered before training: nobody can tell whether they were "
            "written with the results in sight."
        ),
    )


def _checked(check: Check, verdict: RuleVerdict | None) -> tuple[Cell, ...]:
    """Return a row for one thing that a rule looked at; the rule's name stands in its first."""
    rule: Cell = words("")
    if verdict is not None:
        rule = (Words(verdict.rule.name), Words(verdict.rule.reason, "hint"))
    tag = _OUTCOME_TAGS[check.outcome]
    return (rule, words(check.asked), words(check.found), words(""), words(""), (tag,))


def _row(
    rule: Rule, verdict: RuleVerdict, comparison: Comparison | None, *, live: Estimate | None
) -> tuple[Cell, ...]:
    rate = comparison is None or is_rate(comparison)
    decimals = 1 if verdict.measured is None else _decimals(rule, verdict.measured)
    tested = comparison.title if comparison else f"{rule.suite}, {rule.task}, {rule.metric}"
    return (
        (Words(rule.name), Words(rule.reason, "hint")),
        (Words(_condition(rule, rate=rate)), Words(tested, "hint")),
        _measured(rule, verdict, rate=rate, decimals=decimals),
        format_estimate(verdict.base, rate=rate) if verdict.base else words("not measured"),
        format_estimate(live, rate=rate) if live else words("not compared"),
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


def _measured(rule: Rule, verdict: RuleVerdict, *, rate: bool, decimals: int) -> Cell:
    if verdict.measured is None:
        return words("not measured")
    if rule.of == "difference":
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
