"""Small laboratories for tests: a plan out of text, and a run without a folder."""

from pathlib import Path
from typing import Any

from wallets.lab import jobs, settings
from wallets.lab.form import SECTIONS
from wallets.lab.settings import Plan

SMALL = """
[lab]
days = 3
slots = 3

[people]
count = 8
villages = 2

[shops]
per_village = 1

[link]
lost = 150
attempts = 2

[[habit]]
kind = "exponential"
hours = 24

[[habit]]
kind = "daily"

[[opened]]
count = 1
from_day = 0
"""


def plan_of(text: str = SMALL, **changes: str) -> Plan:
    """The plan in a text, with values changed (`people_count="9"` for `people.count`)."""
    sections = {section.name for section in SECTIONS}
    named = {
        name.replace("_", ".", 1) if name.partition("_")[0] in sections else name: value
        for name, value in changes.items()
    }
    return settings.read("small.toml", text.encode(), named)


def quiet(done: int, of: int, payments: int) -> None:
    """Nobody watches."""


def part_of(plan: Plan, path: Path | None = None, region: int = 1) -> dict[str, Any]:
    """What one region of a plan counts."""
    return jobs.play(plan, region, path, quiet)
