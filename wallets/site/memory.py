"""What the sandbox's site must not forget between two starts: the act, the clock's shift, outages and settings.

Money is never here. The file is written whole or not at all; without a folder everything is gone with the process.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cbdc.errors import Malformed, Unavailable
from wallets.pilot.folder import canonical_json, write_atomic

FORMAT = 1
STATE_FILE = "site.json"


@dataclass(slots=True)
class SiteMemory:
    """`act` counts the fresh starts, `shift_seconds` is how far the clock was put forward; `outages` are the names
    (wallet key ids in hexadecimal, or regions) whose network is cut; `settings` what desks chose, by name;
    `students` the users that a class added, as rows."""

    act: int = 1
    shift_seconds: int = 0
    outages: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    students: list[dict[str, Any]] = field(default_factory=list)


_KINDS = {"act": int, "shift_seconds": int, "outages": list, "settings": dict, "students": list}


def load(folder: Path | None) -> SiteMemory:
    """What was kept in the folder; a new memory when there is nothing; E_STAGE_DAMAGED."""
    if folder is None or not (folder / STATE_FILE).exists():
        return SiteMemory()
    try:
        data = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Malformed("E_STAGE_DAMAGED", file=STATE_FILE) from None
    sound = (
        isinstance(data, dict)
        and data.pop("format", None) == FORMAT
        and data.keys() == _KINDS.keys()
        and all(type(data[name]) is kind for name, kind in _KINDS.items())
    )
    if not sound:
        raise Malformed("E_STAGE_DAMAGED", file=STATE_FILE)
    return SiteMemory(**data)


def save(folder: Path | None, memory: SiteMemory) -> None:
    """Keep it; E_STAGE_FOLDER."""
    if folder is None:
        return
    try:
        write_atomic(folder / STATE_FILE, canonical_json({"format": FORMAT, **asdict(memory)}).encode())
    except OSError as error:
        raise Unavailable("E_STAGE_FOLDER", folder=folder.name, problem=str(error.strerror)) from None
