"""How a user names a version: a digest's beginning, MODEL, or MODEL:NUMBER."""

import re
from collections.abc import Sequence
from typing import get_args

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from civicbench.core.digests import short
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.registry.decisions.kinds import Alias
from civicbench.registry.decisions.tables import AliasMoveRow
from civicbench.registry.tables import Model, Version

MINIMUM_PREFIX_CHARACTERS = 6
_HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}")
_CANDIDATES_SHOWN = 8


def resolve(session: Session, *, reference: str) -> Version:
    """Return the one version that a reference names.

    Args:
        session: An open session.
        reference: At least 6 characters of a digest, `MODEL` (its newest version),
            `MODEL:NUMBER`, or `MODEL@live` and `MODEL@candidate`.

    Raises:
        InvalidInputError: Nothing has that name, with the nearest that has; or several have,
            with each.
    """
    wanted = reference.strip()
    model, at, alias = wanted.partition("@")
    if at:
        return _aliased(session, model=model, alias=alias)
    model, colon, number = wanted.partition(":")
    found = _numbered(session, model=model, number=number) if colon else _any(session, name=wanted)
    if len(found) == 1:
        return found[0]
    if found:
        shown = [f"{row.model}:{row.number} ({short(row.digest)})" for row in found]
        more = len(shown) - _CANDIDATES_SHOWN
        raise InvalidInputError(
            f"{wanted!r} names several versions",
            got=", ".join(shown[:_CANDIDATES_SHOWN]) + (f" and {more} more" if more > 0 else ""),
            remedy="give more characters of the digest, or MODEL:NUMBER",
        )
    raise _unknown(session, wanted=wanted)


def _any(session: Session, *, name: str) -> Sequence[Version]:
    """Return the newest version of a model of that name, and versions whose digest begins so."""
    newest = (
        select(Version.digest)
        .where(Version.model == name)
        .order_by(Version.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    condition = Version.digest == newest
    if _HEXADECIMAL.fullmatch(name) and len(name) >= MINIMUM_PREFIX_CHARACTERS:
        # A range, not LIKE, so that the primary key's index serves; "g" follows "f".
        condition = or_(condition, (Version.digest >= name) & (Version.digest < name + "g"))
    query = select(Version).where(condition).order_by(Version.model, Version.number)
    return session.scalars(query).all()


def _aliased(session: Session, *, model: str, alias: str) -> Version:
    if alias not in get_args(Alias):
        near = suggest(alias, get_args(Alias))
        raise InvalidInputError(
            f"no alias is called {alias!r}",
            remedy=f"did you mean {model}@{near}?"
            if near
            else "the aliases are live and candidate",
        )
    last = (
        select(AliasMoveRow.version)
        .where(AliasMoveRow.model == model, AliasMoveRow.alias == alias)
        .order_by(AliasMoveRow.sequence.desc())
        .limit(1)
    )
    digest = session.scalar(last)
    if digest is None:
        if session.get(Model, model) is None:
            raise _unknown(session, wanted=model)
        raise InvalidInputError(
            f"no version of {model} is {alias}", remedy="`civicbench registry release` makes one so"
        )
    return session.get_one(Version, digest)


def _numbered(session: Session, *, model: str, number: str) -> Sequence[Version]:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise InvalidInputError(
            "a version's number is a whole number from 1",
            got=repr(number),
            remedy="give MODEL:NUMBER, such as enquiry-triage:1",
        )
    query = select(Version).where(Version.model == model, Version.number == int(number))
    return session.scalars(query).all()


def _unknown(session: Session, *, wanted: str) -> InvalidInputError:
    known = session.scalars(select(Model.name)).all()
    model, colon, _ = wanted.partition(":")
    problem = f"no version is called {wanted!r}"
    if not known:
        return InvalidInputError(
            problem, remedy="nothing is registered yet: `civicbench run RECIPE` registers a version"
        )
    if colon and model in known:
        newest = session.scalars(
            select(Version.number).where(Version.model == model).order_by(Version.number.desc())
        ).first()
        return InvalidInputError(problem, remedy=f"{model} has versions 1 to {newest}")
    near = suggest(model, known)
    if near:
        return InvalidInputError(problem, remedy=f"did you mean {near}{wanted[len(model) :]}?")
    if _HEXADECIMAL.fullmatch(wanted):
        few = len(wanted) < MINIMUM_PREFIX_CHARACTERS
        return InvalidInputError(
            problem,
            remedy=f"give at least {MINIMUM_PREFIX_CHARACTERS} characters of a digest"
            if few
            else "no digest begins so; see `civicbench registry list`",
        )
    return InvalidInputError(problem, remedy=f"known models: {', '.join(sorted(known))}")
