"""Make the vectors of whole journals, or check them: `python -m tests.vectors.generate_journals [--check]`.

`journals.json` has one right journal with every kind of transaction, and journals that somebody spoiled, each with the
report of an audit. What is wrong with each is written here by hand, and compared with what the audit of this house says
(`tests/cbdc/test_journal_vectors.py`). Everything follows from fixed keys, so the file is the same on every machine.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cbdc.errors import TengeError
from tests.cbdc.journals import audit_file, report_of
from tests.vectors.case import FOLDER
from tests.vectors.journal_makers import MAKERS, Maker, Spoiled
from tests.vectors.journal_questions import QUESTIONS, no_journals

NAME = "journals"


def pieces(lines: list[str], base: list[str]) -> list[Any]:
    """`lines` by the lines of `base`: [first, behind the last] of a run of them, or a line's text."""
    where = {line: place for place, line in enumerate(base)}
    made: list[Any] = []
    for line in lines:
        place = where.get(line)
        if place is None:
            made.append(line)
        elif made and isinstance(made[-1], list) and made[-1][1] == place:
            made[-1][1] = place + 1
        else:
            made.append([place, place + 1])
    return made


def whole(parts: list[Any], base: list[str]) -> list[str]:
    """The lines that `pieces` took apart."""
    return [line for part in parts for line in ([part] if isinstance(part, str) else base[part[0] : part[1]])]


def case_of(maker: Maker, base: list[str], folder: Path) -> dict[str, Any]:
    """One case, after asking the audit and comparing it with what the maker says."""
    spoiled = Spoiled()
    maker.spoil(spoiled)
    one = {
        "id": maker.name,
        "what": maker.what,
        "lines": pieces(spoiled.lines(), base),
        "kept_head": spoiled.kept.hex(),
        "root": spoiled.root.hex(),
    }
    report = answer(one, base, folder)
    found = {(row["subject"], row["code"]) for row in report["problems"]}
    wanted = maker.expect(spoiled)
    assert found == wanted, f"{maker.name}: found {found - wanted}, missed {wanted - found}"
    return {**one, "expect": report}


def answer(one: dict[str, Any], base: list[str], folder: Path) -> dict[str, Any]:
    """The report of the audit of this house on a case."""
    path = folder / "journal.jsonl"
    path.write_text("".join(line + "\n" for line in whole(one["lines"], base)), encoding="utf-8")
    given: dict[str, Any] = {}
    if one["kept_head"]:
        given["kept_head"] = bytes.fromhex(one["kept_head"])
    if one["root"]:
        given["root"] = bytes.fromhex(one["root"])
    return report_of(audit_file(path, **given))


def is_no_journal(lines: list[str], folder: Path) -> bool:
    """Whether a file of these lines is refused as no journal."""
    path = folder / "none.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    try:
        audit_file(path)
    except TengeError as refusal:
        return refusal.code == "E_JOURNAL_FILE"
    return False


def make() -> dict[str, Any]:
    """The file."""
    base = Spoiled().lines()
    with TemporaryDirectory() as folder:
        cases = [case_of(maker, base, Path(folder)) for maker in (*MAKERS, *QUESTIONS)]
        refused = no_journals()
        for one in refused:
            assert is_no_journal(one["lines"], Path(folder)), one["what"]
    return {
        "origin": "made by tests/vectors/generate_journals.py; docs/protocol/ledger/7-audit.md",
        "schema": {
            "base": "the lines of a right journal's file, with its derived rows",
            "lines": "the case's file, in order: a text is a line, [a, b] are the lines a to b-1 of `base`",
            "kept_head": "the envelope of a kept head, or empty",
            "root": "the envelope of the trusted ROOT, or empty",
            "expect": "the report; its problems are a set",
            "no_journals": "the lines of files that are refused with E_JOURNAL_FILE and get no report",
        },
        "base": base,
        "no_journals": refused,
        "cases": cases,
    }


def text_of(file: dict[str, Any]) -> str:
    """The file's text: one line of a journal, one case a line."""
    head = {name: value for name, value in file.items() if name not in ("no_journals", "base", "cases")}
    opening = json.dumps(head, indent=1)[:-2]
    refused = ",\n".join(json.dumps(line) for line in file.get("no_journals", []))
    base = ",\n".join(json.dumps(line) for line in file["base"])
    cases = ",\n".join(json.dumps(one) for one in file["cases"])
    return (
        f'{opening},\n "no_journals": [\n{refused}\n],\n "base": [\n{base}\n],\n "cases": [\n{cases}\n]}}\n'
    )


def stale() -> bool:
    """Whether the file is missing or other than it should be."""
    path = FOLDER / f"{NAME}.json"
    return not path.exists() or path.read_bytes() != text_of(make()).encode()


def main(arguments: list[str]) -> int:
    """Write the file; with `--check` only tell whether it is as it should be."""
    if arguments == ["--check"]:
        wrong = stale()
        if wrong:
            print(f"{NAME}.json is stale; run `python -m tests.vectors.generate_journals`")
        return int(wrong)
    (FOLDER / f"{NAME}.json").write_bytes(text_of(make()).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
