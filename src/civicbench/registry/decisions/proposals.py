"""Acts on versions, filled in from what the registry holds, ready for the desk."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from civicbench.registry.database import Database
from civicbench.registry.decisions.answers import LiveAnswer, live_on
from civicbench.registry.decisions.binding import bind
from civicbench.registry.decisions.facts import AliasFact, Standing
from civicbench.registry.decisions.files import read_evidence
from civicbench.registry.decisions.kinds import (
    Alias,
    Assigned,
    Condition,
    Decided,
    Outcome,
    Released,
    Submitted,
    Withdrawn,
)
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.decisions.standing import alias_history, stand
from civicbench.registry.references import resolve
from civicbench.registry.store import Store
from civicbench.registry.tables import Version


class Proposals:
    """What can be proposed to the desk, and what stands now.

    A reference is MODEL, MODEL:NUMBER, `MODEL@live`, `MODEL@candidate` or a digest's beginning.

    Args:
        database: The registry's database.
        store: Its files.
    """

    def __init__(self, database: Database, *, store: Store) -> None:
        self._database = database
        self._store = store

    def standing(self, reference: str) -> Standing:
        """Return where a version stands, and whether its approval applies.

        Raises:
            InvalidInputError: Nothing has that name, or several have.
        """
        with self._database.read() as session:
            return stand(session, resolve(session, reference=reference))

    def aliases(
        self, *, model: str | None = None, alias: Alias | None = None
    ) -> tuple[AliasFact, ...]:
        """Return which version each alias named from when to when."""
        with self._database.read() as session:
            return alias_history(session, model=model, alias=alias)

    def live_on(self, day: date, *, model: str | None = None) -> LiveAnswer:
        """Return what was live at any moment of a day (UTC); raises what `live_on` raises."""
        with self._database.read() as session:
            return live_on(session, day=day, model=model)

    def submission(self, reference: str, *, note: str = "") -> Submitted:
        """Return what asks reviewers to decide on a version."""
        with self._database.read() as session:
            version = resolve(session, reference=reference)
            gate = read_evidence(self._store, version=version).gate
            return Submitted(
                version=version.digest, gate=gate.digest, reviewers=gate.reviewers, note=note
            )

    def assignment(self, reference: str, *, reviewer: str) -> Assigned:
        """Return what asks one person to decide."""
        with self._database.read() as session:
            version = resolve(session, reference=reference)
            return Assigned(
                version=version.digest, review=_round(session, version), reviewer=reviewer
            )

    def decision(
        self,
        reference: str,
        *,
        outcome: Outcome,
        reason: str,
        conditions: Sequence[Condition] = (),
        expires_at: datetime | None = None,
    ) -> Decided:
        """Return a decision over exactly what the registry holds now.

        Args:
            reference: The version.
            outcome: What is decided.
            reason: Why.
            conditions: What an approval asks for.
            expires_at: When an approval ends.
        """
        with self._database.read() as session:
            version = resolve(session, reference=reference)
            return Decided(
                version=version.digest,
                review=_round(session, version),
                outcome=outcome,
                reason=reason,
                conditions=tuple(conditions),
                expires_at=expires_at,
                binding=bind(read_evidence(self._store, version=version)),
            )

    def release(self, reference: str, *, alias: Alias, reason: str) -> Released:
        """Return what makes an alias name a version."""
        with self._database.read() as session:
            version = resolve(session, reference=reference)
            return Released(
                version=version.digest,
                alias=alias,
                reason=reason,
                binding=bind(read_evidence(self._store, version=version)),
            )

    def withdrawal(self, reference: str, *, reason: str) -> Withdrawn:
        """Return what withdraws a version."""
        with self._database.read() as session:
            return Withdrawn(version=resolve(session, reference=reference).digest, reason=reason)


def _round(session: Session, version: Version) -> int:
    review = stand(session, version).review
    if review is None:
        raise NotAllowedError(
            f"{version.model}:{version.number} was not submitted",
            remedy="`civicbench registry submit` asks for a review",
        )
    return review.sequence
