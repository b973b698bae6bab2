"""The one error tree, and the words in which every refusal speaks.

A refusal is a value with four parts: a stable **code** that programs rely on, the **rule** that was broken (a guard
of the ledger or a step of the offline protocol), the **facts** of the case, and what to do **next**. Sentences are
never written where the error is raised: they stand in catalogues, one folder a language
(`cbdc/catalogue/<language>/*.toml`), so that a code means the same thing in the log, on the wire and on the screen.

Rules kept here:

- every code stands in the English catalogue exactly once, with its family, rule, sentence and next step;
- a code belongs to one family for ever: `Malformed` (the bytes are not what they claim to be), `Refused` (well-formed,
  and a rule forbids it), `Unavailable` (nothing wrong with the request; something outside did not answer);
- a bug is not a refusal: broken invariants are assertions and never appear in this tree.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import ClassVar

LANGUAGES = ("en", "kk", "ru")
LOCAL_SECONDS = 5 * 3_600  # Kazakhstan has one time, UTC+5
_LAST_DATE = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Entry:
    """What a catalogue says of one code: its family, its rule, the sentence and the next step (both templates)."""

    family: str
    rule: str
    sentence: str
    next: str


class _Facts(dict[str, object]):
    """Facts for `str.format_map`; a fact the raiser did not give is shown as its name, never as a crash.

    Facts stay numbers for machines. A sentence may ask for `{FACT_date}`, a moment as a date and time of Kazakhstan
    (UTC+5), and for `{FACT_name}`, a category of holders by its name in the sentence's language.
    """

    language = "en"

    @classmethod
    def told(cls, facts: Mapping[str, object], language: str) -> "_Facts":
        """The facts, with those that are phrases of the catalogue in this language."""
        said = phrases(language)
        told = cls(
            {name: said.get(item, item) if type(item) is str else item for name, item in facts.items()}
        )
        told.language = language
        return told

    def __missing__(self, key: str) -> str:
        fact, _, form = key.rpartition("_")
        value = self.get(fact)
        if type(value) is int and form == "date":
            return moment_text(value)
        if type(value) is int and form == "name":
            return words_of(self.language)["category"].get(str(value), str(value))
        return str(value) if form in ("date", "name") and fact in self else "{" + key + "}"


def moment_text(seconds: int, offset_seconds: int = LOCAL_SECONDS) -> str:
    """A moment (Unix seconds) as a person reads it, in Kazakhstan's time; the end of time as an endless sign."""
    local = seconds + offset_seconds
    if not 0 <= local <= _LAST_DATE:
        return "∞" if local > 0 else str(seconds)
    return datetime.fromtimestamp(local, UTC).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=8)
def words_of(language: str) -> Mapping[str, Mapping[str, str]]:
    """The tables of words in which rules and categories are told in a language."""
    file = resources.files("cbdc").joinpath("catalogue", f"rules_{language}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def phrases(language: str) -> Mapping[str, str]:
    """What English phrases among the facts are called in a language; nothing for English."""
    file = resources.files("cbdc").joinpath("catalogue", "phrases.toml")
    rows = tomllib.loads(file.read_text(encoding="utf-8"))
    return {phrase: row[language] for phrase, row in rows.items() if language in row}


@lru_cache(maxsize=8)
def catalogue(language: str = "en") -> Mapping[str, Entry]:
    """All entries of one language by code; a language without a sentence of its own falls back to English."""
    entries: dict[str, Entry] = {} if language == "en" else dict(catalogue("en"))
    folder = resources.files("cbdc").joinpath("catalogue", language)
    if not folder.is_dir():
        return entries
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".toml"):
            continue
        for code, row in tomllib.loads(file.read_text(encoding="utf-8")).items():
            known = entries.get(code)
            entries[code] = Entry(
                family=row.get("family", known.family if known else ""),
                rule=row.get("rule", known.rule if known else ""),
                sentence=row["sentence"],
                next=row["next"],
            )
    return entries


class TengeError(Exception):
    """A refusal: `code`, `facts`, and through the catalogue its rule, sentence and next step.

    Facts are plain values (int, str; bytes are shown as hexadecimal) named by the catalogue's placeholders.
    """

    family: ClassVar[str] = ""

    def __init__(self, code: str, **facts: object) -> None:
        entry = catalogue().get(code)
        assert entry is not None, f"{code} is not in the catalogue"
        assert entry.family == self.family, f"{code} belongs to the family {entry.family!r}"
        self.code = code
        self.facts: dict[str, object] = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in facts.items()
        }
        super().__init__(code)

    @property
    def rule(self) -> str:
        """The guard or protocol step that refused, as the documents name it."""
        return catalogue()[self.code].rule

    def sentence(self, language: str = "en") -> str:
        """What happened, for a person, in `language`."""
        return catalogue(language)[self.code].sentence.format_map(_Facts.told(self.facts, language))

    def next_step(self, language: str = "en") -> str:
        """What to do next, for a person, in `language`."""
        return catalogue(language)[self.code].next.format_map(_Facts.told(self.facts, language))

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence()} {self.next_step()}"

    def __reduce__(self) -> tuple[object, tuple[str, str, dict[str, object]]]:
        return _rebuild, (self.family, self.code, self.facts)


class Malformed(TengeError):
    """The bytes or the form are wrong: no rule about money was even asked."""

    family = "malformed"


class Refused(TengeError):
    """Well-formed, understood, and forbidden by a rule; the state is unchanged."""

    family = "refused"


class Unavailable(TengeError):
    """Something the request needs did not answer; trying again later may work."""

    family = "unavailable"


_FAMILIES: dict[str, type[TengeError]] = {kind.family: kind for kind in (Malformed, Refused, Unavailable)}


def by_code(code: str, facts: Mapping[str, object]) -> TengeError:
    """The error that `code` names, with `facts`: how a client rebuilds a refusal received over a wire.

    An unknown code is itself an answer that cannot be understood and gives `E_PEER_ANSWER`.
    """
    entry = catalogue().get(code)
    if entry is None:
        return Unavailable("E_PEER_ANSWER", answer=code[:80])
    return _FAMILIES[entry.family](code, **facts)


def _rebuild(family: str, code: str, facts: dict[str, object]) -> TengeError:
    return _FAMILIES[family](code, **facts)
