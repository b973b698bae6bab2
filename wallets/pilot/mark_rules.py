"""The rules of a mark as a script writes them, and as the ledger's clauses.

    [[mark]]
    name = "meal"
    purpose = 7
    release = ["canteen"]

    [[mark.rule]]
    name = "chain"
    kind = "pays"
    edges = [["treasury_account", ["pupil"]], ["pupil", ["canteen"]]]

Each rule has a name (a refused step says which rule refuses it), a kind, and what its kind asks for; most kinds may be
narrowed to `payers` and `payees`. A mark without a rule `pays` may go from anybody to anybody, one without `until` has
no last day: what is not asked is allowed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cbdc import clause, clauses, token
from wallets.pilot.reader import Reader, rows_of

CATEGORIES = {name.replace(" ", "_"): number for number, name in token.CATEGORY_NAMES.items()}
ABOUT = {"payer": clause.PAYER, "payee": clause.PAYEE, "pair": clause.PAIR}
WHOSE = {**ABOUT, "all": clause.ALL}
PERIODS = {name: number for number, name in clause.PERIOD_NAMES.items()}
NO_LAST_DAY = -1
# The codes with which a rule of a kind refuses a payment or a release: online, and device to device. Kinds without a
# code offline keep their money from going there (E_MARK_OFFLINE), or ask nothing of a payment.
_BASKET = "E_MARK_BASKET"
REFUSES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pays": (("E_MARK_EDGE",), ("E_CATEGORY", "E_CATEGORY_IN")),
    # Notes of a mark end with its last day, so a device has none to pay with.
    "until": (("E_MARK_TIME",), ("E_COINS", "E_PURPOSE_TIME")),
    "cap": (("E_MARK_CAP",), ("E_PURPOSE_CAP",)),
    "evidence": (("E_MARK_EVIDENCE",), ()),
    "listed": (("E_MARK_LISTED",), ()),
    "document": (("E_MARK_DOCUMENT", "E_MARK_DOCUMENT_SUM", "E_MARK_DOCUMENT_LINES", _BASKET), ()),
    "goods": (("E_MARK_GOODS", _BASKET), ()),
    "prices": (("E_MARK_PRICE", _BASKET), ()),
    "estimate": (("E_MARK_ESTIMATE", "E_MARK_ESTIMATE_SUM", _BASKET), ()),
    "most": (("E_MARK_CAP",), ("E_PURPOSE_CAP",)),
    "period": (("E_MARK_PERIOD",), ()),
    "window": (("E_MARK_TIME",), ("E_PURPOSE_TIME",)),
    "share": ((), ()),
    "drops": ((), ()),
    "marks": ((), ()),
    "release": (("E_MARK_RELEASE_SUM",), ()),
}
_EVERYBODY = tuple(sorted(CATEGORIES.values()))
Edges = tuple[tuple[int, tuple[int, ...]], ...]
_OPEN: Edges = tuple((payer, _EVERYBODY) for payer in _EVERYBODY)


@dataclass(frozen=True, slots=True)
class Places:
    """What a rule may refer to besides numbers: facts by (register, fact), marks defined above it, moments of days."""

    facts: Mapping[tuple[str, str], int]
    kids: Mapping[str, bytes]
    marks: Mapping[str, bytes]
    moment: Callable[[int, str], int]
    document: Callable[[Sequence[Any], int], bytes]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a mark: its name and kind, its scope, and the rest as it was read."""

    name: str
    kind: str
    payers: tuple[int, ...]
    payees: tuple[int, ...]
    values: Mapping[str, Any]

    def covers(self, payer: int, payee: int) -> bool:
        """Whether a payment between these categories is in its scope, as for the clause that it becomes."""
        return clauses.Drops(self.name, self.payers, self.payees).covers(payer, payee)

    @property
    def asks_lines(self) -> bool:
        """Whether it judges what is paid for."""
        return self.kind in ("goods", "prices", "estimate") or bool(self.values.get("same_lines"))


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a mark: what stands in its definition's head, and what becomes clauses."""

    edges: Edges = _OPEN
    last_day: int = NO_LAST_DAY
    payment_cap_tiyn: int = 0
    evidence: bool = False
    clauses: tuple[Rule, ...] = ()


def category(reader: Reader, name: object) -> int:
    """The number of a category by its name."""
    if not isinstance(name, str) or name not in CATEGORIES:
        raise reader.wrong(f"category {name!r} must be one of {', '.join(CATEGORIES)}")
    return CATEGORIES[name]


def read_rules(file: str, place: str, row: Any, names: Mapping[str, int], known: "Known") -> Rules:
    """The rules under the key `rule` of a mark's row; E_SCRIPT with the place of the first mistake."""
    found: list[Rule] = []
    head: dict[str, Any] = {}
    taken: set[str] = set()
    for number, item in rows_of(file, row if isinstance(row, dict) else {}, "rule"):
        reader = Reader(file, f"{place}, rule number {number}", item)
        name, kind = reader.name("name", taken=taken), reader.text("kind")
        taken.add(name)
        if kind in _HEAD:
            key, value = _HEAD[kind](reader, names)
            if key in head:
                raise reader.wrong(f"there is a rule of kind {kind} already")
            head[key] = value
        elif kind in _KINDS:
            payers, payees = (
                tuple(category(reader, entry) for entry in reader.list(key)) for key in ("payers", "payees")
            )
            found.append(Rule(name, kind, payers, payees, _KINDS[kind](reader, names, known)))
        else:
            raise reader.wrong(f"there is no kind {kind[:20]}; there are {', '.join([*_HEAD, *_KINDS])}")
        reader.done()
    return Rules(**head, clauses=tuple(found))


@dataclass(frozen=True, slots=True)
class Known:
    """The names that rules may use: (register, fact) pairs, and the marks defined above."""

    facts: Mapping[tuple[str, str], int]
    marks: Sequence[str]


# --- kinds that stand in the head of a definition ---


def _pays(reader: Reader, names: Mapping[str, int]) -> tuple[str, Any]:
    edges = []
    for edge in reader.list("edges"):
        if not (isinstance(edge, list) and len(edge) == 2 and isinstance(edge[1], list)):
            raise reader.wrong('edges are written as [["payer", ["payee", ...]], ...]')
        edges.append((category(reader, edge[0]), tuple(category(reader, name) for name in edge[1])))
    return "edges", tuple(edges)


def _until(reader: Reader, names: Mapping[str, int]) -> tuple[str, Any]:
    last = reader.value("last_day", names)
    if not 0 <= last <= 2_000:
        raise reader.wrong(f"day {last}: days are 0 to 2000")
    return "last_day", last


def _cap(reader: Reader, names: Mapping[str, int]) -> tuple[str, Any]:
    return "payment_cap_tiyn", _positive(reader, "amount", names)


def _evidence(reader: Reader, names: Mapping[str, int]) -> tuple[str, Any]:
    return "evidence", True


_HEAD: dict[str, Callable[[Reader, Mapping[str, int]], tuple[str, Any]]] = {
    "pays": _pays,
    "until": _until,
    "cap": _cap,
    "evidence": _evidence,
}


# --- kinds that become clauses ---


def _positive(reader: Reader, key: str, names: Mapping[str, int]) -> int:
    value = reader.value(key, names)
    if value < 1:
        raise reader.wrong(f"{key} is {value}; it must be 1 or more")
    return value


def _choice(reader: Reader, key: str, choices: Mapping[str, int], default: str) -> int:
    word = reader.text(key, default)
    if word not in choices:
        reader.note(key, f"{key} must be one of {', '.join(choices)}")
    return choices.get(word, choices[default])


def _fact(reader: Reader, known: Known) -> tuple[str, str]:
    pair = (reader.text("register"), reader.text("fact"))
    if pair not in known.facts:
        told = ", ".join(f"{register}/{fact}" for register, fact in known.facts) or "none"
        raise reader.wrong(f"there is no fact {pair[0]}/{pair[1]}; there are {told}")
    return pair


def _pairs(reader: Reader, key: str, names: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    rows = reader.list(key)
    if not rows or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        raise reader.wrong(f"{key} is written as [[number, number], ...]")
    return tuple((reader.check(key, row[0], names), reader.check(key, row[1], names)) for row in rows)


def _listed(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    fact, about = _fact(reader, known), _choice(reader, "about", ABOUT, "payee")
    return {"fact": fact, "about": about, "document": reader.list("document")}


def _document(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    fact, about = _fact(reader, known), _choice(reader, "about", ABOUT, "payee")
    return {"fact": fact, "about": about, "same_lines": reader.value("same_lines", names, 0)}


def _goods(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    keys = [key for key in ("only", "never") if reader.has(key)]
    if len(keys) != 1:
        raise reader.wrong("goods are written as only = [[first, last], ...] or never = [[first, last], ...]")
    return {"allowed": int(keys[0] == "only"), "ranges": _pairs(reader, keys[0], names)}


def _prices(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {"rows": _pairs(reader, "caps", names)}


def _estimate(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {"rows": _pairs(reader, "sums", names)}


def _most(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {"amount": _positive(reader, "amount", names)}


def _period(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {
        "per": _choice(reader, "per", PERIODS, "month"),
        "whose": _choice(reader, "whose", WHOSE, "payer"),
        "amount": _positive(reader, "amount", names),
    }


def _window(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    first, last = reader.value("first_day", names, 0), reader.value("last_day", names, 2_000)
    return {"first_day": first, "last_day": last}


def _share(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    mark = reader.text("mark")
    if mark not in known.marks:
        raise reader.wrong(f"there is no mark {mark[:40]} above this one")
    return {**_part(reader, names, known), "mark": mark}


def _part(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {key: _positive(reader, key, names) for key in ("numerator", "denominator")}


def _release(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    parts = []
    for row in reader.list("parts"):
        if not (isinstance(row, list) and len(row) == 4 and (row[0], row[1]) in known.facts):
            raise reader.wrong('parts are written as [["register", "fact", numerator, denominator], ...]')
        share = [reader.check("parts", part, names) for part in row[2:]]
        parts.append(((row[0], row[1]), share[0], share[1]))
    if not parts:
        raise reader.wrong("parts is missing")
    return {"parts": tuple(parts)}


def _nothing(reader: Reader, names: Mapping[str, int], known: Known) -> dict[str, Any]:
    return {}


_KINDS: dict[str, Callable[[Reader, Mapping[str, int], Known], dict[str, Any]]] = {
    "listed": _listed,
    "document": _document,
    "goods": _goods,
    "prices": _prices,
    "estimate": _estimate,
    "most": _most,
    "period": _period,
    "window": _window,
    "share": _share,
    "drops": _nothing,
    "marks": _part,
    "release": _release,
}


# --- into clauses ---


def clauses_of(rules: Sequence[Rule], places: Places) -> list[clause.Clause]:
    """The clauses that the ledger will judge by; a release of several parts is several, numbered after its name."""
    found: list[clause.Clause] = []
    for rule in rules:
        if rule.kind != "release":
            found.append(_clause_of(rule, places))
            continue
        for number, (fact, numerator, denominator) in enumerate(rule.values["parts"], start=1):
            name = rule.name if number == 1 else f"{rule.name}-{number}"
            scope = (name, rule.payers, rule.payees)
            register, kind = places.kids[fact[0]], places.facts[fact]
            found.append(clauses.Release(*scope, register, kind, numerator, denominator))
    return found


def _clause_of(rule: Rule, places: Places) -> clause.Clause:
    scope = (rule.name, rule.payers, rule.payees)
    value = rule.values
    register = places.kids[value["fact"][0]] if "fact" in value else b""
    number = places.facts[value["fact"]] if "fact" in value else 0
    match rule.kind:
        case "listed":
            document = places.document(value["document"], 0) if value["document"] else b""
            return clauses.Listed(*scope, register, number, value["about"], document)
        case "document":
            return clauses.Document(*scope, register, number, value["about"], value["same_lines"])
        case "goods":
            return clauses.Goods(*scope, value["allowed"], value["ranges"])
        case "prices":
            return clauses.Prices(*scope, value["rows"])
        case "estimate":
            return clauses.Estimate(*scope, value["rows"])
        case "most":
            return clauses.Cap(*scope, value["amount"])
        case "period":
            return clauses.Period(*scope, value["per"], value["whose"], value["amount"])
        case "window":
            first, last = (
                places.moment(value["first_day"], "00:00"),
                places.moment(value["last_day"], "23:59"),
            )
            return clauses.Window(*scope, first, last + 59)
        case "share":
            return clauses.Share(
                *scope, value["numerator"], value["denominator"], places.marks[value["mark"]]
            )
        case "drops":
            return clauses.Drops(*scope)
    return clauses.Marks(*scope, value["numerator"], value["denominator"])
