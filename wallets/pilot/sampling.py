"""Numbers drawn from stated distributions: the same seed, label and number give the same draw, on every machine.

A draw is a function of (seed, label, i) and of nothing else, so a script may sum its own draws in an expectation, and
a population of a million needs no list. Chance is the first 64 bits of BLAKE2b over the three; no float is touched:

    uniform    low and high are both possible; the 64 bits are scaled to the range
    choice     whole weights; the draw is the place of the weight it fell on, from 0, or the value at that place
    normal     mean and standard deviation; the quantiles of the standard normal distribution in millionths are a
               table at 4,096 equidistant probabilities with straight lines between, the last one laid so that the
               tail keeps its mean: draws end at 3.99 deviations
    lognormal  mean and the percent that the standard deviation is of it: what payments and wages look like; its
               quantiles at the same probabilities, with straight lines between

What comes out is rounded down. A normal draw may be negative: write max(0, ...) where that makes no sense.

The table was computed with `statistics.NormalDist().inv_cdf` (Wichura, algorithm AS 241, Applied Statistics 37, 1988);
a test computes it again. Logarithm, root and exponential of the lognormal are `decimal` with 34 digits, which is
correctly rounded and so the same everywhere.
"""

import decimal
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

WORDS = 2**64
MILLION = 1_000_000
HALVES = 2_048
_PARTS = 10**12
_CONTEXT = decimal.Context(prec=34)

KINDS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "normal": ("mean", "deviation"),
    "lognormal": ("mean", "spread_percent"),
    "choice": ("weights", "values"),
}


def word(seed: int, label: int, number: int) -> int:
    """The 64 bits of chance of one draw."""
    return int.from_bytes(hashlib.blake2b(b"%d %d %d" % (seed, label, number), digest_size=8).digest())


@lru_cache(maxsize=4_096)
def label_number(label: str) -> int:
    """A label as the number under which expressions carry it, below 2^63."""
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest()) >> 1


def uniform(chance: int, low: int, high: int) -> int:
    """A whole number from low to high; ValueError when there is none."""
    if high < low:
        raise ValueError(f"there is nothing from {low} to {high}")
    return low + (chance * (high - low + 1) >> 64)


def choice(chance: int, *weights: int) -> int:
    """The place of one of the weights, each as likely as its share; ValueError for weights that cannot be."""
    whole = sum(weights)
    if whole < 1 or min(weights) < 0:
        raise ValueError("weights are whole numbers from 0, and not all 0")
    left = chance * whole >> 64
    for place, weight in enumerate(weights):
        if left < weight:
            return place
        left -= weight
    raise AssertionError("the weights add up to their sum")


@lru_cache(maxsize=1)
def quantiles() -> Sequence[int]:
    """The standard normal quantiles at 1/2 + k/4096, k = 0 .. 2047, and where the last line ends, in millionths."""
    text = resources.files("wallets.pilot").joinpath("normal.txt").read_text(encoding="ascii")
    return tuple(int(line) for line in text.split())


def standard(chance: int) -> int:
    """A draw from the standard normal distribution, in millionths."""
    table = quantiles()
    above, part = divmod(chance, WORDS // 2)
    place, rest = divmod((part if above else WORDS // 2 - 1 - part) * HALVES, WORDS // 2)
    value = table[place] + (table[place + 1] - table[place]) * rest // (WORDS // 2)
    return value if above else -value


def normal(chance: int, mean: int, deviation: int) -> int:
    """A draw with this mean and standard deviation, rounded down; ValueError for a deviation below 0."""
    if deviation < 0:
        raise ValueError("a deviation is 0 or more")
    return mean + deviation * standard(chance) // MILLION


def lognormal(chance: int, mean: int, spread_percent: int) -> int:
    """A draw above 0 with this mean; its deviation is so many percent of the mean. Rounded down.

    ValueError for a mean below 1 or a spread outside 0 to 1000 percent.
    """
    if mean < 1 or not 0 <= spread_percent <= 1_000:
        raise ValueError("a mean is 1 or more, a spread 0 to 1000 percent")
    curve = _curve(spread_percent)
    place, rest = divmod(chance * 2 * HALVES, WORDS)
    part = curve[place] + (curve[place + 1] - curve[place]) * rest // WORDS
    return mean * part // _PARTS


@lru_cache(maxsize=64)
def _curve(spread_percent: int) -> Sequence[int]:
    """The quantiles of the lognormal distribution with mean 1 at k/4096, k = 0 .. 4096, in parts of 10^12.

    The logarithm has the deviation sqrt(ln(1 + s²)), and the median is 1 / sqrt(1 + s²) of the mean.
    """
    square = 1 + decimal.Decimal(spread_percent * spread_percent).scaleb(-4)
    deviation = _CONTEXT.sqrt(_CONTEXT.ln(square))
    median = _CONTEXT.divide(decimal.Decimal(_PARTS), _CONTEXT.sqrt(square))
    above = quantiles()
    standard_quantiles = [*(-value for value in reversed(above[1:])), *above]
    powers = (_CONTEXT.multiply(deviation, decimal.Decimal(value).scaleb(-6)) for value in standard_quantiles)
    return tuple(int(_CONTEXT.multiply(_CONTEXT.exp(power), median)) for power in powers)


def pick(chance: int, *weights_and_values: int) -> int:
    """One of the values, which stand behind as many weights."""
    half = len(weights_and_values) // 2
    return weights_and_values[half + choice(chance, *weights_and_values[:half])]


def draw(kind: int, chance: int, values: Sequence[int]) -> int:
    """A draw of the kind with this place in `KINDS`."""
    functions = (uniform, normal, lognormal, pick)
    return functions[kind](chance, *values)
