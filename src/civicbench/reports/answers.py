"""Answers of models to the same items: which changed, and which are worst."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.core.errors import IntegrityError
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import IDEALS, Better, Comparison
from civicbench.reports.report import Report, ScoredModel, ScoredSuite

WORST_SHOWN = 5
_ACCURACY = "accuracy"


@dataclass(frozen=True)
class Answered:
    """One item as two models answered it.

    Attributes:
        first: The first model's record.
        other: The other model's.
    """

    first: ItemRecord
    other: ItemRecord

    @property
    def name(self) -> str:
        """The item's id, with the seed of a drawn answer."""
        return name_item(self.first)


@dataclass(frozen=True)
class Changes:
    """Items on which two models differ in being right.

    Attributes:
        lost: Worse with the other model.
        gained: Better with it. Where half is the ideal neither is a loss: `lost` then holds what
            only the first model picked.
    """

    lost: tuple[Answered, ...]
    gained: tuple[Answered, ...]


def name_item(record: ItemRecord) -> str:
    """Return an item's id, with the seed of a drawn answer."""
    return record.id if record.seed is None else f"{record.id}, seed {record.seed}"


def pair_answers(first: ScoredSuite, other: ScoredSuite, *, task: str) -> tuple[Answered, ...]:
    """Return the items of a task as two models answered them, in the first's order.

    Raises:
        IntegrityError: The two do not hold the same items.
    """
    own = {(r.id, r.seed): r for r in other.items if r.task == task}
    wanted = [record for record in first.items if record.task == task]
    if {(record.id, record.seed) for record in wanted} != own.keys():
        raise IntegrityError(
            "the two models' answers are not to the same items",
            where=f"{first.result.suite}, task {task}",
        )
    return tuple(Answered(record, own[record.id, record.seed]) for record in wanted)


def find_changes(report: Report, other: ScoredModel, comparison: Comparison) -> Changes:
    """Return every item that one of two models got right and the other wrong."""
    pairs = _pairs(report, other, comparison)
    up = tuple(p for p in pairs if _value(p.other) > _value(p.first))
    down = tuple(p for p in pairs if _value(p.other) < _value(p.first))
    return Changes(up, down) if comparison.better == "lower" else Changes(down, up)


def find_worst(report: Report, other: ScoredModel, comparison: Comparison) -> tuple[Answered, ...]:
    """Return items that both models get wrong, the other model's surest mistakes first.

    Only of choices: a written answer has no margin. None where half is the ideal.
    """
    wrong = [
        pair
        for pair in _pairs(report, other, comparison)
        if _is_wrong(pair.first, comparison.better) and _is_wrong(pair.other, comparison.better)
    ]
    return _surest(wrong)


def find_worst_losses(
    report: Report, other: ScoredModel, comparison: Comparison
) -> tuple[Answered, ...]:
    """Return items lost with the other model, its surest mistakes first; see `find_worst`."""
    if comparison.better in IDEALS:
        return ()
    return _surest(find_changes(report, other, comparison).lost)


def find_worst_alone(suite: ScoredSuite, *, task: str, better: Better) -> tuple[ItemRecord, ...]:
    """Return items that one model gets wrong, its surest mistakes first."""
    wrong = [r for r in suite.items if r.task == task and _is_wrong(r, better)]
    ranked = sorted((r for r in wrong if r.log_likelihoods), key=_lead)
    return tuple(ranked[:WORST_SHOWN])


def lead_of_expected(record: ItemRecord) -> float | None:
    """Return by how much the marked choice is likelier than the best other one, in nats.

    Below zero where another choice is likelier; None for a written answer.
    """
    others = [
        value
        for place, value in enumerate(record.log_likelihoods)
        if place != record.expected_position
    ]
    if not others or record.expected_position < 0:
        return None
    return record.log_likelihoods[record.expected_position] - max(others)


def _surest(pairs: Sequence[Answered]) -> tuple[Answered, ...]:
    scored = [pair for pair in pairs if pair.other.log_likelihoods]
    return tuple(sorted(scored, key=_lead_of_other)[:WORST_SHOWN])


def _lead_of_other(pair: Answered) -> float:
    return _lead(pair.other)


def _lead(record: ItemRecord) -> float:
    """Return what sure mistakes are ordered by: the surest is the least."""
    lead = lead_of_expected(record) or 0.0
    return -abs(lead)


def _is_wrong(record: ItemRecord, better: Better) -> bool:
    if better in IDEALS:
        return False
    return _value(record) > 0 if better == "lower" else _value(record) < 1


def _value(record: ItemRecord) -> float:
    return record.values[_ACCURACY]


def _pairs(report: Report, other: ScoredModel, comparison: Comparison) -> tuple[Answered, ...]:
    suite = comparison.suite
    return pair_answers(report.first.suites[suite], other.suites[suite], task=comparison.task)
