"""Evaluating a recipe's models: scores, noise, and the report on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.settings import suggest
from civicbench.core.workspace import Workspace
from civicbench.models.trained import trained_folder
from civicbench.pipeline.inputs import check_processes
from civicbench.pipeline.noise import NoiseRecord, measure_noise
from civicbench.pipeline.running import own_contender, run_evaluation, run_training
from civicbench.pipeline.scoring import Contender, RecipeScores, score_suites
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


def score_named_suites(
    recipe: Recipe,
    names: Sequence[str],
    *,
    workspace: Workspace,
    reporter: Reporter,
    ranks: "Ranks | None" = None,
) -> RecipeScores:
    """Score a recipe's base and tuned model on some of its suites.

    The scores are those of a whole evaluation, and are found done by it.

    Args:
        recipe: The recipe.
        names: The suites.
        workspace: Where work is kept.
        reporter: Told what is going on.
        ranks: The processes that share the scoring.

    Raises:
        InvalidInputError: The recipe has no such suite.
    """
    known = {suite.settings.name: suite for suite in recipe.suites}
    for name in names:
        if name not in known:
            near = suggest(name, known)
            raise InvalidInputError(
                f"the recipe has no suite {name!r}",
                where=f"recipe {recipe.settings.name}",
                remedy=f"did you mean {near}?" if near else f"its suites: {', '.join(known)}",
            )
    check_processes(recipe, processes=1 if ranks is None else ranks.size)
    inputs, trained = run_training(recipe, workspace=workspace, reporter=reporter, ranks=ranks)
    chosen = replace(recipe, suites=tuple(known[name] for name in dict.fromkeys(names)))
    return score_suites(
        replace(inputs, recipe=chosen),
        (own_contender(recipe, trained),),
        workspace=workspace,
        reporter=reporter,
        ranks=ranks,
    )


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
