"""An ATRS record: what the evidence says, and what people wrote, field by field."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.registry.atrs.drafts import draft_notes, draft_texts
from civicbench.registry.atrs.fields import BY_KEY, FIELDS, STANDARD_VERSION, AtrsField, FilledBy
from civicbench.registry.decisions.kinds import EntryKind
from civicbench.registry.decisions.log import Entry, Log
from civicbench.registry.decisions.statements import Payload
from civicbench.registry.evidence import Evidence
from civicbench.registry.signing.keys import Signer

_LONGEST_TEXT = 20_000
_NO = re.compile(r"\s*(no|none|not|n/a)\b", flags=re.IGNORECASE)
Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]


class AtrsEdited(Payload):
    """Fields of a model's ATRS record, as a person wrote them."""

    texts: dict[str, Text | None]
    """The new text by key; None takes a person's text back, so that a draft stands again."""


ATRS_EDITED = EntryKind(
    "atrs edited",
    AtrsEdited,
    ("engineer", "evaluator", "reviewer", "senior-responsible-owner"),
)
"""Subject: the model's name. A tool has one record, which its next version keeps."""


class AtrsValue(BaseModel):
    """What stands in one field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    key: str
    """The field."""
    text: str
    """What stands in it; empty where nothing does."""
    status: FilledBy
    """Where the text comes from: "person" too where nothing stands there yet and a person has to
    write it."""
    needed: bool
    """Whether a whole record has to have a text here."""
    note: str = ""
    """What the evidence can tell whoever fills it in."""
    author: str = ""
    """Who wrote it, where a person did."""
    at: datetime | None = None
    """When (UTC)."""
    event: int | None = None
    """The event of the log that holds it."""

    @property
    def field(self) -> AtrsField:
        """The field's description."""
        return BY_KEY[self.key]

    @property
    def missing(self) -> bool:
        """Whether a text is needed and none stands."""
        return self.needed and not self.text.strip()


class AtrsRecord(BaseModel):
    """A version's ATRS record."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    standard_version: str
    """Version of the standard whose headings are used."""
    model: str
    """The model."""
    number: int
    """The version's number."""
    version: str
    """The version's digest."""
    values: tuple[AtrsValue, ...]
    """Every field, in the standard's order."""


def make_record(
    evidence: Evidence, *, number: int, edits: Sequence[Entry[AtrsEdited]]
) -> AtrsRecord:
    """Return a version's ATRS record.

    Args:
        evidence: What is known of the version.
        number: Its number in the registry.
        edits: What people wrote in the model's record, oldest first.
    """
    written: dict[str, AtrsValue] = {}
    for edit in edits:
        for key, text in edit.payload.texts.items():
            if key not in BY_KEY or text is None:
                written.pop(key, None)
                continue
            written[key] = AtrsValue(
                key=key,
                text=text,
                status="person",
                needed=True,
                author=edit.person or edit.event.actor,
                at=edit.event.at,
                event=edit.event.sequence,
            )
    drafts, notes = draft_texts(evidence, number=number), draft_notes(evidence)
    values = []
    for field in FIELDS:
        needed = _needed(field, written)
        told = {"needed": needed, "note": notes.get(field.key, "")}
        if field.key in written and field.filled_by != "measured":
            values.append(written[field.key].model_copy(update=told))
        else:
            text = drafts.get(field.key, "")
            values.append(
                AtrsValue(
                    key=field.key,
                    text=text,
                    status=field.filled_by,
                    needed=needed,
                    note=notes.get(field.key, ""),
                )
            )
    return AtrsRecord(
        standard_version=STANDARD_VERSION,
        model=evidence.model_name,
        number=number,
        version=evidence.digest,
        values=tuple(values),
    )


def missing_fields(record: AtrsRecord) -> tuple[AtrsField, ...]:
    """Return the fields that need a text and have none: a gate can ask that there be none."""
    return tuple(value.field for value in record.values if value.missing)


def unread_drafts(record: AtrsRecord) -> tuple[AtrsField, ...]:
    """Return the drafted fields that no person has written or taken over."""
    return tuple(
        value.field for value in record.values if value.status == "drafted" and value.needed
    )


def edit_record(
    log: Log, *, model: str, texts: Mapping[str, str | None], signer: Signer
) -> Entry[AtrsEdited]:
    """Record what a person wrote in a model's ATRS record.

    Args:
        log: The registry's log.
        model: The model.
        texts: The new text by key; None takes a person's text back.
        signer: Who writes.

    Raises:
        InvalidInputError: Nothing is written, or a field that is none, is measured or too long.
        NotAllowedError: A person without a role that may.
    """
    payload = check_edit(texts)
    return log.append(ATRS_EDITED, subject=model, payload=payload, signer=signer)


def check_edit(texts: Mapping[str, str | None]) -> AtrsEdited:
    """Return an edit as a payload after checking its fields; raises what `edit_record` raises."""
    if not texts:
        raise InvalidInputError("no field is written", remedy="give FIELD=TEXT")
    for key, text in texts.items():
        field = BY_KEY.get(key)
        if field is None:
            near = suggest(key, list(BY_KEY))
            raise InvalidInputError(
                f"an ATRS record has no field {key!r}",
                remedy=f"did you mean {near}?" if near else "see `civicbench atrs show MODEL`",
            )
        if field.filled_by == "measured":
            raise InvalidInputError(
                "is measured: its text follows from the evidence and cannot be edited",
                where=f"{field.number} {field.title} ({key})",
                remedy="run the recipe again where it is wrong",
            )
        if text is not None and not text.strip():
            raise InvalidInputError("is empty", where=key, remedy="take it back with --clear")
        if text is not None and len(text) > _LONGEST_TEXT:
            raise InvalidInputError(
                f"is longer than {_LONGEST_TEXT:,} characters", where=key, got=f"{len(text):,}"
            )
    return AtrsEdited(texts=dict(texts))


def _needed(field: AtrsField, written: Mapping[str, AtrsValue]) -> bool:
    if field.optional:
        return False
    if not field.only_if:
        return True
    answer = written.get(field.only_if)
    return answer is not None and _NO.match(answer.text) is None
