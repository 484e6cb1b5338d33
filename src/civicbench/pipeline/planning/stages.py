"""Which stages a run has, and which stand done."""

from pathlib import Path

from civicbench.core.fetching import find_file
from civicbench.core.progress import SilentReporter
from civicbench.core.stages import find_finished
from civicbench.core.workspace import Workspace
from civicbench.evaluation.prompt_proof import system_turns_of
from civicbench.evaluation.public.settings import PublicItems
from civicbench.evaluation.scoring import Subject, score_stage
from civicbench.evaluation.suites import Suite
from civicbench.models.prepare import PreparedModel
from civicbench.pipeline.mixing import TrainingData
from civicbench.pipeline.planned_data import PlannedSnapshots
from civicbench.pipeline.planning.plan import PlannedStage
from civicbench.pipeline.suite_items import suite_items
from civicbench.recipes.loading import Recipe
from civicbench.training.running import read_training_record, training_stage


def planned_stages(
    recipe: Recipe,
    prepared: PreparedModel | None,
    snapshots: PlannedSnapshots,
    data: TrainingData,
    *,
    workspace: Workspace,
) -> tuple[PlannedStage, ...]:
    """Return a run's stages in order.

    Args:
        recipe: The recipe.
        prepared: The base model, where it stands ready.
        snapshots: The datasets' snapshots.
        data: The rows that are trained on.
        workspace: Where finished stages are looked for.
    """
    stages = [
        *(PlannedStage(name=f"dataset {name}", done=done) for name, done in snapshots.done),
        PlannedStage(name=f"base model {recipe.model.name}", done=prepared is not None),
    ]
    trained = None
    if prepared is not None:
        stage = training_stage(
            recipe.training, prepared, snapshot_digest=data.digest, workspace=workspace
        )
        trained = find_finished(stage)
    name = f"training {recipe.training.method} on {recipe.model.name}"
    stages.append(PlannedStage(name=name, done=trained is not None))
    adapter = read_training_record(trained.folder).adapter_digest if trained else None
    system_turns = system_turns_of([row.messages for row in data.rows])
    for role in ("base", "tuned"):
        for suite in recipe.suites:
            done = False
            if prepared is not None and (role == "base" or adapter is not None):
                subject = Subject(
                    role="base" if role == "base" else "tuned",
                    base=prepared.record,
                    adapter_digest=adapter if role == "tuned" else None,
                    precision=recipe.settings.evaluation_precision,
                    quantisation=recipe.training.quantisation,
                    engine=recipe.settings.evaluation_engine,
                    trained_system_turns=system_turns,
                )
                done = _scored(suite, subject, recipe, snapshot=snapshots.own, workspace=workspace)
            stages.append(
                PlannedStage(name=f"suite {suite.settings.name}, {role} model", done=done)
            )
    return tuple(stages)


def _scored(
    suite: Suite, subject: Subject, recipe: Recipe, *, snapshot: Path, workspace: Workspace
) -> bool:
    """Return whether a suite's scores stand; where its public files do not, they cannot."""
    items = suite.settings.items
    if isinstance(items, PublicItems) and any(
        find_file(file, workspace=workspace) is None for file in items.files
    ):
        return False
    asked = suite_items(
        suite,
        snapshot=snapshot,
        canaries=recipe.settings.canaries,
        workspace=workspace,
        reporter=SilentReporter(),
    )
    scored = score_stage(suite.settings, asked, subject, workspace=workspace)
    return find_finished(scored) is not None
