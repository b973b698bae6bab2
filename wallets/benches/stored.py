"""How much room a ledger takes on the disk, for the bytes of each unspent token.

sqlite        the file and what stands beside it (write-ahead log), as blocks that are really used
journal       every file of its folder: entries, snapshots, the state's tables
postgresql    the tables of the ledger's schema with their indexes; the server's own log is not the ledger's
memory        nothing
"""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cbdc.errors import Unavailable

_BLOCK_BYTES = 512
_TABLES = (
    "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c"
    " join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relkind = 'r'"
)


def store_bytes(url: str) -> int:
    """Bytes on the disk of the ledger at this URL of an engine; 0 for one that keeps nothing.

    Raises E_STORE_UNAVAILABLE when a server does not answer.
    """
    engine, _, rest = url.partition(":")
    if engine == "sqlite":
        file = Path(rest.removeprefix("///"))
        return sum(_used(path) for path in file.parent.glob(file.name + "*"))
    if engine == "journal":
        return sum(_used(path) for path in Path(rest.removeprefix("///")).rglob("*") if path.is_file())
    return _tables(url) if engine in ("postgresql", "postgres") else 0


def _used(path: Path) -> int:
    """What a file takes on the disk: a file made large beforehand takes what was written to it."""
    return path.stat().st_blocks * _BLOCK_BYTES


def _tables(url: str) -> int:
    """Raises E_STORE_UNAVAILABLE when the server does not answer."""
    import psycopg

    # Everything but the schema is the server's business: a host, a certificate.
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    schema = options.pop("schema", "ledger")
    bare = urlunsplit(parts._replace(query=urlencode(options)))
    try:
        with psycopg.connect(bare, connect_timeout=5) as connection:
            row = connection.execute(_TABLES, (schema,)).fetchone()
    except psycopg.Error as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise Unavailable("E_STORE_UNAVAILABLE", detail=reason[0]) from None
    return int(row[0]) if row else 0
