"""A recipe's settings (`recipes/*.yaml`), as they are after everything was resolved."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from civicbench.core.settings import Settings
from civicbench.datasets.canaries import CanarySettings
from civicbench.models.sectors import Sector
from civicbench.training.settings import TrainingSettings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]


class RecipeTraining(TrainingSettings):
    """The training method that a recipe uses, with what it changes."""

    use: Name
    """The method: a file of `training/`."""


class MixedDataset(Settings):
    """A dataset of which some rows are mixed into the training rows."""

    dataset: Name
    """The dataset: a folder of `datasets/`; its train split is drawn from."""
    share: Annotated[float, Field(gt=0, lt=1)]
    """Share that its rows have in all training rows after mixing."""


class Hardware(Settings):
    """The devices that a recipe is meant for; a run elsewhere is refused before it starts."""

    devices: Annotated[int, Field(gt=0)]
    """How many GPUs; several hold the model's layers in turn, in one process."""
    memory_gb: Annotated[float, Field(gt=0)]
    """Memory of each in gigabytes (10^9 bytes)."""


class RecipeSettings(Settings):
    """What to run: each part by name, and what is changed of it."""

    name: Name
    """The recipe's name; equals the file's name."""
    purpose: str
    """What the model is for, in one sentence."""
    intended_uses: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it may be used for, one a line."""
    forbidden_uses: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it must not be used for, one a line."""
    human_review: str
    """The step at which a person checks what the model says."""
    # Recipes that declare none keep the digests they had before it was asked.
    sectors: tuple[Sector, ...] = Field(default=(), exclude_if=lambda sectors: not sectors)
    """What it is used for, in the words of `docs/licences.md`: a base model's use policy is held
    against them."""
    model: Name
    """The base model: a file of `configs/models/`."""
    dataset: Name
    """The dataset: a folder of `datasets/`."""
    mixing: tuple[MixedDataset, ...] = ()
    """Datasets mixed into the training rows, such as refusals that keep a model safe."""
    # Recipes without canaries keep their digests.
    canaries: Annotated[CanarySettings | None, Field(exclude_if=lambda found: found is None)] = None
    """Made-up secrets to plant in the training rows, to see whether the model gives them away; for
    a test, never for a model that is to be released. None for none."""
    training: RecipeTraining
    """How the model is trained."""
    evaluation: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The suites: folders of `evaluation/`."""
    evaluation_precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights while scoring, the same for base and tuned model."""
    evaluation_engine: Literal["civicbench", "vllm"] = "civicbench"
    """What computes the answers: the own scorer, or vLLM on a GPU, which must be installed."""
    gate: Name
    """The gate: a file of `configs/gates/`."""
    trackers: tuple[Name, ...] = ()
    """Where training metrics go besides the run's own file: files of `configs/trackers/`."""
    hardware: Hardware | None = None
    """The devices that the recipe is meant for; None for whatever is here."""
    registered_name: str | None = None
    """The model's name in the registry; None makes one from the recipe's name and the licence."""

    @field_validator("evaluation", "trackers", "sectors")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"named twice: {', '.join(double)}")
        return names

    @field_validator("mixing")
    @classmethod
    def _leave_the_domain_a_share(
        cls, mixing: tuple[MixedDataset, ...]
    ) -> tuple[MixedDataset, ...]:
        names = [mixed.dataset for mixed in mixing]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(f"named twice: {', '.join(double)}")
        total = sum(mixed.share for mixed in mixing)
        if total >= 1:
            raise ValueError(f"the shares add up to {total:g}: nothing is left for the dataset")
        return mixing

    @model_validator(mode="after")
    def _mix_other_datasets(self) -> "RecipeSettings":
        if self.dataset in {mixed.dataset for mixed in self.mixing}:
            raise ValueError(f"mixing: {self.dataset} is the recipe's own dataset")
        return self
