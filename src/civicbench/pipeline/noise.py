"""Noise: the same models on the same items again and again, in other batches and threads."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from civicbench.core.documents import read_text
from civicbench.core.environment import usable_cores
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, StageOutput, find_finished, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.metrics import seed_spreads
from civicbench.evaluation.records import read_items
from civicbench.evaluation.results import Place
from civicbench.evaluation.scoring import Scores, Subject, score, score_stage
from civicbench.evaluation.statistics.spread import Spread, difference_noise, measure_spread
from civicbench.evaluation.suites import Suite
from civicbench.evaluation.twins.records import twin_records
from civicbench.pipeline.inputs import RunInputs
from civicbench.pipeline.scoring import Contender, Models, RecipeScores, subject_of

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks

CODE_VERSION = 1
NOISE_NAME = "noise.json"
LEAST_REPEATS = 2


class MetricNoise(BaseModel):
    """How far repeats of one metric of one model lie apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suite: str
    """The suite."""
    task: str
    """The task."""
    title: str
    """The task's name for people."""
    metric: str
    """The metric."""
    spread: Spread
    """Lowest and highest value, and how many items changed."""
    log_likelihood_range: float
    """Largest difference between repeats of one choice's log-likelihood, in nats."""


class NoiseRecord(BaseModel):
    """What repeats of one model on one suite gave: `noise.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suite: str
    """The suite."""
    role: str
    """"base" or "tuned"."""
    repeats: int
    """How often it was scored."""
    threads: tuple[int, ...]
    """Threads of each repeat."""
    metrics: tuple[MetricNoise, ...]
    """Metric by metric."""


def measure_noise(
    inputs: RunInputs,
    contender: Contender,
    *,
    repeats: int,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
) -> tuple[NoiseRecord, ...]:
    """Score base and adapter several times, each time in other batches and with other threads.

    Nothing is looked up and nothing kept: every repeat is asked of the models anew.

    Args:
        inputs: The recipe's inputs.
        contender: The recipe's adapter.
        repeats: How often, two or more.
        workspace: Where the records are kept; a later run's gate reads them.
        reporter: Told what is going on.
        ranks: The processes that share the work.

    Raises:
        InvalidInputError: Fewer than two repeats.
    """
    if repeats < LEAST_REPEATS:
        raise InvalidInputError(
            "one evaluation has no spread", where="--repeats", got=str(repeats),
            remedy=f"repeat at least {LEAST_REPEATS} times",
        )  # fmt: skip
    models = Models(inputs, [contender], workspace=workspace, reporter=reporter, ranks=ranks)
    records = []
    for subject_contender in (None, contender):
        subject = subject_of(inputs, subject_contender)
        for suite in inputs.recipe.suites:

            def work(
                folder: Path, suite: Suite = suite, who: Contender | None = subject_contender
            ) -> None:
                record = _repeat(suite, inputs, who, models, repeats=repeats, reporter=reporter)
                text = record.model_dump_json(indent=2) + "\n"
                write_text_whole(folder / NOISE_NAME, text)

            stage = _noise_stage(suite, inputs, subject, repeats=repeats, workspace=workspace)
            output = run_stage(stage, work, workspace=workspace, reporter=reporter)
            records.append(_read(output.folder))
    return tuple(records)


def known_noise(
    inputs: RunInputs, scores: RecipeScores, *, workspace: Workspace
) -> Mapping[Place, float]:
    """Return how far each difference between base and adapter can move between repeats.

    What `measure_noise` found of exactly these models on exactly these items, and, for drawn
    answers, how far their seeds lie apart; the most of it where there are several. Empty where
    nothing is known.
    """
    found: dict[Place, float] = {}
    for suite in inputs.recipe.suites:
        name = suite.settings.name
        base = _spreads(suite, inputs, None, scores.base[name], workspace=workspace)
        contender, outputs = scores.tuned.contender, scores.tuned.outputs
        tuned = _spreads(suite, inputs, contender, outputs[name], workspace=workspace)
        for place in base.keys() & tuned.keys():
            found[place] = difference_noise(base[place], tuned[place])
    return found


def _spreads(
    suite: Suite,
    inputs: RunInputs,
    who: Contender | None,
    output: StageOutput,
    *,
    workspace: Workspace,
) -> dict[Place, Spread]:
    """Return the widest spread that is known of each metric of a model on a suite."""
    found = seed_spreads(suite.settings, read_items(output.folder))
    for record in _find(suite, inputs, subject_of(inputs, who), workspace=workspace):
        for metric in record.metrics:
            place = (suite.settings.name, metric.task, metric.metric)
            known = found.get(place)
            if known is None or metric.spread.range > known.range:
                found[place] = metric.spread
    return found


def _repeat(
    suite: Suite,
    inputs: RunInputs,
    contender: Contender | None,
    models: Models,
    *,
    repeats: int,
    reporter: Reporter,
) -> NoiseRecord:
    import torch

    from civicbench.evaluation.scorer.work import Batching

    cores = usable_cores()
    usual = Batching()
    # vLLM computes on the GPU: there only the batches vary.
    varied = inputs.recipe.settings.evaluation_engine == "civicbench"
    threads = tuple(max(1, cores - n % cores) if varied else cores for n in range(repeats))
    found: list[Scores] = []
    before = torch.get_num_threads()
    try:
        for number, count in enumerate(threads):
            reporter.say(f"  repeat {number + 1} of {repeats}, threads: {count}")
            torch.set_num_threads(count)
            batching = Batching(
                choice_tokens=max(1, usual.choice_tokens >> number % 3),
                answer_tokens=max(1, usual.answer_tokens >> number % 3),
                order_seed=number,
            )
            found.append(
                score(
                    suite.settings,
                    inputs.items[suite.settings.name],
                    subject_of(inputs, contender),
                    renderer=inputs.renderer,
                    language_model=partial(models.give, contender, batching=batching),
                    judges=inputs.judges,
                    processes=models.processes,
                )
            )
    finally:
        torch.set_num_threads(before)
    return NoiseRecord(
        suite=suite.settings.name,
        role=subject_of(inputs, contender).role,
        repeats=repeats,
        threads=threads,
        metrics=_metrics(suite, found),
    )


def _metrics(suite: Suite, repeats: Sequence[Scores]) -> tuple[MetricNoise, ...]:
    found = []
    for place, metric in enumerate(repeats[0].result.metrics):
        items = [
            [
                r
                for r in (*scores.items, *twin_records(scores.result.twins, scores.items))
                if r.task == metric.task
            ]
            for scores in repeats
        ]
        found.append(
            MetricNoise(
                suite=suite.settings.name,
                task=metric.task,
                title=metric.title,
                metric=metric.metric,
                spread=measure_spread(
                    [scores.result.metrics[place].estimate.value for scores in repeats],
                    # A metric without a value an item (macro-F1) moves with the items' answers.
                    items=[
                        [r.values.get(metric.metric, float(r.answer_position)) for r in rows]
                        for rows in items
                    ],
                ),
                log_likelihood_range=max(
                    (
                        max(values) - min(values)
                        for same in zip(*items, strict=True)
                        for values in zip(*(r.log_likelihoods for r in same), strict=True)
                    ),
                    default=0.0,
                ),
            )
        )
    return tuple(found)


def _noise_stage(
    suite: Suite, inputs: RunInputs, subject: Subject, *, repeats: int, workspace: Workspace
) -> Stage:
    items = inputs.items[suite.settings.name]
    scored = score_stage(suite.settings, items, subject, workspace=workspace)
    return Stage(
        kind="noise",
        name=f"noise of suite {suite.settings.name}, {subject.role} model",
        folder=workspace.scores / "noise",
        settings=dict(scored.settings) | {"repeats": repeats, "cores": usable_cores()},
        inputs=scored.inputs,
        code_version=CODE_VERSION,
    )


def _find(
    suite: Suite, inputs: RunInputs, subject: Subject, *, workspace: Workspace
) -> list[NoiseRecord]:
    """Return every record of a model on a suite that stands, whatever the number of repeats."""
    folder = workspace.scores / "noise"
    if not folder.is_dir():
        return []
    records = []
    for path in sorted(folder.glob(f"*/{NOISE_NAME}")):
        record = _read(path.parent)
        stage = _noise_stage(suite, inputs, subject, repeats=record.repeats, workspace=workspace)
        if stage.final == path.parent and find_finished(stage) is not None:
            records.append(record)
    return records


def _read(folder: Path) -> NoiseRecord:
    return NoiseRecord.model_validate_json(read_text(folder / NOISE_NAME))
