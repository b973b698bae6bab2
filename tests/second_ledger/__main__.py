"""``python -m second_ledger FILE [--json]``: exit 0 sound, 1 unsound, 2 unreadable."""

import argparse
import sys
from pathlib import Path

from tests.second_ledger.auditor import audit
from tests.second_ledger.errors import Refusal
from tests.second_ledger.journalfile import lines_of


def main(arguments: list[str] | None = None) -> int:
    """Audit a file and print the report."""
    parser = argparse.ArgumentParser(prog="second_ledger")
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kept-head", type=bytes.fromhex, help="an envelope as bytes, hexadecimal")
    parser.add_argument("--root", type=bytes.fromhex, help="the trusted ROOT, likewise")
    options = parser.parse_args(arguments)
    try:
        lines = lines_of(options.file.read_bytes())
        report = audit(lines, kept_head=options.kept_head, root=options.root)
    except (OSError, Refusal) as error:
        print(error.code if isinstance(error, Refusal) else str(error), file=sys.stderr)
        return 2
    print(report.text(options.json))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
