"""Makers for docs/offline-lab.md: the form of a configuration, the measures, and what each preset showed.

What a preset showed stands in `docs/offline-lab/NAME.json`, as the laboratory wrote it, with its plots beside it;
`tests.house.lab_pages` plays the presets anew.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.house.tree import ROOT
from wallets.lab.form import MEASURES, PLOT, SECTIONS
from wallets.lab.plots_chart import pictures
from wallets.lab.results import value
from wallets.lab.tables_report import shown

FOLDER = ROOT / "docs" / "offline-lab"

_COLUMNS = {
    "village-outage": ("success_permille", "parked_permille", "parked_most_permille", "denied_people"),
    "class-break": (
        "double_spent",
        "detection_median_seconds",
        "loss_tiyn",
        "net_loss_tiyn",
        "denied_people",
    ),
    "colluders": (
        "loss_tiyn",
        "borne_tiyn.device",
        "borne_tiyn.bank",
        "borne_tiyn.reserve",
        "ring_gain_tiyn",
    ),
    "hop-ladder": ("success_permille", "parked_permille", "payment_bytes", "net_loss_tiyn"),
    "policies": (
        "borne_tiyn.device",
        "borne_tiyn.bank",
        "borne_tiyn.reserve",
        "borne_tiyn.payees",
        "denied_people",
    ),
    "trust-age": (
        "success_permille",
        "detection_median_seconds",
        "detection_p95_seconds",
        "net_loss_per_opened_tiyn",
    ),
    "compare-engines": (
        "success_permille",
        "payment_bytes",
        "guilty",
        "net_loss_per_opened_tiyn",
        "ring_gain_tiyn",
    ),
}


def results_of(name: str, folder: Path = FOLDER) -> Any:
    """What a preset showed when its page was made."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def lab_form(argument: str) -> str:
    """Every section and key of a configuration."""
    lines: list[str] = []
    for section in (*SECTIONS, PLOT):
        head = f"[[{section.name}]]" if section.many else f"[{section.name}]"
        lines += [f"`{head}` {section.text}", "", "| key | default | from | to | unit | what it is |"]
        lines.append("|---|---|---|---|---|---|")
        for key in section.keys:
            default = (
                "must be given" if key.default is None else f"`{key.default}`" if key.default != "" else ""
            )
            low, high = (f"{key.low:,}", f"{key.high:,}") if key.high else ("", "")
            words = f"{', '.join(key.words)}. " if key.words else ""
            lines.append(f"| `{key.name}` | {default} | {low} | {high} | {key.unit} | {words}{key.text} |")
        lines.append("")
    return "\n".join(lines)


def lab_measures(argument: str) -> str:
    """Every measure a plot may show."""
    rows = [f"| `{name}` | {text} |" for name, text in MEASURES.items()]
    return "\n".join(["| measure | what it says |", "|---|---|", *rows])


def lab_shown(argument: str) -> str:
    """The plots of a preset and its most telling measures."""
    found = results_of(argument)
    lines = [f"![{picture.title}](offline-lab/{file})" for file, picture in pictures(found)]
    axes = [axis["name"] for axis in found["axes"]]
    columns = _COLUMNS[argument]
    lines += ["", f"| {' | '.join(f'`{name}`' for name in (*axes, *columns))} |"]
    lines.append("|" + "---|" * (len(axes) + len(columns)))
    for run in found["runs"]:
        cells = [str(run["point"][name]) for name in axes]
        cells += [shown(name, value(run["measures"], name)) for name in columns]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Seed {found['seed']}, {found['people']} people. [Everything else](offline-lab/{argument}.json).",
    ]
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {
    "lab-form": lab_form,
    "lab-measures": lab_measures,
    "lab-shown": lab_shown,
}
