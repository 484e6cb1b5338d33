"""The whole way of a recipe: data, training, scores, gate, registered version, card."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.environment import processor_name
from civicbench.core.progress import Reporter
from civicbench.core.stages import StageOutput, find_finished, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.records import ITEMS_NAME, PROMPTS_NAME
from civicbench.evaluation.results import Comparison
from civicbench.evaluation.scoring import RESULT_NAME, read_result
from civicbench.models.trained import trained_folder
from civicbench.pipeline.canaries import find_planted
from civicbench.pipeline.inputs import RunInputs, prepare_inputs
from civicbench.pipeline.noise import known_noise
from civicbench.pipeline.scoring import (
    Contender,
    RecipeScores,
    score_suites,
    spread_over_devices,
)
from civicbench.recipes.loading import Recipe
from civicbench.registry.evidence import Evidence, Measurements, RecipeFact, SuiteFact
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import GateVerdict, judge
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary
from civicbench.training.inputs import TrainingInputs
from civicbench.training.record import TrainingRecord
from civicbench.training.resuming import look_for_checkpoint
from civicbench.training.running import (
    read_training_measurements,
    read_training_record,
    train,
    training_stage,
)
from civicbench.training.saving import ADAPTER_FOLDER
from civicbench.training.tracking import Tracker, WandbTracker

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks

EVIDENCE_FORMAT_VERSION = 2


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        version: The registered version.
        gate: What the gate found.
        comparisons: Every metric, tuned against base.
        card_html: The card as a page.
        card_markdown: The card as Markdown.
        times_s: Wall time of each stage when it ran.
    """

    version: VersionSummary
    gate: GateVerdict
    comparisons: tuple[Comparison, ...]
    card_html: Path
    card_markdown: Path
    times_s: dict[str, float]


def run_training(
    recipe: Recipe,
    *,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
    must_resume: bool = False,
) -> tuple[RunInputs, StageOutput]:
    """Run a recipe up to its trained adapter.

    Args:
        recipe: The recipe.
        workspace: Where work is kept.
        reporter: Told what is going on.
        ranks: The processes that share each step.
        must_resume: Refuse to start from nothing.

    Returns:
        The checked inputs, and the training stage's output.

    Raises:
        InvalidInputError: There is nothing to go on from, and that was asked for.
    """
    inputs = prepare_inputs(recipe, workspace=workspace, reporter=reporter)
    training = training_inputs(inputs)
    stage = training_stage(
        recipe.training,
        inputs.prepared,
        snapshot_digest=training.snapshot_digest,
        workspace=workspace,
    )
    if find_finished(stage) is None:
        look_for_checkpoint(
            stage, recipe.training, training, must_resume=must_resume, reporter=reporter
        )

    def work(folder: Path) -> None:
        if ranks is not None:
            ranks.tell(
                {
                    "do": "train",
                    "recipe": str(recipe.path),
                    "overrides": list(recipe.overrides),
                    "folder": str(folder),
                }
            )
        train(
            recipe.training,
            training,
            folder=folder,
            reporter=reporter,
            trackers=partial(_open_trackers, recipe, workspace=workspace),
            ranks=ranks,
        )

    return inputs, run_stage(stage, work, workspace=workspace, reporter=reporter)


def training_inputs(inputs: RunInputs) -> TrainingInputs:
    """Return what training reads of a recipe's inputs."""
    return TrainingInputs(
        prepared=inputs.prepared,
        renderer=inputs.renderer,
        train=inputs.train,
        held_out=inputs.held_out,
        snapshot_digest=inputs.data.digest,
        spread=spread_over_devices(inputs),
    )


def run_evaluation(
    recipe: Recipe,
    *,
    workspace: Workspace,
    reporter: Reporter,
    also: Sequence[Contender] = (),
    ranks: "Ranks | None" = None,
) -> tuple[RunInputs, StageOutput, RecipeScores]:
    """Run a recipe up to its scores.

    Args:
        recipe: The recipe.
        workspace: Where work is kept.
        reporter: Told what is going on.
        also: Adapters on the same base that are scored beside the recipe's own.
        ranks: The processes that share training and scoring.

    Returns:
        The checked inputs, the training stage's output, and all scores.
    """
    inputs, trained = run_training(recipe, workspace=workspace, reporter=reporter, ranks=ranks)
    own = Contender(
        recipe.registered_name,
        read_training_record(trained.folder).adapter_digest,
        trained.folder / ADAPTER_FOLDER,
    )
    scores = score_suites(inputs, (own, *also), workspace=workspace, reporter=reporter, ranks=ranks)
    return inputs, trained, scores


def run_recipe(
    recipe: Recipe, *, workspace: Workspace, reporter: Reporter, ranks: "Ranks | None" = None
) -> Outcome:
    """Run a recipe the whole way; stages that stand done are not run again.

    Args:
        recipe: The recipe.
        workspace: Where work is kept.
        reporter: Told what is going on.
        ranks: The processes that share training and scoring.

    Raises:
        CivicbenchError: A part is absent, an input has mistakes, or training had to stop.
    """
    from civicbench.cards.card import write_card

    inputs, trained, scores = run_evaluation(
        recipe, workspace=workspace, reporter=reporter, ranks=ranks
    )
    record = read_training_record(trained.folder)
    comparisons = scores.tuned.comparisons
    noise = known_noise(inputs, scores, workspace=workspace)
    verdict = judge(recipe.gate, comparisons, digest=gate_digest(recipe.gate), noise=noise)
    evidence = _evidence(inputs, record, scores, comparisons, verdict)
    times = _times(inputs, trained, scores)
    measurements = Measurements(
        training=read_training_measurements(trained.folder),
        stage_times_s=times,
        machine=processor_name(),
    )
    with Registry.open_or_initialise(workspace, reporter=reporter) as registry:
        known = registry.find(evidence.digest)
        version = registry.register(
            evidence, measurements=measurements, files=_version_files(trained, scores)
        )
        said = "found registered" if known else "registered"
        mark = "=" if known else "+"
        reporter.say(
            f"{mark} {version.model} version {version.number}: {said} as {version.digest[:12]}"
        )
        card = write_card(
            workspace.cards / version.digest[:20],
            evidence=registry.load_evidence(version.digest),
            measurements=registry.load_measurements(version.digest),
            state=version.state,
            number=version.number,
        )
    return Outcome(version, verdict, comparisons, card.html, card.markdown, times)


def _open_trackers(recipe: Recipe, *, workspace: Workspace) -> list[Tracker]:
    return [
        WandbTracker(
            settings,
            run=recipe.settings.name,
            folder=workspace.home / "trackers",
            configuration=dict(recipe.training.model_dump(mode="json")),
        )
        for settings in recipe.trackers
    ]


def _evidence(
    inputs: RunInputs,
    training: TrainingRecord,
    scores: RecipeScores,
    comparisons: tuple[Comparison, ...],
    gate: GateVerdict,
) -> Evidence:
    recipe = inputs.recipe
    settings = recipe.settings
    return Evidence(
        format_version=EVIDENCE_FORMAT_VERSION,
        model_name=recipe.registered_name,
        recipe=RecipeFact(
            name=settings.name,
            purpose=settings.purpose,
            intended_uses=settings.intended_uses,
            forbidden_uses=settings.forbidden_uses,
            human_review=settings.human_review,
            digest=recipe.digest,
            resolved=recipe.resolved_yaml,
            reproduce=recipe.command,
        ),
        base=inputs.prepared.record,
        dataset=inputs.snapshot_record,
        mixed=tuple(mixed.fact for mixed in inputs.data.mixed),
        canaries=find_planted(recipe, {name: o.folder for name, o in scores.tuned.outputs.items()}),
        training=training,
        suites=tuple(
            SuiteFact(
                name=suite.settings.name,
                title=suite.settings.title,
                measures=suite.settings.measures,
                does_not_measure=suite.settings.does_not_measure,
                licence=suite.settings.licence,
                base=read_result(scores.base[suite.settings.name].folder),
                tuned=read_result(scores.tuned.outputs[suite.settings.name].folder),
            )
            for suite in scores.suites
        ),
        comparisons=comparisons,
        gate=gate,
    )


def _version_files(trained: StageOutput, scores: RecipeScores) -> dict[str, Path]:
    """Return the files that a version keeps: trained weights, metrics, every item's answers."""
    place = trained_folder(read_training_record(trained.folder).method)
    files = {
        f"{place}/{path.relative_to(trained.folder / ADAPTER_FOLDER).as_posix()}": path
        for path in sorted((trained.folder / ADAPTER_FOLDER).rglob("*"))
        if path.is_file()
    }
    files["training/metrics.jsonl"] = trained.folder / "metrics.jsonl"
    for role, outputs in (("base", scores.base), ("tuned", scores.tuned.outputs)):
        for suite, output in outputs.items():
            for name in (ITEMS_NAME, PROMPTS_NAME, RESULT_NAME):
                files[f"scores/{suite}/{role}/{name}"] = output.folder / name
    return files


def _times(inputs: RunInputs, trained: StageOutput, scores: RecipeScores) -> dict[str, float]:
    outputs = [inputs.snapshot, *inputs.mixed_snapshots, trained]
    for suite in scores.suites:
        name = suite.settings.name
        outputs += [scores.base[name], scores.tuned.outputs[name]]
    return {output.record.name: output.record.wall_time_s for output in outputs}
