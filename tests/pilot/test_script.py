"""Scripts as files: what they give, and every kind of bad one, refused with its place before anything is played."""

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.token import CANTEEN, PUPIL, SUPPLIER, TREASURY_ACCOUNT
from tests.pilot.play import TINY, expect, parsed, script_text, step
from wallets.pilot import script
from wallets.pilot.perform import check
from wallets.pilot.reader import MAX_SCRIPT_BYTES
from wallets.pilot.script import MAX_DAYS, built_in, load, parse, read_source

MARK = """
[[mark]]
name = "meal"
label = "school meal"
purpose = 7
release = ["canteen"]

[[mark.rule]]
name = "chain"
kind = "pays"
edges = [["treasury_account", ["pupil"]], ["pupil", ["canteen"]]]

[[mark.rule]]
name = "term"
kind = "until"
last_day = 5
"""
RULE = "[[mark]] number 1, rule number"
NEW_RULE = '[[mark.rule]]\nname = "more"\nkind = '


# --- what comes with the sandbox ---


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_script_is_whole(name: str) -> None:
    found = load(name)
    assert found.name == name
    assert found.title
    assert found.summary
    assert found.source
    assert found.expectations
    assert all(row.note and row.unit for row in found.parameters)
    assert [one.number for one in found.steps] == list(range(len(found.steps)))
    assert [(one.day, one.time) for one in found.steps] == sorted((one.day, one.time) for one in found.steps)


def test_school_meals_at_a_thousand_pupils() -> None:
    found = load("school-meals")
    assert found.names["vouchers"] == 1_000 * 20 * 80_000
    assert [group.name for group in found.cast][:1] == ["pupil"]
    meal = found.marks[0]
    assert meal.rules.edges == ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,)))
    assert found.budget_bank in [bank.name for bank in found.banks]


def test_settings_change_what_follows_from_them() -> None:
    found = load("school-meals", {"pupils": "37", "days": "3", "price_tenge": "1_000"})
    assert found.names["vouchers"] == 37 * 3 * 100_000
    assert {row.name: row.value for row in found.parameters}["pupils"] == 37
    assert found.sha256 == load("school-meals").sha256


@pytest.mark.parametrize(
    ("settings", "name", "problem"),
    [
        ({"pupil": "3"}, "pupil", "the parameters are pupils, days"),
        ({"pupils": "many"}, "pupils", "it must be a whole number"),
        ({"pupils": ""}, "pupils", "it must be a whole number"),
        ({"pupils": "1.5"}, "pupils", "it must be a whole number"),
        ({"pupils": "0x10"}, "pupils", "it must be a whole number"),
        ({"pupils": "9" * 5_000}, "pupils", "it must be a whole number"),
        ({"pupils": "0"}, "pupils", "it must be from 1 to 100000"),
        ({"pupils": "-9"}, "pupils", "it must be from 1 to 100000"),
        ({"pupils": "100001"}, "pupils", "it must be from 1 to 100000"),
    ],
)
def test_bad_settings(settings: dict[str, str], name: str, problem: str) -> None:
    with pytest.raises(Refused) as caught:
        load("school-meals", settings)
    assert caught.value.code == "E_SETTING"
    assert caught.value.facts["name"] == name
    assert str(caught.value.facts["problem"]).startswith(problem)
    assert len(caught.value.sentence()) < 300


def test_parameters_outside_what_the_script_is_for() -> None:
    with pytest.raises(Refused) as caught:
        load("school-meals", {"pupils": "7", "canteens": "4"})
    assert caught.value.code == "E_SCRIPT_REQUIRES"
    assert "has too few pupils to pay a supplier" in caught.value.sentence()


@pytest.mark.parametrize("name", ["school-dinners", "", "nowhere/else.toml", "school-meals.toml", "a\0b"])
def test_an_unknown_script(name: str) -> None:
    with pytest.raises(Refused) as caught:
        load(name)
    assert caught.value.code == "E_SCRIPT_UNKNOWN"
    assert "school-meals" in caught.value.next_step()


def test_a_folder_is_no_script(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="E_SCRIPT_UNKNOWN"):
        load(str(tmp_path))


def test_a_script_from_a_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(script_text())
    assert load(str(file), {"people": "3"}).cast[0].count == 3
    assert read_source(str(file)) == ("mine.toml", script_text())


def test_a_file_of_any_size_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "huge.toml"
    file.write_bytes(script_text("#" * (2 * MAX_SCRIPT_BYTES)))
    assert len(read_source(str(file))[1]) == MAX_SCRIPT_BYTES + 1
    assert refused(str(file)) == ("the file", f"it has more than {MAX_SCRIPT_BYTES} bytes")


def refused(path: str) -> tuple[str, str]:
    with pytest.raises(Malformed) as caught:
        load(path)
    assert caught.value.code == "E_SCRIPT"
    return str(caught.value.facts["place"]), str(caught.value.facts["problem"])


# --- days and moments ---


def test_days_are_working_days() -> None:
    found = parsed()
    assert found.start == date(2023, 11, 6)
    dates = {
        0: "2023-11-05",
        1: "2023-11-06",
        5: "2023-11-10",
        6: "2023-11-13",
        10: "2023-11-17",
        11: "2023-11-20",
    }
    assert {day: found.date_of(day).isoformat() for day in dates} == dates
    assert found.moment_of(1, "00:00") == 1_699_210_800
    assert found.moment_of(1, "23:59") - found.moment_of(1, "00:00") == 86_340
    assert found.moment_of(MAX_DAYS, "00:00") > found.moment_of(MAX_DAYS - 1, "00:00")


def test_steps_stand_in_the_order_of_time_and_then_of_the_file() -> None:
    found = parsed(
        step("late", day=2),
        step("noon", at="12:00"),
        step("first", at="09:00"),
        step("second", at="09:00"),
        '[[step]]\nfirst_day = 1\nlast_day = 5\nevery = 2\ndo = "often"',
    )
    assert [(one.day, one.verb) for one in found.steps] == [
        (0, "order"),
        (1, "first"),
        (1, "second"),
        (1, "often"),
        (1, "noon"),
        (2, "late"),
        (3, "often"),
        (5, "often"),
    ]
    assert parsed('[[step]]\nfirst_day = 3\nlast_day = 2\ndo = "never"').steps[-1].verb == "order"


def test_defaults_of_a_small_script() -> None:
    found = parse("a.toml", b'[pilot]\nname = "a"\ntitle = "A"\nstart = "2023-11-06"', {})
    assert (found.banks, found.cast, found.steps, found.budget_bank, found.budget_tiyn) == ((), (), (), "", 0)
    assert parsed('[budget]\ndeposit = "tenge(5)"').budget_bank == "bank"
    assert parsed(MARK).marks[0].max_hops == 0
    group = parsed().cast[0]
    assert (group.tier, group.consent, group.count) == (2, 1, 2)


# --- every kind of bad script ---

NO_HEAD = TINY.replace('name = "tiny"\n', "")


@pytest.mark.parametrize(
    ("data", "place", "problem"),
    [
        (b"\xff", "the file", "'utf-8' codec can't decode"),
        (b"[pilot", "the file", "Expected"),
        (b"a = 1\na = 2", "the file", "Cannot overwrite"),
        (b"a = 2023-02-30", "the file", "Invalid date"),
        (b"a = " + b"9" * 5_000, "the file", "Exceeds the limit"),
        (b"a = " + b"[" * 5_000, "the file", ""),
        (b"", "[pilot]", "it must be a table"),
        (b"pilot = 1", "[pilot]", "it must be a table"),
        (b"[[pilot]]", "[pilot]", "it must be a table"),
        (b"[pilot]", "[pilot]", "name is missing"),
        (script_text(head=NO_HEAD), "[pilot]", "name is missing"),
        (script_text("[colour]"), "the file", "unknown: colour"),
        (script_text("[bank]", head='[pilot]\nname = "a"'), "[[bank]]", "write it with double brackets"),
        (script_text("[derived]\nx = []"), "[derived]", "x must be a number or an expression"),
        (script_text("[derived]\nx = 1.5"), "[derived]", "x must be a number or an expression"),
        (script_text("[derived]\nx = 'y'\ny = 1"), "[derived]", "x: y is not known here"),
        (script_text("[derived]\nx = '1 // 0'"), "[derived]", "x: division by zero"),
        (script_text("[derived]\nx = 0x" + "f" * 5_000), "[derived]", "x: the value is too large"),
        (script_text("[derived]\npeople = 5"), "[derived]", "'people' is taken"),
        (script_text("[derived]\nday = 5"), "[derived]", "'day' is taken"),
        (script_text("[derived]\ni = 5"), "[derived]", "'i' is taken"),
        (script_text("[derived]\n'a b' = 5"), "[derived]", "'a b' is taken, or no name"),
        (script_text("[derived]\nX = 5"), "[derived]", "'X' is taken, or no name"),
        (script_text("[[derived]]"), "[derived]", "it must be a table"),
    ],
)
def test_bad_files(data: bytes, place: str, problem: str) -> None:
    refusal = refusal_of(data)
    assert refusal[0] == place
    assert refusal[1].startswith(problem)


def refusal_of(data: bytes) -> tuple[str, str]:
    with pytest.raises(Malformed) as caught:
        check(parse("bad.toml", data, {}))
    assert caught.value.code == "E_SCRIPT"
    assert caught.value.facts["file"] == "bad.toml"
    return str(caught.value.facts["place"]), str(caught.value.facts["problem"])


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ('name = "tiny"', 'name = "../tiny"', "[pilot]", "'../tiny' is no name"),
        ('name = "tiny"', 'name = "Tiny"', "[pilot]", "'Tiny' is no name"),
        ('name = "tiny"', 'name = ""', "[pilot]", "'' is no name"),
        ('name = "tiny"', f'name = "{"a" * 41}"', "[pilot]", "'aaaa"),
        ('name = "tiny"', "name = 7", "[pilot]", "name must be a text"),
        ('title = "A tiny pilot"', "", "[pilot]", "title is missing"),
        ('title = "A tiny pilot"', "title = []", "[pilot]", "title must be a text"),
        ('title = "A tiny pilot"', 'title = "A"\ncolour = 1', "[pilot]", "unknown: colour"),
        ('title = "A tiny pilot"', 'title = "A"\nsimulated = 1', "[pilot]", "simulated must be a list"),
        ("2023-11-06", "2023-11-31", "[pilot]", "start must be a date"),
        ("2023-11-06", "monday", "[pilot]", "start must be a date"),
        ("2023-11-06", "2023-11-07", "[pilot]", "start must be a Monday"),
        ("2023-11-06", "1969-12-29", "[pilot]", "start must be in the years 2000 to 2100"),
        ("2023-11-06", "9999-12-27", "[pilot]", "start must be in the years 2000 to 2100"),
        ('"2023-11-06"', "2023-11-06", "[pilot]", "start must be a text"),
        ("tenge(1000)", "tenge(people", "[pilot]", "loss_reserve: it cannot be read"),
        ("default = 2", "", "[[parameter]] number 1", "default must be a number or an expression"),
        ("default = 2", "default = 'people'", "[[parameter]] number 1", "default: people is not known"),
        ("default = 2", "default = 2\ngrade = 'Z'", "[[parameter]] number 1", "grade must be one of P, I"),
        ("default = 2", "default = 2\ncolour = 1", "[[parameter]] number 1", "unknown: colour"),
        ('name = "people"', 'name = "i"', "[[parameter]] number 1", "the name i is taken"),
        ('name = "people"', 'name = "a-b"', "[[parameter]] number 1", "'a-b' is no name"),
        ("tenge(1000000)", "tenge(1000000", "[[bank]] number 1", "reserve: it cannot be read"),
        ('name = "bank"', 'name = "bank"\ncolour = 1', "[[bank]] number 1", "unknown: colour"),
        ('count = "people"', "", "[[cast]] number 1", "count must be a number"),
        ('count = "people"', "count = 0", "[[cast]] number 1", "count is 0"),
        ('count = "people"', "count = 1000001", "[[cast]] number 1", "count is 1000001"),
        ('category = "person"', 'category = "robot"', "[[cast]] number 1", "category 'robot' must be one of"),
        ('category = "person"', "category = 1", "[[cast]] number 1", "category must be a text"),
        ('bank = "bank"\ndeposit', 'bank = "bunk"\ndeposit', "[[cast]] number 1", "there is no bank bunk"),
        ('bank = "bank"\ndeposit', "deposit", "[[cast]] number 1", "bank is missing"),
        ('"tenge(10000)"', '"tenge(x)"', "[[cast]] number 1", "deposit: x is not known"),
        ('"tenge(10000)"', "2.5", "[[cast]] number 1", "deposit must be a number"),
        ("device = 1", "device = 'i +'", "[[cast]] number 1", "device: it cannot be read"),
        ("device = 1", "device = true\nconsent = '1 // i'", "[[cast]] number 1", "consent: division by zero"),
        ('device_tier = "SE"', 'device_tier = "GOLD"', "[[cast]] number 1", "device_tier must be one of SE"),
        ("day = 0", "", "[[step]] number 1", "first_day must be a number"),
        ("day = 0", "day = -1", "[[step]] number 1", "first_day must be a number"),
        ("day = 0", "day = 2001", "[[step]] number 1", "days are 0 to 2000"),
        ("day = 0", "first_day = -1\nlast_day = 3", "[[step]] number 1", "days are 0 to 2000"),
        ("day = 0", "first_day = 1\nlast_day = 9999999", "[[step]] number 1", "days are 0 to 2000"),
        ("day = 0", "day = 0\nevery = 0", "[[step]] number 1", "days are 0 to 2000"),
        ("day = 0", 'day = 0\nat = "24:00"', "[[step]] number 1", "at must be a time"),
        ("day = 0", 'day = 0\nat = "9:00"', "[[step]] number 1", "at must be a time"),
        ("day = 0", 'day = 0\nat = "09:60"', "[[step]] number 1", "at must be a time"),
        ("day = 0", "day = 0\nat = 09:00:00", "[[step]] number 1", "at must be a text"),
        ('do = "order"', "", "[[step]] number 1", "do is missing"),
        (
            'do = "order"',
            'do = "order"\nrefused = "E_NO"',
            "[[step]] number 1",
            "there is no error code E_NO",
        ),
    ],
)
def test_bad_rows(old: str, new: str, place: str, problem: str) -> None:
    assert old in TINY
    refusal = refusal_of(script_text(head=TINY.replace(old, new, 1)))
    assert refusal[0] == place
    assert refusal[1].startswith(problem)


@pytest.mark.parametrize(
    ("part", "place", "problem"),
    [
        ('[[parameter]]\nname = "people"\ndefault = 1', "[[parameter]] number 2", "the name people is taken"),
        ('[[bank]]\nname = "bank"\nreserve = 1', "[[bank]] number 2", "the name bank is taken"),
        ('[[cast]]\nname = "person"\ncount = 1', "[[cast]] number 2", "the name person is taken"),
        (MARK + MARK, "[[mark]] number 2", "the name meal is taken"),
        (MARK.replace("purpose = 7", "colour = 1\npurpose = 7"), "[[mark]] number 1", "unknown: colour"),
        (MARK + "colour = 1", f"{RULE} 2", "unknown: colour"),
        ("[mark]\nname = 'meal'", "[[mark]]", "write it with double brackets"),
        (MARK.replace('"pupil", ["canteen"]', '"pupil"'), f"{RULE} 1", "edges are written as"),
        (MARK.replace('"pupil", ["canteen"]', '"pupil", "canteen"'), f"{RULE} 1", "edges are written"),
        (MARK.replace('["pupil"]]', "[7]]"), f"{RULE} 1", "category 7 must be one of"),
        (MARK.replace('["canteen"]]]', '["cantine"]]]'), f"{RULE} 1", "category 'cantine'"),
        (MARK.replace("last_day = 5\n", ""), f"{RULE} 2", "last_day must be a number"),
        (MARK.replace("last_day = 5", "last_day = 5000"), f"{RULE} 2", "day 5000: days are 0"),
        (MARK.replace("purpose = 7", "purpose = 7\nfirst_day = -1"), "[[mark]] number 1", "day -1: days"),
        (MARK.replace("[[mark.rule]]", "[mark.rule]", 1).split("[[mark.rule]]")[0], "[[rule]]", "write it"),
        (MARK.replace('"term"', '"chain"'), f"{RULE} 2", "the name chain is taken"),
        (MARK + NEW_RULE + '"pays"', f"{RULE} 3", "there is a rule of kind pays already"),
        (MARK + NEW_RULE + '"magic"', f"{RULE} 3", "there is no kind magic; there are pays, until"),
        (MARK + NEW_RULE + '"most"\namount = 0', f"{RULE} 3", "amount is 0; it must be 1 or more"),
        (MARK + NEW_RULE + '"listed"\nregister = "a"\nfact = "b"', f"{RULE} 3", "there is no fact a/b"),
        (MARK + NEW_RULE + '"goods"', f"{RULE} 3", "goods are written as only"),
        (MARK + NEW_RULE + '"goods"\nonly = [[1]]', f"{RULE} 3", "only is written as"),
        (MARK + NEW_RULE + '"share"\nmark = "meal"', f"{RULE} 3", "there is no mark meal above"),
        (MARK + NEW_RULE + '"period"\nper = "hour"', f"{RULE} 3", "per must be one of day, week"),
        (MARK + NEW_RULE + '"drops"\npayees = ["cook"]', f"{RULE} 3", "category 'cook'"),
        ('[budget]\nbank = "bunk"', "[budget]", "there is no bank bunk"),
        ("[budget]\ndeposit = 1\ncolour = 1", "[budget]", "unknown: colour"),
        ("[[budget]]", "[budget]", "it must be a table"),
        ("[[require]]\nelse = 'no'", "[[require]] number 1", "that must be a number"),
        ("[[require]]\nthat = 1", "[[require]] number 1", "else is missing"),
        ("[[require]]\nthat = 1\nelse = 'no'\nor = 1", "[[require]] number 1", "unknown: or"),
        ("[[expect]]\nname = 'a'", "[[expect]] number 1", "fact is missing"),
        (expect("supply.issued_tiyn", "issued"), "[[expect]] number 1", "equals: issued is not known"),
        (expect("supply.issued_tiyn", 1) + "\nmore = 1", "[[expect]] number 1", "unknown: more"),
        ("[[quick]]\npeople = 1", "[quick]", "it must be a table"),
        ("[quick]\npersons = 1", "[quick]", "there is no parameter persons"),
        ("[quick]\npeople = 51", "[quick]", "people is 51; it must be from 1 to 50"),
        ("[quick]\npeople = 0", "[quick]", "people is 0; it must be from 1 to 50"),
        ("[quick]\npeople = []", "[quick]", "people must be a number"),
        ("[quick]\npeople = 'people'", "[quick]", "people: people is not known here"),
    ],
)
def test_bad_parts(part: str, place: str, problem: str) -> None:
    refusal = refusal_of(script_text(part))
    assert refusal[0] == place
    assert refusal[1].startswith(problem)


@pytest.mark.parametrize("section", sorted(script._SECTIONS - {"pilot", "derived", "budget", "quick"}))
def test_rows_that_are_no_tables(section: str) -> None:
    head = 'name = "a"\ntitle = "A"\nstart = "2023-11-06"'
    data = f"{section} = [1]\n[pilot]\n{head}".encode()
    assert refusal_of(data) == (f"[[{section}]] number 1", "it must be a table")


def test_the_quick_size(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_bytes(script_text("[quick]\npeople = 1"))
    assert script.quick_settings(str(file)) == {"people": "1"}
    assert script.load(str(file)).names["people"] == 2, "only who asks for it gets it"
    assert script.load(str(file), script.quick_settings(str(file))).names["people"] == 1
    file.write_bytes(script_text())
    assert script.quick_settings(str(file)) == {}


def test_a_budget_without_a_bank() -> None:
    head = '[pilot]\nname = "a"\ntitle = "A"\nstart = "2023-11-06"\n[budget]\ndeposit = 1'
    assert refusal_of(head.encode()) == ("[budget]", "bank is missing")


# --- whatever a stranger writes ---

_VALUES = st.sampled_from(
    [
        *("1", "-1", "1.5", "true", "[]", "{}", "inf", "2023-11-06", "09:00:00", "[[1]]", "[1, 'a', {}]"),
        *("'x'", "''", "'é'", "'people'", "'1 // 0'", "'total(1, c, 100000)'", "9" * 30, "'E_SCRIPT'"),
    ]
)
_LINES = st.integers(0, len(TINY.splitlines()) - 1)


@given(_LINES, _VALUES)
def test_any_value_anywhere(line: int, value: str) -> None:
    """One line of a good script with another value: a script, or a refusal."""
    lines = TINY.splitlines()
    if "=" in lines[line]:
        lines[line] = lines[line].split("=")[0] + "= " + value
    only_refusals("\n".join(lines).encode())


@given(st.lists(_LINES, max_size=4), st.lists(_LINES, max_size=4))
def test_lines_left_out_and_doubled(gone: list[int], doubled: list[int]) -> None:
    lines = TINY.splitlines()
    kept = [line for place, line in enumerate(lines) for _ in range((place not in gone) + (place in doubled))]
    only_refusals("\n".join(kept).encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(data: bytes) -> None:
    only_refusals(data)
    only_refusals(TINY.encode() + data)


def only_refusals(data: bytes) -> None:
    try:
        found = parse("any.toml", data, {})
    except TengeError as error:
        code = error.code
    else:
        assert tomllib.loads(data.decode())["pilot"]["name"] == found.name
        return
    assert code in {"E_SCRIPT", "E_SETTING", "E_SCRIPT_REQUIRES"}
