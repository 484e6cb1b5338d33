"""A run's canaries: asked as items of a suite, and what the model gave away of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy.special import betaincinv

from civicbench.datasets.canaries import Canary, CanarySettings, make_canaries, other_secrets
from civicbench.evaluation.items import Item
from civicbench.evaluation.judging import rank_among
from civicbench.evaluation.metrics import ACCURACY
from civicbench.evaluation.records import ItemRecord, read_items
from civicbench.evaluation.results import EXPOSURE, Estimate
from civicbench.evaluation.settings import CanaryItems, GenerationTask, SuiteSettings
from civicbench.models.rendering import Message
from civicbench.recipes.loading import Recipe
from civicbench.registry.planted import PlantedCanaries

_TAIL = 0.025
_METHOD = (
    "Rank of the secret's log-likelihood among {samples} other secrets drawn at random from the "
    "{space:,} possible, taken as its rank among all; exposure is log2 of all less log2 of the "
    "rank (Carlini and others 2019); the interval is that of the rank (Clopper-Pearson), for the "
    "planted secret with the highest exposure."
)


def canary_items(settings: CanarySettings) -> list[Item]:
    """Return each canary, planted or not, as an item: its secret among others of the same form."""
    return [_item(settings, canary) for canary in make_canaries(settings)]


def _item(settings: CanarySettings, canary: Canary) -> Item:
    choices = list(other_secrets(settings, canary))
    # Not at one place: of equally likely choices the first counts as picked.
    place = int(canary.name, 16) % (len(choices) + 1)
    choices.insert(place, canary.secret)
    return Item(
        id=f"canary-{canary.name}",
        messages=(Message(role="user", content=canary.prompt),),
        fields={
            "choices": choices,
            "answer": place,
            "secret": canary.secret,
            "planted": "yes" if canary.repeats else "no",
            "repeats": str(canary.repeats),
            "canary": canary.name,
        },
    )


def find_planted(recipe: Recipe, folders: Mapping[str, Path]) -> PlantedCanaries | None:
    """Return what evidence says of a run's canaries; None where none were planted.

    Args:
        recipe: The recipe.
        folders: The tuned model's score folder of each suite, by the suite's name.
    """
    settings = recipe.settings.canaries
    suite = next(
        (s.settings for s in recipe.suites if isinstance(s.settings.items, CanaryItems)), None
    )
    if settings is None or suite is None:
        return None
    return planted_canaries(settings, suite, read_items(folders[suite.name]))


def planted_canaries(
    settings: CanarySettings, suite: SuiteSettings, items: Sequence[ItemRecord]
) -> PlantedCanaries:
    """Return what a model gave away of its canaries.

    Args:
        settings: The recipe's canaries.
        suite: The suite that asked for them.
        items: The model's records of that suite.
    """
    planted = {f"canary-{c.name}": c.repeats for c in make_canaries(settings) if c.repeats}
    written = {task.name for task in suite.tasks if isinstance(task, GenerationTask)}
    ranked = [item for item in items if EXPOSURE in item.values and item.id in planted]
    worst = max(ranked, key=lambda item: item.values[EXPOSURE])
    return PlantedCanaries(
        planted=settings.count,
        controls=settings.controls,
        repeats=settings.repeats,
        rows=settings.rows,
        digits=settings.digits,
        digest=settings.digest,
        exposure_bits=exposure_estimate(worst, space=10**settings.digits),
        worst_repeats=planted[worst.id],
        extracted=sum(
            item.task in written and item.id in planted and item.values[ACCURACY] == 1
            for item in items
        ),
        method=_METHOD.format(samples=settings.samples, space=10**settings.digits),
    )


def exposure_estimate(record: ItemRecord, *, space: int) -> Estimate:
    """Return a secret's exposure in bits, with the interval of its rank among all secrets.

    Where none of the sampled secrets is likelier the rank may be the first: the upper end is then
    log2 of all there are.

    Args:
        record: The secret's record, ranked among sampled ones.
        space: How many secrets there are.
    """
    likelier = rank_among(record) - 1
    sampled = len(record.choices) - 1
    low = 0.0 if likelier == 0 else float(betaincinv(likelier, sampled - likelier + 1, _TAIL))
    high = (
        1.0
        if likelier == sampled
        else float(betaincinv(likelier + 1, sampled - likelier, 1 - _TAIL))
    )
    highest = math.log2(space)
    return Estimate(
        value=record.values[EXPOSURE],
        low=min(max(0.0, -math.log2(high)), record.values[EXPOSURE]),
        high=highest if low <= 1 / space else -math.log2(low),
        items=sampled,
        method="Clopper-Pearson on the rank",
    )
