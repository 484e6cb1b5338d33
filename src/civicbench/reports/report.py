"""What a report is made from: models, their answers, and their comparisons with the first one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.records import ItemRecord, PromptExample, ScoreMeasurements
from civicbench.evaluation.results import Comparison, SuiteResult


@dataclass(frozen=True)
class SuiteText:
    """What a suite says of itself.

    Attributes:
        name: Its name.
        title: Its name for people.
        measures: What it measures.
        does_not_measure: What it does not.
    """

    name: str
    title: str
    measures: str
    does_not_measure: str


@dataclass(frozen=True)
class ScoredSuite:
    """One model's scores on one suite.

    Attributes:
        result: The suite's result.
        items: Every item's record.
        measurements: What scoring took; None where it was not kept.
        prompts: Items as the model read them, token by token.
    """

    result: SuiteResult
    items: Sequence[ItemRecord]
    measurements: ScoreMeasurements | None
    prompts: Sequence[PromptExample]


@dataclass(frozen=True)
class ScoredModel:
    """One model's scores.

    Attributes:
        label: What people call it.
        digest: Digest of what was scored: of the adapter, or of the base's weights.
        suites: Its scores by the suite's name.
    """

    label: str
    digest: str
    suites: Mapping[str, ScoredSuite]


class NoiseFact(BaseModel):
    """How far repeats of one metric of one model lie apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suite: str
    """The suite."""
    role: str
    """"base" or "tuned"."""
    title: str
    """The task's name for people."""
    metric: str
    """The metric."""
    lowest: float
    """Its lowest value."""
    highest: float
    """Its highest value."""
    changed_items: int
    """Items whose value was not the same in every repeat."""
    items: int
    """Items of each repeat."""
    log_likelihood_range: float
    """Largest difference between repeats of one log-likelihood, in nats."""


@dataclass(frozen=True)
class Report:
    """Everything that a report shows; every rendering is made from it alone.

    Attributes:
        title: The page's heading.
        caption: What stands above it.
        command: The command that makes the report again.
        suites: The suites, in the order in which they are shown.
        models: The models; all others are compared with the first.
        comparisons: Every measure of each other model against the first, by the other's label,
            judged as one family.
        noise: How far repeats lie apart; empty where that was not measured.

    Raises:
        InvalidInputError: No model, two of one label, or another model without its comparisons.
    """

    title: str
    caption: str
    command: str
    suites: tuple[SuiteText, ...]
    models: tuple[ScoredModel, ...]
    comparisons: Mapping[str, tuple[Comparison, ...]]
    noise: tuple[NoiseFact, ...] = ()

    def __post_init__(self) -> None:
        labels = [model.label for model in self.models]
        if not labels:
            raise InvalidInputError("a report needs a model", where=self.title)
        double = sorted({label for label in labels if labels.count(label) > 1})
        if double:
            raise InvalidInputError(
                "two models of a report have one label", where=self.title, got=", ".join(double)
            )
        if set(labels[1:]) != set(self.comparisons):
            raise InvalidInputError(
                "every model but the first is compared with the first, and no other is",
                where=self.title,
                got=f"models {', '.join(labels)}; comparisons of {', '.join(self.comparisons)}",
            )

    @property
    def first(self) -> ScoredModel:
        """The model that all others are compared with."""
        return self.models[0]

    @property
    def others(self) -> tuple[ScoredModel, ...]:
        """The models that are compared with the first."""
        return self.models[1:]

    def suite_title(self, name: str) -> str:
        """Return a suite's name for people."""
        return next((suite.title for suite in self.suites if suite.name == name), name)

    def measure_title(self, comparison: Comparison) -> str:
        """Return a measure's name for people, with its suite where there are several."""
        title = task_title(comparison.title, comparison.metric)
        if len(self.suites) == 1:
            return title
        return f"{self.suite_title(comparison.suite)}: {title}"


def task_title(title: str, metric: str) -> str:
    """Return what a metric of a task is called; accuracy needs no words of its own."""
    return title if metric == "accuracy" else f"{title} ({metric})"
