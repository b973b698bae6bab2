"""Random definitions of marks, as the model writes them: all kinds of clauses, random scopes."""

from random import Random
from typing import Any

from tests.cbdc.marks_model import TREASURY, Rule
from tests.cbdc.marks_world import PEOPLE, REGISTERS
from tests.cbdc.world import DAY

WALLETS = tuple(sorted(set(PEOPLE.values())))
ITEMS = (0, 1, 2, 3)
PAPERS = ("one", "two", "three")
ABOUT = ("payer", "payee", "payee", "pair")
PERIODS = ("day", "week", "month", "year", "ever")
FACTS = (1, 2)
KINDS = (
    "listed",
    "document",
    "document",
    "goods",
    "prices",
    "estimate",
    "cap",
    "period",
    "period",
    "window",
    "share",
    "share",
    "drops",
    "drops",
    "marks",
    "release",
    "release",
)


def drawn_rule(random: Random, name: str, now: int, others: list[str]) -> Rule:
    """Any rule; a SHARE goes to one of the marks drawn before it."""
    edges = {(a, b) for a in (TREASURY, *WALLETS) for b in WALLETS if random.random() < 0.6}
    edges |= {(a, TREASURY) for a in WALLETS if random.random() < 0.1}
    begins = now - 100 if random.random() < 0.9 else now + random.randrange(3) * DAY
    many = random.choice((0, 0, 1, 1, 2, 3, 5))
    clauses = [drawn_clause(random, f"rule {number}", now, others) for number in range(many)]
    if clauses and random.random() < 0.25:
        # The same clause again under another name, for what is counted twice; a release with another share.
        again = {**clauses[0], "name": "again", "payers": []}
        clauses.append(again | ({"numerator": 2, "denominator": 3} if again["kind"] == "release" else {}))
    frees = any(clause["kind"] == "release" for clause in clauses) and random.random() < 0.8
    return Rule(
        name,
        frozenset(edges),
        random.choice((0, 0, 0, 60, 300)),
        begins,
        now + random.randrange(1, 20) * DAY,
        frozenset(one for one in WALLETS if frees or random.random() < 0.4),
        "" if frees else random.choice(("", "", "register")),
        random.choice((0, 2, 2)),
        random.random() < 0.4,
        tuple(clauses),
    )


def _scope(random: Random, categories: tuple[int, ...]) -> list[int]:
    return [] if random.random() < 0.5 else sorted(random.sample(categories, random.randint(1, 2)))


def drawn_clause(random: Random, name: str, now: int, others: list[str]) -> dict[str, Any]:
    """Any clause."""
    kind = random.choice(KINDS)
    if kind == "share" and not others:
        kind = "drops"
    payers = _scope(random, (TREASURY, *WALLETS) if kind not in ("share", "drops", "release") else WALLETS)
    clause: dict[str, Any] = {"kind": kind, "name": name, "payers": payers, "payees": _scope(random, WALLETS)}
    part = random.choice(((1, 2), (3, 25), (1, 1), (2, 3)))
    register, fact, about = random.choice(REGISTERS), random.choice(FACTS), random.choice(ABOUT)
    match kind:
        case "listed":
            document = random.choice(("", "", "one"))
            return clause | {"register": register, "fact": fact, "about": about, "document": document}
        case "document":
            same = random.random() < 0.3
            return clause | {"register": register, "fact": fact, "about": about, "same_lines": same}
        case "goods":
            ranges = [(0, 1)] if random.random() < 0.5 else [(0, 0), (2, 3)]
            return clause | {"only": random.random() < 0.6, "ranges": ranges}
        case "prices" | "estimate":
            rows = {item: random.choice((20, 60, 200)) for item in ITEMS if random.random() < 0.7}
            return clause | {"rows": rows or {0: 50}}
        case "cap":
            return clause | {"cap": random.choice((30, 80, 200))}
        case "period":
            whose = random.choice(("payer", "payee", "pair", "all"))
            return clause | {
                "period": random.choice(PERIODS),
                "whose": whose,
                "cap": random.choice((60, 150, 400)),
            }
        case "window":
            return clause | {"start": now - 50, "end": now + random.randrange(1, 9) * DAY}
        case "share":
            return clause | {"numerator": part[0], "denominator": part[1], "mark": random.choice(others)}
        case "marks":
            return clause | {"numerator": part[0], "denominator": part[1]}
        case "release":
            parts = {"numerator": part[0], "denominator": part[1]}
            return clause | {"payees": [], "register": register, "fact": fact, **parts}
    return clause


def drawn_fact(random: Random, now: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Which fact, and what its register says of it."""
    people = tuple(PEOPLE)
    other = random.choice(people) if random.random() < 0.3 else ""
    document = random.choice(("", *PAPERS, *PAPERS))
    fact = (random.choice(REGISTERS), random.choice(FACTS), random.choice(people), other, document)
    lines = [(item, 1, random.choice((10, 40, 100))) for item in ITEMS if random.random() < 0.5]
    said = {
        "amount": random.choice((0, 30, 60, 60, 100, 300)),
        "lines": lines,
        "expires": now + random.choice((-1, 0, DAY, 30 * DAY, 30 * DAY)),
        "standing": int(random.random() < 0.85),
    }
    return fact, said
