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
from civicbench.evaluation.results import Comparison
from civicbench.pipeline.canaries import find_planted
from civicbench.pipeline.evidence import (
    EVIDENCE_FORMAT_VERSION,
    judge_evidence,
    recipe_fact,
    score_files,
    suite_facts,
    trained_files,
    unjudged,
)
from civicbench.pipeline.grounds import gather_grounds
from civicbench.pipeline.inputs import RunInputs, prepare_inputs
from civicbench.pipeline.noise import known_noise
from civicbench.pipeline.preregistering import preregister_gate
from civicbench.pipeline.scoring import (
    Contender,
    RecipeScores,
    score_suites,
    spread_over_devices,
)
from civicbench.recipes.loading import Recipe
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.gates import GateVerdict
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary
from civicbench.training.inputs import TrainingInputs
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
    preregister_gate(recipe, stage, workspace=workspace, reporter=reporter)
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
    from civicbench.cards.card import write_registered_card

    inputs, trained, scores = run_evaluation(
        recipe, workspace=workspace, reporter=reporter, ranks=ranks
    )
    record = read_training_record(trained.folder)
    comparisons = scores.tuned.comparisons
    noise = known_noise(inputs, scores, workspace=workspace)
    times = _times(inputs, trained, scores)
    measurements = Measurements(
        training=read_training_measurements(trained.folder),
        stage_times_s=times,
        machine=processor_name(),
    )
    with Registry.open_or_initialise(workspace, reporter=reporter) as registry:
        grounds = gather_grounds(
            inputs, trained, scores, noise=noise, registry=registry, workspace=workspace
        )
        evidence = Evidence(
            format_version=EVIDENCE_FORMAT_VERSION,
            model_name=recipe.registered_name,
            recipe=recipe_fact(recipe, reproduce=recipe.command),
            base=inputs.prepared.record,
            dataset=inputs.snapshot_record,
            mixed=tuple(mixed.fact for mixed in inputs.data.mixed),
            canaries=find_planted(recipe, scores.tuned_folders),
            training=record,
            suites=suite_facts(scores),
            comparisons=comparisons,
            gate=unjudged(recipe),
            grounds=grounds,
        )
        evidence = judge_evidence(evidence, recipe, training=trained.record.key, registry=registry)
        verdict = evidence.gate
        known = registry.find(evidence.digest)
        version = registry.register(
            evidence,
            measurements=measurements,
            files={**trained_files(trained), **score_files(scores)},
        )
        said = "found registered" if known else "registered"
        mark = "=" if known else "+"
        reporter.say(
            f"{mark} {version.model} version {version.number}: {said} as {version.digest[:12]}"
        )
        card = write_registered_card(
            registry, version.digest, folder=workspace.cards / version.digest[:20]
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


def _times(inputs: RunInputs, trained: StageOutput, scores: RecipeScores) -> dict[str, float]:
    outputs = [inputs.snapshot, *inputs.mixed_snapshots, trained]
    for suite in scores.suites:
        name = suite.settings.name
        outputs += [scores.base[name], scores.tuned.outputs[name]]
    return {output.record.name: output.record.wall_time_s for output in outputs}
