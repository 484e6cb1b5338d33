"""Waivers for a recipe: a clause of its base's use policy, held not to stand in the way."""

from datetime import date

from civicbench.core.errors import InvalidInputError
from civicbench.models.licences import find_terms
from civicbench.pipeline.grounds import today
from civicbench.recipes.loading import Recipe
from civicbench.registry.waivers import WaiverGiven


def draft_waiver(recipe: Recipe, *, clause: str, reason: str, until: date) -> WaiverGiven:
    """Return a waiver for a person to sign.

    Args:
        recipe: The recipe, with its base and its declared uses.
        clause: The clause, by its key.
        reason: Why it does not stand in the way.
        until: The last day on which the waiver counts.

    Raises:
        InvalidInputError: The base has no such clause, the recipe's uses do not touch it, it asks
            for no waiver, nothing is said, or the day has passed.
    """
    licence = recipe.model.licence
    terms = find_terms(licence.identifier)
    if terms is None or not terms.clauses:
        raise InvalidInputError(
            f"{licence.name} has no use policy here, so there is nothing to waive",
            where=f"recipe {recipe.settings.name}: model {recipe.model.name}",
        )
    found = terms.clause(clause)
    sectors = tuple(sector for sector in recipe.settings.sectors if sector in found.sectors)
    if not sectors:
        raise InvalidInputError(
            f"the recipe's uses do not touch the clause {clause}",
            where=f"recipe {recipe.settings.name}: sectors",
            got=", ".join(recipe.settings.sectors) or "none",
            remedy=f"it is about: {', '.join(found.sectors)}",
        )
    if found.needs != "waiver":
        raise InvalidInputError(
            f"the clause {clause} bars a way of doing something, not the use: no waiver is needed"
        )
    if not reason.strip():
        raise InvalidInputError("has to say why", where="--reason")
    if until < today():
        raise InvalidInputError("has passed", where="--until", got=until.isoformat())
    return WaiverGiven(
        model=recipe.registered_name,
        licence=licence.identifier,
        clause=clause,
        sectors=sectors,
        reason=reason.strip(),
        expires=until,
    )
