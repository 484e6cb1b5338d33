"""Which version was live on a day, who approved it, and on what evidence."""

from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.registry.chain import chain_head
from civicbench.registry.decisions.facts import AliasFact, DecisionFact, MakerFact
from civicbench.registry.decisions.standing import alias_history, stand
from civicbench.registry.decisions.statements import now
from civicbench.registry.tables import Model, Version
from civicbench.registry.versions import ChainHead


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LiveVersion(_Fact):
    """A version that was live at some moment of the day."""

    live: AliasFact
    """From when to when, by whose release, and why."""
    state_now: str
    """Where it stands today."""
    base: str
    """The base model."""
    recipe: str
    """The recipe that made it."""
    registered_at: datetime
    """When it was registered (UTC)."""
    makers: tuple[MakerFact, ...]
    """Who trained and registered it."""
    submitted_by: str
    """Who submitted it for review."""
    reviewers: int
    """How many people its gate asked to approve."""
    decisions: tuple[DecisionFact, ...]
    """Who decided what, with conditions and reasons, in the review before the release."""
    gate: str
    """The gate that it met."""


class LiveAnswer(_Fact):
    """The answer for a day."""

    day: date
    """The day that was asked about (UTC)."""
    asked_at: datetime
    """When it was asked (UTC)."""
    head: ChainHead
    """The log's end when it was asked."""
    models: tuple[str, ...]
    """The models that were asked about."""
    versions: tuple[LiveVersion, ...]
    """What was live, by model and time."""

    @property
    def without(self) -> tuple[str, ...]:
        """The models of which no version was live."""
        had = {one.live.model for one in self.versions}
        return tuple(model for model in self.models if model not in had)


def live_on(session: Session, *, day: date, model: str | None = None) -> LiveAnswer:
    """Return what was live at any moment of a day.

    Args:
        session: An open session.
        day: The day, in UTC.
        model: Only this model; None for all.

    Raises:
        InvalidInputError: There is no such model, or the day has not come.
    """
    moment = now()
    if day > moment.date():
        raise InvalidInputError("that day has not come", got=f"{day:%Y-%m-%d}")
    known = list(session.scalars(select(Model.name).order_by(Model.name)))
    if model is not None and model not in known:
        near = suggest(model, known)
        raise InvalidInputError(
            f"no model is called {model!r}",
            remedy=f"did you mean {near}?" if near else f"known models: {', '.join(known)}",
        )
    begin = datetime.combine(day, time.min, tzinfo=UTC)
    end = begin + timedelta(days=1)
    found = [
        _version(session, fact)
        for fact in alias_history(session, model=model, alias="live")
        if fact.version is not None
        and fact.since < end
        and (fact.until is None or fact.until > begin)
    ]
    return LiveAnswer(
        day=day,
        asked_at=moment,
        head=chain_head(session),
        models=tuple(known if model is None else [model]),
        versions=tuple(found),
    )


def _version(session: Session, live: AliasFact) -> LiveVersion:
    version = session.get_one(Version, live.version)
    standing = stand(session, version)
    # A version may have been reviewed again since: what counts is what stood at its release.
    before = [one for one in standing.reviews if one.sequence < live.sequence]
    review = before[-1]
    return LiveVersion(
        live=live,
        state_now=version.state,
        base=version.base,
        recipe=version.recipe,
        registered_at=version.created_at,
        makers=standing.makers,
        submitted_by=review.submitted_by,
        reviewers=review.reviewers,
        decisions=tuple(one for one in review.decisions if one.sequence < live.sequence),
        gate=standing.gate,
    )
