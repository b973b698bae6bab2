"""What the ledger is wanted to reach, as ratios inside one run, and what a run found of it.

    signatures      fastest engine, in process, batches, one input: over bare verifications on all cores   at least 0.75
    engine          SQLite and PostgreSQL, in process: the best ratio to the lower of both limits          at least 0.70
    http            two inputs, batches over HTTP over the same in process                                 at least 0.60
    half load       p99 of a single submit at half of full load, in durable appends of this disk           at most 50
    growth          the largest ledger's rate over the smallest's, when one is at least ten times larger   at least 0.60
    audit           entries a second, all signatures checked again, over the signature limit               at least 0.80
                    the same with signatures left out, over what the ledger accepts in batches             at least 2
    memory          of the HTTP server on SQLite at 10,000,000 tokens, in MiB                              at most 600
    nutshell        swaps over HTTP one by one over nutshell's, at 16 and 64 clients                       at least 50

Rates are compared at the first size, but for growth. What a run did not measure is left out. A target that is missed is
said to be missed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from wallets.benches.plan import HTTP, IN_PROCESS
from wallets.benches.scene import AUDIT, ONE_IN, TWO_IN

Found = Mapping[str, Any]
Row = Mapping[str, Any]


def targets(found: Found) -> list[dict[str, Any]]:
    """Each target that this run can say something about: `what`, `asked`, `found`, `met`."""
    rows: list[Row] = found["rows"]
    if not rows or not found["limits"]:
        return []
    # The first size alone is measured whole: a ratio of rows of two sizes would say nothing.
    first = [row for row in rows if row["tokens"] == rows[0]["tokens"]]
    return [*_speeds(found, first), *_others(found, rows), *_peers(found, first)]


def _said(what: str, found: float, least: float = 0.0, most: float = 0.0) -> dict[str, Any]:
    met = found >= least if least else found <= most
    asked = f"at least {least:g}" if least else f"at most {most:g}"
    return {"what": what, "asked": asked, "found": round(found, 3), "met": met}


def _rates(rows: list[Row], workload: str, transport: str, engine: str = "") -> list[float]:
    return [
        row["rate_per_second"]
        for row in rows
        if (row["workload"], row["transport"]) == (workload, transport) and engine in ("", row["engine"])
    ]


def _speeds(found: Found, rows: list[Row]) -> Iterator[dict[str, Any]]:
    limits = found["limits"]
    signatures = limits["verifications"][limits["chosen"]]["all_cores_per_second"]
    batches = f"{IN_PROCESS}-batch"
    durable = [row for row in rows if row["engine"] != "memory"]
    if rates := _rates(durable, ONE_IN, batches):
        yield _said(
            "fastest durable engine, in process, over bare verifications", max(rates) / signatures, 0.75
        )
    for engine in ("sqlite", "postgresql"):
        ratios = [
            row["ratio"]
            for row in rows
            if (row["engine"], row["workload"], row["transport"]) == (engine, ONE_IN, batches)
        ]
        if ratios:
            yield _said(f"{engine}, in process, over the lower limit", max(ratios), 0.70)
    for engine in sorted({row["engine"] for row in rows}):
        outside, inside = _rates(rows, TWO_IN, f"{HTTP}-batch", engine), _rates(rows, TWO_IN, batches, engine)
        if outside and inside:
            yield _said(f"{engine}, batches over HTTP over in process", max(outside) / max(inside), 0.60)


def _others(found: Found, rows: list[Row]) -> Iterator[dict[str, Any]]:
    for half in found["half_load"]:
        what = f"{half['engine']}, {half['tokens']:,} tokens, p99 at half load in durable appends"
        yield _said(what, half["durable_commits_in_p99"], most=50)
    for engine in sorted({row["engine"] for row in rows}):
        sizes = sorted({row["tokens"] for row in rows if row["engine"] == engine})
        if len(sizes) > 1 and sizes[-1] >= 10 * sizes[0]:
            small, large = (
                max(
                    _rates(
                        [row for row in rows if row["tokens"] == size], ONE_IN, f"{IN_PROCESS}-batch", engine
                    ),
                    default=0,
                )
                for size in (sizes[0], sizes[-1])
            )
            if small and large:
                yield _said(f"{engine}, {sizes[-1]:,} tokens over {sizes[0]:,}", large / small, 0.60)
    for row in rows:
        if row["workload"] == AUDIT:
            yield _said(
                f"{row['engine']}, {row['tokens']:,} tokens, audit over bare verifications",
                row["ratio"],
                0.80,
            )
    for plain in found.get("audits", ()):
        same = [row for row in rows if row["tokens"] == plain["tokens"]]
        accepted = _rates(same, TWO_IN, f"{IN_PROCESS}-batch", plain["engine"])
        if accepted:
            what = f"{plain['engine']}, audit without signatures over what the ledger accepts"
            yield _said(what, plain["rate_per_second"] / max(accepted), 2)
    large_rows = [
        row["rss_mib"]
        for row in rows
        if row["engine"] == "sqlite" and row["transport"].startswith(HTTP) and row["tokens"] >= 10_000_000
    ]
    if large_rows:
        yield _said("sqlite, memory of the server at 10,000,000 tokens, MiB", max(large_rows), most=600)


def _peers(found: Found, rows: list[Row]) -> Iterator[dict[str, Any]]:
    for peer in found.get("peer", {}).get("rows", ()):
        ours = [
            row["rate_per_second"]
            for row in rows
            if (row["workload"], row["transport"], row["clients"]) == (TWO_IN, HTTP, peer["clients"])
            and row["engine"] != "memory"
        ]
        if ours and peer["rate_per_second"] and peer["clients"] >= 16:
            what = f"swaps over HTTP one by one over nutshell's, {peer['clients']} clients"
            yield _said(what, max(ours) / peer["rate_per_second"], 50)
