"""The words of a report: complete in three languages, the same placeholders, right plurals, numbers and dates."""

import ast
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wallets.pages import page_in, told
from tests.wallets.report_sample import sample
from wallets.pilot import page_privacy
from wallets.pilot.markup import join
from wallets.pilot.report import PRIVACY
from wallets.pilot.tongue import LANGUAGES, plural, texts, tongue

EN = texts("en")
FORMS = {"en": {"one", "other"}, "kk": {"other"}, "ru": {"one", "few", "many"}}
PACKAGE = Path(page_privacy.__file__).parent
PLAIN = {"SHA-256", "%"}


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def forms(value: Any) -> dict[str, str]:
    return value if isinstance(value, dict) else {"text": value}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    assert list(texts(language)) == list(EN)
    for key, value in texts(language).items():
        assert isinstance(value, dict) == isinstance(EN[key], dict), key
        if isinstance(value, dict):
            assert set(value) == FORMS[language], key
        for text in forms(value).values():
            assert text or key == "scale.1", key
            assert text == text.strip() or key.startswith("result."), key


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_every_text_has_the_placeholders_of_the_english(language: str) -> None:
    for key, value in texts(language).items():
        allowed = set.union(*(holes(text) for text in forms(EN[key]).values()))
        for text in forms(value).values():
            assert holes(text) <= allowed | {"n"}, key
            assert holes(text) | {"n"} >= allowed - {"year", "days"}, key


@pytest.mark.parametrize(("language", "letters"), [("kk", "[әғқңөұүһіӘҒҚҢӨҰҮҺІа-яА-Я]"), ("ru", "[а-яА-Я]")])
def test_nothing_was_left_in_english(language: str, letters: str) -> None:
    same = [
        key
        for key, value in texts(language).items()
        for text in forms(value).values()
        if not re.search(letters, re.sub(r"\{\w+\}", "", text))
        and re.search("[a-z]{3}", re.sub(r"\{\w+\}", "", text))
    ]
    assert same == []


def _said() -> set[str]:
    """Every key that the page's code asks for by its whole name."""
    found = set()
    for file in [
        *PACKAGE.glob("page*.py"),
        PACKAGE / "tables.py",
        PACKAGE / "charts.py",
        PACKAGE / "money_map.py",
    ]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in ("say", "count", "knows"):
                    found.add(str(node.args[0].value))
    return found


def test_every_text_that_is_asked_for_is_there() -> None:
    assert len(_said()) > 100
    assert _said() <= set(EN)


def test_no_text_is_there_for_nothing() -> None:
    """Each stands in the code by its whole name, or belongs to a family that is asked for by its first words."""
    code = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.glob("*.py"))
    families = (
        "action",
        "verb",
        "unit",
        "name",
        "account",
        "grade",
        "evidence",
        "bearer",
        "party",
        "holding",
        "borne",
    )
    families += ("date", "scale", "privacy", "holders", "mark", "limit", "series", "number")
    single = [key for key in EN if key.partition(".")[0] not in families]
    unused = [key for key in single if f'"{key}"' not in code and f"'{key}'" not in code]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_page_can_be_told(language: str) -> None:
    text = page_in(language, sample(20, 10)).text
    assert "{" not in text
    assert "None" not in text


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_english_on_another_page_is_said_to_be(language: str) -> None:
    """What is told in Latin letters is a code, a name, or marked as English."""
    page = page_in(language, sample(3, 4))
    for e in page.elements:
        if e.name in ("p", "li", "dt", "caption", "h2", "h3", "summary", "figcaption"):
            own = told(e)
            for inner in page.elements:
                inside = inner.within(e.name) and inner.text and inner.text in e.text
                if inside and (inner.attributes.get("lang") == "en" or inner.name == "code"):
                    own = own.replace(told(inner), "")
            assert not re.search(r"\b(the|and|was|of the|money|bank)\b", own), own


# --- plural forms ---


RUSSIAN = {"one": (1, 21, 101), "few": (2, 4, 22, 1_002), "many": (0, 5, 11, 12, 14, 25, 100, 111)}


@pytest.mark.parametrize(("form", "numbers"), RUSSIAN.items())
def test_russian_plurals(form: str, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        assert plural("ru", number) == plural("ru", -number) == form


@pytest.mark.parametrize(("number", "form"), [(0, "other"), (1, "one"), (2, "other"), (21, "other")])
def test_english_plurals(number: int, form: str) -> None:
    assert plural("en", number) == form
    assert plural("kk", number) == "other"


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("en", 1, "1 event"),
        ("en", 1_234, "1 234 events"),
        ("ru", 21, "21 событие"),
        ("ru", 1_003, "1 003 события"),
        ("ru", 12, "12 событий"),
        ("kk", 5, "5 оқиға"),
    ],
)
def test_counted(language: str, number: int, text: str) -> None:
    assert tongue(language).count("events", number).replace("\u00a0", " ") == text


# --- numbers, amounts, dates ---


@pytest.mark.parametrize(
    ("language", "tiyn", "text"),
    [
        ("en", 123_456_789, "1 234 567.89 ₸"),
        ("ru", 123_456_789, "1 234 567,89 ₸"),
        ("kk", 5, "0,05 ₸"),
        ("kk", 100_000, "1 000 ₸"),
        ("ru", -150, "−1,50 ₸"),
        ("en", 0, "0 ₸"),
    ],
)
def test_amounts(language: str, tiyn: int, text: str) -> None:
    shown = tongue(language).money(tiyn)
    assert " " not in shown
    assert shown.replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("language", "long", "short", "weekday"),
    [
        ("en", "6 Nov 2023", "6 Nov", "Mon, 6 Nov 2023"),
        ("ru", "6 ноября 2023 г.", "6 нояб.", "пн, 6 ноября 2023 г."),
        ("kk", "2023 ж. 6 қараша", "6 қар.", "дс, 2023 ж. 6 қараша"),
    ],
)
def test_dates(language: str, long: str, short: str, weekday: str) -> None:
    words = tongue(language)
    assert words.day("2023-11-06").replace("\u00a0", " ") == long
    assert words.day("2023-11-06", year=False).replace("\u00a0", " ") == short
    assert words.weekday("2023-11-06").replace("\u00a0", " ") == weekday
    assert words.day("no day") == words.weekday("no day") == "no day"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_month_and_weekday_has_a_name(language: str) -> None:
    for key, count in (("date.months", 12), ("date.months_short", 12), ("date.weekdays", 7)):
        names = texts(language)[key].split(" ")
        assert len(set(names)) == len(names) == count


@given(st.sampled_from(LANGUAGES), st.integers(-(10**15), 10**15))
def test_an_amount_can_be_read_back(language: str, tiyn: int) -> None:
    text = (
        tongue(language)
        .money(tiyn, sign=False)
        .replace("\u00a0", "")
        .replace("\u2212", "-")
        .replace(",", ".")
    )
    whole, _, rest = text.lstrip("-").partition(".")
    value = int(whole) * 100 + int(rest or "0")
    assert (-value if text.startswith("-") else value) == tiyn


def test_values_with_units() -> None:
    assert join(tongue("ru").value(12, "percent")) == "12\u00a0процентов"
    assert join(tongue("ru").value(12, "sheep")) == '12\u00a0<span lang="en">sheep</span>'
    assert join(tongue("en").value(12, "sheep")) == "12\u00a0sheep"
    assert join(tongue("kk").value(True)) == "иә"
    assert join(tongue("kk").value(None)) == "жоқ"


def test_a_translation_of_the_script_is_told_where_there_is_one() -> None:
    row = {"text": "A pupil pays.", "text_ru": "Ученик платит."}
    assert tongue("ru").told(row, "text") == "Ученик платит."
    assert join(tongue("kk").told(row, "text")) == '<span lang="en">A pupil pays.</span>'
    assert tongue("en").told(row, "text") == "A pupil pays."


def test_the_reports_own_sentence_on_privacy_is_translated() -> None:
    assert EN["privacy.text"] == PRIVACY
    assert "псевдонимы" in page_in("ru", sample(1, 1) | {"privacy": PRIVACY}).text
