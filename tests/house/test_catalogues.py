"""The site's catalogues: every text of the code in Kazakh and Russian, nothing doubtful, nothing left over."""

import json

import pytest
from babel.messages.catalog import Catalog

from tests.house import catalogues
from wallets.site.words import Words, moment_text, money_text, number_text


def test_every_text_is_translated() -> None:
    assert catalogues.problems() == []


def test_the_tool_finds_texts_of_every_kind() -> None:
    found = catalogues.found()
    assert found["shell"].get("Sign in") is not None, "a template's"
    assert found["shell"].get("Commercial bank") is not None, "Python's"
    assert found["customer"].get("My account") is not None


@pytest.mark.parametrize(
    ("english", "translated", "problem"),
    [
        ("Pay {name}", "", "no translation"),
        ("Pay {name}", "Заплатить {who}", "other placeholders"),
        ("Pay {name}", "Заплатить", "other placeholders"),
        (("{n} note", "{n} notes"), ("{n} a", "{n} b"), "needs 3 forms"),
        (("{n} note", "{n} notes"), ("{n} a", "{n} b", ""), "no translation"),
    ],
)
def test_what_is_wrong_in_a_catalogue_is_told(english: object, translated: object, problem: str) -> None:
    texts, catalogue = Catalog(locale="ru"), Catalog(locale="ru")
    texts.add(english)  # type: ignore[arg-type]
    catalogue.add(english, translated)  # type: ignore[arg-type]
    told = list(catalogues._differences(texts, catalogue))
    assert len(told) >= 1
    assert problem in told[0]


def test_doubtful_and_unused_texts_are_told() -> None:
    texts, catalogue = Catalog(locale="ru"), Catalog(locale="ru")
    texts.add("Pay")
    catalogue.add("Pay", "Платить", flags=["fuzzy"])
    catalogue.add("Gone", "Ушло")
    assert [line.split(" ")[0] for line in catalogues._differences(texts, catalogue)] == ["not", "unused:"]


def test_one_text_with_two_translations_is_told() -> None:
    clash = {"Name": {"Имя": ["bank"], "Название": ["shell"]}, "Pay": {"Платить": ["bank", "shell"]}}
    told = list(catalogues._clashes(clash))  # type: ignore[arg-type]
    assert len(told) == 1
    assert list(catalogues._clashes({"Home": {"Домой": ["bank"], "Главная": ["wallet"]}})) == []
    assert "'Имя' in ['bank'] and 'Название' in ['shell']" in told[0]


def test_a_thing_that_is_named_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"Open the wallet": {"Открыть портмоне": ["shell"]}, "Wallets": {"Кошельки": ["shell"]}}
    monkeypatch.setattr(catalogues, "everywhere", lambda _: texts)
    assert len(catalogues.off_terms("ru")) == 1
    assert "Открыть портмоне" in catalogues.off_terms("ru")[0]
    assert len(catalogues.off_terms("kk")) == 2


def test_the_wallets_scripts_get_the_pseudo_language_too() -> None:
    words = Words(pseudo=True)
    assert json.loads(words.json("xx")).keys() == json.loads(words.json("ru")).keys()
    assert all(text.startswith("[") for text in json.loads(words.json("xx")).values())
    assert words.json("nonsense") == words.json("en") == "{}"


def test_words_are_spoken() -> None:
    words = Words()
    assert words.say("ru", "Signed in: {name}", name="Дана") == "Вошёл: Дана"
    assert words.say("en", "Signed in: {name}", name="Dana") == "Signed in: Dana"
    assert words.say("kk", "not in any catalogue") == "not in any catalogue"
    assert words.say("xx", "Signed in: {name}", name="Dana") == "[Sîgñéd îñ: Dana]"
    assert isinstance(json.loads(words.json("ru")), dict)


@pytest.mark.parametrize(
    ("amount_tiyn", "language", "text"),
    [
        (0, "en", "0 ₸"),
        (123_450, "ru", "1 234,50 ₸"),
        (123_450, "en", "1 234.50 ₸"),
        (-5, "kk", "−0,05 ₸"),
        (9_007_199_254_740_991, "en", "90 071 992 547 409.91 ₸"),
    ],
)
def test_amounts_are_written_as_people_write_them(amount_tiyn: int, language: str, text: str) -> None:
    assert money_text(amount_tiyn, language) == text.replace(" ", "\u00a0")


def test_moments_and_numbers_follow_the_language() -> None:
    assert moment_text(1_762_146_000, "en") == "3 Nov 2025, 10:00"
    assert "2025" in moment_text(1_762_146_000, "kk")
    assert moment_text(1_762_146_000, "ru") != moment_text(1_762_146_000, "en")
    assert number_text(12_345, "en") == "12,345"
    assert number_text(12_345, "ru") == "12\u00a0345"
