"""Signed envelopes: DSSE 1.0 around in-toto statements, with Ed25519.

The envelope's format: https://github.com/secure-systems-lab/dsse, protocol and envelope 1.0.2.
"""

import base64
import binascii
import json
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civicbench.core.digests import canonical_json
from civicbench.core.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

STATEMENT_TYPE = "application/vnd.in-toto+json"
"""The payload type of every envelope that is written here."""


class Signature(BaseModel):
    """One signature of an envelope."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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


def encode_for_signing(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding of type and payload."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: object, *, key: "Ed25519PrivateKey", key_id: str) -> bytes:
    """Return a statement in a signed envelope, as the bytes of a JSON file.

    The same statement and key give the same bytes: Ed25519 needs no random number.

    Args:
        statement: Anything that JSON can hold.
        key: Who signs.
        key_id: The key's name, for whoever looks for the right public key.
    """
    return sign_payload(canonical_json(statement).encode("utf-8"), key=key, key_id=key_id)


def sign_payload(payload: bytes, *, key: "Ed25519PrivateKey", key_id: str) -> bytes:
    """Return bytes that are a JSON statement in a signed envelope; see `sign_statement`."""
    signature = key.sign(encode_for_signing(STATEMENT_TYPE, payload))
    envelope = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": STATEMENT_TYPE,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode("ascii")}],
    }
    return (canonical_json(envelope) + "\n").encode("utf-8")


def open_envelope(content: bytes, *, key: "Ed25519PublicKey", where: str) -> bytes:
    """Return an envelope's payload after checking that a key signed it.

    Args:
        content: The envelope's bytes.
        key: The key that must have signed.
        where: What is being read, for messages.

    Raises:
        IntegrityError: It is no envelope of a statement, or none of its signatures is the key's.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        envelope = Envelope.model_validate_json(content)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(one.sig, validate=True) for one in envelope.signatures]
    except (ValidationError, binascii.Error, ValueError):
        raise IntegrityError("is no signed envelope", where=where) from None
    if envelope.payloadType != STATEMENT_TYPE:
        raise IntegrityError("holds no statement", where=where, got=envelope.payloadType)
    message = encode_for_signing(envelope.payloadType, payload)
    for signature in signatures:
        try:
            key.verify(signature, message)
        except InvalidSignature:
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
