"""Error codes: each stands once, is used, speaks every language with the same facts, and is on the page."""

import ast
from pathlib import Path

import pytest

from tests.house import errors_page
from tests.house.catalogue import (
    CODE,
    LANGUAGES,
    Row,
    english_problems,
    rows,
    translation_problems,
    used_in,
    used_in_code,
    used_in_script,
)
from tests.house.tree import ROOT

# Codes that no line of Python names, each with the reason why it stays in the catalogue.
UNUSED: dict[str, str] = {}


def test_the_english_catalogue_is_sound() -> None:
    english = rows("en")
    assert english, "the English catalogue is empty"
    assert english_problems(english) == []


def test_every_code_in_use_is_in_the_catalogue() -> None:
    known = {row.code for row in rows("en")}
    assert {code: file for code, file in used_in_code().items() if code not in known} == {}


def test_every_code_of_the_catalogue_is_in_use() -> None:
    known, used = {row.code for row in rows("en")}, set(used_in_code())
    assert sorted(known - used - set(UNUSED)) == []
    assert sorted(code for code in UNUSED if code in used or code not in known) == [], (
        "no longer an exception"
    )


def test_pilot_scripts_expect_codes_that_exist() -> None:
    known = {row.code for row in rows("en")}
    for file in sorted((ROOT / "wallets/pilot/scripts").glob("*.toml")):
        assert set(CODE.findall(file.read_text(encoding="utf-8"))) <= known, file.name


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_translation_says_the_same(language: str) -> None:
    translated = rows(language)
    if not translated:
        pytest.skip(f"no catalogue in {language} yet")
    assert translation_problems(rows("en"), translated) == []


def test_only_known_languages_have_folders() -> None:
    folders = {folder.name for folder in (ROOT / "cbdc/catalogue").iterdir() if folder.is_dir()}
    assert folders <= set(LANGUAGES)


def test_the_page_is_the_catalogue() -> None:
    assert errors_page.PAGE.read_text(encoding="utf-8") == errors_page.page(), "run `make errors`"


# --- the checkers can fail ---


def _row(code: str = "E_LATE", **changes: object) -> Row:
    values = {"family": "refused", "rule": "G4", "sentence": "Late by {late_s} s.", "next": "Come early."}
    return Row(code, "a.toml", {key: value for key, value in (values | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (_row("LATE"), "LATE is not a code"),
        (_row(family="rejected"), "E_LATE has the family 'rejected'"),
        (_row(next=" "), "E_LATE.next is empty"),
        (_row(extra="x"), "E_LATE has the keys ['extra', 'family', 'next', 'rule', 'sentence']"),
        (_row(sentence="Late by {late_s"), "E_LATE.sentence: expected '}' before end of string"),
        (_row(sentence="Late by {}"), "E_LATE.sentence has the placeholder ['']"),
        (_row(sentence="Late by {late.s}"), "E_LATE.sentence has the placeholder ['late.s']"),
    ],
)
def test_an_unsound_row_is_seen(row: Row, problem: str) -> None:
    assert english_problems([_row("E_FINE"), row]) == [problem]


def test_a_code_in_two_files_is_seen() -> None:
    twice = [_row(), Row("E_LATE", "b.toml", _row().values)]
    assert english_problems(twice) == ["E_LATE stands in a.toml and in b.toml"]


@pytest.mark.parametrize(
    ("translated", "problem"),
    [
        ([], "E_LATE is missing"),
        ([_row(), _row()], "E_LATE stands twice"),
        ([_row(), _row("E_MORE")], "E_MORE is not in the English catalogue"),
        ([_row(sentence="Кешікті {late} с.")], "E_LATE.sentence names ['late'], the English ['late_s']"),
        ([_row(next=None)], "E_LATE.next is empty"),
        ([_row(family="malformed")], "E_LATE.family is 'malformed', the English 'refused'"),
    ],
)
def test_another_translation_is_seen(translated: list[Row], problem: str) -> None:
    assert translation_problems([_row()], translated) == [problem]


def test_a_translation_may_leave_family_and_rule_to_english() -> None:
    assert (
        translation_problems([_row()], [_row(sentence="Кешікті: {late_s} с.", family=None, rule=None)]) == []
    )


def test_codes_in_use_are_whole_texts() -> None:
    source = '"""Raises E_TALK."""\nraise Refused("E_LATE", why="see E_OTHER")\ncodes = {"E_A_1": 1}\n'
    assert used_in(ast.parse(source)) == {"E_LATE", "E_A_1"}


def test_codes_in_scripts_are_whole_texts() -> None:
    source = '// raises E_TALK\nthrow new TengeError("E_LATE", { why: "see E_OTHER" });'
    assert used_in_script(source) == {"E_LATE"}


def test_the_page_shows_every_part_of_a_row(tmp_path: Path) -> None:
    folder = tmp_path / "cbdc/catalogue/en"
    folder.mkdir(parents=True)
    row = '[E_LATE]\nfamily = "refused"\nrule = "G4"\nsentence = "{a} | <b>"\nnext = "Wait."\n'
    (folder / "ledger.toml").write_text(f"# Floor 2: the ledger.\n\n{row}", encoding="utf-8")
    page = errors_page.page(tmp_path)
    assert "## Ledger\n\nFloor 2: the ledger.\n" in page
    assert "| `E_LATE` | refused | G4 | {a} \\| &lt;b> | Wait. |\n" in page


def test_the_check_notices_an_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(errors_page, "PAGE", tmp_path / "errors.md")
    assert errors_page.main(["--check"]) == 1
    assert "Run `make errors`." in capsys.readouterr().out
    assert errors_page.main(["--write"]) == 0
    assert errors_page.main(["--check"]) == 0
