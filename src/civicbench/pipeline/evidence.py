"""Putting a version's evidence together, and judging it by its gate."""

from pathlib import Path

from civicbench.core.stages import StageOutput
from civicbench.evaluation.records import ITEMS_NAME, PROMPTS_NAME
from civicbench.evaluation.scoring import RESULT_NAME, read_result
from civicbench.models.trained import trained_folder
from civicbench.pipeline.scoring import RecipeScores
from civicbench.recipes.loading import Recipe
from civicbench.registry.evidence import Evidence, RecipeFact, SuiteFact
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import GateVerdict, judge
from civicbench.registry.grounds import Grounds, noise_of
from civicbench.registry.preregistration import GateLog
from civicbench.registry.registry import Registry
from civicbench.training.running import read_training_record
from civicbench.training.saving import ADAPTER_FOLDER

EVIDENCE_FORMAT_VERSION = 3


def recipe_fact(recipe: Recipe, *, reproduce: str) -> RecipeFact:
    """Return what evidence keeps of a recipe.

    Args:
        recipe: The recipe.
        reproduce: The command that makes the version again.
    """
    settings = recipe.settings
    return RecipeFact(
        name=settings.name,
        purpose=settings.purpose,
        intended_uses=settings.intended_uses,
        forbidden_uses=settings.forbidden_uses,
        human_review=settings.human_review,
        digest=recipe.digest,
        resolved=recipe.resolved_yaml,
        reproduce=reproduce,
    )


def suite_facts(scores: RecipeScores) -> tuple[SuiteFact, ...]:
    """Return what evidence keeps of each suite: what it measures, and both models' results."""
    return tuple(
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
    )


def unjudged(recipe: Recipe) -> GateVerdict:
    """Return the verdict that stands in evidence until its gate has judged it."""
    return GateVerdict(gate=recipe.gate.name, title=recipe.gate.title, digest="", rules=())


def judge_evidence(
    evidence: Evidence, recipe: Recipe, *, training: str, registry: Registry
) -> Evidence:
    """Return evidence with its gate's verdict, and with when that gate was written down.

    Args:
        evidence: All else that is known of the version.
        recipe: The recipe, with its gate.
        training: Key under which the gate was registered before training.
        registry: The open registry, with the log.
    """
    gate = recipe.gate
    standing, registered = GateLog(registry).standing(
        gate, training=training, trained_digest=evidence.training.adapter_digest
    )
    verdict = judge(
        gate,
        evidence.comparisons,
        digest=gate_digest(gate),
        noise=noise_of(evidence.grounds or Grounds()),
        facts=evidence.facts,
    )
    stood = {"standing": standing, "registered_digest": registered}
    return evidence.model_copy(update={"gate": verdict.model_copy(update=stood)})


def trained_files(trained: StageOutput) -> dict[str, Path]:
    """Return the files that a version keeps of its training, by their path within it."""
    place = trained_folder(read_training_record(trained.folder).method)
    files = {
        f"{place}/{path.relative_to(trained.folder / ADAPTER_FOLDER).as_posix()}": path
        for path in sorted((trained.folder / ADAPTER_FOLDER).rglob("*"))
        if path.is_file()
    }
    files["training/metrics.jsonl"] = trained.folder / "metrics.jsonl"
    return files


def score_files(scores: RecipeScores) -> dict[str, Path]:
    """Return the files that a version keeps of its scores: results, and every item's answers."""
    return {
        f"scores/{suite}/{role}/{name}": output.folder / name
        for role, outputs in (("base", scores.base), ("tuned", scores.tuned.outputs))
        for suite, output in outputs.items()
        for name in (ITEMS_NAME, PROMPTS_NAME, RESULT_NAME)
    }
