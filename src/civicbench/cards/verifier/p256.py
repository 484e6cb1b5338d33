"""ECDSA on P-256 with SHA-256, checked as FIPS 186-5 (section 6.4.2) describes."""

from __future__ import annotations

import base64
import hashlib

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_A = _P - 3
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What stands before the 64 bytes of an uncompressed point in a public key's DER form."""
P256Point = tuple[int, int]
"""Affine coordinates; the point at infinity is None."""


def p256_holds(point: tuple[int, int], signature: bytes, message: bytes) -> bool:
    """Return whether a DER signature over a message was made by a key."""
    pair = _read_signature(signature)
    if pair is None or not 0 < pair[0] < _N or not 0 < pair[1] < _N:
        return False
    inverse = pow(pair[1], _N - 2, _N)
    hashed = int.from_bytes(hashlib.sha256(message).digest(), "big")
    found = _join(_multiply(hashed * inverse % _N, _G), _multiply(pair[0] * inverse % _N, point))
    return found is not None and found[0] % _N == pair[0]


def read_p256_key(pem: bytes) -> tuple[int, int]:
    """Return the point of a public key in PEM.

    Raises:
        ValueError: It is no P-256 key in uncompressed form, or its point is not on the curve.
    """
    lines = pem.decode("ascii").strip().splitlines()
    if lines[:1] != ["-----BEGIN PUBLIC KEY-----"] or lines[-1] != "-----END PUBLIC KEY-----":
        raise ValueError("no public key in PEM")
    content = base64.b64decode("".join(lines[1:-1]), validate=True)
    if len(content) != len(_SPKI) + 64 or not content.startswith(_SPKI):
        raise ValueError("no P-256 key")
    x, y = (int.from_bytes(content[-64:][part : part + 32], "big") for part in (0, 32))
    if x >= _P or y >= _P or (y * y - x * x * x - _A * x - _B) % _P:
        raise ValueError("not on the curve")
    return x, y


def _read_signature(content: bytes) -> tuple[int, int] | None:
    """Return the two numbers of a DER signature, or None where it is not exactly that."""
    if len(content) < 8 or content[0] != 0x30 or content[1] != len(content) - 2:
        return None
    numbers, place = [], 2
    for _ in range(2):
        if content[place : place + 1] != b"\x02" or place + 2 > len(content):
            return None
        length = content[place + 1]
        body = content[place + 2 : place + 2 + length]
        padded = len(body) > 1 and body[0] == 0 and body[1] < 0x80
        if not body or len(body) != length or body[0] & 0x80 or padded:
            return None
        numbers.append(int.from_bytes(body, "big"))
        place += 2 + length
    return (numbers[0], numbers[1]) if place == len(content) else None


def _join(first: P256Point | None, second: P256Point | None) -> P256Point | None:
    if first is None or second is None:
        return second if first is None else first
    if first[0] == second[0]:
        if (first[1] + second[1]) % _P == 0:
            return None
        slope = (3 * first[0] * first[0] + _A) * pow(2 * first[1], _P - 2, _P) % _P
    else:
        slope = (second[1] - first[1]) * pow(second[0] - first[0], _P - 2, _P) % _P
    x = (slope * slope - first[0] - second[0]) % _P
    return x, (slope * (first[0] - x) - first[1]) % _P


def _multiply(number: int, point: P256Point | None) -> P256Point | None:
    found: P256Point | None = None
    while number:
        if number & 1:
            found = _join(found, point)
        point = _join(point, point)
        number >>= 1
    return found
