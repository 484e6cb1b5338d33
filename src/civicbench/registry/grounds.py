"""What a gate judged besides results, kept with the evidence so that anyone can judge it again."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from civicbench.datasets.record import SnapshotRecord
from civicbench.evaluation.results import Comparison, Place
from civicbench.models.record import ModelRecord
from civicbench.models.sectors import Sector
from civicbench.registry.rules.facts import (
    CanaryFact,
    Facts,
    JudgeFact,
    LiveFact,
    SourceOfItems,
    StageKey,
    Waiver,
)
from civicbench.training.record import TrainingRecord


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NoiseFact(_Fact):
    """How far repeats of one measure lie apart."""

    suite: str
    """The suite."""
    task: str
    """The task."""
    metric: str
    """The metric."""
    noise: float
    """The largest distance between repeats."""


class Grounds(_Fact):
    """What a gate judged besides the results."""

    sectors: tuple[Sector, ...] = ()
    """What the recipe says the model is used for."""
    items: tuple[SourceOfItems, ...] = ()
    """Where each suite's items come from."""
    noise: tuple[NoiseFact, ...] = ()
    """Noise of repeats, where it was measured."""
    live: LiveFact | None = None
    """The comparison with the version that was live; None where none was."""
    canaries: CanaryFact | None = None
    """What secrets planted in the training rows gave; None where none were planted."""
    judges: tuple[JudgeFact, ...] = ()
    """How well judges of answers agree with people."""
    licence_texts: tuple[str, ...] = ()
    """Licence texts that can be passed on with the model."""
    card_gaps: tuple[str, ...] = ()
    """Fields of the card that nobody filled."""
    waivers: tuple[Waiver, ...] = ()
    """Waivers of the base's use policy that were in force."""
    stage_keys: tuple[StageKey, ...] = ()
    """The stages behind the version, with their keys computed again."""


def make_facts(
    grounds: Grounds,
    *,
    trained_elsewhere: bool,
    comparisons: Sequence[Comparison],
    model_name: str,
    base: ModelRecord,
    training: TrainingRecord,
    datasets: Sequence[SnapshotRecord],
) -> Facts:
    """Return what rules judge.

    Args:
        grounds: What is kept besides the results.
        trained_elsewhere: Whether the weights came from outside.
        comparisons: Every metric of the version against its base.
        model_name: The model's name in the registry.
        base: The base model.
        training: The training run.
        datasets: The dataset, then what was mixed in; empty where they are not known here.
    """
    return Facts(
        comparisons=tuple(comparisons),
        model_name=model_name,
        base=base,
        training=training,
        datasets=tuple(datasets),
        items=grounds.items,
        noise=noise_of(grounds),
        live=grounds.live,
        canaries=grounds.canaries,
        judges=grounds.judges,
        sectors=grounds.sectors,
        licence_texts=grounds.licence_texts,
        card_gaps=grounds.card_gaps,
        waivers=grounds.waivers,
        stage_keys=grounds.stage_keys,
        trained_elsewhere=trained_elsewhere,
    )


def noise_of(grounds: Grounds) -> dict[Place, float]:
    """Return the noise of repeats by place."""
    return {(fact.suite, fact.task, fact.metric): fact.noise for fact in grounds.noise}
