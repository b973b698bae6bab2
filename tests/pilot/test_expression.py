"""The arithmetic of scripts: what it gives, what it refuses, and that nothing but a refusal ever comes out."""

import datetime
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed
from wallets.pilot import expression as arithmetic
from wallets.pilot.expression import MAX_COUNT, MAX_LENGTH, MAX_VALUE, evaluate

NAMES = {"pupils": 37, "days": 3, "price": 80_000, "i": 5}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (7, 7),
        (-7, -7),
        (True, 1),
        (False, 0),
        ("0", 0),
        (" 1_000 ", 1_000),
        ("0x10", 16),
        ("True", 1),
        ("pupils * days * price", 8_880_000),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("-7 % 4", 1),
        ("2 + 3 * 4 - 1", 13),
        ("(2 + 3) * 4", 20),
        ("--3", 3),
        ("1 < 2 < 3", 1),
        ("1 < 3 < 2", 0),
        ("3 >= 3 and 3 <= 3 and 3 == 3 and 3 != 4 and 4 > 3", 1),
        ("not 0", 1),
        ("not 5", 0),
        ("0 or 0", 0),
        ("0 or 5", 1),
        ("2 and 3", 1),
        ("2 and 0", 0),
        ("i == 5 and 1 // 1", 1),
        ("0 and 1 // 0", 0),
        ("1 or 1 // 0", 1),
        ("10 if days > 2 else 1 // 0", 10),
        ("1 // 0 if days < 2 else 20", 20),
        ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3),
        ("min(3)", 3),
        ("max(-1)", -1),
        ("tenge(800)", 80_000),
        ("tenge(-1)", -100),
        ("ceil_div(7, 2)", 4),
        ("ceil_div(8, 2)", 4),
        ("ceil_div(-7, 2)", -3),
        ("vat(112, 12)", 12),
        ("vat(100, 12)", 11),
        ("vat(0, 12)", 0),
        ("vat(100, 0)", 0),
        ("total(c, c, 4)", 6),
        ("total(c, c, 0)", 0),
        ("total(c * price, c, days) // price", 3),
        ("total(total(a + b, b, 2), a, 3)", 9),
        ("total(pupils, pupils, 2) + pupils", 38),
        (MAX_VALUE, MAX_VALUE),
        (str(-MAX_VALUE), -MAX_VALUE),
    ],
)
def test_values(expression: object, value: int) -> None:
    assert evaluate(expression, NAMES) == value


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "it cannot be read"),
        ("1 +", "it cannot be read"),
        ("1; 2", "it cannot be read"),
        ("a = 1", "it cannot be read"),
        ("\0", "it cannot be read"),
        ("\ud800", "it cannot be read"),
        ("1or 2", "it cannot be read"),
        ("(" * 300 + ")" * 90, "it cannot be read"),
        ("1" * (MAX_LENGTH + 1), f"longer than {MAX_LENGTH} characters"),
        ("-" * 300 + "1", "more than 200 parts"),
        ("schools", "schools is not known here (known: days, i, price, pupils)"),
        ("1 / 2", "BinOp is not allowed"),
        ("2 ** 8", "BinOp is not allowed"),
        ("1 << 8", "BinOp is not allowed"),
        ("1 | 2", "BinOp is not allowed"),
        ("~1", "UnaryOp is not allowed"),
        ("+1", "UnaryOp is not allowed"),
        ("1.5", "Constant is not allowed"),
        ("1e9", "Constant is not allowed"),
        ("1j", "Constant is not allowed"),
        ("'a'", "Constant is not allowed"),
        ("None", "Constant is not allowed"),
        ("...", "Constant is not allowed"),
        ("[1]", "List is not allowed"),
        ("(1, 2)", "Tuple is not allowed"),
        ("{}", "Dict is not allowed"),
        ("lambda: 1", "Lambda is not allowed"),
        ("[x for x in (1,)]", "ListComp is not allowed"),
        ("(x := 5)", "NamedExpr is not allowed"),
        ("await x", "Await is not allowed"),
        ("f'{1}'", "JoinedStr is not allowed"),
        ("pupils.bit_length", "Attribute is not allowed"),
        ("pupils.bit_length()", "Call is not allowed"),
        ("pupils[0]", "Subscript is not allowed"),
        ("1 is 1", "Is is not allowed"),
        ("1 in 2", "In is not allowed"),
        ("abs(1)", "there is no function abs"),
        ("__import__('os')", "Constant is not allowed"),
        ("min()", "min got 0 values"),
        ("tenge()", "tenge got 0 values"),
        ("tenge(1, 2)", "tenge got 2 values"),
        ("tenge(whole=1)", "Call is not allowed"),
        ("min(*days)", "Starred is not allowed"),
        ("vat(1)", "vat got 1 values"),
        ("total(1, 2, 3)", "there is no function total"),
        ("total(1, c)", "c is not known here (known: days, i, price, pupils)"),
        ("total(1, c, -1)", "total over -1 terms; 2000000 are allowed in all"),
        ("total(1, c, 2000001)", "total over 2000001 terms; 2000000 are allowed in all"),
        ("total(total(1, a, 1000), b, 2000)", "total over 1000 terms; 2000000 are allowed in all"),
        ("total(x, c, 1)", "x is not known here (known: c, days, i, price, pupils)"),
        ("1 // 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("ceil_div(1, 0)", "division by zero"),
        ("9223372036854775809", "the value is too large"),
        ("9223372036854775807 * 2", "the value is too large"),
        ("0 * (9223372036854775807 + 9223372036854775807)", "the value is too large"),
        (MAX_VALUE + 1, "the value is too large"),
        (-MAX_VALUE - 1, "the value is too large"),
        (1.5, "it must be a text"),
        (None, "it must be a text"),
        ([1], "it must be a text"),
        ({"a": 1}, "it must be a text"),
        (datetime.date(2023, 11, 6), "it must be a text"),
    ],
)
def test_refusals(expression: object, problem: str) -> None:
    with pytest.raises(Malformed) as caught:
        evaluate(expression, NAMES)
    assert caught.value.code == "E_EXPRESSION"
    assert caught.value.facts["problem"] == problem


@pytest.mark.parametrize("expression", ["vat(-1, 12)", "vat(100, -5)", "vat(100, -100)", "vat(2**53, 12)"])
def test_amounts_that_are_none(expression: str) -> None:
    with pytest.raises(Malformed) as caught:
        evaluate(expression.replace("2**53", str(2**53)), NAMES)
    assert caught.value.code == "E_EXPRESSION"


def test_a_number_too_long_to_be_written() -> None:
    with pytest.raises(Malformed, match="too large"):
        evaluate(16**9_000, {})


def test_a_name_of_a_total_ends_with_it() -> None:
    with pytest.raises(Malformed, match="c is not known here"):
        evaluate("total(c, c, 3) + c", NAMES)


def test_no_names_at_all() -> None:
    with pytest.raises(Malformed, match="known: none"):
        evaluate("x", {})


def test_the_names_given_are_not_changed() -> None:
    names = dict(NAMES)
    evaluate("total(pupils, pupils, 3)", names)
    assert names == NAMES


def test_totals_may_use_all_their_terms() -> None:
    assert evaluate(f"total(1, c, {MAX_COUNT - 1}) + total(1, c, 1)", {}) == MAX_COUNT


# --- whatever a stranger writes ---

_WORDS = st.sampled_from(
    [
        *("pupils", "days", "i", "x", "0", "1", "7", "100", "9223372036854775807", "1.5", "'a'", "None"),
        *("+", "-", "*", "/", "//", "%", "**", "<", "==", "and", "or", "not", "if", "else", "is", "in"),
        *("(", ")", "[", "]", ",", ":", ".", "=", "min(", "max(", "tenge(", "vat(", "ceil_div(", "total("),
        *("total(i, i, 3)", "vat(100, 12)", "lambda", "for", "await", "\n", "\\", "#", "é", "１", "\0"),
    ]
)


def outcome(expression: object) -> int | Malformed:
    """A value, or a refusal; anything else goes up and fails the test."""
    try:
        return evaluate(expression, NAMES)
    except Malformed as error:
        return error


def judged(expression: object) -> None:
    """A whole number within the bounds, or E_EXPRESSION."""
    found = outcome(expression)
    if isinstance(found, Malformed):
        assert found.code == "E_EXPRESSION"
        assert set(found.facts) == {"expression", "problem"}
    else:
        assert type(found) is int
        assert abs(found) <= MAX_VALUE


@given(st.lists(_WORDS, max_size=25).map(" ".join))
def test_words_in_any_order(expression: str) -> None:
    judged(expression)


@given(st.text(max_size=60))
def test_any_text(expression: str) -> None:
    judged(expression)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.lists(st.integers()))
def test_any_value(expression: object) -> None:
    judged(expression)


_TREES = st.recursive(
    st.sampled_from(["pupils", "days", "price", "i", "0", "1", "13"]),
    lambda parts: (
        st.tuples(parts, st.sampled_from(["+", "-", "*", "//", "%", "<", "<=", "=="]), parts).map(
            lambda three: f"({three[0]} {three[1]} {three[2]})"
        )
        | st.tuples(parts, parts, parts).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})")
        | st.tuples(st.sampled_from(["min", "max", "ceil_div"]), parts, parts).map(
            lambda three: f"{three[0]}({three[1]}, {three[2]})"
        )
    ),
    max_leaves=12,
)


@given(_TREES)
def test_what_it_gives_is_what_python_gives(expression: str) -> None:
    """On the syntax it allows, the evaluator is Python's own arithmetic."""
    functions = {"min": min, "max": max, "ceil_div": lambda a, b: -(-a // b)}
    found = outcome(expression)
    if isinstance(found, Malformed):
        assert found.facts["problem"] in (
            "division by zero",
            "the value is too large",
            "more than 200 parts",
            f"longer than {MAX_LENGTH} characters",
        )
    else:
        assert found == eval(expression, {"__builtins__": {}, **functions}, dict(NAMES))


# --- the compiled form and the evaluator ---


def by_the_evaluator(expression: str, names: Mapping[str, int]) -> int | str:
    """What the evaluator alone says: a value, or the problem."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arithmetic, "_compiled", lambda _: None)
        try:
            return evaluate(expression, names)
        except Malformed as error:
            return str(error.facts["problem"])


def by_both(expression: str, names: Mapping[str, int]) -> int | str:
    try:
        return evaluate(expression, names)
    except Malformed as error:
        return str(error.facts["problem"])


@given(
    st.lists(_WORDS, max_size=25).map(" ".join) | _TREES, st.sampled_from([0, 1, 5, 2**62, 2**63, 2**63 + 1])
)
def test_the_compiled_form_never_says_anything_else(expression: str, i: int) -> None:
    names = {**NAMES, "i": i}
    assert by_both(expression, names) == by_the_evaluator(expression, names)


@pytest.mark.parametrize(
    ("expression", "i"),
    [
        ("i == 2", 2**63 + 1),  # a name out of bounds, though nothing is computed with it
        ("0 * (i + i) == 0", 2**63),  # a value out of bounds on the way to a small one
        ("i * 100 - i * 100", 2**62),
        ("tenge(i) - tenge(i)", 2**62),
        ("-i", -(2**63) - 1),
        ("1 or nobody", 1),
        ("0 and 1 << 2", 1),
        ("vat(i, 12)", -1),
        ("min(i)", 7),
        ("max(i, 3, 2)", 2),
        ("not i", 0),
        ("1 < i <= 3 != 4", 3),
        ("ceil_div(i, 2) if i else 1 // 0", 0),
    ],
)
def test_corners_of_the_compiled_form(expression: str, i: int) -> None:
    assert by_both(expression, {"i": i}) == by_the_evaluator(expression, {"i": i})


def test_what_a_group_asks_for_each_member_is_compiled() -> None:
    """A total, and what is not allowed, is left to the evaluator; everything else a script may write is not."""
    words = "i % 20 != 0 and (i + days) % 3 == 0 or not min(vat(i, 12), tenge(3)) > max(1, -ceil_div(i, 2))"
    assert arithmetic._compiled(words) is not None
    for left in ("total(c, c, 3)", "1 if i else 2 ** 8", "f(i)", "i / 2"):
        assert arithmetic._compiled(left) is None
