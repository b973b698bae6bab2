"""Between the jobs of a cluster run: DuckDB brings together what belongs together and cuts it into shares.

Every object that the facts depend on stands in exactly the shares that need it:

- its **device's** share, by the key id: everything that one device signed, and its certificates;
- its **note's** share, by the note's id: the transfers of the note's tree, found by following each from its parent, the
  certificates of their payers and payees, the invoices they answer, and what their payees stated of themselves.

An object counts when one of its signatures stands and, unless it is a certificate or a note, its device is certified.
Of its signatures the smallest stays, of its arrivals the earliest; of two batches with one id the first, in the order
of files and places, counts. All this is said in SQL over sets, so no order of anything matters.

Source: DTO/1, section 5.9 (`ingest`).
"""

import shutil
from pathlib import Path
from typing import Any

from offline.bulk.shelf import CERTIFICATE, INVOICE, NOTE, REQUEST, TRANSFER
from offline.cluster import engines, tables
from offline.records import PAY

ASKED, TREES, DEVICES, MOMENTS, ORPHANS = "ask", "tree", "device", "moments", "orphans"

_SHOWN = """
CREATE TABLE shown AS
WITH first AS (
  SELECT batch_id, arg_min(batch_hash, place) AS batch_hash FROM read_parquet($batches) GROUP BY batch_id
), whole AS (SELECT place FROM read_parquet($batches) JOIN first USING (batch_id, batch_hash))
SELECT * FROM read_parquet($read) SEMI JOIN whole USING (place)
"""

_ASK = f"""
WITH own AS (SELECT kid, any_value(own) AS own FROM shown WHERE kind = {CERTIFICATE} GROUP BY kid)
SELECT DISTINCT kind, oid, signature, CASE WHEN signer = ''::BLOB THEN o.own ELSE signer END AS key,
  share(oid, $shares) AS share
FROM shown LEFT JOIN own AS o USING (kid) WHERE signer <> ''::BLOB OR o.own IS NOT NULL
"""

_ENTERED = f"""
CREATE TABLE entered AS
WITH standing AS (SELECT * FROM shown SEMI JOIN read_parquet($sound) AS s USING (oid, signature))
SELECT oid, any_value(kind) AS kind, any_value(kid) AS kid, any_value(previous) AS previous,
  any_value(reference) AS reference, any_value(owner) AS owner, any_value(paying) AS paying,
  arg_min(raw, signature) AS raw, min(arrived) AS arrived
FROM standing
WHERE kind IN ({CERTIFICATE}, {NOTE}) OR kid IN (SELECT kid FROM standing WHERE kind = {CERTIFICATE})
GROUP BY oid
"""

_ROOTED = f"""
CREATE TABLE rooted AS
WITH RECURSIVE step(oid, root) AS (
  SELECT oid, oid FROM entered WHERE kind = {NOTE} AND ($open OR oid IN (SELECT oid FROM registry))
  UNION ALL
  SELECT t.oid, step.root FROM entered AS t JOIN step ON t.previous = step.oid WHERE t.kind = {TRANSFER}
)
SELECT e.oid, kind, kid, reference, owner, paying, raw, arrived, share(root, $shares) AS share
FROM step JOIN entered AS e USING (oid)
"""

_NEEDED = f"""
CREATE TABLE needed AS
WITH paid AS (SELECT DISTINCT share, owner AS kid FROM rooted WHERE kind = {TRANSFER} AND paying = {PAY})
SELECT share, oid, raw, arrived FROM rooted
UNION
SELECT n.share, e.oid, e.raw, e.arrived
FROM (SELECT DISTINCT share, kid FROM rooted WHERE kind = {TRANSFER}) AS n JOIN entered AS e USING (kid)
WHERE e.kind = {CERTIFICATE}
UNION
SELECT n.share, e.oid, e.raw, e.arrived
FROM (SELECT DISTINCT share, reference AS oid FROM rooted WHERE kind = {TRANSFER}) AS n JOIN entered AS e USING (oid)
WHERE e.kind = {INVOICE}
UNION
SELECT n.share, e.oid, e.raw, e.arrived
FROM paid AS n JOIN entered AS e USING (kid)
WHERE e.kind IN ({REQUEST}, {CERTIFICATE})
"""

_DEVICES = f"SELECT raw, arrived, share(kid, $shares) AS share FROM entered WHERE kind <> {NOTE}"

_ASKS_FOR = f"""
SELECT DISTINCT t.share, m.kid, m.head, m.counter, m.moment
FROM (SELECT DISTINCT share, owner AS kid FROM rooted WHERE kind = {TRANSFER} AND paying = {PAY}) AS t
JOIN read_parquet($moments) AS m USING (kid)
"""

_SHARE = "CREATE MACRO share(id, shares) AS ('0x' || substr(hex(id), 1, 4))::INT % shares"


class Shuffle:
    """One run's tables, made from the files of its jobs as far as they are asked for. A context manager."""

    def __init__(self, folder: Path, shares: int, registry: frozenset[bytes] | None) -> None:
        """`shares` is how many pieces everything is cut into; `registry` as for a bulk run."""
        self._folder = folder
        self._shares = shares
        self._registry = registry
        self._engine = engines.duckdb().connect()
        self._engine.execute(f"SET temp_directory = '{(folder / 'spill').as_posix()}'")
        self._engine.execute("SET preserve_insertion_order = false")
        self._engine.execute(_SHARE)
        self._made: set[str] = set()

    def __enter__(self) -> "Shuffle":
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def asks(self) -> dict[int, list[str]]:
        """The signatures to judge, by share; needs the reading jobs."""
        if not (self._folder / ASKED).exists():
            self._make_shown()
            self._cut(ASKED, _ASK)
        return self._shares_of(ASKED)

    def devices(self) -> dict[int, list[str]]:
        """What devices signed, by share; needs the judging jobs."""
        if not (self._folder / DEVICES).exists():
            self._make_entered()
            self._cut(DEVICES, _DEVICES)
        return self._shares_of(DEVICES)

    def notes(self) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
        """What the trees of notes need, by share, and the moments they ask for; needs the jobs of devices."""
        if not (self._folder / TREES).exists():
            self._make_entered()
            self._make("rooted", _ROOTED, shares=self._shares, open=self._registry is None)
            self._cut(MOMENTS, _ASKS_FOR, moments=self._files("device-*.moment.parquet"))
            self._write_orphans()
            self._make("needed", _NEEDED)
            self._cut(TREES, "SELECT DISTINCT raw, arrived, share FROM needed")
        return self._shares_of(TREES), self._shares_of(MOMENTS)

    def orphans(self) -> Path:
        """The table of the transfers that stand in no tree; made with `notes`."""
        return self._folder / f"{ORPHANS}.parquet"

    def counts(self) -> dict[str, int]:
        """How many certificates, notes and transfers entered."""
        self._make_entered()
        found = dict(self._ask("SELECT kind, count(*) FROM entered GROUP BY kind"))
        names = {"transfers": TRANSFER, "notes": NOTE, "certificates": CERTIFICATE}
        return {name: found.get(kind, 0) for name, kind in names.items()}

    # --- how ---

    def _make_shown(self) -> None:
        self._make(
            "shown",
            _SHOWN,
            read=self._files("chunk-*.read.parquet"),
            batches=self._files("chunk-*.batches.parquet"),
        )

    def _make_entered(self) -> None:
        if "entered" in self._made:
            return
        self._make_shown()
        self._make("entered", _ENTERED, sound=self._files("judged-*.parquet"))
        self._engine.execute("CREATE TABLE registry(oid BLOB)")
        if self._registry:
            self._engine.executemany(
                "INSERT INTO registry VALUES (?)", [(oid,) for oid in sorted(self._registry)]
            )

    def _make(self, name: str, sql: str, **given: Any) -> None:
        if name not in self._made:
            self._engine.execute(sql, given or None)
            self._made.add(name)

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._engine.execute(sql).fetchall()
        return found

    def _files(self, pattern: str) -> list[str]:
        return sorted(path.as_posix() for path in self._folder.glob(pattern))

    def _cut(self, name: str, sql: str, **given: Any) -> None:
        """Write the answer in shares, in a folder that appears when it is complete."""
        unfinished = self._folder / f".{name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._engine.execute(f"CREATE OR REPLACE TABLE cut AS {sql}", self._with_shares(sql, given))
        self._engine.execute(f"COPY cut TO '{unfinished.as_posix()}' (FORMAT parquet, PARTITION_BY (share))")
        self._engine.execute("DROP TABLE cut")
        unfinished.mkdir(exist_ok=True)
        unfinished.rename(self._folder / name)

    def _with_shares(self, sql: str, given: dict[str, Any]) -> dict[str, Any] | None:
        return ({"shares": self._shares} if "$shares" in sql else {}) | given or None

    def _write_orphans(self) -> None:
        rows = self._ask(f"SELECT oid FROM entered ANTI JOIN rooted USING (oid) WHERE kind = {TRANSFER}")
        tables.write(self.orphans(), tables.LEFT, rows)

    def _shares_of(self, name: str) -> dict[int, list[str]]:
        """The files of each share."""
        found: dict[int, list[str]] = {}
        for folder in sorted((self._folder / name).glob("share=*")):
            number = int(folder.name.removeprefix("share="))
            found[number] = sorted(path.as_posix() for path in folder.glob("*.parquet"))
        return found
