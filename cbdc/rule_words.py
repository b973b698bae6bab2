"""Marks in words: a definition as a list of sentences, and a finding as one, in English, Kazakh and Russian.

The words stand in `cbdc/catalogue/rules_<language>.toml`; this module only fills in the places. Amounts, moments and
names are told as a person reads them; whoever asks may give names for keys, marks and pseudonyms (`Names`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc.canonical import MAX_INTEGER
from cbdc.clause import Clause, Finding
from cbdc.clauses import (
    Cap,
    Document,
    Drops,
    Estimate,
    Goods,
    Listed,
    Marks,
    Period,
    Prices,
    Release,
    Share,
    Window,
)
from cbdc.errors import by_code, moment_text, phrases, words_of
from cbdc.marks import MarkDefinition, NotOffline, offline_purpose
from cbdc.money import format_tenge

_SHORT = 12

Names = Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class Teller:
    """How things are told: in which language, with which names, and where a day begins (seconds after midnight UTC)."""

    language: str = "en"
    names: Names = field(default_factory=dict)
    offset_seconds: int = 0

    def say(self, table: str, key: str, **places: object) -> str:
        """A sentence of the catalogue with its places filled in."""
        return words_of(self.language)[table][key].format_map(places)

    def word(self, table: str, key: str | int) -> str:
        """A word of the catalogue, or the key itself where it has none."""
        return words_of(self.language)[table].get(str(key), str(key))

    def name(self, identity: bytes) -> str:
        """The name of a key, a mark or a pseudonym, or the beginning of its id."""
        return self.names.get(identity) or identity.hex()[:_SHORT]

    def categories(self, numbers: Sequence[int]) -> str:
        """Categories of holders, or anybody."""
        if not numbers:
            return self.word("word", "anybody")
        return ", ".join(self.word("category", number) for number in numbers)

    def moment(self, seconds: int) -> str:
        """A moment in local time, to the second; the end of time as an endless sign."""
        return "∞" if seconds == MAX_INTEGER else moment_text(seconds, self.offset_seconds)

    def scope(self, clause: Clause) -> str:
        """For which payments a clause asks anything."""
        parts = {name: self.categories(getattr(clause, name)) for name in ("payers", "payees")}
        given = [name for name in parts if getattr(clause, name)]
        key = "both" if len(given) == 2 else (given or ["all"])[0]
        return self.say("scope", key, **parts)


def rule_in_words(
    definition: MarkDefinition,
    language: str = "en",
    mark: bytes = b"",
    names: Names | None = None,
    offset_seconds: int = 0,
) -> list[str]:
    """The whole mark: who may pay whom, for what, when, how much, on what, what it becomes, whether it goes offline."""
    teller = Teller(language, names or {}, offset_seconds)
    issuer, account = teller.name(definition.issuer), teller.name(definition.return_to)
    told = [teller.say("mark", "head", label=definition.label, mark=mark.hex()[:_SHORT] or "-")]
    told.append(teller.say("mark", "issuer", issuer=issuer))
    edges = [(payer, payees) for payer, payees in definition.edges if payees]
    told += [
        teller.say("mark", "edge", payer=teller.categories([payer]), payees=teller.categories(payees))
        for payer, payees in edges
    ]
    told += [] if edges else [teller.say("mark", "nobody")]
    if definition.payment_cap_tiyn:
        told.append(teller.say("mark", "cap", cap=format_tenge(definition.payment_cap_tiyn)))
    period = {name: teller.moment(getattr(definition, name)) for name in ("valid_from", "valid_until")}
    told.append(teller.say("mark", "time", **period))
    told += [clause_in_words(clause, teller) for clause in definition.clauses]
    told.append(_release_in_words(definition, teller))
    told.append(teller.say("mark", "returns", account=account))
    return told + _offline_in_words(definition, teller)


def _release_in_words(definition: MarkDefinition, teller: Teller) -> str:
    if not definition.release_categories:
        return teller.say("mark", "release_nobody")
    holders = teller.categories(definition.release_categories)
    if definition.evidence:
        register = teller.name(definition.evidence)
        return teller.say("mark", "release_evidence", holders=holders, register=register)
    return teller.say(
        "mark", "release_documents" if definition.releases else "release_freely", holders=holders
    )


def _offline_in_words(definition: MarkDefinition, teller: Teller) -> list[str]:
    purpose = offline_purpose(definition)
    if isinstance(purpose, NotOffline):
        problem = phrases(teller.language).get(purpose.problem, purpose.problem)
        return [teller.say("mark", "not_offline", problem=problem, rule=purpose.rule)]
    told = [teller.say("mark", "offline", hops=purpose.max_hops), teller.say("mark", "offline_limits")]
    told += [teller.say("mark", "offline_people")] if purpose.person_to_person else []
    if purpose.converts and definition.release_categories:
        holders = teller.categories(definition.release_categories)
        return [*told, teller.say("mark", "offline_converts", holders=holders)]
    return [*told, teller.say("mark", "offline_keeps")]


def _rows(rows: Sequence[tuple[int, int]]) -> str:
    return "; ".join(f"{item}: {format_tenge(amount)}" for item, amount in rows)


def clause_in_words(clause: Clause, teller: Teller) -> str:
    """What a clause asks, as one sentence."""
    places: dict[str, Any] = {"rule": clause.name, "scope": teller.scope(clause)}
    key = clause.KIND
    match clause:
        case Listed() | Document():
            places["register"] = teller.name(clause.register)
            places |= {"about": teller.word("about", clause.about), "fact_kind": clause.fact_kind}
            if isinstance(clause, Listed) and clause.document:
                key, places["document"] = "listed_for", teller.name(clause.document)
            elif isinstance(clause, Document) and clause.same_lines:
                key = "document_lines"
        case Goods():
            key = "goods_only" if clause.allowed else "goods_never"
            places["ranges"] = ", ".join(
                str(first) if first == last else f"{first}-{last}" for first, last in clause.ranges
            )
        case Prices():
            places["caps"] = _rows(clause.caps)
        case Estimate():
            places["sums"] = _rows(clause.sums)
        case Cap():
            places["cap"] = format_tenge(clause.cap_tiyn)
        case Period():
            places["cap"] = format_tenge(clause.cap_tiyn)
            places |= {
                "whose": teller.word("whose", clause.whose),
                "period": teller.word("period", clause.period),
            }
        case Window():
            names = ("valid_from", "valid_until")
            places |= {name: teller.moment(getattr(clause, name)) for name in names}
        case Share() | Marks() | Release():
            places |= {"numerator": clause.numerator, "denominator": clause.denominator}
            if isinstance(clause, Share):
                places["mark"] = teller.name(clause.mark)
            elif isinstance(clause, Release):
                places |= {"holders": teller.categories(clause.payers), "fact_kind": clause.fact_kind}
                places["register"] = teller.name(clause.register)
        case Drops():
            pass
    return teller.say("clause", key, **places)


def explain(findings: Sequence[Finding], teller: Teller | None = None) -> list[str]:
    """Each finding as a sentence: which rule allows or refuses what, with the facts."""
    teller = teller or Teller()
    return [_finding_in_words(finding, teller) for finding in findings]


def _finding_in_words(finding: Finding, teller: Teller) -> str:
    if finding.code:
        what = by_code(finding.code, finding.facts).sentence(teller.language)
        return teller.say("told", "refuses", rule=finding.rule, what=f"{what} ({finding.code})")
    key = "no_cap" if finding.kind == "cap" and not finding.facts["cap_tiyn"] else finding.kind
    facts = {name.removesuffix("_tiyn"): _told(name, value, teller) for name, value in finding.facts.items()}
    return teller.say("told", "allows", rule=finding.rule, what=teller.say("found", key, **facts))


def _told(name: str, value: Any, teller: Teller) -> str:
    if name in ("payer", "payee"):
        return teller.categories([value])
    if name.endswith("_tiyn"):
        return format_tenge(value)
    return phrases(teller.language).get(value, value) if isinstance(value, str) else str(value)
