"""Public and private halves of Ed25519 keys."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.registry.signing.envelope import Proof, pae


class Signer(Protocol):
    """Whoever can sign as a person: an unlocked key file, or a signature made elsewhere."""

    @property
    def person(self) -> str:
        """The person whose key it is."""

    def sign(self, payload_type: str, payload: bytes) -> Proof:
        """Return a signature over a type and its bytes."""


@dataclass(frozen=True)
class PublicKey:
    """A public key.

    Attributes:
        content: Its 32 bytes.
    """

    content: bytes

    @property
    def fingerprint(self) -> str:
        """sha256 of its bytes, in hexadecimal: the key's name."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pem(self) -> str:
        """The key as PEM (SubjectPublicKeyInfo), which openssl reads."""
        key = Ed25519PublicKey.from_public_bytes(self.content)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @classmethod
    def from_pem(cls, text: str, *, where: str) -> "PublicKey":
        """Read a key from PEM.

        Args:
            text: The PEM text.
            where: Where it stands, for the message.

        Raises:
            InvalidInputError: It is no Ed25519 public key.
        """
        try:
            key = load_pem_public_key(text.encode("utf-8", "replace"))
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInputError("is no Ed25519 public key in PEM", where=where)
        return cls(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def check(self, payload_type: str, payload: bytes, *, proof: Proof) -> None:
        """Check a signature.

        Raises:
            IntegrityError: It was not made by this key over these bytes.
        """
        made = proof.key == self.fingerprint
        if made:
            try:
                Ed25519PublicKey.from_public_bytes(self.content).verify(
                    proof.signature_bytes, pae(payload_type, payload)
                )
            except InvalidSignature:
                made = False
        if not made:
            raise IntegrityError(
                "the signature was not made by this key over these bytes",
                got=f"key {proof.key[:12]}, expected {self.fingerprint[:12]}",
                remedy="sign again, with the key that is enrolled for you",
            )


@dataclass(frozen=True)
class PersonKey:
    """A person's unlocked private key; `repr` never shows it.

    Attributes:
        person: Whose key it is.
        private: The private half.
    """

    person: str
    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"PersonKey({self.person}, {self.public.fingerprint[:12]})"

    @classmethod
    def generate(cls, person: str) -> "PersonKey":
        """Return a new key."""
        return cls(person, Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        """The public half."""
        key = self.private.public_key()
        return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, payload_type: str, payload: bytes) -> Proof:
        """Return a signature over a type and its bytes."""
        signature = self.private.sign(pae(payload_type, payload))
        return Proof(
            key=self.public.fingerprint, signature=base64.b64encode(signature).decode("ascii")
        )
