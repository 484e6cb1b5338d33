"""The short parts of a card's first page: the weakest places, data, signatures, how to repeat."""

from collections.abc import Iterator

from civicbench.cards.changes import example_of, goodness
from civicbench.evaluation.results import Comparison, Flip, SliceComparison
from civicbench.pages.characters import shorten
from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Cell,
    Code,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    Tag,
    Words,
    code,
    words,
)
from civicbench.pages.wording import (
    count_of,
    format_count,
    format_difference,
    format_estimate,
    is_rate,
    name_field,
)
from civicbench.registry.decisions.facts import DecisionFact
from civicbench.registry.evidence import Evidence
from civicbench.registry.situation import Situation

_WORST = 3
_QUOTED_CHARACTERS = 400


def describe_worst(evidence: Evidence) -> Section:
    """Return the three worst groups of items, and three items that only the base got right."""
    blocks: list[Block] = []
    groups = [(one, part) for one in evidence.comparisons if one.headline for part in one.slices]
    groups.sort(key=lambda pair: goodness(pair[1], comparison=pair[0]))
    if groups:
        rows = tuple(_group(one, part) for one, part in groups[:_WORST])
        head = ("Group", "Items", "Base model", "Tuned model", "Difference")
        blocks.append(Table("The groups of items with the worst results", head, rows))
    else:
        blocks.append(Paragraph("No headline result was split into groups of items."))
    examples = list(_losses(evidence))[:_WORST]
    if examples:
        blocks.append(Subheading("Items that the base model got right and this version wrong"))
        for one, flip in examples:
            blocks.append(Paragraph(f"{one.title}:"))
            blocks.append(example_of(_short(flip)))
    else:
        blocks.append(
            Paragraph("No item is kept that the base model got right and this version wrong.")
        )
    return Section("worst", "Where it is weakest", tuple(blocks))


def _group(one: Comparison, part: SliceComparison) -> tuple[Cell, ...]:
    rate = is_rate(one)
    return (
        (
            Words(f"{name_field(part.field)}: {part.value}"),
            Words(f"{one.title}: {name_field(one.metric)}", "hint"),
        ),
        words(format_count(part.tuned.items)),
        format_estimate(part.base, rate=rate),
        format_estimate(part.tuned, rate=rate),
        format_difference(part.difference, rate=rate),
    )


def _losses(evidence: Evidence) -> Iterator[tuple[Comparison, Flip]]:
    """Yield lost items: one of each measure in turn, safety before the rest."""
    order = {"safety": 0, "domain": 1, "general": 2}
    measures = sorted(
        (one for one in evidence.comparisons if one.flips),
        key=lambda one: (order[one.kind], not one.headline),
    )
    lost = {id(one): [flip for flip in one.flips if not flip.gained] for one in measures}
    for turn in range(_WORST):
        for one in measures:
            if turn < len(lost[id(one)]):
                yield one, lost[id(one)][turn]


def _short(flip: Flip) -> Flip:
    texts = {}
    for name in ("prompt", "expected", "base", "tuned"):
        text, left = shorten(getattr(flip, name), limit=_QUOTED_CHARACTERS)
        texts[name] = f"{text} [{count_of(left, 'more character')}]" if left else text
    return flip.model_copy(update=texts)


def describe_data_in_short(evidence: Evidence) -> Section:
    """Return the data with its licences, personal data, and what it was kept apart from."""
    suites = {suite.name: suite.title for suite in evidence.suites}
    datasets = [(evidence.dataset, evidence.training.rows if not evidence.mixed else None)]
    datasets += [(one.dataset, one.rows) for one in evidence.mixed]
    rows: list[tuple[Cell, ...]] = []
    for data, count in datasets:
        apart = ", ".join(suites.get(name, name) for name in data.kept_apart_from)
        rows.append(
            (
                (
                    Words(data.title),
                    *((Words(f"{format_count(count)} rows", "hint"),) if count else ()),
                ),
                words(data.licence),
                words(data.personal_data),
                words(apart or "not compared with any test"),
            )
        )
    blocks: list[Block] = []
    if evidence.trained_elsewhere is not None:
        blocks.append(
            Caution(
                "This model was trained elsewhere. What it was trained on was not seen here: "
                f"{evidence.trained_elsewhere.origin}"
            )
        )
    blocks.append(
        Table(
            "Training data in short",
            ("Dataset", "Licence", "Personal data", "Kept apart from the tests"),
            tuple(rows),
        )
    )
    return Section("data-in-short", "Data and licences in short", tuple(blocks))


def describe_signatures(evidence: Evidence, situation: Situation) -> Section:
    """Return who decided, whether that applies, and the end of the log to compare later."""
    standing, head = situation.standing, situation.head
    blocks: list[Block] = []
    decisions = [one for review in standing.reviews for one in review.decisions]
    if decisions:
        blocks.append(
            Table(
                "Decisions, each signed with the key named",
                ("Who", "When", "Decided", "Why", "Key"),
                tuple(_decision(one) for one in decisions),
            )
        )
    else:
        blocks.append(Paragraph("Nobody has decided on this version yet."))
    conditions = tuple(
        f"{one.text} ({one.scope})"
        + (f", by {one.expires_at:%Y-%m-%d}" if one.expires_at is not None else "")
        for decision in (standing.review.approvals if standing.review else ())
        for one in decision.conditions
    )
    if conditions:
        blocks += [Subheading("Conditions of the approval"), Bullets(conditions)]
    applies = Tag("applies", "green") if standing.applies else Tag("does not apply", "red")
    made = ", ".join(
        f"{one.did} by {one.person or 'an account of nobody known'} ({one.account})"
        for one in standing.makers
    )
    blocks.append(
        Pairs(
            (
                ("Made by", words(made or "not known")),
                (
                    "Approval",
                    (applies, *(Words(reason, "hint") for reason in standing.why_not)),
                ),
                ("Digest of the evidence", code(evidence.digest)),
                (
                    "Head of the log",
                    (
                        Words(head.digest, "code"),
                        Words(f"event {format_count(head.sequence)}", "hint"),
                    ),
                ),
            )
        )
    )
    blocks.append(
        Paragraph(
            "The log holds every registration and decision, each entry bound to the one before. "
            "Keep the head above outside of the registry, on paper or in a minute: it shows later "
            "whether the log was rewritten."
        )
    )
    return Section("signatures", "Signatures and the log", tuple(blocks))


def _decision(one: DecisionFact) -> tuple[Cell, ...]:
    colour = {"approve": "green", "approve with conditions": "yellow", "refuse": "red"}
    until = (
        (Words(f"until {one.expires_at:%Y-%m-%d}", "hint"),) if one.expires_at is not None else ()
    )
    return (
        (Words(one.full_name), Words(one.role.replace("-", " "), "hint")),
        words(f"{one.at:%Y-%m-%d %H:%M} UTC"),
        (Tag(one.outcome, colour[one.outcome]), *until),  # type: ignore[arg-type]
        words(one.reason),
        code(one.key),
    )


def describe_command(evidence: Evidence) -> Section:
    """Return the one command that makes the version again."""
    return Section(
        "again",
        "To make it again",
        (
            Code(evidence.recipe.reproduce, "sh"),
            Paragraph(
                "Further below stand the digests that the result has to match, and the versions of "
                "the software."
            ),
        ),
    )
