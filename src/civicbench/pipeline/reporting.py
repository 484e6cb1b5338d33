"""The report on an evaluation, made from what scoring left in the workspace."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.digests import digest_json, short
from civicbench.core.stages import StageOutput
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.queue import agreements_since
from civicbench.evaluation.records import read_items, read_prompts
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scoring import read_result, read_score_measurements
from civicbench.pipeline.evaluating import Evaluation
from civicbench.pipeline.noise import NoiseRecord
from civicbench.recipes.loading import Recipe
from civicbench.reports.report import NoiseFact, Report, ScoredModel, ScoredSuite, SuiteText

if TYPE_CHECKING:
    from civicbench.reports.writing import ReportPaths

BASE_LABEL = "base"


def report_on(
    evaluation: Evaluation, *, recipe: Recipe, command: str, workspace: Workspace
) -> Report:
    """Return the report on an evaluation: every adapter against the base.

    Args:
        evaluation: What evaluating the recipe ended with.
        recipe: The recipe.
        command: The command that makes the report again.
        workspace: Where people's labels are kept.
    """
    scores = evaluation.scores
    labels = unique_labels([BASE_LABEL, *(found.contender.label for found in scores.contenders)])
    base = _scored(labels[0], None, scores.base, workspace=workspace)
    others = [
        _scored(label, found.contender.digest, found.outputs, workspace=workspace)
        for label, found in zip(labels[1:], scores.contenders, strict=True)
    ]
    return Report(
        title=f"Evaluation of {recipe.settings.name}",
        caption="Civicbench evaluation report",
        command=command,
        suites=tuple(
            SuiteText(
                suite.settings.name,
                suite.settings.title,
                suite.settings.measures,
                suite.settings.does_not_measure,
            )
            for suite in scores.suites
        ),
        models=(base, *others),
        comparisons={
            label: found.comparisons
            for label, found in zip(labels[1:], scores.contenders, strict=True)
        },
        noise=tuple(fact for record in evaluation.noise for fact in _noise(record)),
    )


def write_evaluation_report(
    report: Report, *, folder: Path | None, workspace: Workspace
) -> "ReportPaths":
    """Write a report into a folder, or into the workspace under what it compares.

    Args:
        report: The report.
        folder: Where to; None for the workspace's own place.
        workspace: Where reports are kept.
    """
    from civicbench.reports.writing import write_report

    return write_report(folder or workspace.reports / _key(report), report)


def evaluate_command(
    recipe: str, *, overrides: Sequence[str], also: Sequence[str], repeats: int | None
) -> str:
    """Return the command line that evaluates a recipe in the same way."""
    parts = ["civicbench", "evaluate", recipe, *overrides]
    for reference in also:
        parts += ["--also", reference]
    parts += [] if repeats is None else ["--repeats", str(repeats)]
    return shlex.join(parts)


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Return labels of which no two are the same: a repeated one is numbered."""
    found: list[str] = []
    for label in labels:
        unique, number = label, 1
        while unique in found:
            number += 1
            unique = f"{label} ({number})"
        found.append(unique)
    return found


def _key(report: Report) -> str:
    """Return a name for what a report compares: its models, each on its suites' items."""
    return short(
        digest_json(
            [
                {
                    "label": model.label,
                    "digest": model.digest,
                    "items": {n: s.result.items_digest for n, s in model.suites.items()},
                }
                for model in report.models
            ]
        )
    )


def with_labels(result: SuiteResult, *, workspace: Workspace) -> SuiteResult:
    """Return a result with what people have labelled since in this workspace beside its judges."""
    judges = tuple(
        judge.model_copy(
            update={
                "agreements": (
                    *judge.agreements,
                    *agreements_since(judge.digest, workspace=workspace),
                )
            }
        )
        for judge in result.judges
    )
    return result.model_copy(update={"judges": judges})


def _scored(
    label: str,
    digest: str | None,
    outputs: Mapping[str, StageOutput],
    *,
    workspace: Workspace,
) -> ScoredModel:
    suites = {
        name: ScoredSuite(
            result=with_labels(read_result(output.folder), workspace=workspace),
            items=read_items(output.folder),
            measurements=read_score_measurements(output.folder),
            prompts=read_prompts(output.folder),
        )
        for name, output in outputs.items()
    }
    weights = next(iter(suites.values())).result.weights_digest
    return ScoredModel(label, weights if digest is None else digest, suites)


def _noise(record: NoiseRecord) -> list[NoiseFact]:
    return [
        NoiseFact(
            suite=record.suite,
            role=record.role,
            title=metric.title,
            metric=metric.metric,
            lowest=metric.spread.lowest,
            highest=metric.spread.highest,
            changed_items=metric.spread.changed_items,
            items=metric.spread.items,
            log_likelihood_range=metric.log_likelihood_range,
        )
        for metric in record.metrics
    ]
