"""Two items' records read as one, and the checks that they belong together."""

import math
from collections.abc import Mapping, Sequence

from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Question
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.results import Better
from civicbench.evaluation.settings import SuiteSettings
from civicbench.evaluation.twins.settings import TwinMeasure

BOTH_RIGHT = "both twins right"
SAME_DECISION = "same decision"
GAP = "gap"
_ACCURACY = "accuracy"
_SHOWN = 20


def twin_metrics(measure: TwinMeasure) -> tuple[tuple[str, Better], ...]:
    """Return a measure's metrics with the way each is better; the first is its headline."""
    if measure.asks == "both right":
        return ((BOTH_RIGHT, "higher"),)
    return ((SAME_DECISION, "higher"), (GAP, "zero"))


def check_twins(suite: SuiteSettings, asked: Mapping[str, Sequence[Question]]) -> None:
    """Refuse pairs of which a side is missing, stands twice, or cannot be compared.

    Args:
        suite: The suite.
        asked: Its questions by task.

    Raises:
        InvalidInputError: Pairs with mistakes, each named.
    """
    if suite.twins is None:
        return
    mistakes = []
    for measure in suite.twins.measures:
        pairs: dict[str, dict[str, Question]] = {}
        for task in measure.tasks:
            for question in asked[task]:
                pair = question.item.fields.get(suite.twins.pair)
                side = str(question.item.fields.get(suite.twins.side))
                if pair is None or side not in measure.sides:
                    continue
                if side in pairs.setdefault(str(pair), {}):
                    mistakes.append(f"{measure.name}: pair {pair} has two items of side {side!r}")
                pairs[str(pair)][side] = question
        if not pairs:
            mistakes.append(f"{measure.name}: no item of its tasks has a twin")
        mistakes += [
            f"{measure.name}: pair {name}: {problem}"
            for name, sides in sorted(pairs.items())
            if (problem := _problem(measure, sides))
        ]
    if mistakes:
        shown = [f"  - {mistake}" for mistake in mistakes[:_SHOWN]]
        if len(mistakes) > len(shown):
            shown.append(f"  - and {len(mistakes) - len(shown)} more")
        raise InvalidInputError(
            "\n".join([f"{len(mistakes)} pairs cannot be used", *shown]),
            where=f"suite {suite.name}: twins",
        )


def _problem(measure: TwinMeasure, sides: Mapping[str, Question]) -> str:
    missing = [side for side in measure.sides if side not in sides]
    if missing:
        return f"no item of side {missing[0]!r}"
    first, second = (sides[side] for side in measure.sides)
    if first.cluster != second.cluster:
        return "its items are in different clusters"
    if measure.asks == "same decision":
        if len(first.choices) != len(second.choices):
            return "its items have different numbers of choices"
        if first.answer != second.answer:
            return "its items have right answers at different positions"
    return ""


def twin_records(measures: Sequence[TwinMeasure], items: Sequence[ItemRecord]) -> list[ItemRecord]:
    """Return a record for each pair of each measure, whose values follow from its two items.

    A pair's record stands in the measure's name as its task, so that pairs are counted,
    clustered and compared as items are.

    Args:
        measures: The measures.
        items: The records of single items.
    """
    found = []
    for measure in measures:
        sides: dict[str, dict[str, ItemRecord]] = {}
        for item in items:
            if item.twin is not None and item.task in measure.tasks:
                sides.setdefault(item.twin.pair, {})[item.twin.side] = item
        found += [
            _join(measure, name, *(both[side] for side in measure.sides))
            for name, both in sides.items()
            if set(measure.sides) <= both.keys()
        ]
    return found


def readiness(record: ItemRecord) -> float:
    """Return the share of likelihood that the first-listed choice has among those offered.

    The softmax of the choices' log-likelihoods, of which the first is returned: 0.5 where two
    choices are equally likely.
    """
    highest = max(record.log_likelihoods)
    weights = [math.exp(value - highest) for value in record.log_likelihoods]
    return weights[0] / sum(weights)


def _join(measure: TwinMeasure, name: str, first: ItemRecord, second: ItemRecord) -> ItemRecord:
    if measure.asks == "both right":
        values = {BOTH_RIGHT: float(first.values[_ACCURACY] == second.values[_ACCURACY] == 1)}
    else:
        values = {
            SAME_DECISION: float(first.answer_position == second.answer_position),
            GAP: readiness(first) - readiness(second),
        }
    return first.model_copy(
        update={
            "task": measure.name,
            "id": name,
            "prompt": f"{first.prompt}\n\n{second.prompt}",
            "expected": f"{first.expected}\n\n{second.expected}",
            "answer": f"{first.answer}\n\n{second.answer}",
            "prompt_tokens": 0,  # a pair has no length to be sliced by
            "log_likelihoods": first.log_likelihoods + second.log_likelihoods,
            "values": values,
            "flags": (),
        }
    )
