"""Waivers: a named person answers for why a use policy's clause does not stand in the way."""

from datetime import date

from civicbench.registry.decisions.kinds import EntryKind
from civicbench.registry.decisions.log import Entry, Log
from civicbench.registry.decisions.statements import Payload
from civicbench.registry.rules.facts import Waiver
from civicbench.registry.signing.keys import Signer


class WaiverGiven(Payload):
    """A clause of a base model's use policy that is held not to stand in the way."""

    model: str
    """The model's name in the registry."""
    licence: str
    """Identifier of the licence whose policy it is."""
    clause: str
    """The clause, by its key."""
    sectors: tuple[str, ...]
    """The declared uses that it touches."""
    reason: str
    """Why it does not stand in the way, in that person's words."""
    expires: date
    """The last day on which the waiver counts."""


WAIVER_GIVEN = EntryKind("use policy waived", WaiverGiven, ("senior-responsible-owner",))
"""Signed by a senior responsible owner: the one who answers for the licence."""


class WaiverLog:
    """The waivers in a registry's log.

    Args:
        log: The open registry's.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    def give(self, told: WaiverGiven, *, signer: Signer) -> Waiver:
        """Record a waiver.

        Raises:
            NotAllowedError: The signer is no senior responsible owner, or the key is not enrolled.
        """
        return _read(
            self._log.append(WAIVER_GIVEN, subject=told.model, payload=told, signer=signer)
        )

    def all(self, *, model: str | None = None) -> tuple[Waiver, ...]:
        """Return every waiver, oldest first, or those of one model."""
        return tuple(_read(entry) for entry in self._log.entries(WAIVER_GIVEN, subject=model))

    def in_force(self, model: str, *, on: date) -> tuple[Waiver, ...]:
        """Return the waivers of a model that count on a day: of each clause the newest."""
        newest = {(waiver.licence, waiver.clause): waiver for waiver in self.all(model=model)}
        return tuple(waiver for waiver in newest.values() if waiver.expires >= on)


def _read(entry: Entry[WaiverGiven]) -> Waiver:
    told = entry.payload
    return Waiver(
        model=told.model,
        licence=told.licence,
        clause=told.clause,
        sectors=told.sectors,
        reason=told.reason,
        expires=told.expires,
        by=entry.person or entry.event.actor,
        role=(entry.role or "no role").replace("-", " "),
        event=entry.event.digest,
    )
