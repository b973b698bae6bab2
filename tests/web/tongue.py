"""What a page should say in a language: the catalogues' words, amounts, refusals; and what of it is still English.

    say = Tongue("kk")
    say("Sign out")                         the catalogue's text; a text without a translation is an error here
    say("Paid {amount}.", amount=say.money(125_050))
    say.refusal("E_ALIAS_UNKNOWN")          a pattern: the sentence of the code, whatever its facts
    say.left_over(texts)                    those that are an English text of a catalogue, word for word

A desk's words and the wallet's are two sets of catalogues; here they are one, as they are for who reads.
"""

import io
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from babel.messages.pofile import read_po

from cbdc.errors import catalogue
from wallets.site.words import LANGUAGES, Words, money_text

PLACE = re.compile(r"\{\w+\}|%\(\w+\)s")
LEAST_LETTERS = 6


@cache
def _wallet_words(language: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(Words().json(language))
    return found


@cache
def _english(language: str) -> tuple[frozenset[str], re.Pattern[str]]:
    """The English texts that this language says otherwise: whole ones, and a pattern of those with places in them."""
    whole, patterns = set(), []
    folder = resources.files("wallets.site").joinpath("translations", language)
    for file in folder.iterdir():
        if not file.name.endswith(".po"):
            continue
        for message in read_po(io.BytesIO(file.read_bytes()), locale=language):
            plural = not isinstance(message.id, str)
            for text in message.id if plural else (message.id,):
                if not text or message.string == text or sum(map(str.isalpha, text)) < LEAST_LETTERS:
                    continue
                if PLACE.search(text):
                    patterns.append(".+".join(map(re.escape, PLACE.split(" ".join(text.split())))))
                else:
                    whole.add(" ".join(text.split()))
    worded = [one for one in patterns if sum(map(str.isalpha, one)) >= LEAST_LETTERS]
    return frozenset(whole), re.compile("|".join(worded))


class Tongue:
    """One language."""

    def __init__(self, language: str) -> None:
        assert language in LANGUAGES, language
        self.language = language
        self._words = Words()

    def __call__(self, text: str, **facts: str) -> str:
        """The text in this language, its facts filled in."""
        said = text
        if self.language != "en":
            said = _wallet_words(self.language).get(text) or self._words.say(self.language, text)
            assert said != text, f"no {self.language} for: {text}"
        return said.format_map(facts) if facts else said

    def pattern(self, text: str) -> re.Pattern[str]:
        """The whole text with anything in its places."""
        return re.compile(f"^{'.+'.join(map(re.escape, PLACE.split(self(text))))}$", re.DOTALL)

    def money(self, amount_tiyn: int) -> str:
        """An amount as it is shown."""
        return money_text(amount_tiyn, self.language)

    def typed(self, amount_tiyn: int) -> str:
        """An amount as somebody types it here: groups with blanks, a comma or a point."""
        return self.money(amount_tiyn).replace("\u00a0", " ").removesuffix(" ₸")

    def refusal(self, code: str) -> re.Pattern[str]:
        """The sentence of a refusal with any facts."""
        sentence = catalogue(self.language)[code].sentence
        assert self.language == "en" or sentence != catalogue()[code].sentence, code
        return re.compile(".+".join(map(re.escape, PLACE.split(sentence))), re.DOTALL)

    def left_over(self, texts: Iterable[str]) -> list[str]:
        """What is still English although the catalogue has it in this language."""
        if self.language == "en":
            return []
        whole, pattern = _english(self.language)
        plain = (" ".join(text.split()) for text in texts)
        return sorted({text for text in plain if text in whole or (text and pattern.fullmatch(text))})
