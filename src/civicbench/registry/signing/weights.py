"""A signature over a model's files that OpenSSF model signing verifies.

The bundle's format: Sigstore bundle 0.3 with a DSSE envelope around an in-toto statement of type
`https://model_signing/signature/v1.0`, by an elliptic-curve key (the tool's "key" method). That
tool knows no Ed25519, so each person's key has a P-256 companion derived from it: there is one
secret and one passphrase, and whoever holds the one holds the other.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from civicbench.core.digests import canonical_json, digest_bytes
from civicbench.registry.signing.dsse import STATEMENT_TYPE
from civicbench.registry.signing.envelope import pae

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_DERIVATION = b"civicbench model signing, P-256, version 1"
_DERIVED_BYTES = 48  # 16 more than the order has, so that no scalar is likelier than another


def companion_key(key: "Ed25519PrivateKey") -> "EllipticCurvePrivateKey":
    """Return the P-256 key that belongs to a person's Ed25519 key: HKDF-SHA256 over its seed."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derivation = HKDF(algorithm=SHA256(), length=_DERIVED_BYTES, salt=None, info=_DERIVATION)
    number = int.from_bytes(derivation.derive(key.private_bytes_raw()), "big")
    return derive_private_key(number % (_P256_ORDER - 1) + 1, SECP256R1())


def public_pem(key: "EllipticCurvePublicKey") -> bytes:
    """Return a public key as the PEM file that `model_signing verify key` takes."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign_weights(files: Mapping[str, str], *, name: str, key: "EllipticCurvePrivateKey") -> bytes:
    """Return the signature bundle over a model's files.

    Args:
        files: sha256 of each file by its path within the model's folder.
        name: The folder's name.
        key: Who signs; the same files and key give the same bytes (RFC 6979).
    """
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    statement = weights_statement(files, name=name)
    payload = canonical_json(statement).encode("utf-8")
    message = pae(STATEMENT_TYPE, payload)
    signature = key.sign(message, ECDSA(SHA256(), deterministic_signing=True))
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": digest_bytes(public_pem(key.public_key()))},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": STATEMENT_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode("ascii"), "keyid": ""}],
        },
    }
    return (canonical_json(bundle) + "\n").encode("utf-8")


def weights_statement(files: Mapping[str, str], *, name: str) -> dict[str, object]:
    """Return the statement of a model's files, as OpenSSF model signing writes it.

    The subject's digest is the sha256 over the files' digests, in the order of their paths.

    Args:
        files: sha256 of each file by its path within the model's folder.
        name: The folder's name.
    """
    whole = hashlib.sha256()
    resources = []
    for path in sorted(files, key=PurePosixPath):
        whole.update(bytes.fromhex(files[path]))
        resources.append({"name": path, "algorithm": "sha256", "digest": files[path]})
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": whole.hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
            "resources": resources,
        },
    }
