"""Every shared vector, judged by the browser's protocol code: same bytes, same codes, and none left out in silence."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from cbdc import canonical
from tests.conftest import ROOT
from tests.house.catalogue import facts_named
from tests.web.protocol_page import protocol_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLDER = ROOT / "tests/vectors"
NOT_THE_BROWSERS = {"vector.schema", "blind_rsa", "journals"}
FILES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in NOT_THE_BROWSERS)

# What the browser's code does not judge, and why; everything else in the files has to run.
ELSEWHERE = (
    "E_EVIDENCE_ELSEWHERE"  # E3 to E8: statements, logs and the journal are at settlement and in court
)
CHANNEL = "channel"  # a browser has no near link to encrypt
SUBMIT = "submit"  # the ledger's own rules, on the ledger's state
LEFT_OUT = {
    "channel": {CHANNEL: 67},
    "corners_evidence": {ELSEWHERE: 48},
    "evidence": {ELSEWHERE: 92},
    "evidence_limits": {ELSEWHERE: 112},
    "evidence_notes": {ELSEWHERE: 72},
    "evidence_statements": {ELSEWHERE: 190},
    "transactions": {SUBMIT: 402},
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with protocol_page(browser) as page:
        yield page


def _file(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_every_vector_goes_as_it_says(page: Page, name: str) -> None:
    file = _file(name)
    found = page.evaluate("async (file) => (await import('/vectors.js')).runFile(file)", file)
    assert found["wrong"] == []
    left = {reason: set(ids) for reason, ids in found["left"].items()}
    assert {reason: len(ids) for reason, ids in left.items()} == LEFT_OUT.get(name, {})
    assert found["right"] == len(file["cases"]) - sum(map(len, left.values()))
    for case in file["cases"]:
        if case["id"] in left.get(ELSEWHERE, ()):
            # Left out for its type alone: Python reads it as a file of type E3 to E8.
            values: Any = canonical.decode_array(bytes.fromhex(case["bytes"]))
            assert values[2][0] in range(3, 9)
    # A refusal tells every fact that its sentence names.
    short = {code: sorted(facts_named(code) - set(facts)) for code, facts in found["told"].items()}
    assert {code: names for code, names in short.items() if names} == {}


def test_a_vector_with_a_wrong_expectation_is_noticed(page: Page) -> None:
    """The runner can fail: the same file with every answer turned round goes wrong everywhere."""
    file = _file("keys")
    for case in file["cases"]:
        case["expect"] = "E_SIG" if case["expect"] == "ok" else "ok"
    found = page.evaluate("async (file) => (await import('/vectors.js')).runFile(file)", file)
    assert len(found["wrong"]) == len(file["cases"])
    assert found["right"] == 0
