"""The report for programs: `report.json`."""

from pydantic import BaseModel, ConfigDict

from civicbench.evaluation.comparing import suspects
from civicbench.evaluation.records import ItemRecord, PromptExample, ScoreMeasurements
from civicbench.evaluation.results import Comparison, SuiteResult
from civicbench.reports.answers import (
    find_changes,
    find_worst,
    find_worst_alone,
    find_worst_losses,
)
from civicbench.reports.changes import answered_measures
from civicbench.reports.report import NoiseFact, Report, ScoredModel, ScoredSuite

FORMAT_VERSION = 1


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SuiteEntry(_Fact):
    """What a suite says of itself."""

    name: str
    """Its name."""
    title: str
    """Its name for people."""
    measures: str
    """What it measures."""
    does_not_measure: str
    """What it does not."""


class ScoreEntry(_Fact):
    """One model's scores on one suite."""

    result: SuiteResult
    """The suite's result."""
    measurements: ScoreMeasurements | None
    """What scoring took; None where it was not kept."""
    prompts: tuple[PromptExample, ...]
    """Items as the model read them."""
    shown_items: tuple[ItemRecord, ...]
    """Whole, the items that stand on the page: those that changed, and the worst."""


class ModelEntry(_Fact):
    """One model."""

    label: str
    """What people call it."""
    digest: str
    """Digest of what was scored."""
    suites: dict[str, ScoreEntry]
    """Its scores by suite."""


class ComparedEntry(_Fact):
    """One model against the first."""

    label: str
    """The model."""
    comparisons: tuple[Comparison, ...]
    """Measure by measure, judged as one family."""
    suspect: tuple[tuple[str, str], ...]
    """(suite, task) on which it scores as the first model on every item."""


class ReportRecord(_Fact):
    """A whole report."""

    format_version: int
    """Version of this object's shape."""
    title: str
    """The page's heading."""
    caption: str
    """What stands above it."""
    command: str
    """The command that makes it again."""
    suites: tuple[SuiteEntry, ...]
    """The suites."""
    models: tuple[ModelEntry, ...]
    """The models; all others are compared with the first."""
    compared: tuple[ComparedEntry, ...]
    """Each other model against the first."""
    noise: tuple[NoiseFact, ...]
    """How far repeats lie apart; empty where that was not measured."""


def record_report(report: Report) -> ReportRecord:
    """Return a report as it stands in `report.json`."""
    shown = _shown_items(report)
    return ReportRecord(
        format_version=FORMAT_VERSION,
        title=report.title,
        caption=report.caption,
        command=report.command,
        suites=tuple(
            SuiteEntry(
                name=suite.name,
                title=suite.title,
                measures=suite.measures,
                does_not_measure=suite.does_not_measure,
            )
            for suite in report.suites
        ),
        models=tuple(_model(model, shown) for model in report.models),
        compared=tuple(
            ComparedEntry(
                label=model.label,
                comparisons=report.comparisons[model.label],
                suspect=suspects(report.comparisons[model.label]),
            )
            for model in report.others
        ),
        noise=tuple(report.noise),
    )


_Shown = set[tuple[str, str, str]]


def _shown_items(report: Report) -> _Shown:
    """Return (suite, task, item) of what stands on the page."""
    shown: _Shown = set()
    for model in report.others:
        for comparison in answered_measures(report, model):
            changes = find_changes(report, model, comparison)
            for pair in (
                *changes.lost,
                *changes.gained,
                *find_worst(report, model, comparison),
                *find_worst_losses(report, model, comparison),
            ):
                shown.add((comparison.suite, comparison.task, pair.first.id))
    if not report.others:
        for name, suite in report.first.suites.items():
            for metric in suite.result.metrics:
                if metric.metric == "accuracy":
                    worst = find_worst_alone(suite, task=metric.task, better=metric.better)
                    shown.update((name, metric.task, record.id) for record in worst)
    return shown


def _model(model: ScoredModel, shown: _Shown) -> ModelEntry:
    return ModelEntry(
        label=model.label,
        digest=model.digest,
        suites={name: _scores(name, suite, shown) for name, suite in model.suites.items()},
    )


def _scores(name: str, suite: ScoredSuite, shown: _Shown) -> ScoreEntry:
    return ScoreEntry(
        result=suite.result,
        measurements=suite.measurements,
        prompts=tuple(suite.prompts),
        shown_items=tuple(r for r in suite.items if (name, r.task, r.id) in shown),
    )
