"""Ed25519 signatures, checked as RFC 8032 (section 5.1.7) describes; no secret is ever handled."""

from __future__ import annotations

import hashlib

_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_CURVE = (-121665 * pow(121666, _FIELD - 2, _FIELD)) % _FIELD
_ROOT = pow(2, (_FIELD - 1) // 4, _FIELD)
EdPoint = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x * y = T/Z."""
_NEUTRAL: EdPoint = (0, 1, 1, 0)


def ed25519_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a signature over a message was made by a key.

    Args:
        public: The 32 bytes of the public key.
        signature: The 64 bytes of the signature.
        message: What was signed.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key = _decode(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _ORDER or _encode(_times(8, key)) == _encode(_NEUTRAL):
        return False
    challenge = hashlib.sha512(signature[:32] + public + message).digest()
    hashed = int.from_bytes(challenge, "little") % _ORDER
    # [S]B - [h]A has to be R.
    opposite = (_FIELD - key[0], key[1], key[2], _FIELD - key[3])
    found = _add(_times(scalar, _base()), _times(hashed, opposite))
    return _encode(found) == signature[:32]


def _add(first: EdPoint, second: EdPoint) -> EdPoint:
    a = (first[1] - first[0]) * (second[1] - second[0]) % _FIELD
    b = (first[1] + first[0]) * (second[1] + second[0]) % _FIELD
    c = 2 * first[3] * second[3] * _CURVE % _FIELD
    d = 2 * first[2] * second[2] % _FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _FIELD, g * h % _FIELD, f * g % _FIELD, e * h % _FIELD)


def _times(number: int, point: EdPoint) -> EdPoint:
    found = _NEUTRAL
    while number:
        if number & 1:
            found = _add(found, point)
        point = _add(point, point)
        number >>= 1
    return found


def _base() -> EdPoint:
    encoded = (4 * pow(5, _FIELD - 2, _FIELD) % _FIELD).to_bytes(32, "little")
    point = _decode(encoded)
    assert point is not None  # noqa: S101 (a constant of the curve)
    return point


def _encode(point: EdPoint) -> bytes:
    inverse = pow(point[2], _FIELD - 2, _FIELD)
    x, y = point[0] * inverse % _FIELD, point[1] * inverse % _FIELD
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(content: bytes) -> EdPoint | None:
    number = int.from_bytes(content, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _FIELD:
        return None
    above, below = (y * y - 1) % _FIELD, (_CURVE * y * y + 1) % _FIELD
    square = above * pow(below, _FIELD - 2, _FIELD) % _FIELD
    x = pow(square, (_FIELD + 3) // 8, _FIELD)
    if x * x % _FIELD != square:
        x = x * _ROOT % _FIELD
    if x * x % _FIELD != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _FIELD - x
    return (x, y, 1, x * y % _FIELD)
