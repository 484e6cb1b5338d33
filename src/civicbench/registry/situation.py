"""What stands around a version: who decided on it, what is live, where the log ends."""

from pydantic import BaseModel, ConfigDict

from civicbench.registry.atrs.loading import load_record
from civicbench.registry.atrs.record import missing_fields, unread_drafts
from civicbench.registry.decisions.facts import Standing
from civicbench.registry.registry import Registry
from civicbench.registry.versions import ChainHead, VersionSummary


class Situation(BaseModel):
    """What the registry knows around a version at one moment; it is no part of the evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: VersionSummary
    """The version."""
    standing: Standing
    """Its reviews and decisions, and whether an approval applies."""
    live: str | None
    """MODEL:NUMBER of the model's live version; None where none is live."""
    atrs_missing: tuple[str, ...]
    """Headings of the ATRS record's fields that are still to be written."""
    atrs_drafts: int
    """Drafted fields of the record that no person has taken over."""
    head: ChainHead
    """The end of the log."""


def load_situation(registry: Registry, reference: str) -> Situation:
    """Return what the registry knows around a version now.

    Raises:
        InvalidInputError: The reference names no version, or several.
        IntegrityError: The version's evidence is missing or was changed.
    """
    detail = registry.show(reference)
    live = [
        one.reference
        for one in registry.proposals.aliases(model=detail.model, alias="live")
        if one.until is None
    ]
    record = load_record(registry, detail.digest)
    return Situation(
        version=VersionSummary.model_validate(
            detail.model_dump(include=set(VersionSummary.model_fields))
        ),
        standing=registry.proposals.standing(detail.digest),
        live=live[-1] if live else None,
        atrs_missing=tuple(f"{f.number} {f.title}".strip() for f in missing_fields(record)),
        atrs_drafts=len(unread_drafts(record)),
        head=registry.head(),
    )
