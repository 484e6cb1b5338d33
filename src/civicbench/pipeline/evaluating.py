"""Evaluating a recipe's models: scores, noise, and the report on both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.trained import trained_folder
from civicbench.pipeline.inputs import check_processes
from civicbench.pipeline.noise import NoiseRecord, measure_noise
from civicbench.pipeline.running import run_evaluation
from civicbench.pipeline.scoring import Contender, RecipeScores
from civicbench.recipes.loading import Recipe
from civicbench.registry.registry import Registry

if TYPE_CHECKING:
    from civicbench.core.ranks import Ranks


@dataclass(frozen=True)
class Evaluation:
    """What evaluating a recipe ended with.

    Attributes:
        scores: Base, the recipe's adapter, and those that were asked for beside it.
        noise: How far repeats lie apart; empty where none was asked for.
    """

    scores: RecipeScores
    noise: tuple[NoiseRecord, ...]


def evaluate_recipe(
    recipe: Recipe,
    *,
    also: Sequence[str],
    repeats: int | None,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
) -> Evaluation:
    """Score a recipe's base and tuned model, and registered versions beside them.

    Args:
        recipe: The recipe.
        also: References of registered versions on the same base.
        repeats: Score again so many times, in other batches and threads, to measure the noise.
        workspace: Where work is kept.
        reporter: Told what is going on.
        ranks: The processes that share the scoring.

    Raises:
        InvalidInputError: A version on another base, or an engine that several processes cannot
            share.
    """
    check_processes(recipe, processes=1 if ranks is None else ranks.size)
    contenders = [_registered(reference, recipe, workspace=workspace) for reference in also]
    inputs, _, scores = run_evaluation(
        recipe, workspace=workspace, reporter=reporter, also=contenders, ranks=ranks
    )
    noise: tuple[NoiseRecord, ...] = ()
    if repeats is not None:
        noise = measure_noise(
            inputs,
            scores.tuned.contender,
            repeats=repeats,
            workspace=workspace,
            reporter=reporter,
            ranks=ranks,
        )
    return Evaluation(scores, noise)


def _registered(reference: str, recipe: Recipe, *, workspace: Workspace) -> Contender:
    """Return a registered version as something to be scored."""
    with Registry.open(workspace) as registry:
        version = registry.show(reference)
        evidence = registry.load_evidence(reference)
        if evidence.base.name != recipe.model.name:
            raise InvalidInputError(
                "the version stands on another base model and cannot be scored beside this one",
                where=f"--also {reference}",
                got=f"{evidence.base.name}, the recipe has {recipe.model.name}",
            )
        folder = registry.lay_out(
            reference, folder=workspace.home / "versions" / version.digest[:20]
        )
    place = trained_folder(evidence.training.method)
    return Contender(version.reference, evidence.training.adapter_digest, folder / place)
