"""What a run found, as lines for a terminal, as part of a page of the documentation, and as a picture."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cbdc.errors import Refused
from wallets.benches.plan import HTTP
from wallets.benches.scene import TWO_IN
from wallets.lab.plots_chart import Drawn, svg

Found = Mapping[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- bench all: begin -->", "<!-- bench all: end -->"
_COLUMNS = (
    ("workload", "workload"),
    ("engine", "engine"),
    ("transport", "transport"),
    ("clients", "clients"),
    ("tokens", "tokens"),
    ("rate_per_second", "per second"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("p999_ms", "p99.9 ms"),
    ("errors", "errors"),
    ("rss_mib", "MiB"),
    ("limit_per_second", "limit"),
    ("ratio", "ratio"),
)


def busy(machine: Found) -> bool:
    """Whether other programs took much of the machine when the run began."""
    return bool(machine["load_at_start"] > machine["cores"] / 2)


def described(found: Found) -> Iterator[str]:
    """The machine, and a loud word when it was busy."""
    machine = found["machine"]
    if not machine:
        return
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_mib']:,} MiB, {machine['system']}, Python"
        f" {machine['python']}; {versions}; an append of 4 KiB is on the disk in {machine['disk_sync_ms']} ms."
    )
    load = (
        f"load average {machine['load_at_start']} at the start, {machine.get('load_at_end', '?')} at the end"
    )
    if busy(machine):
        yield f"THE MACHINE WAS BUSY with other programs ({load}): compare ratios, quote no figure."
    else:
        yield f"The machine was quiet when the run began ({load}; what was running at the end was the run itself)."


def limit_lines(found: Found) -> Iterator[str]:
    """The limits of the machine, a line each."""
    limits = found["limits"]
    if not limits:
        return
    for name, speeds in limits["verifications"].items():
        chosen = " (the ledger's)" if name == limits["chosen"] else ""
        yield (
            f"bare Ed25519 verifications, {name}{chosen}: {speeds['one_core_per_second']:,.0f} a second on one core,"
            f" {speeds['all_cores_per_second']:,.0f} on all"
        )
    yield from (f"left out, {reason}" for reason in found["left_out"])
    yield f"over HTTP the server is {found['server']}"
    yield f"bare durable appends: {limits['durable_commits_per_second']:,.0f} a second"


def peer_lines(found: Found) -> Iterator[str]:
    """The peer's rows, the ratios to ours, and what differs in the work."""
    peer = found.get("peer")
    if not peer:
        return
    if "skipped" in peer:
        yield f"Not compared: {peer['skipped']}"
        return
    for row in peer["rows"]:
        yield (
            f"{peer['name']} {peer['version']}, {row['clients']} clients:"
            f" {row['rate_per_second']:,.1f} swaps a second, p50 {row['p50_ms']:,.1f} ms, p99 {row['p99_ms']:,.1f} ms,"
            f" {row['errors']} errors, {row['rss_mib']:,.0f} MiB"
        )
        for ours in found["rows"]:
            same = (ours["workload"], ours["transport"], ours["clients"]) == (TWO_IN, HTTP, row["clients"])
            if same and row["rate_per_second"]:
                times = ours["rate_per_second"] / row["rate_per_second"]
                yield f"  ours on {ours['engine']}: {ours['rate_per_second']:,.0f} a second, {times:,.1f} times as many"
    yield "What differs in the work:"
    yield from (f"- {difference}" for difference in peer["differences"])


def founded_lines(found: Found) -> Iterator[str]:
    """How long each ledger took to be founded, its room on the disk, and the memory that it began with."""
    for one in found["founded"]:
        yield (
            f"{one['engine']}, {one['tokens']:,} unspent tokens: founded in {shown(one['seconds'])} s (the first size"
            f" with its twin), {shown(one['bytes_per_token'])} bytes a token on the disk, {shown(one['rss_mib'])} MiB"
        )


def half_load_lines(found: Found) -> Iterator[str]:
    """How long a single submit waits at half load."""
    for half in found["half_load"]:
        yield (
            f"{half['engine']}, {half['tokens']:,} tokens, single submits at half load ({half['rate_per_second']:,} a"
            f" second): p50 {half['p50_ms']} ms, p99 {half['p99_ms']} ms"
        )


def target_lines(found: Found) -> Iterator[str]:
    """What is wanted and what this run found of it."""
    for target in found["targets"]:
        word = "reached" if target["met"] else "MISSED"
        yield f"{target['what']}: {target['found']:,g}, asked {target['asked']}: {word}"


def words(found: Found) -> Iterator[str]:
    """Everything for a terminal."""
    yield from described(found)
    yield from limit_lines(found)
    widths = (28, 10, 16, 7, 10, 10, 9, 9, 9, 6, 7, 10, 6)
    yield " ".join(f"{title:>{width}}" for (_, title), width in zip(_COLUMNS, widths, strict=True))
    for row in found["rows"]:
        cells = [shown(row[name]) for name, _ in _COLUMNS]
        yield " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    for row, detail in zip(found["rows"], found["details"], strict=True):
        if detail["errors_by_code"]:
            yield f"errors of {row['workload']}, {row['engine']}, {row['transport']}: {detail['errors_by_code']}"
    yield from founded_lines(found)
    yield from half_load_lines(found)
    yield from peer_lines(found)
    yield from target_lines(found)


def shown(value: object) -> str:
    """A cell of the table."""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1_000 else f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- the page ---


def part(found: Found) -> str:
    """What stands between the markers of the page."""
    lines = ["", *described(found), "", *(f"- {line}" for line in limit_lines(found)), ""]
    if found["targets"]:
        lines += _table(("asked for", "bound", "found", ""), _target_cells(found["targets"]))
    lines += _table([title for _, title in _COLUMNS], _row_cells(found["rows"]))
    errors = [
        f"- {row['workload']}, {row['engine']}, {row['transport']}, {row['clients']} clients: {code} {count} times"
        for row, detail in zip(found["rows"], found["details"], strict=True)
        for code, count in detail["errors_by_code"].items()
    ]
    lines += ["Errors:", "", *errors, ""] if errors else ["No row had an error.", ""]
    lines += [*(f"- {line}" for line in (*founded_lines(found), *half_load_lines(found))), ""]
    peer = [line.strip() for line in peer_lines(found)]
    lines += [line if line.startswith("- ") else f"{line}  " for line in peer]
    return "\n".join(lines).rstrip() + "\n"


def _target_cells(targets: Sequence[Found]) -> Iterator[list[str]]:
    for target in targets:
        met = "reached" if target["met"] else "**missed**"
        yield [target["what"], target["asked"], f"{target['found']:,g}", met]


def _row_cells(rows: Sequence[Found]) -> Iterator[list[str]]:
    for row in rows:
        yield [shown(row[name]) for name, _ in _COLUMNS]


def _table(titles: Sequence[str], rows: Iterator[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return [*lines, *("| " + " | ".join(cells) + " |" for cells in rows), ""]


def write(found: Found, page: Path = PAGE) -> Path:
    """Put the table between the markers of the page; E_SETTING when it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Refused(
            "E_SETTING", name="write", value=page.name, problem=f"the page has no {BEGIN} and {END}"
        )
    page.write_text(f"{before}{BEGIN}\n{part(found)}{END}{after}", encoding="utf-8")
    return page


# --- the picture ---


def picture(found: Found) -> str:
    """Rates by number of clients, a line for each engine and transport, as an SVG that stands alone."""
    rows = [row for row in found["rows"] if row["workload"] == TWO_IN] or list(found["rows"])
    counts = sorted({row["clients"] for row in rows})
    lines: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        name = f"{row['engine']}, {row['transport']}, {row['tokens']:,} tokens"
        lines.setdefault(name, []).append((counts.index(row["clients"]), int(row["rate_per_second"])))
    for peer in found.get("peer", {}).get("rows", ()):
        if peer["clients"] in counts:
            line = lines.setdefault(f"{found['peer']['name']}, http", [])
            line.append((counts.index(peer["clients"]), int(peer["rate_per_second"])))
    labels = tuple((place, str(count)) for place, count in enumerate(counts))
    whole = {name: tuple(sorted(points)) for name, points in lines.items()}
    return svg(
        Drawn(f"{rows[0]['workload'] if rows else 'nothing'} a second", "clients", "rate", labels, whole)
    )
