"""What a sweep found: each combination with intervals over seeds, and the winner by the rule."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from civicbench.pipeline.sweeps.declaring import Sweep
from civicbench.pipeline.sweeps.rule import WinnerRule
from civicbench.pipeline.sweeps.task import TaskResult, read_result

_CONFIDENCE = 0.95


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SeedInterval(_Fact):
    """A measure over seeds."""

    mean: float
    """The mean over seeds."""
    low: float | None
    """Lower end of its 95 % interval (Student's t); None for a single seed."""
    high: float | None
    """Upper end of it."""
    deviation: float | None
    """Standard deviation between seeds; None for a single one."""
    seeds: int
    """Seeds it stands on."""


class VariationResult(_Fact):
    """One combination of settings."""

    number: int
    """Its number, from 0."""
    overrides: tuple[str, ...]
    """What it changes of the recipe."""
    done: int
    """Runs that ended well."""
    failed: int
    """Runs that failed: such a combination cannot win."""
    measures: dict[str, SeedInterval]
    """What was measured, by name."""
    behind: SeedInterval | None = None
    """Winner's measure minus this one's, by pairs of seeds; None for the winner itself."""
    distinguishable: bool | None = None
    """Whether that interval excludes 0; None where there is none."""


class FailedTask(_Fact):
    """A run that failed."""

    number: int
    """Its number."""
    overrides: tuple[str, ...]
    """Its settings."""
    exit_code: int
    """The code that it ended with."""
    error: str
    """What went wrong."""


class SweepResult(_Fact):
    """What a sweep found so far."""

    name: str
    """The sweep."""
    recipe: str
    """The recipe."""
    digest: str
    """Digest of the declaration."""
    declared_at: str
    """When it was declared, in UTC."""
    rule: WinnerRule
    """The rule."""
    seeds: tuple[int, ...]
    """The seeds."""
    state: Literal["running", "done", "done, with failures"]
    """Whether runs are left."""
    tasks: int
    """All runs."""
    done: int
    """Those that ended well."""
    left: tuple[int, ...]
    """The numbers of those that have not ended."""
    trained_before: int
    """Runs whose training had ended before the rule was declared."""
    failures: tuple[FailedTask, ...]
    """Those that failed."""
    variations: tuple[VariationResult, ...]
    """The combinations, the best by the rule first."""
    winner: int | None
    """The number of the combination that wins; None while runs are left, or where none can."""


def read_results(folder: Path, sweep: Sweep) -> SweepResult:
    """Return what a sweep found so far.

    Args:
        folder: Its folder.
        sweep: Its declaration.
    """
    results = {
        task.number: read_result(folder, task.number, digest=sweep.digest) for task in sweep.tasks
    }
    ended = {number: result for number, result in results.items() if result is not None}
    left = tuple(number for number in results if number not in ended)
    failures = tuple(
        FailedTask(
            number=number,
            overrides=sweep.tasks[number].overrides,
            exit_code=result.exit_code,
            error=result.error,
        )
        for number, result in ended.items()
        if result.state == "failed"
    )
    values = _values(sweep, ended)
    variations = [_variation(sweep, place, ended, values[place]) for place in range(len(values))]
    can_win = [v for v in variations if v.done == len(sweep.seeds)]
    winner = None if left or not can_win else _best(sweep.rule, can_win)
    if winner is not None:
        variations = [_behind(sweep.rule, v, winner, values) for v in variations]
    done = sum(result.state == "done" for result in ended.values())
    return SweepResult(
        name=sweep.name,
        recipe=sweep.recipe,
        digest=sweep.digest,
        declared_at=sweep.declared_at,
        rule=sweep.rule,
        seeds=sweep.seeds,
        state="running" if left else "done, with failures" if failures else "done",
        tasks=len(sweep.tasks),
        done=done,
        left=left,
        trained_before=sum(
            result.trained_at is not None and result.trained_at < sweep.declared_at
            for result in ended.values()
        ),
        failures=failures,
        variations=tuple(sorted(variations, key=lambda v: _order(sweep.rule, v))),
        winner=winner,
    )


def over_seeds(values: Sequence[float]) -> SeedInterval:
    """Return the mean over seeds with Student's 95 % interval.

    Args:
        values: One a seed, at least one.
    """
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return SeedInterval(mean=mean, low=None, high=None, deviation=None, seeds=1)
    from scipy.stats import t

    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * deviation / math.sqrt(count)
    return SeedInterval(
        mean=mean, low=mean - half, high=mean + half, deviation=deviation, seeds=count
    )


def _values(sweep: Sweep, ended: Mapping[int, TaskResult]) -> list[dict[str, dict[int, float]]]:
    """Return each combination's values: by measure, then by seed."""
    found: list[dict[str, dict[int, float]]] = [{} for _ in sweep.variations]
    for task in sweep.tasks:
        result = ended.get(task.number)
        for name, value in (result.measures if result else {}).items():
            found[task.variation].setdefault(name, {})[task.seed] = value
    return found


def _variation(
    sweep: Sweep,
    place: int,
    ended: Mapping[int, TaskResult],
    values: Mapping[str, Mapping[int, float]],
) -> VariationResult:
    states = [
        ended[task.number].state
        for task in sweep.tasks
        if task.variation == place and task.number in ended
    ]
    return VariationResult(
        number=place,
        overrides=sweep.variations[place],
        done=states.count("done"),
        failed=states.count("failed"),
        measures={name: over_seeds(list(by_seed.values())) for name, by_seed in values.items()},
    )


def _score(rule: WinnerRule, variation: VariationResult) -> float:
    """Return what the rule judges, the lowest being the best."""
    found = variation.measures[rule.measure]
    value: float | None = found.mean
    if rule.by == "bound":
        value = found.high if rule.best == "min" else found.low
    if value is None or math.isnan(value):
        return math.inf
    return value if rule.best == "min" else -value


def _best(rule: WinnerRule, variations: Sequence[VariationResult]) -> int:
    """Return the winner's number; of equals the one that was declared first."""
    return min(variations, key=lambda v: (_score(rule, v), v.number)).number


def _order(rule: WinnerRule, variation: VariationResult) -> tuple[bool, float, int]:
    """Return by what combinations are listed: those that cannot win come last."""
    if rule.measure not in variation.measures:
        return True, math.inf, variation.number
    return variation.failed > 0, _score(rule, variation), variation.number


def _behind(
    rule: WinnerRule,
    variation: VariationResult,
    winner: int,
    values: Sequence[Mapping[str, Mapping[int, float]]],
) -> VariationResult:
    """Return a combination with how far it is from the winner, by pairs of the same seed."""
    if variation.number == winner:
        return variation
    best = values[winner].get(rule.measure, {})
    own = values[variation.number].get(rule.measure, {})
    pairs = [best[seed] - own[seed] for seed in best.keys() & own.keys()]
    if not pairs:
        return variation
    apart = over_seeds(pairs)
    known = apart.low is not None and apart.high is not None
    return variation.model_copy(
        update={
            "behind": apart,
            "distinguishable": not (apart.low <= 0 <= apart.high) if known else None,  # type: ignore[operator]
        }
    )
