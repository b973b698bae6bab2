"""The words of the stage: three catalogues that say the same, and every text that the page asks for."""

import re
from pathlib import Path

import pytest

from wallets.web import diary, story
from wallets.web.words import LANGUAGES, choose_language, say, texts

WEB = Path(diary.__file__).parent
_NAME = re.compile(r"\{(\w+)\}")


def _asked_for() -> set[str]:
    """Every key that stands in the template and the script, those built from parts by their pattern."""
    source = "".join(
        (WEB / name).read_text(encoding="utf-8") for name in ("templates/stage.html", "static/stage.js")
    )
    python = "".join(file.read_text(encoding="utf-8") for file in WEB.glob("*.py"))
    keys = set(re.findall(r"[\"'`]((?:[a-z_]+\.)+[a-zA-Z0-9_.]+)[\"'`]", source))
    keys |= {f"event.{kind}" for kind in re.findall(r"diary\.tell\([^)]*?\"([a-z_]+)\"", python)}
    keys |= set(re.findall(r"\"(hint\.[a-z]+)\"", python))
    keys |= {f"lesson.{step}.{part}" for step in range(1, len(story.STEPS) + 1) for part in ("do", "see")}
    return {key for key in keys if key[-1] not in "._"} - {"form.pay", "root.dto"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogues_have_the_same_texts_and_placeholders(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert own.keys() == english.keys()
    for key, text in own.items():
        assert text.strip() == text != "", key
        assert set(_NAME.findall(text)) == set(_NAME.findall(english[key])), key


def test_every_text_asked_for_is_there() -> None:
    asked = _asked_for()
    assert len(asked) > 100
    assert sorted(asked - texts("en").keys()) == []


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_a_translation_is_one(language: str) -> None:
    same = {key for key, text in texts(language).items() if text == texts("en")[key]}
    assert same <= {"case.kind.other", "phone.buttons_of"}


def test_kazakh_uses_its_own_letters() -> None:
    letters = set("".join(texts("kk").values()).lower())
    assert set("әғқңөұүі") <= letters


def test_say_fills_a_text() -> None:
    assert say("en", "who.clone", name="Bolat") == "Bolat: clone"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("ru", "kk", "ru"),
        ("", "", "en"),
        ("", "*", "en"),
        ("", "ru", "ru"),
        ("", "en-GB;q=0.3, ru-RU;q=0.9", "ru"),
        ("", "en;q=1,kk", "en"),
        ("", "ru;q=0.33,kk;q=0.333", "kk"),
        ("", "ru;q=-1,kk;q=0.1", "kk"),
        ("", "ru;q=٣,kk;q=0.1", "kk"),
        ("", ",;,;q=,ru;;;", "ru"),
        ("klingon", "kk" + "," * 5_000, "kk"),
    ],
)
def test_the_best_language_is_chosen(asked: str, accepted: str, language: str) -> None:
    assert choose_language(asked, accepted) == language
