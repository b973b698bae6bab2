"""Ed25519 by hand, to build corners that no library lets one build. For vectors only: slow, not constant-time."""

import hashlib

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, PRIME) % PRIME

Point = tuple[int, int]

NEUTRAL: Point = (0, 1)


def add(one: Point, other: Point) -> Point:
    """The sum of two points."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME
    return x, y


def times(scalar: int, point: Point) -> Point:
    """`scalar` times `point`."""
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def encode(point: Point) -> bytes:
    """The 32 bytes of a point: y, and the parity of x in the highest bit."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(y: int, odd: int) -> Point | None:
    """The point with this y (below the prime) whose x has this parity; None when there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - square) % PRIME:
        return None
    if x == 0 and odd:
        return None
    return (x if x & 1 == odd else PRIME - x), y


BASE: Point = decode(4 * pow(5, -1, PRIME) % PRIME, 0) or NEUTRAL


def small_points() -> list[Point]:
    """The eight points whose order divides eight, in the order of their bytes."""
    generator = next(
        torsion
        for y in range(2, 100)
        if (point := decode(y, 0)) is not None and times(4, torsion := times(ORDER, point)) != NEUTRAL
    )
    return sorted((times(n, generator) for n in range(8)), key=encode)


def challenge(point: bytes, key: bytes, message: bytes) -> int:
    """The scalar k of the verification equation."""
    return int.from_bytes(hashlib.sha512(point + key + message).digest(), "little") % ORDER


def secret_scalar(seed: bytes) -> int:
    """The private scalar that belongs to a 32-byte seed."""
    digest = bytearray(hashlib.sha512(seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return int.from_bytes(digest, "little")
