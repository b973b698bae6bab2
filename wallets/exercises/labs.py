"""The labs of the course: what stands in their folders, and their words in three languages.

A lab is a folder `NN_name` under docs/exercises:

    lab.toml        title, minutes, what may not be imported, hints (this module's form)
    README.md       its page; README.kk.md and README.ru.md beside it
    exercise.py     the stub that a student completes: the only file of a student's that is ever graded
    NAME.py         the lab's own, weakened code, copied to the student
    checks.py       what the grader asks (pytest); never copied, nor is any other file named in `hidden`
    words.toml      what the checks say, in three languages

A text that a language lacks is taken from English, and `Lab.missing` names it: a fallback is reported, never silent.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cbdc.errors import LANGUAGES, Malformed, Refused

HERE = Path(__file__).resolve().parents[2] / "docs/exercises"
ENGLISH = "en"
ANSWER = "exercise.py"
CHECKS = "checks.py"
_LOCAL = {"lab.toml", "words.toml", CHECKS}

Texts = Mapping[str, str]
"""One text by language."""


class Key(str):
    """A fact that is itself a sentence of words.toml, named by its key: it is said in the grade's language."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Hint:
    """A hint: which function it is about ("" for the whole), and its text by language."""

    about: str
    text: Texts


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab: its folder and all that lab.toml and words.toml say."""

    number: int
    name: str
    folder: Path
    title: Texts
    teaches: Texts
    minutes: int
    preload: tuple[str, ...]
    barred: Mapping[str, Texts]
    hidden: frozenset[str]
    hints: tuple[Hint, ...]
    words: Mapping[str, Texts]
    missing: set[str] = field(default_factory=set)

    def say(self, texts: Texts, language: str, what: str) -> str:
        """A text in a language; from English where it is missing, and then `what` is kept in `missing`."""
        if language not in texts:
            self.missing.add(f"{what} ({language})")
        return texts.get(language, texts[ENGLISH])

    def sentence(self, key: str, language: str, facts: Mapping[str, object]) -> str:
        """The sentence `key` of words.toml, filled with `facts`."""
        texts = self.words.get(key) or general_words()[key]
        said = {
            name: self.sentence(one, language, {}) if isinstance(one, Key) else one
            for name, one in facts.items()
        }
        return self.say(texts, language, key).format_map(_Facts(said))

    def asks(self, check: str, language: str) -> str:
        """What a check asks for: the sentence `asks.NAME` of words.toml."""
        return self.sentence(f"asks.{check}", language, {})

    def page(self, language: str) -> Path:
        """Its page in a language, or the English one."""
        name = "README.md" if language == ENGLISH else f"README.{language}.md"
        if not (self.folder / name).is_file():
            self.missing.add(name)
            name = "README.md"
        return self.folder / name

    def given(self) -> list[Path]:
        """What a student gets beside the stub and the page: the lab's own code and data."""
        kept = _LOCAL | self.hidden | {ANSWER}
        return sorted(
            file
            for file in self.folder.iterdir()
            if file.is_file() and file.name not in kept and not file.name.startswith(("README.", "."))
        )


class _Facts(dict[str, object]):
    """A fact that a sentence names and the check did not give is shown by its name: a grade never fails on words."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


@cache
def general_words() -> Mapping[str, Texts]:
    """The sentences that every lab shares, by key and language."""
    return _words(Path(__file__).with_name("words.toml"))


def _words(file: Path) -> dict[str, Texts]:
    table = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    flat: dict[str, Texts] = {}

    def take(prefix: str, value: Mapping[str, Any]) -> None:
        for key, one in value.items():
            name = f"{prefix}{key}"
            if ENGLISH in one:
                flat[name] = one
            else:
                take(f"{name}.", one)

    take("", table)
    return flat


def all_labs(root: Path = HERE) -> list[Lab]:
    """Every lab, in the order of the course; E_EXERCISE_NONE where the course is not installed."""
    folders = sorted(file.parent for file in root.glob("[0-9][0-9]_*/lab.toml"))
    if not folders:
        raise Refused("E_EXERCISE_NONE", folder=root.as_posix())
    return [read_lab(folder) for folder in folders]


def find_lab(name: str, root: Path = HERE) -> Lab:
    """A lab by its name or its number; E_EXERCISE_UNKNOWN with the names there are."""
    labs = all_labs(root)
    wanted = name.strip().lower().replace("_", "-")
    for lab in labs:
        if wanted in {lab.name, str(lab.number), f"{lab.number:02d}", f"{lab.number:02d}-{lab.name}"}:
            return lab
    raise Refused("E_EXERCISE_UNKNOWN", name=name[:60], known=", ".join(lab.name for lab in labs))


def read_lab(folder: Path) -> Lab:
    """The lab in a folder; E_EXERCISE_FORM when lab.toml is not what it should be."""
    file = folder / "lab.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        hints = tuple(
            Hint(str(one.get("about", "")), {key: str(one[key]) for key in LANGUAGES if key in one})
            for one in table.get("hints", [])
        )
        return Lab(
            number=int(folder.name[:2]),
            name=folder.name[3:].replace("_", "-"),
            folder=folder,
            title=dict(table["title"]),
            teaches=dict(table["teaches"]),
            minutes=int(table["minutes"]),
            preload=tuple(table.get("preload", ())),
            barred={key: dict(one) for key, one in table.get("barred", {}).items()},
            hidden=frozenset(table.get("hidden", ())),
            hints=hints,
            words=_words(folder / "words.toml"),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise Malformed("E_EXERCISE_FORM", file=file.as_posix(), problem=f"{error!r}"[:200]) from error
