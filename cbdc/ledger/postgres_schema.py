"""The tables of a ledger on PostgreSQL, their versions, and the statements over them. Words only, no connection.

A ledger is one schema: `clock` (one row: version, size of the journal, epoch and name of the writer), `entry` (the
journal), `head` (signed heads by size) and `state` (packed key to value, with the holder of a token beside it, so
that the index of holders is a column and not a second table).

Rules kept here:

- a version is a list of statements that makes it from the one before; they run in one transaction, once;
- statements name tables without a schema: the connection's `search_path` is the ledger's schema and nothing else;
- everything is written set-wise: one statement, whose arrays are as long as the group;
- only plain SQL and arrays, so that another engine with PostgreSQL's protocol may read them.
"""

_VERSION_1 = (
    """CREATE TABLE clock (
    one boolean PRIMARY KEY CHECK (one), version integer NOT NULL, size bigint NOT NULL, epoch bigint NOT NULL,
    writer uuid NOT NULL)""",
    "INSERT INTO clock VALUES (true, 0, 0, 0, gen_random_uuid())",
    """CREATE TABLE entry (
    place bigint PRIMARY KEY, transaction_id bytea NOT NULL UNIQUE, data bytea NOT NULL, leaf bytea NOT NULL)""",
    "CREATE TABLE head (size bigint PRIMARY KEY, envelope bytea NOT NULL)",
    "CREATE TABLE state (key bytea PRIMARY KEY, value bytea NOT NULL, holder bytea)",
    "CREATE INDEX state_holder ON state (holder, key) WHERE holder IS NOT NULL",
)
# Equal holders share their place in an index that names nothing else: a tenth of its size. Room in the pages of `state`
# lets counters change without a new place in any index.
_VERSION_2 = (
    "DROP INDEX state_holder",
    "CREATE INDEX state_holder ON state (holder) WHERE holder IS NOT NULL",
    "ALTER TABLE state SET (fillfactor = 85)",
)
VERSIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2)

# What a session must be like, whatever the server's file says: a commit is on the disk (and on the synchronous
# standby, where there is one) before it is answered, no lock is waited for without end, and plans are those of index
# look-ups, which is right for any size of group.
SETTINGS = (
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("client_min_messages", "warning"),
)
SET = "SELECT set_config(%s, %s, false)"
# Missing on engines that only speak PostgreSQL's protocol; they answer NULL.
DURABLE = "SELECT current_setting('fsync', true), current_setting('full_page_writes', true)"

FIND_LEDGER = "SELECT to_regclass('clock') IS NOT NULL"
# Two programs that open a new ledger at once make it one after the other.
MAKE_ALONE = "SELECT pg_advisory_xact_lock(hashtext(%s))"
VERSION = "SELECT version FROM clock"
SET_VERSION = "UPDATE clock SET version = %s"

# Whoever opens for writing becomes the writer, with the next epoch. Whoever comes back after a lost connection stays
# the writer only if nobody else did so meanwhile; his next epoch shuts out what he himself had left under way. Both
# are commits: what is read after them was durable before them.
TAKE = "UPDATE clock SET epoch = epoch + 1, writer = gen_random_uuid() RETURNING epoch, writer"
TAKE_AGAIN = "UPDATE clock SET epoch = epoch + 1 WHERE writer = %s RETURNING epoch, writer"

# The conflict rule is the first part: it moves the size only from the expected one and only in the writer's own epoch.
# Where it moves nothing, the other parts join an empty table and write nothing.
COMMIT = """
WITH moved AS (
    UPDATE clock SET size = %(size)s WHERE size = %(expected)s AND epoch = %(epoch)s RETURNING size
), journal AS (
    INSERT INTO entry (place, transaction_id, data, leaf)
    SELECT %(expected)s + new.number - 1, new.transaction_id, new.data, new.leaf
    FROM moved, unnest(%(ids)s::bytea[], %(datas)s::bytea[], %(leaves)s::bytea[])
        WITH ORDINALITY AS new (transaction_id, data, leaf, number)
), signed AS (
    INSERT INTO head (size, envelope) SELECT moved.size, %(head)s::bytea FROM moved
), gone AS (
    DELETE FROM state USING moved WHERE state.key = ANY (%(gone)s::bytea[])
), kept AS (
    INSERT INTO state (key, value, holder)
    SELECT new.key, new.value, new.holder
    FROM moved, unnest(%(keys)s::bytea[], %(values)s::bytea[], %(holders)s::bytea[]) AS new (key, value, holder)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, holder = excluded.holder
)
SELECT size FROM moved
"""

CLOCK = "SELECT size, epoch FROM clock"
HEAD_AT = "SELECT envelope FROM head WHERE size = %s"
VALUES = "SELECT key, value FROM state WHERE key = ANY (%s::bytea[])"
PLACES = "SELECT transaction_id, place FROM entry WHERE transaction_id = ANY (%s::bytea[])"
COVERING = "SELECT envelope FROM head WHERE size > %s ORDER BY size LIMIT 1"
OWNED = "SELECT holder, key FROM state WHERE holder = ANY (%s::bytea[])"
# Pages: the rows after the last one that was seen.
ENTRIES = """
SELECT place, transaction_id, data, leaf FROM entry WHERE place > %s AND place < %s ORDER BY place LIMIT %s"""
LEAVES = "SELECT place, leaf FROM entry WHERE place > %s AND place < %s ORDER BY place LIMIT %s"
HEADS = "SELECT size, envelope FROM head WHERE size > %s ORDER BY size LIMIT %s"
STATE = "SELECT key, value FROM state WHERE key > %s ORDER BY key LIMIT %s"
# Pages begin after a key, so the empty one, which no ledger writes, is asked for by itself.
NAMELESS = "SELECT key, value, holder FROM state WHERE key = ''::bytea"
DERIVED = "SELECT key, value, holder FROM state WHERE key > %s ORDER BY key LIMIT %s"
OWNERS = "SELECT key, holder FROM state WHERE key > %s AND holder IS NOT NULL ORDER BY key LIMIT %s"

# What a caller hears of a failure, by the beginning of its SQLSTATE; the server's own words may name rows and go to the
# log alone.
KINDS = (
    ("08", "the connection to the server was lost"),
    ("23505", "a row stands there already"),
    ("25006", "the server takes no writes"),
    ("28", "the server does not let the user in"),
    ("3D000", "there is no such database"),
    ("40", "another session was in the way"),
    ("42501", "the user may not do this"),
    ("53100", "the server's disk is full"),
    ("53", "the server has not enough of something"),
    ("55P03", "another session holds a lock"),
    ("57", "the server or somebody there ended the session"),
    ("58", "the server's disk failed"),
    ("XX", "the server's files are damaged"),
)
