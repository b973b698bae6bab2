"""P-256 by hand, to make the key under which a chosen (r, s) is a signature. For vectors only, not constant-time."""

import hashlib
from itertools import count

PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
BASE_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5

Point = tuple[int, int] | None


def add(one: Point, other: Point) -> Point:
    """The sum of two points; None is the neutral one."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % PRIME == 0:
        return None
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, PRIME) % PRIME
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, PRIME) % PRIME
    x = (slope * slope - x1 - x2) % PRIME
    return x, (slope * (x1 - x) - y1) % PRIME


def times(scalar: int, point: Point) -> Point:
    """`scalar` times `point`."""
    result: Point = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def _y(x: int) -> int | None:
    square = (x * x * x - 3 * x + B) % PRIME
    root = pow(square, (PRIME + 1) // 4, PRIME)
    return root if root * root % PRIME == square else None


def first_x(start: int) -> int:
    """The first x from `start` on that a point of the curve has."""
    return next(x for x in count(start) if _y(x) is not None)


def key_for(r: int, s: int, message: bytes) -> bytes:
    """The compressed key Q = (s R - e G) / r under which (r, s) signs `message`; R is a point with x = r."""
    y = _y(r)
    assert y is not None
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(r, -1, ORDER)
    point = add(times(s * inverse % ORDER, (r, y)), times(-digest * inverse % ORDER, (BASE_X, BASE_Y)))
    assert point is not None
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")
