"""The words of the site in Kazakh, Russian and English: gettext catalogues, read at start and never compiled to files.

English stands in the code; `translations/<language>/<area>.po` holds the other two, one file a family of pages, all
merged. Templates say `{{ _("...") }}`, Python marks texts with `N_`, the wallet's scripts say `t("...")` and get their
catalogue as JSON. Refusals are not here: they are spoken by the catalogues of `cbdc.errors`.

    words.say("kk", "Sign in")                  what the catalogue says, or the English text
    money_text(123_450, "ru")                   "1 234,50 ₸", with no-break spaces
    moment_text(1_762_146_000, "en")            "3 Nov 2025, 10:00", in Kazakhstan's time

The pseudo-language `xx` exists only where it is asked for: every text of a catalogue gets brackets and accents, so that
a text outside the catalogues is seen at once.
"""

import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from importlib import resources
from typing import Any

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from flask import g, has_request_context
from jinja2 import Environment

from wallets.web.words import choose_language

LANGUAGES = ("kk", "ru", "en")
PSEUDO = "xx"
WALLET_AREA = "wallet"
NO_BREAK = "\u00a0"
SHORT_ID = 10

_NAMES = {"kk": "Қазақша", "ru": "Русский", "en": "English", PSEUDO: "[Þšéûðö]"}
_ACCENTS = str.maketrans("aeiouyAEIOUYcsnz", "àéîöûýÀÉÎÖÛÝçšñž")
_PLACE = re.compile(r"(\{\w+\}|%\(\w+\)s)", re.ASCII)
_LOCAL = timezone(timedelta(hours=5))


def choose(wished: str, kept: str, accepted: str, pseudo: bool = False) -> str:
    """The language to speak: what was asked for now, what was kept, what the browser prefers, English."""
    for name in (wished, kept):
        if name in LANGUAGES or (pseudo and name == PSEUDO):
            return name
    return choose_language("", accepted)


def money_text(amount_tiyn: int, language: str) -> str:
    """An amount as people write it: groups of three, a comma (a point in English), two digits, the sign of tenge."""
    whole, tiyn = divmod(abs(amount_tiyn), 100)
    groups = f"{whole:,}".replace(",", NO_BREAK)
    point = "," if language in ("kk", "ru") else "."
    cents = f"{point}{tiyn:02d}" if tiyn else ""
    return f"{'−' if amount_tiyn < 0 else ''}{groups}{cents}{NO_BREAK}₸"


def number_text(number: int, language: str) -> str:
    """A whole number with groups of three."""
    return str(format_decimal(number, locale=_locale(language)))


def moment_text(seconds: int, language: str) -> str:
    """A moment in Kazakhstan's time (UTC+5), to the minute."""
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(_LOCAL)
    return str(format_datetime(moment, "d MMM y, HH:mm", locale=_locale(language)))


def day_text(seconds: int, language: str) -> str:
    """The day of a moment in Kazakhstan's time."""
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(_LOCAL)
    return str(format_date(moment.date(), "d MMM y", locale=_locale(language)))


def short_id(value: bytes | str) -> str:
    """The beginning of an id, for people."""
    text = value.hex() if isinstance(value, bytes) else value
    return text if len(text) <= SHORT_ID + 2 else f"{text[:SHORT_ID]}…"


def _locale(language: str) -> str:
    return language if language in LANGUAGES else "en"


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(language: str) -> NullTranslations:
    """All areas of a language as one; the wallet's apart, whose scripts get their own."""
    merged: NullTranslations = NullTranslations()
    if language not in LANGUAGES or language == "en":
        return merged
    folder = resources.files("wallets.site").joinpath("translations", language)
    if not folder.is_dir():
        return merged
    whole = Translations()
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".po") and file.name != f"{WALLET_AREA}.po":
            whole.merge(_compiled(file.read_bytes(), language))
    return whole


def _compiled(data: bytes, language: str) -> Translations:
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(data), locale=language))
    compiled.seek(0)
    return Translations(compiled)


def _pseudo(text: str) -> str:
    """The text with accents, outside its placeholders."""
    parts = _PLACE.split(text)
    return (
        "["
        + "".join(part if number % 2 else part.translate(_ACCENTS) for number, part in enumerate(parts))
        + "]"
    )


class Words:
    """All catalogues. `pseudo` adds the pseudo-language."""

    def __init__(self, pseudo: bool = False) -> None:
        self._pseudo = pseudo

    def names(self, pseudo: bool = False) -> list[tuple[str, str]]:
        """(code, own name) of the languages that can be chosen."""
        return [(name, _NAMES[name]) for name in LANGUAGES + ((PSEUDO,) if pseudo else ())]

    def spoken(self, language: str) -> str:
        """The language in which refusals are spoken: the pseudo-language has none of its own."""
        return language if language in LANGUAGES else "en"

    def say(self, language: str, text: str, **facts: object) -> str:
        """The text in a language; facts fill places written as `{name}`."""
        said = text and (_pseudo(text) if language == PSEUDO else _catalogue(language).gettext(text))
        return said.format_map({name: str(fact) for name, fact in facts.items()}) if facts else said

    def say_count(self, language: str, one: str, many: str, number: int) -> str:
        """The form that fits a number."""
        if language == PSEUDO:
            return _pseudo(one if number == 1 else many)
        return _catalogue(language).ngettext(one, many, number)

    def json(self, language: str) -> str:
        """What the wallet's scripts need of a language: English text -> text, or -> its plural forms, as JSON."""
        found: dict[str, Any] = {}
        catalogue = "ru" if language == PSEUDO else language
        if catalogue in ("kk", "ru"):
            file = resources.files("wallets.site").joinpath("translations", catalogue, f"{WALLET_AREA}.po")
            if file.is_file():
                for message in read_po(io.BytesIO(file.read_bytes()), locale=catalogue):
                    if message.id:
                        name = message.id if isinstance(message.id, str) else message.id[0]
                        found[name] = _pseudo(name) if language == PSEUDO else message.string
        return json.dumps(found, ensure_ascii=False, sort_keys=True)

    def install(self, environment: Environment) -> None:
        """Give templates `_`, `ngettext`, and the filters `money`, `moment`, `day`, `number`, `short`, `say`."""
        environment.add_extension("jinja2.ext.i18n")
        install = environment.install_gettext_callables  # type: ignore[attr-defined]
        install(
            lambda text: self.say(_now(), text),
            lambda one, many, number: self.say_count(_now(), one, many, number),
            newstyle=True,
        )
        environment.filters.update(
            money=lambda amount: money_text(amount, _now()),
            moment=lambda seconds: moment_text(seconds, _now()),
            day=lambda seconds: day_text(seconds, _now()),
            number=lambda number: number_text(number, _now()),
            short=short_id,
            say=self.say_now,
        )

    def say_now(self, text: str, facts: Mapping[str, object] | None = None) -> str:
        """A marked text in the language of the request; amounts among the facts as people write them, and names of the
        sandbox (people, regions) as the catalogues have them."""
        told = {}
        for name, fact in (facts or {}).items():
            if type(fact) is int and name.endswith("_tiyn"):
                told[name.removesuffix("_tiyn")] = money_text(fact, _now())
            told[name] = self.say(_now(), str(fact))
        return self.say(_now(), text, **told) if told else self.say(_now(), text)


def spoken_now() -> str:
    """The language of the request for what has no pseudo-language: English in place of it."""
    return _locale(_now())


def _now() -> str:
    return str(g.get("language", "en")) if has_request_context() else "en"
