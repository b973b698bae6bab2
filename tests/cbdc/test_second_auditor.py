"""A second auditor, written from docs/protocol/ledger alone by somebody who had seen nothing else, says what ours says.

`tests/second_ledger` imports nothing of the product. Both judge the vectors of whole journals, and as many journals
drawn by chance as `TENGE_JOURNALS` says, about every second of them forged (`make auditors`: 1,000).
"""

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cbdc.journals import audit_file, drawn, report_of
from tests.conftest import ROOT
from tests.second_ledger.auditor import audit
from tests.vectors import generate_journals
from tests.vectors.case import load

JOURNALS = int(os.environ.get("TENGE_JOURNALS", "20"))
FILE = load(generate_journals.NAME)
CASES = [pytest.param(one, id=one["id"]) for one in FILE["cases"]]
# Where bytes have the wrong form, any of these agrees with any other: docs/protocol/ledger/7-audit.md, "Agreement".
FORMS = frozenset(
    {
        "E_SIZE",
        "E_DECODE",
        "E_TYPE",
        "E_RANGE",
        "E_DEPTH",
        "E_LENGTH",
        "E_NONCANON",
        "E_FIELD",
        "E_COUNT",
        "E_LOCK",
        "E_CLAUSE",
        "E_VERSION",
        "E_OBJTYPE",
        "E_KEY",
    }
)
COMPARED = ("ok", "entries", "log_root", "issued_tiyn", "redeemed_tiyn", "held_tiyn")


def compared(report: dict[str, Any]) -> dict[str, Any]:
    """What two auditors must agree on."""
    problems = {
        (one["subject"], "its form" if one["code"] in FORMS else one["code"]) for one in report["problems"]
    }
    return {name: report[name] for name in COMPARED} | {"problems": problems}


@pytest.mark.slow
@pytest.mark.parametrize("one", CASES)
def test_both_auditors_answer_every_vector_alike(one: dict[str, Any]) -> None:
    lines = generate_journals.whole(one["lines"], FILE["base"])
    kept_head = bytes.fromhex(one["kept_head"]) or None
    found = audit(lines, kept_head=kept_head, root=bytes.fromhex(one["root"]) or None)
    assert compared(found.as_dict()) == compared(one["expect"]), one["what"]


@pytest.mark.slow
def test_both_auditors_judge_journals_of_chance_alike(tmp_path: Path) -> None:
    forged = 0
    for seed in range(JOURNALS):
        lines = drawn(seed).lines
        path = tmp_path / f"{seed}.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        ours = report_of(audit_file(path))
        assert compared(audit(lines).as_dict()) == compared(ours), f"seed {seed}"
        forged += not ours["ok"]
    assert 0 < forged < JOURNALS


def test_the_second_auditor_knows_nothing_of_ours() -> None:
    for path in (ROOT / "tests/second_ledger").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in {"cbdc", "offline", "wallets"}, f"{path.name} imports {name}"
                assert not name.startswith("tests.") or name.startswith("tests.second_ledger"), path.name
