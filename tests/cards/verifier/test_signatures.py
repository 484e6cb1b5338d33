"""The verifier's own Ed25519 and ECDSA agree with published vectors and with `cryptography`."""

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from civicbench.cards.verifier.ed25519 import ed25519_holds
from civicbench.cards.verifier.p256 import p256_holds, read_p256_key

# RFC 8032, section 7.1: public key, message, signature.
RFC_8032 = {
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
        "1cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
        "d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
        "984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c6"
        "6431e0303dca179c138ac17ad9bef1177331a704",
    ),
}  # fmt: skip
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize("name", RFC_8032)
def test_the_vectors_of_rfc_8032_hold(name: str) -> None:
    public, message, signature = (bytes.fromhex(text) for text in RFC_8032[name])
    assert ed25519_holds(public, signature, message)
    assert not ed25519_holds(public, signature, message + b"x")


@pytest.mark.parametrize("seed", range(12))
def test_ed25519_agrees_with_cryptography_and_sees_every_changed_bit(seed: int) -> None:
    chance = random.Random(seed)
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    public, message = key.public_key().public_bytes_raw(), chance.randbytes(seed * 7)
    signature = key.sign(message)
    assert ed25519_holds(public, signature, message)
    for _ in range(4):
        place = chance.randrange(64)
        changed = bytearray(signature)
        changed[place] ^= 1 << chance.randrange(8)
        assert not ed25519_holds(public, bytes(changed), message)
    wrong = bytearray(public)
    wrong[chance.randrange(32)] ^= 1 << chance.randrange(8)
    assert not ed25519_holds(bytes(wrong), signature, message)


def test_a_second_form_of_a_signature_is_refused() -> None:
    public, message, signature = (bytes.fromhex(text) for text in RFC_8032["TEST 2"])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519_holds(public, signature[:32] + scalar.to_bytes(32, "little"), message)


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18])
def test_a_key_that_would_pass_anything_is_refused(y: int) -> None:
    # Points of small order, and numbers that are none of the field's.
    public = y.to_bytes(32, "little")
    neutral = (1).to_bytes(32, "little")
    assert not ed25519_holds(public, neutral + bytes(32), b"anything")


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33)])
def test_what_is_no_key_is_refused(public: bytes) -> None:
    assert not ed25519_holds(public, bytes(64), b"")
    assert not ed25519_holds(bytes(32), bytes(63), b"")


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("seed", range(1, 9))
def test_p256_agrees_with_cryptography(seed: int) -> None:
    chance = random.Random(seed)
    key = ec.derive_private_key(chance.getrandbits(255) + 1, ec.SECP256R1())
    message = chance.randbytes(seed * 11)
    signature = key.sign(message, ec.ECDSA(SHA256()))
    point = read_p256_key(pem_of(key))
    assert p256_holds(point, signature, message)
    assert not p256_holds(point, signature, message + b"x")
    r, s = decode_dss_signature(signature)
    assert not p256_holds(point, encode_dss_signature(r, s + 1), message)
    assert not p256_holds(point, encode_dss_signature(0, s), message)
    other = ec.derive_private_key(chance.getrandbits(255) + 1, ec.SECP256R1())
    assert not p256_holds(read_p256_key(pem_of(other)), signature, message)


def test_the_p256_vector_of_rfc_6979_holds() -> None:
    # RFC 6979, A.2.5: SHA-256, message "sample".
    point = (
        0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
        0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
    )
    signature = encode_dss_signature(
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    )
    assert p256_holds(point, signature, b"sample")
    assert not p256_holds(point, signature, b"Sample")


@pytest.mark.parametrize("signature", [
    b"", b"\x30\x06\x02\x01\x01\x02\x01", b"\x30\x07\x02\x01\x01\x02\x01\x01\x00",
    b"\x30\x07\x02\x02\x00\x01\x02\x01\x01", b"\x30\x06\x02\x01\x81\x02\x01\x01",
    b"\x31\x06\x02\x01\x01\x02\x01\x01", b"\x30\x06\x02\x05\x01\x02\x01\x01",
])  # fmt: skip
def test_what_is_not_exactly_a_der_signature_is_refused(signature: bytes) -> None:
    assert not p256_holds((1, 1), signature, b"")


def test_a_point_off_the_curve_or_another_kind_of_key_is_refused() -> None:
    good = pem_of(ec.derive_private_key(5, ec.SECP256R1()))
    other = pem_of(ec.derive_private_key(5, ec.SECP384R1()))  # type: ignore[arg-type]
    off = bytearray(good)
    off[100] = ord("A") if off[100] != ord("A") else ord("B")
    for pem in (b"", b"x", other, bytes(off)):
        with pytest.raises(ValueError):
            read_p256_key(pem)
