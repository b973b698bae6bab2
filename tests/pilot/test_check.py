"""`tenge pilot check`: every mistake at once, each at its place, and nothing that only follows from another."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import TengeError
from tests.pilot.play import TINY, expect, script_text, step
from wallets import cli
from wallets.pilot import perform
from wallets.pilot.check import Finding, check_script
from wallets.pilot.locate import Places
from wallets.pilot.script import built_in, parse, read_source

BAD = """
[pilot]
name = "bad"
title = 7
start = "2023-11-07"
colour = "red"

[[parameter]]
name = "people"
default = 5
most = 3
grade = "A"
note = "assumption"

[[parameter]]
name = "price"
defualt = 5
grade = "A"
note = "assumption"

[derived]
whole = "peple * price"

[[bank]]
name = "bank"
reserve = "tenge(1000"

[[mark]]
name = "meal"
purpose = 7

[[mark.rule]]
name = "chain"
kind = "pay"

[[mark.rule]]
name = "cap"
kind = "cap"
amount = 0

[[cast]]
name = "pupil"
count = "people"
category = "pupl"
bank = "bnk"

[[step]]
day = 0
do = "ordr"
bank = "bank"
amount = 1

[[step]]
day = 1
at = "9:00"
do = "buy"
who = "pupil"
amount = 1

[[step]]
day = 1
do = "pay"
who = "pupil"
to = "pupil"
to_member = "i + 9"
ammount = 1
text = '''
[[step]]
several lines'''

[[step]]
day = 2
do = "pay"
who = "pupils"
to = "treasury"
mark = "meal"
amount = "j"
refused = "E_NO"
rule = "mark.meal.chain"

[[expect]]
name = "x"
fact = "wallets.pupils_tiyn"
equals = "0"

[[surprise]]
x = 1
""".lstrip()

FOUND = """
3 title must be a text
4 start must be a Monday: days are counted in working weeks
5 unknown: colour
9 default: it must be from 0 to 3
14 default must be a number or an expression
16 unknown: defualt
21 whole: peple is not known here (known: people, price, seed)
25 reserve: it cannot be read
33 there is no kind pay
38 amount is 0; it must be 1 or more
43 category 'pupl' must be one of person
44 there is no bank bnk
48 there is no verb ordr
54 at must be a time such as 09:30
59 amount is missing: pay needs it
64 to_member: member 0 pays pupil 9; it must be from 0 to 4
65 ammount is no argument of pay
73 who: there is no pupils
76 amount: j is not known here (known: day, i, people, price, seed, whole)
77 there is no error code E_NO
82 there is no fact of a run with 'pupils_tiyn'; perhaps pupil_tiyn
85 unknown: surprise
""".strip().splitlines()


def found(text: str | bytes) -> list[Finding]:
    return check_script("tiny.toml", text if isinstance(text, bytes) else text.encode())


def mistakes(text: str | bytes) -> list[Finding]:
    return [one for one in found(text) if not one.warning]


def warnings(text: str | bytes) -> list[str]:
    return [one.problem for one in found(text) if one.warning]


def test_every_mistake_at_once() -> None:
    told = [f"{one.line} {one.problem}" for one in mistakes(BAD)]
    assert len(told) == len(FOUND), "\n".join(told)
    for line, wanted in zip(told, FOUND, strict=True):
        assert line.startswith(wanted)


def test_every_mistake_says_where_and_what_to_do() -> None:
    lines = BAD.splitlines()
    for one in mistakes(BAD):
        assert one.column == 1, "every key of the bad script stands at the left"
        assert lines[one.line - 1].strip(), one
        assert one.advice.endswith("."), one
        assert "See the section" not in one.advice, f"no advice of its own: {one.problem}"


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("unknown: defualt", "defualt is perhaps default"),
        ("whole: peple", "Perhaps people was meant"),
        ("there is no verb ordr", "Perhaps order was meant"),
        ("ammount is no argument", "Perhaps amount was meant"),
        ("there is no kind pay", "Perhaps pays was meant"),
        ("unknown: colour", "Take it out; allowed here: days, loss_reserve, name"),
    ],
)
def test_the_nearest_name_is_told(problem: str, told: str) -> None:
    (one,) = [one for one in mistakes(BAD) if one.problem.startswith(problem)]
    assert one.advice.startswith(told) or told in one.advice


@pytest.mark.parametrize("name", built_in())
def test_built_in_scripts_have_no_mistake(name: str) -> None:
    file, data = read_source(name)
    assert mistakes(data) == []
    assert [
        one.problem for one in check_script(file, data) if "grade" in one.problem or "note" in one.problem
    ] == []


def test_a_file_that_is_no_toml() -> None:
    (one,) = found(TINY + "\n[[step]\nday = 1")
    assert (one.line, one.column, one.place) == (len(TINY.splitlines()) + 2, 7, "the file")
    (one,) = found(TINY + "\ntext = '''")
    assert one.line == len(TINY.splitlines()) + 2
    (one,) = found(b"\xff\xfe")
    assert (one.line, one.column) == (1, 1)
    assert mistakes(b"")[0].problem == "it must be a table"


@pytest.mark.parametrize(
    ("part", "begins", "problem"),
    [
        (
            step("buy", who="person", amount="tenge(1)", lines=[[1, 2]]),
            "lines",
            "lines is no argument of buy",
        ),
        (
            step("pay", who="person", to="person", amount=1, lines=[[1, "x", 2]]),
            "lines",
            "lines: x is not known",
        ),
        (
            step("pay", who="person", to="person", amount=1, documents=[["act", "n"]]),
            "documents",
            "documents: n is not",
        ),
        (step("buy", who="person", amount="10 // (i - 1)"), "amount", "amount: division by zero (for i = 1)"),
        (step("buy", who=7, amount=1), "who", "who must be a text"),
        (step("redeem"), "[[step]]", "bank is missing: redeem needs it"),
        (step("attest", who="person"), "do", "attest needs a section [register]"),
        (
            expect("supply.isued_tiyn", 0),
            "fact",
            "there is no fact of a run with 'supply.isued_tiyn'; perhaps supply.is",
        ),
        (expect("refusals.E_NOTHING", 0), "fact", "there is no fact of a run with 'E_NOTHING'"),
        (expect("steps.dance", 0), "fact", "there is no fact of a run with 'dance'"),
        (expect("steps.buy.persons", 0), "fact", "there is no fact of a run with 'persons'; perhaps person"),
        (expect("marks.meal.given_tiyn", 0), "fact", "there is no fact of a run with 'meal'"),
        (expect("days.paid", 0), "fact", "there is no fact of a run with 'paid'"),
        (expect("wallets.person", 0), "fact", "there is no fact of a run with 'person'; perhaps person_tiyn"),
        (expect("weather.rain", 0), "fact", "there is no fact of a run with 'weather'"),
        (
            "[[require]]\nthat = \"people > 9\"\nelse = 'more'",
            "that",
            "the default parameters do not keep this: more",
        ),
        ("[quick]\npeople = 99", "people", "people is 99; it must be from 1 to 50"),
        (
            "[[require]]\nthat = \"people > 1\"\nelse = 'two'\n[quick]\npeople = 1",
            "[quick]",
            "with these settings: two",
        ),
        ("[derived]\npeople = 1\nmore = 'x'", "people", "'people' is taken"),
        ("[tax]\ncolour = 1", "", ""),
        ("[budget]\nbank = 'bunk'", "bank", "there is no bank bunk"),
        ("derived = 1", "", ""),
    ],
)
def test_one_mistake(part: str, begins: str, problem: str) -> None:
    told = mistakes(script_text(part))
    assert told
    assert told[0].problem.startswith(problem)
    assert script_text(part).decode().splitlines()[told[0].line - 1].startswith(begins)


def test_what_only_follows_is_not_told() -> None:
    """A row that cannot be read is left out, and who names it is not wrong for that."""
    bad = TINY.replace('name = "bank"\nreserve', 'name = "bank"\nreserve = 1\nreserv')
    assert [one.problem for one in mistakes(bad)] == ["unknown: reserv"]
    rows = script_text(step("buy", who="person", amount=1), expect("wallets.person_tiyn", 0)).decode()
    gone = rows.replace('count = "people"', 'counts = "people"\nheads = 1')
    told = [one.problem for one in mistakes(gone)]
    assert told == ["count must be a number or an expression", "unknown: counts, heads"]


@pytest.mark.parametrize(
    ("part", "warning"),
    [
        (expect("wallets.person_tiyn", 100), "a bare number is expected: 100"),
        (expect("wallets.person_tiyn", "tenge(1)"), "a bare number is expected: tenge(1)"),
        (expect("offline.payments", 10), "a bare number is expected: 10"),
        (step("buy", who="person", amount=1, when="i > 7"), "it never happens: `when` holds for no member"),
        (
            "[[step]]\nfirst_day = 3\nlast_day = 2\ndo = 'reconcile'",
            "it never happens: its last day is before its first",
        ),
        ("[[parameter]]\nname = 'p'\ndefault = 1\nnote = 'mine'", "p has no grade"),
        ("[[parameter]]\nname = 'p'\ndefault = 1\ngrade = 'A'", "p has no note"),
        (
            "[[parameter]]\nname = 'p'\ndefault = 1\ngrade = 'A'\nnote = 'the National Bank says so'",
            "p is an assumption, but its note sounds like a published figure",
        ),
        (
            step("pay", who="person", to="person", amount=1, refused="E_MARK_EDGE"),
            "nothing tells which rule refuses it",
        ),
        ("[[distribution]]\nname = 'd'\nkind = 'uniform'\nlow = 1\nhigh = 2\ngrade = 'A'", "d has no note"),
    ],
)
def test_warnings(part: str, warning: str) -> None:
    assert warning in warnings(script_text(part))
    assert mistakes(script_text(part)) == []


@pytest.mark.parametrize(
    "part",
    [
        expect("wallets.person_tiyn", 0),
        expect("offline.hops_max", 2),
        expect("wallets.person_tiyn", "tenge(people)"),
        step("buy", who="person", amount=1, when="i == 1"),
        step("buy", who="person", amount=1, refused="E_FUNDS"),
        step("buy", who="person", amount=1, refused="E_MARK_EDGE", rule=""),
        "[[parameter]]\nname = 'p'\nfact = 'domain.mci_2026'",
        "[[parameter]]\nname = 'p'\ndefault = 1\ngrade = 'A'\nnote = 'not published by the National Bank: assumption'",
    ],
)
def test_no_warning(part: str) -> None:
    usual = warnings(script_text())
    assert [
        one for one in warnings(script_text(part)) if one not in usual
    ] == [] or "nothing is expected" in str(usual)
    assert len(warnings(script_text(part))) <= len(usual)


# --- places ---


def test_places_of_everything() -> None:
    text = '''a = 1
[pilot]
  name = "x"   # [[step]]
list = [
  1, # ]
  [2],
]
[[mark]]
"quoted" = 1
[[mark.rule]]
k = 1
[[mark.rule]]
k = """
[[mark]]
"""
[[mark]]
[[mark.rule]]
k = "a \\" # [["
[cards]
[[cards.rule]]
k = {a = [1,
2]}
j = 1
'''
    places = Places(text)
    assert places.find("", "a") == (1, 1)
    assert places.find("[pilot]", "name") == (3, 3)
    assert places.find("[pilot]", "list") == (4, 1)
    assert places.find("[[mark]] number 1") == (8, 1)
    assert places.find("[[mark]] number 1", "quoted") == (9, 1)
    assert places.find("[[mark]] number 1, rule number 2", "k") == (13, 1)
    assert places.find("[[mark]] number 2, rule number 1", "k") == (18, 1)
    assert places.find("[[mark]] number 2, rule number 9", "k") == (16, 1)
    assert places.find("[cards], rule number 1", "j") == (23, 1)
    assert places.find("[nothing]", "j") == (1, 1)


# --- whatever a stranger writes ---

_LINES = st.integers(0, len(BAD.splitlines()) - 1)
_VALUES = st.sampled_from(
    ["1", "-1", "1.5", "true", "[]", "{}", "[[1]]", "'x'", "''", "'people'", "'1 // 0'", "'i'"]
)


def refused(data: bytes) -> bool:
    try:
        perform.check(parse("any.toml", data, {}))
    except TengeError:
        return True
    return False


@given(_LINES, _VALUES)
def test_what_is_refused_is_a_mistake(line: int, value: str) -> None:
    for text in (BAD, script_text(step("pay", who="person", to="person", amount=1)).decode()):
        lines = text.splitlines()
        if line < len(lines) and "=" in lines[line]:
            lines[line] = lines[line].split("=")[0] + "= " + value
        data = "\n".join(lines).encode()
        if refused(data):
            assert mistakes(data)


@given(st.lists(_LINES, max_size=4), st.lists(_LINES, max_size=4))
def test_lines_left_out_and_doubled(gone: list[int], doubled: list[int]) -> None:
    lines = BAD.splitlines()
    kept = [line for place, line in enumerate(lines) for _ in range((place not in gone) + (place in doubled))]
    data = "\n".join(kept).encode()
    assert mistakes(data) or not refused(data)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(data: bytes) -> None:
    found(data)
    found(TINY.encode() + data)


# --- the command ---


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(BAD)
    result = CliRunner().invoke(cli.main, ["pilot", "check", str(file)])
    assert result.exit_code == 1
    assert re.search(
        r"^bad.toml:16:1: \[\[parameter\]\] number 2: unknown: defualt$", result.stdout, re.MULTILINE
    )
    assert result.stdout.endswith(f"{len(FOUND)} mistakes, 1 warnings\n")
    good = CliRunner().invoke(cli.main, ["pilot", "check", "school-meals"])
    assert (good.exit_code, good.stdout) == (0, "0 mistakes, 0 warnings\n")
    told = CliRunner().invoke(cli.main, ["pilot", "check", str(file), "--json"])
    assert '"line": 16' in told.stdout
