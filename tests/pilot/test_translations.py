"""What a script says in Kazakh and Russian reaches the report, and a wrong translation refuses the script."""

from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed
from tests.pilot.play import TINY, expect, parsed, run_text, step
from tests.wallets.report_check import check_report
from wallets.pilot import script, translations
from wallets.pilot.check import check_script
from wallets.pilot.page import render
from wallets.pilot.translations import take, told

HEAD = TINY.replace(
    'title = "A tiny pilot"',
    'title = "A tiny pilot"\ntitle_kk = "Кішкентай пилот"\ntitle_ru = "Маленький пилот"\n'
    'simulated = ["Cards.", "Chips."]\nsimulated_ru = ["Карты.", "Чипы."]\nsimulated_kk = ["Карталар.", "Чиптер."]',
)
STEP = step(
    "buy", who="person", amount="tenge(100)", text_kk="Адамдар сатып алады.", text_ru="Люди покупают."
)


def test_translations_reach_the_report_and_its_page(tmp_path: Path) -> None:
    wanted = expect("steps.buy.person", 2, "two buy") + '\nname_ru = "покупают двое"'
    finished = run_text(tmp_path, STEP, wanted, head=HEAD)
    assert finished.ok
    check_report(finished.report)
    report = finished.report
    assert (report["title_kk"], report["title_ru"]) == ("Кішкентай пилот", "Маленький пилот")
    assert report["simulated_ru"] == ["Карты.", "Чипы."]
    (bought,) = [row for row in report["events"] if row["verb"] == "buy"]
    assert (bought["text"], bought["text_ru"]) == ("a step", "Люди покупают.")
    assert report["expectations"][0]["name_ru"] == "покупают двое"
    page = render(report)
    for text in ("Адамдар сатып алады.", "Маленький пилот", "Чиптер.", "покупают двое"):
        assert text in page


def test_a_translated_script_checks_clean_and_a_key_beside_it_does_not() -> None:
    told_step = step("buy", who="person", amount="tenge(100)", text_kk="Сатып алады.", text_ru="Покупают.")
    clean = "\n".join((HEAD, told_step, expect("steps.buy.person", 2, "two buy")))
    assert [one for one in check_script("tiny.toml", clean.encode()) if not one.warning] == []
    wrong = clean.replace("text_ru", "text_de")
    (found,) = [one for one in check_script("tiny.toml", wrong.encode()) if not one.warning]
    assert "text_de is no argument of buy" in found.problem


def test_translations_change_nothing_that_plays(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = step("buy", who="person", amount="tenge(100)")
    one = run_text(tmp_path, STEP, head=HEAD).report
    two = run_text(tmp_path / "plain", plain).report
    assert one["digest"] == two["digest"]
    assert one["supply"] == two["supply"]


def test_a_refused_attempt_is_told_in_the_scripts_words(tmp_path: Path) -> None:
    tried = step(
        "pay",
        who="person",
        to="person",
        amount="tenge(5)",
        refused="E_FUNDS",
        text_ru="Платить нечем.",
    )
    report = run_text(tmp_path, tried).report
    (row,) = report["refusals"]
    assert row["code"] == "E_FUNDS"
    assert row["steps"][0]["text_ru"] == "Платить нечем."
    assert row["sentence_ru"] != row["sentence"]
    assert "500" in row["sentence_kk"], "with the facts of the case"


def test_a_step_of_many_days_is_translated_once() -> None:
    found = parsed(STEP.replace("day = 1", "first_day = 1\nlast_day = 5"))
    assert len([one for one in found.steps if one.verb == "buy"]) == 5
    assert found.translations["a step"] == {"kk": "Адамдар сатып алады.", "ru": "Люди покупают."}


def test_a_list_with_a_line_missing_in_one_language(tmp_path: Path) -> None:
    head = HEAD.replace('simulated_kk = ["Карталар.", "Чиптер."]', "")
    report = run_text(tmp_path, head=head).report
    assert "simulated_kk" not in report
    assert "simulated_ru" in report


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"pilot": {"title": "T", "title_kk": 7}}, "[pilot]"),
        ({"pilot": {"title": "T", "title_kk": ""}}, "[pilot]"),
        ({"pilot": {"title_kk": "T"}}, "[pilot]"),
        ({"pilot": {"simulated": ["a"], "simulated_ru": ["а", "б"]}}, "[pilot]"),
        ({"pilot": {"simulated": ["a"], "simulated_ru": "а"}}, "[pilot]"),
        ({"step": [{"text": "a"}, {"text": "b", "text_ru": ["б"]}]}, "[[step]] number 2"),
        ({"step": [{"text_ru": "б"}]}, "[[step]] number 1"),
        ({"expect": [{"name": "a", "name_kk": {}}]}, "[[expect]] number 1"),
        (
            {"step": [{"text": "a", "text_ru": "а"}, {"text": "a", "text_ru": "другое"}]},
            "[[step]] number 2",
        ),
    ],
)
def test_a_wrong_translation_is_refused_with_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(Malformed, match="E_SCRIPT") as caught:
        take("x.toml", change)
    assert caught.value.facts["place"] == place


@pytest.mark.parametrize(
    "table", [{}, {"step": 7}, {"pilot": []}, {"step": ["x"]}, {"parameter": {"note": "n"}}]
)
def test_what_is_no_table_is_left_to_its_reader(table: dict[str, Any]) -> None:
    assert take("x.toml", table) == (table, {})


def test_the_table_itself_stays_as_it_is() -> None:
    table = {"pilot": {"title": "T", "title_ru": "Т"}}
    plain, found = take("x.toml", table)
    assert plain == {"pilot": {"title": "T"}}
    assert found == {"T": {"ru": "Т"}}
    assert table == {"pilot": {"title": "T", "title_ru": "Т"}}


def test_another_language_is_an_unknown_key() -> None:
    with pytest.raises(Malformed, match="unknown: title_de"):
        parsed(head=TINY.replace('title = "A tiny pilot"', 'title = "A"\ntitle_de = "B"'))


def test_told() -> None:
    assert told({"a": {"ru": "а"}}, text="a", note="b") == {"text": "a", "text_ru": "а", "note": "b"}


@pytest.mark.parametrize("name", script.built_in())
def test_every_built_in_script_has_no_half_translation(name: str) -> None:
    """Where a script speaks another language, it has a text in both of them."""
    for english, texts in script.load(name).translations.items():
        assert set(texts) == set(translations.LANGUAGES), english
