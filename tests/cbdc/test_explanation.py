"""Explanations: the ledger's own answer, each rule's finding, and words in every language."""

import string
from dataclasses import replace

import pytest
from hypothesis import given

from cbdc import explanation
from cbdc.clause import Finding, Payment
from cbdc.clauses import ClauseKind
from cbdc.errors import LANGUAGES, Refused, by_code, catalogue, phrases, words_of
from cbdc.explanation import (
    Explanation,
    Teller,
    clause_in_words,
    explain,
    explain_transaction,
    rule_in_words,
    told,
)
from cbdc.ledger.rules import needs
from cbdc.ledger.state import StateKey, StateValue
from cbdc.marks import MarkDefinition, judge
from cbdc.token import CATEGORY_NAMES
from tests.cbdc.rows_clauses import define
from tests.cbdc.scene import Row, Scene, scene
from tests.cbdc.test_clauses import RIGHT, Noted, payments
from tests.cbdc.test_rules import ROWS

# What a finding of a mark's rules can refuse with.
FOUND = {
    "E_MARK_TIME",
    "E_MARK_EDGE",
    "E_MARK_CAP",
    "E_MARK_LISTED",
    "E_MARK_DOCUMENT",
    "E_MARK_DOCUMENT_SUM",
    "E_MARK_DOCUMENT_LINES",
    "E_MARK_BASKET",
    "E_MARK_GOODS",
    "E_MARK_PRICE",
    "E_MARK_ESTIMATE",
    "E_MARK_ESTIMATE_SUM",
    "E_MARK_PERIOD",
    "E_MARK_RELEASE_SUM",
    "E_MARK_OFFLINE",
    "E_MARK_NOT_OVER",
}


def explained(s: Scene, row: Row) -> Explanation:
    """The explanation of a row's transaction, from no more than what a decision needs."""
    transaction = row.build(s)
    view: dict[StateKey, StateValue | None] = {}
    while wanted := needs(s.ledger.genesis, view, transaction, s.clock.now()):
        view.update(s.ledger.load(wanted))
    return explain_transaction(s.ledger.genesis, view, transaction, s.clock.now())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_explanation_says_what_the_ledger_answers(row: Row) -> None:
    found = explained(scene(), row)
    assert found.code == (row.code or "")
    assert bool(found.guard) is bool(row.code)
    if row.code in FOUND:
        assert found.refusal is not None
        assert found.refusal.code == row.code
    if not row.code:
        assert found.refusal is None
    for language in LANGUAGES:
        lines = told(found, Teller(language), 7)
        assert lines
        assert not any("{" in line for line in lines)
        assert any(row.code in line for line in lines) if row.code else True


def test_what_a_finding_can_say_is_what_the_rows_show() -> None:
    shown = {row.code for row in ROWS} & FOUND
    assert shown == FOUND


def test_a_finding_against_the_ledgers_answer_is_a_bug() -> None:
    row = next(row for row in ROWS if row.name == "month_is_overdrawn")
    found = explained(scene(), row)
    with pytest.raises(AssertionError):
        explanation._assert_agreement(replace(found, error=None))
    other = Refused(found.code, **{**found.error.facts, "total_tiyn": 1}) if found.error else None
    with pytest.raises(AssertionError):
        explanation._assert_agreement(replace(found, error=other))


@given(pair=payments())
def test_every_finding_speaks_in_every_language(pair: tuple[MarkDefinition, Payment]) -> None:
    definition, payment = pair
    findings = judge(definition, payment, Noted(None, 0))
    for language in LANGUAGES:
        sentences = explain(findings, Teller(language))
        assert len(sentences) == len(findings)
        assert not any("{" in sentence for sentence in sentences)
        for finding, sentence in zip(findings, sentences, strict=True):
            assert finding.rule in sentence
            assert (finding.code in sentence) if finding.code else True


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(RIGHT))
def test_every_kind_of_clause_is_told(kind: str, language: str) -> None:
    clause = ClauseKind().load(RIGHT[kind], "clause")
    sentence = clause_in_words(clause, Teller(language))
    assert "{" not in sentence
    assert sentence.count(" ") > 4


def test_a_whole_mark_is_told() -> None:
    s = scene()
    names = {s.kid("budget"): "the budget", s.kid("register"): "the school register"}
    lines = rule_in_words(s.meals_definition.record, "en", s.meals, names, 5 * 3_600)
    text = "\n".join(lines)
    for part in (
        "treasury accounts may pay pupils",
        "pupils may pay canteens",
        "2 500 ₸",
        "the budget",
        "signed statements of the register the school register",
        "up to 2 hops",
        "send home from offline are free",
    ):
        assert part in text
    closed = define(s, edges=(), release_categories=(), valid_until=2**53 - 1).record
    text = "\n".join(rule_in_words(closed))
    assert "Nobody may pay with it" in text
    assert "Nobody may turn it into free money" in text
    assert "∞" in text
    assert "cannot be taken offline: its definition allows no hops (hops)" in text
    for language in LANGUAGES:
        wires = [[wire[0], name, *wire[2:]] for name, wire in RIGHT.items()]
        clauses = tuple(ClauseKind().load(wire, "clause") for wire in wires)
        for record in (
            replace(closed, clauses=clauses, edges=s.meals_definition.record.edges),
            replace(s.meals_definition.record, person_to_person=1, converts_on_redeem=0),
            replace(s.meals_definition.record, evidence=b""),
        ):
            told_lines = rule_in_words(record, language)
            assert len(told_lines) >= 7 + len(record.clauses)
            assert not any("{" in line for line in told_lines)


def test_the_words_of_all_languages_have_the_same_places() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = words_of("en")
    for language in LANGUAGES[1:]:
        other = words_of(language)
        assert {table: set(rows) for table, rows in other.items()} == {t: set(r) for t, r in english.items()}
        for table, rows in english.items():
            for key, text in rows.items():
                assert places(other[table][key]) == places(text), (language, table, key)
    assert {int(number) for number in english["category"]} == set(CATEGORY_NAMES)


def test_phrases_within_refusals_are_told_in_the_readers_language() -> None:
    assert set(phrases("kk")) == set(phrases("ru"))
    assert phrases("en") == {}
    error = by_code(
        "E_MARK_LISTED", {"rule": "a", "about": "payee", "fact_kind": 1, "problem": "it has expired"}
    )
    assert "срок истёк" in error.sentence("ru")
    assert "мерзімі өтіп кетті" in error.sentence("kk")
    assert "it has expired" in error.sentence()
    assert "E_MARK_LISTED" in catalogue()


def test_a_rule_that_refuses_is_told_with_its_code() -> None:
    facts = {"rule": "limit", "period": "day", "total_tiyn": 5, "cap_tiyn": 4}
    finding = Finding("limit", "period", "E_MARK_PERIOD", facts)
    sentence = "Rule limit: with this payment the day would reach 5 tiyn; at most 4 are allowed."
    assert explain([finding]) == [f"limit REFUSES it. {sentence} (E_MARK_PERIOD)"]
    assert explain([replace(finding, code="")]) == ["limit allows it. With this payment: 0.05 ₸ of 0.04 ₸."]
