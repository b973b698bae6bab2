"""The results of the laboratory as tables in plain text: the same results give the same bytes.

One table for what the counter saw, one for cheats and who bore them, one for refusals by code, one for the audit. A
row is a point of the sweep. Drawn by rich at a fixed width, without colours, so that a file and a screen show the same.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from cbdc.money import format_tenge
from wallets.lab.results import value

WIDTH = 150
_HOUR = 3_600

_COUNTER = (
    ("payments", "payments"),
    ("succeeded", "success_permille"),
    ("short of money", "outcomes.short"),
    ("refused", "outcomes.refused"),
    ("cut before", "outcomes.link"),
    ("cut after", "outcomes.interrupted"),
    ("parked, mean", "parked_permille"),
    ("parked, most", "parked_most_permille"),
    ("payment", "payment_bytes"),
    ("whole talk", "talk_bytes"),
    ("handed in, each", "sync_bytes"),
)
_CHEATS = (
    ("opened", "opened"),
    ("proven", "guilty"),
    ("coins twice", "double_spent"),
    ("found in time", "detected_permille"),
    ("found, median", "detection_median_seconds"),
    ("p95", "detection_p95_seconds"),
    ("most", "detection_max_seconds"),
    ("loss, booked", "loss_tiyn"),
    ("loss, net", "net_loss_tiyn"),
    ("net, each", "net_loss_per_opened_tiyn"),
    ("honest unpaid", "denied_people"),
)
_BORNE = (
    ("device", "borne_tiyn.device"),
    ("owner", "borne_tiyn.owner"),
    ("bank", "borne_tiyn.bank"),
    ("reserve", "borne_tiyn.reserve"),
    ("payees", "borne_tiyn.payees"),
    ("ring's gain", "ring_gain_tiyn"),
)


def shown(name: str, number: int | None) -> str:
    """A measure for a person: tenge, percent, hours and minutes, bytes; a dash for nothing."""
    if number is None:
        return "-"
    if name.endswith("_tiyn") or name.startswith("borne_tiyn."):
        return format_tenge(number)
    if name.endswith("_permille"):
        return f"{number // 10}.{number % 10} %"
    if name.endswith("_seconds"):
        return f"{number // _HOUR} h {number % _HOUR // 60:02d}"
    if name.endswith("_bytes"):
        return f"{number:,} B"
    return f"{number:,}"


def text(found: Mapping[str, Any]) -> str:
    """All tables."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, force_terminal=False, highlight=False)
    console.print(f"{found['name']}: {found['title']}", markup=False)
    size = f"seed {found['seed']}, {found['days']} days, {found['people']} people in each of"
    console.print(f"{size} {found['regions']} region(s)\n", markup=False)
    for title, columns in (("At the counter", _COUNTER), ("Cheats", _CHEATS), ("Who bore it", _BORNE)):
        console.print(_table(found, title, columns))
    console.print(_refusals(found))
    console.print(_audit(found))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _heads(found: Mapping[str, Any]) -> list[str]:
    return [axis["name"] for axis in found["axes"]]


def _point(found: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    return [str(run["point"][name]) for name in _heads(found)]


def _new(found: Mapping[str, Any], title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False)
    for name in _heads(found):
        table.add_column(name, no_wrap=True)
    for name in heads:
        table.add_column(name, justify="right")
    return table


def _table(found: Mapping[str, Any], title: str, columns: Sequence[tuple[str, str]]) -> Table:
    table = _new(found, title, [head for head, _ in columns])
    for run in found["runs"]:
        cells = [shown(name, value(run["measures"], name)) for _, name in columns]
        table.add_row(*_point(found, run), *cells)
    return table


def _refusals(found: Mapping[str, Any]) -> Table:
    table = Table(title="Refusals by code", title_justify="left", pad_edge=False)
    for name in (*_heads(found), "code"):
        table.add_column(name, no_wrap=True)
    table.add_column("of honest payments", justify="right")
    table.add_column("of attacks", justify="right")
    for run in found["runs"]:
        honest, attacks = run["measures"]["refused"], run["measures"]["attack_refused"]
        for code in sorted({*honest, *attacks}):
            cells = [f"{part.get(code, 0):,}" for part in (honest, attacks)]
            table.add_row(*_point(found, run), code, *cells)
    return table


def _audit(found: Mapping[str, Any]) -> Table:
    regions = [region for run in found["runs"] for region in run["audit"]["regions"]]
    checks = sorted({name for region in regions for name in region["checks"]})
    table = _new(found, "Audit: what was counted again, by other code", checks)
    for run in found["runs"]:
        table.add_row(*_point(found, run), *(_sound(run["audit"]["regions"], check) for check in checks))
    return table


def _sound(regions: Sequence[Mapping[str, Any]], check: str) -> str:
    found = [region["checks"][check]["ok"] for region in regions if check in region["checks"]]
    return "-" if not found else "sound" if all(found) else "WRONG"
