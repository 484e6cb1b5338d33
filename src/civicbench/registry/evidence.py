"""The one evidence object of a version; every card and page is a rendering of it."""

from pydantic import BaseModel, ConfigDict, Field

from civicbench.core.digests import digest_json
from civicbench.datasets.record import SnapshotRecord
from civicbench.evaluation.results import Comparison, SuiteResult
from civicbench.models.record import ModelRecord
from civicbench.registry.elsewhere import TrainedElsewhere
from civicbench.registry.gates import GateVerdict
from civicbench.registry.grounds import Grounds, make_facts
from civicbench.registry.planted import PlantedCanaries
from civicbench.registry.rules.facts import Facts
from civicbench.training.inputs import MixedSnapshot, training_data_digest
from civicbench.training.record import TrainingMeasurements, TrainingRecord


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RecipeFact(_Fact):
    """The recipe that made a version."""

    name: str
    """Its name."""
    purpose: str
    """What the model is for, in one sentence."""
    intended_uses: tuple[str, ...]
    """What it may be used for."""
    forbidden_uses: tuple[str, ...]
    """What it must not be used for."""
    human_review: str
    """The step at which a person checks what the model says."""
    digest: str
    """Digest of the resolved recipe."""
    resolved: str
    """The resolved recipe as YAML."""
    reproduce: str
    """The one command that makes the version again."""


class MixedData(_Fact):
    """A dataset of which some rows were mixed into the training rows."""

    dataset: SnapshotRecord
    """The dataset."""
    share: float
    """Share of its rows in all training rows that the recipe asked for."""
    rows: int
    """Rows of it that were trained on."""


class SuiteFact(_Fact):
    """A suite that was run: what it measures, whose items, and both models' results."""

    name: str
    """Its name."""
    title: str
    """Its name for people."""
    measures: str
    """What it measures."""
    does_not_measure: str
    """What it does not."""
    licence: str
    """Licence of its items."""
    base: SuiteResult
    """What the base model scored."""
    tuned: SuiteResult
    """What the tuned model scored."""


class Evidence(_Fact):
    """Everything that is known of a version and is a function of its inputs.

    What differs between two equal runs (times, memory, dates) stands in `Measurements`, so
    that the same work has the same digest.
    """

    format_version: int
    """Version of this object's shape."""
    model_name: str
    """The model's name in the registry."""
    recipe: RecipeFact
    """How it was made."""
    base: ModelRecord
    """The base model."""
    dataset: SnapshotRecord
    """The training data: the recipe's own dataset."""
    # Versions that were registered before there was mixing keep their digests.
    mixed: tuple[MixedData, ...] = Field(default=(), exclude_if=lambda mixed: not mixed)
    """What was mixed into it; not written where nothing was."""
    # The same holds of canaries.
    canaries: PlantedCanaries | None = Field(default=None, exclude_if=lambda found: found is None)
    """Made-up secrets that were planted in it, and their exposure; not written where none were."""
    training: TrainingRecord
    """The training run."""
    suites: tuple[SuiteFact, ...]
    """The suites."""
    comparisons: tuple[Comparison, ...]
    """Every metric, tuned against base."""
    gate: GateVerdict
    """What the gate found."""
    # Versions that were registered before it was kept keep their digests.
    grounds: Grounds | None = Field(default=None, exclude_if=lambda grounds: grounds is None)
    """What the gate judged besides the results."""

    # What was trained here has none.
    trained_elsewhere: TrainedElsewhere | None = Field(
        default=None, exclude_if=lambda elsewhere: elsewhere is None
    )
    """Where imported weights came from; None for a model that was trained here. `dataset` and
    `training` hold nothing then."""

    @property
    def datasets(self) -> tuple[SnapshotRecord, ...]:
        """The recipe's own dataset, then those that were mixed in."""
        return (self.dataset, *(mixed.dataset for mixed in self.mixed))

    @property
    def facts(self) -> Facts:
        """What its gate judged, to judge it again."""
        grounds = self.grounds or Grounds()
        return make_facts(
            grounds,
            trained_elsewhere=self.trained_elsewhere is not None,
            comparisons=self.comparisons,
            model_name=self.model_name,
            base=self.base,
            training=self.training,
            datasets=() if self.trained_elsewhere else self.datasets,
        )

    @property
    def training_data_digest(self) -> str:
        """The name of all rows that were trained on."""
        return training_data_digest(
            self.dataset.digest,
            mixed=[
                MixedSnapshot(one.dataset.name, one.dataset.digest, one.rows) for one in self.mixed
            ],
            canaries=None if self.canaries is None else self.canaries.digest,
        )

    @property
    def digest(self) -> str:
        """The version's digest: adapter, data, settings, results and verdicts together."""
        return digest_json(self.model_dump(mode="json"))


class Measurements(_Fact):
    """What was measured on the way and differs from run to run."""

    training: TrainingMeasurements
    """Time and memory of training."""
    stage_times_s: dict[str, float]
    """Wall time of each stage when it ran."""
    machine: str
    """The machine, in words."""
