"""DSSE: signatures over a type and its bytes together, so that neither passes for another.

Source of the encoding: Dead Simple Signing Envelope, version 1.0.
"""

import base64
import binascii

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import IntegrityError

STATEMENT_TYPE = "application/vnd.civicbench.statement.v1+json"
"""What a person signs: a statement of the registry, as canonical JSON."""
KEY_TYPE = "application/vnd.civicbench.key.v1+json"
"""What a new key signs, to show that whoever enrols it holds its private half."""
CHECKPOINT_TYPE = "application/vnd.civicbench.checkpoint.v1+json"
"""A signed head of the event chain."""


class Proof(BaseModel):
    """A signature, and the key that made it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    key: str
    """Fingerprint: sha256 of the 32 bytes of the public key, in hexadecimal."""
    signature: str
    """The 64 bytes of the Ed25519 signature, in base64."""

    @property
    def signature_bytes(self) -> bytes:
        """The signature's bytes.

        Raises:
            IntegrityError: It is no base64.
        """
        try:
            return base64.b64decode(self.signature, validate=True)
        except binascii.Error:
            raise IntegrityError("is no signature in base64", got=self.signature[:80]) from None


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding of a type and its bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
