"""Refusals: a code, a family, facts and words; unknown ones never crash whoever shows them."""

import pickle

import pytest

from cbdc import errors
from cbdc.errors import Malformed, Refused, TengeError, Unavailable, by_code, catalogue


def _sample(code: str) -> TengeError:
    entry = catalogue()[code]
    facts = {name: name.upper() for name in ("kid", "size_bytes", "limit_bytes", "answer")}
    return {"malformed": Malformed, "refused": Refused, "unavailable": Unavailable}[entry.family](
        code, **facts
    )


def test_the_four_parts() -> None:
    error = Malformed("E_SIZE", size_bytes=9, limit_bytes=8)
    assert (error.code, error.family, error.rule) == ("E_SIZE", "malformed", "V0")
    assert error.sentence() == "The message has 9 bytes; at most 8 are read."
    assert error.next_step()
    assert str(error) == f"E_SIZE: {error.sentence()} {error.next_step()}"
    assert error.facts == {"size_bytes": 9, "limit_bytes": 8}


def test_bytes_are_shown_as_hexadecimal() -> None:
    assert Refused("E_SIG", kid=b"\x01\xff").facts["kid"] == "01ff"


def test_a_missing_fact_is_shown_by_its_name() -> None:
    assert (
        Malformed("E_SIZE", size_bytes=9).sentence()
        == "The message has 9 bytes; at most {limit_bytes} are read."
    )


def test_a_code_has_one_family_and_stands_in_the_catalogue() -> None:
    with pytest.raises(AssertionError, match="belongs to the family 'malformed'"):
        Refused("E_SIZE")
    with pytest.raises(AssertionError, match="not in the catalogue"):
        Refused("E_NO_SUCH_CODE")


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_code_speaks_and_travels(code: str) -> None:
    error = _sample(code)
    for language in errors.LANGUAGES:
        assert error.sentence(language)
        assert error.next_step(language)
    assert error.rule
    again = by_code(code, error.facts)
    assert (type(again), again.code, again.facts) == (type(error), error.code, error.facts)
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.code, copied.facts) == (type(error), error.code, error.facts)


def test_an_unknown_code_is_an_answer_not_understood() -> None:
    error = by_code("E_FROM_THE_FUTURE" * 20, {"anything": 1})
    assert error.code == "E_PEER_ANSWER"
    assert isinstance(error, Unavailable)
    assert len(str(error.facts["answer"])) == 80


def test_a_language_without_words_falls_back_to_english() -> None:
    assert catalogue("xx") == catalogue("en")
    assert set(catalogue("kk")) == set(catalogue("ru")) == set(catalogue("en"))


def test_sentences_tell_moments_as_dates_and_categories_by_name() -> None:
    late = Refused("E_MARK_TIME", mark="meal", valid_from=1_769_972_400, valid_until=253_402_300_799, now=0)
    assert "from 2026-02-02 00:00:00 to ∞; it is 1970-01-01 05:00:00" in late.sentence()
    assert late.facts["now"] == 0
    edge = Refused("E_MARK_EDGE", mark="meal", payer=3, payee=99)
    assert edge.sentence() == "Money marked meal may not go from pupils to 99."
    assert "«ученики»" in edge.sentence("ru")
    assert "«оқушылар»" in edge.sentence("kk")


def test_what_is_no_moment_is_shown_as_it_is() -> None:
    assert "from soon to {valid_until_date}" in Refused("E_MARK_TIME", valid_from="soon").sentence()
    assert "it is -20000" in Refused("E_MARK_TIME", now=-20_000).sentence()
