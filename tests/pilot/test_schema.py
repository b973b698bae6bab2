"""The schema of scripts: today's, the same as the readers, accepts every built-in script and refuses mutated ones."""

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest

from tests.house import pilot_schema
from tests.wallets import test_pilot_docs as docs
from wallets.pilot import form, mark_rules, perform, script

SCHEMA = jsonschema_rs.validator_for(form.schema())


def table_of(name: str) -> dict[str, Any]:
    return tomllib.loads(script.read_source(name)[1].decode("utf-8"))


def refuses(table: dict[str, Any]) -> bool:
    return not SCHEMA.is_valid(table)


def test_the_kept_schemas_are_todays() -> None:
    for place in pilot_schema.PLACES:
        assert place.read_text(encoding="utf-8") == pilot_schema.text(), (
            "python -m tests.house.pilot_schema --write"
        )


# --- the form is what the readers read ---


@pytest.mark.parametrize("section", docs.SECTIONS)
def test_the_form_has_the_keys_that_are_read(section: str) -> None:
    known = form.SECTIONS[section.strip("[]")]
    assert set(known.keys) == docs.SECTIONS[section] - set(known.inside)


def test_the_form_has_every_section() -> None:
    assert set(form.SECTIONS) == script._SECTIONS


def test_the_form_has_the_keys_of_rules() -> None:
    read = {"name", "kind", "payers", "payees"}
    for function in [*mark_rules._HEAD.values(), *mark_rules._KINDS.values()]:
        read |= docs.rule_keys(function)
    assert set(form.SECTIONS["mark"].inside["rule"].keys) == read


def test_the_arguments_of_verbs_are_those_that_are_read() -> None:
    for verb in perform.VERBS:
        assert set(form.verb_keys(verb) or {}) == docs.verb_arguments(verb), verb
    assert form.verb_keys("dance") is None
    assert form.verb_needs("order") == ["amount", "bank"]
    assert form.verb_needs("dance") == []


# --- scripts ---


@pytest.mark.parametrize("name", script.built_in())
def test_every_script_is_accepted(name: str) -> None:
    SCHEMA.validate(table_of(name))


def mutants(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The script with one thing wrong, in many ways, each with its name."""

    def mutant(what: str, change: Callable[[dict[str, Any]], Any]) -> tuple[str, dict[str, Any]]:
        changed = copy.deepcopy(table)
        change(changed)
        return what, changed

    yield mutant("an unknown section", lambda t: t.update(colour=1))
    yield mutant("no [pilot]", lambda t: t.pop("pilot"))
    for name, section in form.SECTIONS.items():
        if name not in table or section.names_numbers:
            continue
        yield mutant(f"{name} of another type", lambda t, n=name: t.update({n: 7}))
        rows = table[name] if section.many else [table[name]]
        for place, row in enumerate(rows[:1]):

            def there(
                t: dict[str, Any], n: str = name, p: int = place, many: bool = section.many
            ) -> dict[str, Any]:
                found: dict[str, Any] = t[n][p] if many else t[n]
                return found

            yield mutant(f"{name} {place}: an unknown key", lambda t, at=there: at(t).update(colour=1))
            for key, known in section.keys.items():
                if key in row and known.required:
                    yield mutant(f"{name} {place}: no {key}", lambda t, at=there, k=key: at(t).pop(k))
                if key in row:
                    wrong: Any = {} if known.form != form.LIST else "text"
                    yield mutant(
                        f"{name} {place}: {key}", lambda t, at=there, k=key, w=wrong: at(t).update({k: w})
                    )
                if key in row and known.choices and known.form == form.TEXT:
                    yield mutant(
                        f"{name} {place}: a {key}", lambda t, at=there, k=key: at(t).update({k: "colour"})
                    )
    for place, row in enumerate(table["step"][:4]):
        for key in form.verb_needs(row["do"]):
            yield mutant(f"step {place}: no {key}", lambda t, p=place, k=key: t["step"][p].pop(k))
        yield mutant(
            f"step {place}: no day", lambda t, p=place: [t["step"][p].pop(k, 0) for k in ("day", "last_day")]
        )
        yield mutant(f"step {place}: a verb", lambda t, p=place: t["step"][p].update(do="dance"))
    yield mutant("two values", lambda t: t["parameter"][0].update(default=1, fact="domain.mci_2026"))


@pytest.mark.parametrize("name", script.built_in())
def test_mutated_scripts_are_refused(name: str) -> None:
    # What stands behind the rows that are changed would be judged anew for every mutant.
    short = {key: rows[:4] if isinstance(rows, list) else rows for key, rows in table_of(name).items()}
    SCHEMA.validate(short)
    found = list(mutants(short))
    assert len(found) > 40
    assert [what for what, table in found if not refuses(table)] == []


def test_the_schema_is_small_enough_to_ship() -> None:
    assert len(form.schema_text()) < 200_000
    assert json.loads(form.schema_text())["$schema"] == "http://json-schema.org/draft-07/schema#"
