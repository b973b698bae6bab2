"""The words of the site in Kazakh, Russian and English.

Words().say("kk", "Sign in")      what a catalogue says, or the English text
"""

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

from wallets.web.words import choose_language

LANGUAGES = ("kk", "ru", "en")
PSEUDO = "xx"
_NAMES = {"kk": "Қазақша", "ru": "Русский", "en": "English", PSEUDO: "[Þšéûðö]"}


def choose(wished: str, kept: str, accepted: str, pseudo: bool = False) -> str:
    """The language to speak: what was asked for now, what was kept, what the browser prefers, English."""
    for name in (wished, kept):
        if name in LANGUAGES or (pseudo and name == PSEUDO):
            return name
    return choose_language("", accepted)


class Words:
    """All catalogues. `pseudo` adds a language that no one speaks, for finding texts outside the catalogues."""

    def __init__(self, pseudo: bool = False) -> None:
        self._pseudo = pseudo

    def names(self, pseudo: bool = False) -> list[tuple[str, str]]:
        """(code, own name) of the languages that can be chosen."""
        return [(name, _NAMES[name]) for name in LANGUAGES + ((PSEUDO,) if pseudo else ())]

    def spoken(self, language: str) -> str:
        """The language in which refusals are spoken: the pseudo-language has none of its own."""
        return language if language in LANGUAGES else "en"

    def say(self, language: str, text: str, **facts: object) -> str:
        """The text in a language, with its facts."""
        return text.format_map(facts) if facts else text

    def catalogue(self, language: str) -> Mapping[str, Any]:
        """What the wallet's page needs of a language: text -> translation."""
        return {}

    def json(self, language: str) -> str:
        """The same as JSON."""
        return json.dumps(self.catalogue(language), ensure_ascii=False)

    def install(self, environment: Environment) -> None:
        """Give templates `_`, `gettext`, `money`, `moment`."""
        environment.add_extension("jinja2.ext.i18n")
        environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
