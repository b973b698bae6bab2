"""The three languages of a report: its words, plural forms, numbers, amounts and dates.

    tongue("kk").say("supply.heading")             "Ақша массасы"
    tongue("ru").count("events", 3)                "3 события"
    tongue("kk").day("2023-11-06")                 "2023 ж. 6 қараша"

The words stand in `text/<language>.json`, one flat object of the same keys in each language; a text that counts
something has one form for each plural category of its language (Unicode CLDR: English one and other, Russian one, few
and many, Kazakh one form, because a noun after a number stays in the singular). A space inside a number, an amount or a
date never breaks the line.

What a script says stands in English, and perhaps in `..._kk` and `..._ru` beside it; where a translation is missing the
English text is shown and marked as English, so that a screen reader changes its voice.
"""

import json
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any

from cbdc.money import TIYN_PER_TENGE
from wallets.pilot.markup import Child, join, tag

LANGUAGES = ("kk", "ru", "en")
FALLBACK = "en"
SPACE = "\u00a0"
_SIGN = "\u20b8"
_MINUS = "\u2212"


class Tongue:
    """One language. Build it with `tongue`."""

    def __init__(self, language: str, texts: Mapping[str, Any]) -> None:
        self.language = language
        self._texts = texts

    # --- words ---

    def say(self, key: str, **facts: object) -> str:
        """The text of `key` with its placeholders filled."""
        text = self._texts[key]
        assert isinstance(text, str), f"{key} counts something"
        return text.format_map({name: str(value) for name, value in facts.items()})

    def knows(self, key: str) -> bool:
        """Whether there is a text of this key."""
        return key in self._texts

    def count(self, key: str, number: int, **facts: object) -> str:
        """`3 events`: the text of `key` in the form that goes with `number`, which it may name as {n}."""
        forms = self._texts[key]
        form = forms[plural(self.language, number)]
        return str(form.format_map({"n": self.number(number), **{k: str(v) for k, v in facts.items()}}))

    def foreign(self, text: object) -> Child:
        """A text that stands in English only, marked as such where the page is in another language."""
        return str(text) if self.language == FALLBACK else tag("span", str(text), lang=FALLBACK)

    def told(self, row: Mapping[str, Any], key: str) -> Child:
        """What a script or the catalogue says under `key`, in this language where it does (`text_kk`)."""
        own = row.get(f"{key}_{self.language}")
        return str(own) if own else self.foreign(row.get(key) or "")

    def word(self, kind: str, name: object) -> Child:
        """A name from a program for a person: its text under `kind.name`, or else the name itself."""
        key = f"{kind}.{name}"
        if self.knows(key):
            return self.say(key)
        return self.foreign(str(name).replace("_", " ")) if name not in (None, "") else ""

    # --- numbers, amounts, dates ---

    def number(self, value: int) -> str:
        """A whole number in groups of three."""
        text = f"{abs(value):,}".replace(",", SPACE)
        return f"{_MINUS}{text}" if value < 0 else text

    def money(self, amount_tiyn: int, sign: bool = True) -> str:
        """Tenge, with tiyn where there are any: `1 234.50 ₸` in English, `1 234,50 ₸` in Kazakh and Russian."""
        whole, rest = divmod(abs(amount_tiyn), TIYN_PER_TENGE)
        text = self.number(whole)
        if rest:
            text += f"{self._texts['number.point']}{rest:02d}"
        if amount_tiyn < 0:
            text = f"{_MINUS}{text}"
        return f"{text}{SPACE}{_SIGN}" if sign else text

    def day(self, text: str, year: bool = True) -> str:
        """`2023-11-06` as `6 Nov 2023`; what is no date is shown as it is."""
        try:
            value = date.fromisoformat(text)
        except ValueError:
            return text
        key = "date.long" if year else "date.short"
        month = self._texts["date.months" if year else "date.months_short"].split(" ")[value.month - 1]
        return self.say(key, day=value.day, month=month, year=value.year).replace(" ", SPACE)

    def weekday(self, text: str) -> str:
        """A day with its weekday in front, for the story."""
        try:
            value = date.fromisoformat(text)
        except ValueError:
            return text or self.say("story.no_date")
        name = self._texts["date.weekdays"].split(" ")[value.weekday()]
        return f"{name}, {self.day(text)}"

    def scale(self, scale: int) -> str:
        """The unit of an axis: tenge, thousands, millions or billions of them."""
        return f"{self._texts[f'scale.{scale}']} {_SIGN}".strip()

    def labelled(self, text: object) -> Child:
        """A name or text in English as the first words of a line: `meal_price` is `Meal price`."""
        words = str(text).replace("_", " ")
        return self.foreign(words[:1].upper() + words[1:])

    def value(self, value: object, unit: object = None) -> Child:
        """A value with its unit: tiyn as tenge, whole numbers in groups of three, truth as yes or no."""
        if value is None:
            return self.say("none")
        if isinstance(value, bool):
            return self.say("yes") if value else self.say("no")
        if isinstance(value, int):
            if unit == "tiyn":
                return self.money(value)
            text: Child = self.number(value)
        else:
            text = self.foreign(value)
        if not unit:
            return text
        return join(text, SPACE, self.word("unit", unit))


def plural(language: str, number: int) -> str:
    """The plural category of a whole number (Unicode CLDR 44)."""
    size = abs(number)
    if language == "kk":
        return "other"
    if language == "en":
        return "one" if size == 1 else "other"
    if size % 10 == 1 and size % 100 != 11:
        return "one"
    if size % 10 in (2, 3, 4) and size % 100 not in (12, 13, 14):
        return "few"
    return "many"


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> Mapping[str, Any]:
    """Every text of a language by its key."""
    file = resources.files("wallets.pilot").joinpath("text", f"{language}.json")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=len(LANGUAGES))
def tongue(language: str) -> Tongue:
    """A language of the report."""
    return Tongue(language, texts(language))
