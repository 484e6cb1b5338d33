"""What rules judge: the parts of a version's evidence, before its gate is in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pydantic import BaseModel, ConfigDict

from civicbench.datasets.record import SnapshotRecord
from civicbench.evaluation.results import Comparison, Estimate, Place
from civicbench.models.record import ModelRecord
from civicbench.models.sectors import Sector
from civicbench.training.record import TrainingRecord


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CanaryFact(_Fact):
    """How far made-up secrets that were planted in the training data can be drawn out again."""

    planted: int
    """Secrets that were planted."""
    repeats: int
    """How often the worst of them stood in the training rows."""
    exposure_bits: Estimate
    """Exposure of the worst one: log2 of all candidates less log2 of its rank (Carlini 2019)."""
    extracted: int
    """Secrets that the model wrote out whole, word for word."""
    method: str
    """How it was measured, in a sentence."""


class JudgeFact(_Fact):
    """How well a judge of answers agrees with people who labelled the same answers."""

    judge: str
    """The judge's name and digest, as the suite names it."""
    suite: str
    """The suite whose answers it judged."""
    kappa: Estimate
    """Cohen's kappa with the people's labels."""
    accuracy: Estimate
    """Share of equal labels."""
    labels: int
    """Answers that people had labelled."""


class LiveFact(_Fact):
    """The same suites against the version that was live when this one was registered."""

    version: str
    """Digest of the live version."""
    reference: str
    """MODEL:NUMBER of it."""
    comparisons: tuple[Comparison, ...]
    """Every shared measure: the live version first, this one second."""
    not_compared: tuple[str, ...] = ()
    """Suites that were not run on both with the same items."""


class Waiver(_Fact):
    """A recorded decision of a named person that a use policy's clause does not stand in the way.

    It is an event of the log; the evidence of a version that rests on it repeats it.
    """

    model: str
    """The model's name in the registry."""
    licence: str
    """Identifier of the licence whose policy it is."""
    clause: str
    """The clause, by its key."""
    sectors: tuple[str, ...]
    """The declared uses for which it was given."""
    role: str
    """In which role it was given, such as "senior responsible owner"."""
    by: str
    """Who gave it."""
    reason: str
    """Why the clause does not stand in the way."""
    expires: date
    """The last day on which it counts."""
    event: str
    """Digest of its event in the log."""


class StageKey(_Fact):
    """A stage that made a version: the key it was kept under, and the key computed again."""

    stage: str
    """The stage's name."""
    kept: str
    """The key that its record names."""
    computed: str
    """The key of the same settings, inputs and code now."""


class SourceOfItems(_Fact):
    """Where a suite's items come from, which says how they are kept apart from training rows."""

    suite: str
    """The suite."""
    own_items: bool
    """True for items of its own; False for a held-out split of the dataset."""


@dataclass(frozen=True)
class Facts:
    """All that rules may judge.

    Attributes:
        comparisons: Every metric of the version against its base.
        model_name: The model's name in the registry.
        base: The base model; None where only results are judged.
        training: The training run.
        datasets: The dataset, then what was mixed in.
        items: Where each suite's items come from.
        noise: How far repeats of the same evaluation lie apart.
        live: The comparison with the live version; None where no version is live.
        canaries: What planted secrets gave; None where none were planted.
        judges: How well judges agree with people.
        sectors: What the recipe says it is used for; empty where it says nothing.
        licence_texts: Names of the licence texts that can be passed on.
        card_gaps: Fields of the card that nobody filled.
        waivers: Recorded waivers of the model that are in force.
        stage_keys: The stages behind the version.
        trained_elsewhere: Whether the weights came from outside.
    """

    comparisons: tuple[Comparison, ...]
    model_name: str = ""
    base: ModelRecord | None = None
    training: TrainingRecord | None = None
    datasets: tuple[SnapshotRecord, ...] = ()
    items: tuple[SourceOfItems, ...] = ()
    noise: Mapping[Place, float] = field(default_factory=dict)
    live: LiveFact | None = None
    canaries: CanaryFact | None = None
    judges: tuple[JudgeFact, ...] = ()
    sectors: tuple[Sector, ...] = ()
    licence_texts: tuple[str, ...] = ()
    card_gaps: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    stage_keys: tuple[StageKey, ...] = ()
    trained_elsewhere: bool = False
