"""Signed envelopes: DSSE 1.0 around in-toto statements, with Ed25519.

The envelope's format: https://github.com/secure-systems-lab/dsse, protocol and envelope 1.0.2.
"""

import base64
import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civicbench.core.digests import canonical_json
from civicbench.core.errors import IntegrityError
from civicbench.registry.signing.envelope import Proof
from civicbench.registry.signing.keys import PublicKey, Signer

STATEMENT_TYPE = "application/vnd.in-toto+json"
"""The payload type of every envelope that is written here."""


class Signature(BaseModel):
    """One signature of an envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    keyid: str = ""
    """Which key made it; a hint, trusted for nothing."""
    sig: str
    """The signature in base64."""


class Envelope(BaseModel):
    """A payload with its signatures; unknown keys are ignored, as the format asks."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    payload: str
    """The payload in base64."""
    payloadType: str  # noqa: N815 (the format's own spelling)
    """What the payload is."""
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1)]
    """Its signatures."""


def sign_statement(statement: object, *, signer: Signer) -> bytes:
    """Return a statement in a signed envelope, as the bytes of a JSON file.

    The same statement and key give the same bytes: Ed25519 needs no random number.

    Args:
        statement: Anything that JSON can hold.
        signer: Who signs.
    """
    return sign_payload(canonical_json(statement).encode("utf-8"), signer=signer)


def sign_payload(payload: bytes, *, signer: Signer) -> bytes:
    """Return bytes that are a JSON statement in a signed envelope; see `sign_statement`."""
    proof = signer.sign(STATEMENT_TYPE, payload)
    envelope = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": STATEMENT_TYPE,
        "signatures": [{"keyid": proof.key, "sig": proof.signature}],
    }
    return (canonical_json(envelope) + "\n").encode("utf-8")


def open_envelope(content: bytes, *, key: PublicKey, where: str) -> bytes:
    """Return an envelope's payload after checking that a key signed it.

    Args:
        content: The envelope's bytes.
        key: The key that must have signed.
        where: What is being read, for messages.

    Raises:
        IntegrityError: It is no envelope of a statement, or none of its signatures is the key's.
    """
    try:
        envelope = Envelope.model_validate_json(content)
        payload = base64.b64decode(envelope.payload, validate=True)
    except (ValidationError, ValueError):
        raise IntegrityError("is no signed envelope", where=where) from None
    if envelope.payloadType != STATEMENT_TYPE:
        raise IntegrityError("holds no statement", where=where, got=envelope.payloadType)
    for one in envelope.signatures:
        try:
            key.check(STATEMENT_TYPE, payload, proof=Proof(key=key.fingerprint, signature=one.sig))
        except IntegrityError:
            continue
        return payload
    raise IntegrityError("was not signed by that key, or was changed since", where=where)


def read_statement(payload: bytes, *, where: str) -> dict[str, object]:
    """Return a payload as a statement.

    Raises:
        IntegrityError: It is no JSON object.
    """
    try:
        statement = json.loads(payload)
    except ValueError:
        raise IntegrityError("is not JSON", where=where) from None
    if not isinstance(statement, dict):
        raise IntegrityError("is no statement", where=where)
    return statement
