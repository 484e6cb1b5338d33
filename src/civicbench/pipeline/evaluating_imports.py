"""Evaluating a model that was trained elsewhere, after which it stands as any other version."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.environment import processor_name
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.trained import trained_folder
from civicbench.pipeline.evidence import judge_evidence, score_files, suite_facts
from civicbench.pipeline.grounds import gather_grounds
from civicbench.pipeline.inputs import prepare_inputs
from civicbench.pipeline.noise import known_noise
from civicbench.pipeline.scoring import Contender, score_suites
from civicbench.recipes.loading import Recipe, load_recipe
from civicbench.registry.elsewhere import unknown_measurements
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.gates import GateVerdict
from civicbench.registry.registry import Registry
from civicbench.registry.versions import VersionSummary

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks


@dataclass(frozen=True)
class EvaluatedImport:
    """An imported model that was evaluated here.

    Attributes:
        version: The evaluated version, which stands in for the draft.
        gate: What the gate found.
        card_html: Its card.
    """

    version: VersionSummary
    gate: GateVerdict
    card_html: Path


def evaluate_import(
    reference: str,
    *,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
) -> EvaluatedImport:
    """Evaluate an imported draft on its recipe's suites, and register it as evaluated.

    Args:
        reference: The draft.
        workspace: Where registry and scores are.
        reporter: Told what is going on.
        ranks: The processes that share the scoring.

    Raises:
        InvalidInputError: The version was trained here, or is no draft any more.
        WorkFailedError: The adapter is not on, or changes nothing.
    """
    from civicbench.cards.card import write_registered_card

    with Registry.open(workspace) as registry:
        shown = registry.show(reference)
        draft = registry.load_evidence(shown.digest)
        if draft.trained_elsewhere is None or draft.suites:
            raise InvalidInputError(
                "is no imported draft: there is nothing to evaluate",
                where=shown.reference,
                got=f"state {shown.state}",
            )
        folder = registry.lay_out(
            shown.digest, folder=workspace.home / "versions" / shown.digest[:20]
        )
    recipe = _recipe_of(draft)
    training = draft.training
    inputs = prepare_inputs(recipe, workspace=workspace, reporter=reporter)
    if inputs.prepared.record.weights_digest != draft.base.weights_digest:
        raise InvalidInputError(
            "the base model is not the one that the draft was checked against",
            where=shown.reference,
            got=f"weights {inputs.prepared.record.weights_digest[:12]}, "
            f"checked against {draft.base.weights_digest[:12]}",
            remedy="import it again",
        )
    contender = Contender(
        shown.reference, training.adapter_digest, folder / trained_folder(training.method)
    )
    scores = score_suites(inputs, (contender,), workspace=workspace, reporter=reporter, ranks=ranks)
    noise = known_noise(inputs, scores, workspace=workspace)
    outputs = [*scores.base.values(), *scores.tuned.outputs.values()]
    with Registry.open(workspace) as registry:
        evidence = draft.model_copy(
            update={
                "base": inputs.prepared.record,
                "suites": suite_facts(scores),
                "comparisons": scores.tuned.comparisons,
                "grounds": gather_grounds(
                    inputs, None, scores, noise=noise, registry=registry, workspace=workspace
                ),
            }
        )
        evidence = judge_evidence(
            evidence, recipe, training=training.adapter_digest, registry=registry
        )
        version = registry.register(
            evidence,
            measurements=Measurements(
                training=unknown_measurements(),
                stage_times_s={output.record.name: output.record.wall_time_s for output in outputs},
                machine=processor_name(),
            ),
            files={**_kept(contender.folder), **score_files(scores)},
        )
        reporter.say(f"+ {version.reference}: evaluated, {version.digest[:12]}")
        card = write_registered_card(
            registry, version.digest, folder=workspace.cards / version.digest[:20]
        )
    return EvaluatedImport(version, evidence.gate, card.html)


def _recipe_of(draft: Evidence) -> Recipe:
    """Return the recipe as it stood at the import; its gate and suites are read as they are now."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"{draft.recipe.name}.yaml"
        write_text_whole(path, draft.recipe.resolved)
        return load_recipe(str(path))


def _kept(folder: Path) -> dict[str, Path]:
    return {f"{folder.name}/{path.name}": path for path in sorted(folder.iterdir())}
