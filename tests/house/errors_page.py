"""Writes docs/errors.md from the English catalogue.

python -m tests.house.errors_page            prints the page
python -m tests.house.errors_page --write    writes it
python -m tests.house.errors_page --check    fails where the written page is another
"""

import argparse
import difflib
import sys
from pathlib import Path

from tests.house.catalogue import FAMILIES, Row, heading, rows
from tests.house.tree import ROOT

PAGE = ROOT / "docs/errors.md"

_TOP = """\
# Errors

Every refusal has a code that never changes its meaning, the rule that was broken, a sentence for a person and what to
do next. Words in `{braces}` are facts of the case, sent beside the code. This page is made from the catalogue in
`cbdc/catalogue/en` by `make errors`; the same codes speak Kazakh and Russian from the folders beside it where those
exist.

| family | meaning |
|---|---|
| malformed | the bytes or the form are wrong; no rule about money was asked |
| refused | well-formed, understood, and forbidden by a rule; nothing changed |
| unavailable | something the request needs did not answer; trying again later may work |
"""


def page(root: Path = ROOT) -> str:
    """The whole page: the codes of each catalogue file, by family and name."""
    english = rows("en", root)
    parts = [_TOP, f"There are {len(english)} codes.\n"]
    for file in sorted((root / "cbdc/catalogue/en").glob("*.toml")):
        parts.append(f"## {file.stem.replace('_', ' ').replace('-', ' ').capitalize()}\n")
        if heading(file):
            parts.append(heading(file) + "\n")
        table = ["| code | family | rule | sentence | next |", "|---|---|---|---|---|"]
        table += [_line(row) for row in sorted((r for r in english if r.file == file.name), key=_order)]
        parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def _order(row: Row) -> tuple[int, str]:
    family = row.values.get("family")
    return FAMILIES.index(str(family)) if family in FAMILIES else len(FAMILIES), row.code


def _line(row: Row) -> str:
    cells = [str(row.values.get(key, "")) for key in ("family", "rule", "sentence", "next")]
    clean = [" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells]
    return f"| `{row.code}` | " + " | ".join(clean) + " |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.house.errors_page", description="docs/errors.md")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write the page")
    how.add_argument("--check", action="store_true", help="fail where the written page is another")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if not chosen.check:
        sys.stdout.write(page())
        return 0
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    changes = difflib.unified_diff(
        written.splitlines(), page().splitlines(), "written", "catalogue", lineterm=""
    )
    lines = list(changes)
    sys.stdout.write("\n".join(lines) + "\nRun `make errors`.\n" if lines else "docs/errors.md is current\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
