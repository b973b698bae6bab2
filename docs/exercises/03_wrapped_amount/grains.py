"""Amounts right and wrong, in orders of chance: what the grader feeds to the defence."""

import random

MOST_TIYN = 2**53 - 1


def honest_outputs(chance: random.Random) -> tuple[int, list[int]]:
    """(what there is, amounts that add up to it)."""
    outputs = [chance.randrange(1, 10 ** chance.randrange(1, 13)) for _ in range(chance.randrange(1, 17))]
    return sum(outputs), outputs


def spoilt_outputs(chance: random.Random) -> list[tuple[str, int, object]]:
    """(a story's key, what there is, outputs that must be refused)."""
    have = chance.randrange(10_000, 10**9)
    part = chance.randrange(2, have - 1)
    rest = have - part
    return [
        ("negative", have, [have + part, -part]),
        ("zero", have, [part, rest, 0]),
        ("wrapped", have, [2**64 - part, part + have]),
        ("wrapped_in_53", have, [2**53 - part, part + have]),
        ("too_large", MOST_TIYN + 1, [MOST_TIYN + 1]),
        ("a_tiyn_more", have, [part, rest + 1]),
        ("a_tiyn_less", have, [part, rest - 1]),
        ("truth", part + 1, [part, True]),
        ("fraction", have, [part + 0.5, rest - 0.5]),
        ("whole_fraction", have, [part + 0.0, rest]),
        ("text", have, [part, str(rest)]),
        ("nothing_there", have, [part, None, rest]),
        ("none", have, []),
        ("too_many", 17, [1] * 17),
        ("list_in_list", have, [[part], rest]),
        ("not_a_list", have, {part: rest}),
        ("only_a_number", have, have),
        ("only_a_text", 1, "1"),
        ("no_number", have, [float("nan"), have]),
        ("infinite", have, [float("inf"), -float("inf")]),
    ]


def weights_of_chance(chance: random.Random) -> list[int]:
    """One to eight weights, some of them 0, some alike, never all 0."""
    weights = [
        chance.choice((0, 1, 1, 3, chance.randrange(1, 1_000_001))) for _ in range(chance.randrange(1, 9))
    ]
    if not any(weights):
        weights[chance.randrange(len(weights))] = chance.randrange(1, 50)
    return weights


def amount_texts(chance: random.Random) -> list[tuple[str, int | None]]:
    """(text, tiyn) of what a person might type; None where it is to be refused."""
    whole, tiyn = chance.randrange(1_000, 10**9), chance.randrange(10, 100)
    grouped = f"{whole:,}".replace(",", " ")
    right: list[tuple[str, int | None]] = [
        (str(whole), whole * 100),
        (grouped, whole * 100),
        (f"  {grouped} ", whole * 100),
        (f"{whole}.{tiyn}", whole * 100 + tiyn),
        (f"{grouped}.{tiyn}", whole * 100 + tiyn),
        (f"{whole}.{tiyn // 10}", whole * 100 + tiyn // 10 * 10),
        (f"0.0{tiyn // 10}", tiyn // 10),
        ("0", 0),
        ("90071992547409.91", MOST_TIYN),
        (f"00{whole}", whole * 100),
    ]
    wrong = [
        "",
        " ",
        ".",
        f"{whole}.",
        f".{tiyn}",
        f"-{whole}",
        f"+{whole}",
        f"{whole}e3",
        f"{whole}_000",
        f"{whole},{tiyn}",
        f"{whole}.{tiyn}0",
        f"{whole}.{tiyn}.{tiyn}",
        f"1 {whole}" if len(str(whole)) != 3 else f"1  {whole}",
        f"{whole} ",
        "NaN",
        "inf",
        "0x10",
        "١٢٣",
        "１２３",
        "²",
        f"{whole}₸₸",
        "90071992547409.92",
        "9" * 40,
        "9" * 5_000,
        f"1 00 {whole % 900 + 100}",
        f"{grouped}\n5",
        f"1\u00a0{whole % 900 + 100}",
    ]
    spoilt = [text for text in wrong if text.strip(" ") != str(whole)]
    return right + [(text, None) for text in spoilt]
