"""The report of an audit (ledger/7, "The report")."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.second_ledger.state import LINES


@dataclass
class Report:
    """What an audit found."""

    entries: int = 0
    log_root: bytes = b""
    issued: int = 0
    redeemed: int = 0
    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LINES, 0))
    left_out: tuple[str, ...] = ()
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def first(self) -> tuple[str, str] | None:
        """The first thing wrong, as subject (with the entry's number) and code."""
        return self.problems[0] if self.problems else None

    def add(self, subject: str, code: str) -> None:
        """Note a problem."""
        self.problems.append((subject, code))

    def as_dict(self) -> dict[str, Any]:
        """The report in the form of the text."""
        return {
            "ok": self.ok,
            "entries": self.entries,
            "log_root": self.log_root.hex(),
            "issued_tiyn": self.issued,
            "redeemed_tiyn": self.redeemed,
            "held_tiyn": self.held,
            "left_out": list(self.left_out),
            "problems": [{"subject": subject, "code": code} for subject, code in self.problems],
        }

    def text(self, as_json: bool) -> str:
        """The report for a reader."""
        if as_json:
            return json.dumps(self.as_dict(), ensure_ascii=False)
        held = ", ".join(f"{line} {amount}" for line, amount in self.held.items())
        supply = f"{self.entries} entries; issued {self.issued}, redeemed {self.redeemed}; {held} (tiyn)"
        if self.ok:
            return f"sound: {supply}"
        found = "\n".join(f"  {subject}: {code}" for subject, code in self.problems)
        return f"unsound: {supply}\n{found}"
