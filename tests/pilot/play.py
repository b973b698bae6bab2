"""Small scripts and runs for the tests of pilots.

A script is written as TOML; `script_text(...)` gives the smallest one that plays, with what a test adds. `played(...)`
plays the built-in school meals into a folder.
"""

import json
from pathlib import Path
from typing import Any

from wallets.pilot import runner
from wallets.pilot.script import Script, parse

SMALL = {"pupils": "9", "days": "2", "canteens": "2"}
MEDIUM = {"pupils": "37", "days": "3"}

TINY = """
[pilot]
name = "tiny"
title = "A tiny pilot"
start = "2023-11-06"
loss_reserve = "tenge(1000)"

[[parameter]]
name = "people"
default = 2
least = 1
most = 50

[[bank]]
name = "bank"
reserve = "tenge(1000000)"

[[cast]]
name = "person"
count = "people"
category = "person"
bank = "bank"
deposit = "tenge(10000)"
device = 1
device_tier = "SE"

[[step]]
day = 0
do = "order"
bank = "bank"
amount = "tenge(5000)"
text = "The bank orders digital tenge."
"""


def script_text(*parts: str, head: str = TINY) -> bytes:
    """The tiny script with `parts` behind it."""
    return "\n".join([head, *parts]).encode()


def step(verb: str, day: int = 1, at: str = "10:00", **arguments: object) -> str:
    """One step of a script."""
    lines = [f'[[step]]\nday = {day}\nat = "{at}"\ndo = "{verb}"\ntext = "a step"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in arguments.items()]
    return "\n".join(lines)


def expect(fact: str, equals: object, name: str = "an expectation") -> str:
    """One expectation of a script."""
    return f'[[expect]]\nname = "{name}"\nfact = "{fact}"\nequals = {json.dumps(equals)}'


def parsed(*parts: str, head: str = TINY, **settings: str) -> Script:
    """The tiny script with these parts, read."""
    return parse("tiny.toml", script_text(*parts, head=head), settings)


def run_text(folder: Path, *parts: str, head: str = TINY, **settings: str) -> runner.Finished:
    """Play the tiny script with these parts into `folder`/run."""
    file = folder / "tiny.toml"
    file.write_bytes(script_text(*parts, head=head))
    return runner.run(str(file), folder / "run", 7, settings)


def played(folder: Path, settings: dict[str, str], seed: int = 7) -> runner.Finished:
    """Play school meals into `folder`."""
    return runner.run("school-meals", folder, seed, settings)


def report_of(folder: Path) -> dict[str, Any]:
    """The report of a finished run."""
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found
