"""The words of the stage in Kazakh, Russian and English: one JSON file a language, for the server and the page.

    texts("kk")["phone.pay"]            "Төлеу"
    say("en", "who.clone", name="Bolat")

The files stand in `static/text/`; the page fetches the same file that the server reads, so both say the same. The
sentences of refusals are not here: they stand in the catalogues of `cbdc.errors`.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from cbdc.errors import TengeError, by_code
from cbdc.money import format_tenge

LANGUAGES = ("kk", "ru", "en")
FALLBACK = "en"

_LONG_ID = re.compile(r"[0-9a-f]{24,}")
_SHOWN_LETTERS = 12


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> Mapping[str, str]:
    """Every text of a language by its key."""
    file = resources.files("wallets.web").joinpath("static", "text", f"{language}.json")
    loaded: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def say(language: str, key: str, **facts: object) -> str:
    """The text of `key` with its placeholders filled."""
    return texts(language)[key].format_map({name: str(value) for name, value in facts.items()})


def choose_language(asked: str, accepted: str) -> str:
    """The language to speak: what was asked for, else the best of an Accept-Language header, else English."""
    if asked in LANGUAGES:
        return asked
    wishes: list[tuple[int, int, str]] = []
    for place, part in enumerate(accepted[:200].split(",")):
        name, _, weight = part.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES:
            wishes.append((-_thousandths(weight), place, language))
    return min(wishes)[2] if wishes else FALLBACK


def _thousandths(weight: str) -> int:
    """`q=0.8` as 800; what is no weight counts as none, and no weight at all as the highest."""
    text = weight.strip().removeprefix("q=").strip()
    if not text:
        return 1_000
    whole, _, part = text.partition(".")
    digits = (part + "000")[:3]
    if not (text.isascii() and whole.isdecimal() and digits.isdecimal()):
        return 0
    return min(1_000, int(whole[:1]) * 1_000 + int(digits))


def refusal_words(error: TengeError, language: str) -> dict[str, str]:
    """A refusal for the page: code, rule, sentence and next step, with people and amounts as the page writes them."""
    facts = {name: _shown(name, value, language) for name, value in error.facts.items()}
    spoken = by_code(error.code, facts)
    return {
        "code": error.code,
        "rule": error.rule,
        "sentence": spoken.sentence(language),
        "next": spoken.next_step(language),
    }


def _shown(name: str, value: object, language: str) -> object:
    if name == "who":
        return texts(language).get(f"who.{value}", value)
    if name in ("available", "amount") and type(value) is int:
        return format_tenge(value)
    if isinstance(value, str) and _LONG_ID.fullmatch(value):
        return value[:_SHOWN_LETTERS] + "…"
    return value
