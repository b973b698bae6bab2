"""The tables of a ledger in a SQLite file, their versions, and the statements over them.

A page of a large table that is changed is read, written to the log and written to its place, whatever small part of it
changed. So the rows are laid out by when they come, and the indexes over them are narrow and may lag behind:

    entry      the journal, by place
    token      tokens by **number**: the place of the entry that made them, and which of its outputs they are
    identity   where a transaction's entry is: the first bytes of its id, and the place
    holding    which numbers a key id holds: the first bytes of the key id, and the number
    merged     every entry below this place, and every token of theirs that is unspent, stands in the two indexes
    state      everything else, packed key to value; and tokens that no entry of their own commit made
    owner      which token of `state` a key id holds
    head       signed heads by size

`identity` may name several places for one beginning, `holding` numbers that are spent: who reads them compares with the
row itself. What they do not name yet is among the last entries and tokens (`cbdc.ledger.sqlite_pending`).
"""

HINT_BYTES = 6
OUTPUT_BITS = 16
OUTPUTS = 1 << OUTPUT_BITS

_VERSION_1 = (
    """CREATE TABLE IF NOT EXISTS entry (
    place INTEGER PRIMARY KEY, transaction_id BLOB NOT NULL UNIQUE, data BLOB NOT NULL, leaf BLOB NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, envelope BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS owner (
    holder BLOB NOT NULL, token BLOB NOT NULL, PRIMARY KEY (holder, token)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX IF NOT EXISTS owner_token ON owner (token)",
)
# From here on a file says what it is: "tnge", and its version in `user_version`, which the first version left at 0.
_VERSION_2 = (f"PRAGMA application_id = {int.from_bytes(b'tnge', 'big')}",)
# Tokens of older versions stay in `state` and `owner` until they are spent.
_INDEXES = (
    """CREATE TABLE token (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL, holder BLOB NOT NULL)""",
    """CREATE TABLE identity (
    hint BLOB NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (hint, place)) WITHOUT ROWID""",
    """CREATE TABLE holding (
    hint BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (hint, number)) WITHOUT ROWID""",
    "CREATE TABLE merged (place INTEGER NOT NULL)",
)
_VERSION_3 = (
    *_INDEXES,
    f"""INSERT INTO identity
    SELECT substr(transaction_id, 1, {HINT_BYTES}), place FROM entry ORDER BY 1, 2""",
    "INSERT INTO merged SELECT coalesce(max(place) + 1, 0) FROM entry",
    """CREATE TABLE entry_3 (
    place INTEGER PRIMARY KEY, transaction_id BLOB NOT NULL, data BLOB NOT NULL, leaf BLOB NOT NULL)""",
    "INSERT INTO entry_3 SELECT place, transaction_id, data, leaf FROM entry ORDER BY place",
    "DROP TABLE entry",
    "ALTER TABLE entry_3 RENAME TO entry",
)
VERSIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
INDEXED = 3
"""The version from which on ids are found by `identity`; before, the entries had an index of whole ids."""

# A file of an older version that is only read gets the later tables for this connection alone, empty.
BESIDE = (
    *(text.replace("CREATE TABLE", "CREATE TEMP TABLE") for text in _INDEXES),
    "INSERT INTO merged SELECT coalesce(max(place) + 1, 0) FROM entry",
)

# Each of these has one place, {}, for so many rows of values as are written at once (`cbdc.ledger.sqlite_rows`).
ADD_ENTRY = "INSERT INTO entry VALUES {}"
ADD_UNSPENT = "INSERT INTO token VALUES {}"
SPEND = "DELETE FROM token WHERE number IN (VALUES {})"
SET_STATE = "INSERT INTO state VALUES {} ON CONFLICT (key) DO UPDATE SET value = excluded.value"
DROP_STATE = "DELETE FROM state WHERE key IN (VALUES {})"
ADD_OWNER = "INSERT INTO owner VALUES {}"
DROP_OWNER = "DELETE FROM owner WHERE token IN (VALUES {})"
INDEX_ENTRY = "INSERT OR IGNORE INTO identity VALUES {}"
INDEX_HOLDING = "INSERT OR IGNORE INTO holding VALUES {}"
# Of two columns at once SQLite would read the whole table: so each row is named by its own words.
FORGET_HOLDING = "DELETE FROM holding WHERE {}"
A_HOLDING = "(hint = ? AND number = ?)"

ADD_HEAD = "INSERT INTO head VALUES (?, ?)"
CHANGE_UNSPENT = "UPDATE token SET value = ?, holder = ? WHERE number = ?"
MERGE = "UPDATE merged SET place = ?"

SIZE = "SELECT coalesce(max(place) + 1, 0) FROM entry"
MERGED = "SELECT place FROM merged"
LATE_ENTRIES = "SELECT transaction_id, place FROM entry WHERE place >= ? ORDER BY place"
LATE_TOKENS = "SELECT number, holder FROM token WHERE number >= ? ORDER BY number"
ENTRIES = "SELECT place, transaction_id, data, leaf FROM entry WHERE place >= ? AND place < ? ORDER BY place"
LEAVES = "SELECT leaf FROM entry WHERE place >= ? AND place < ? ORDER BY place"
HEADS = "SELECT size, envelope FROM head ORDER BY size"
HEAD_AFTER = "SELECT envelope FROM head WHERE size > ? ORDER BY size LIMIT 1"
# Every key with its value and its holder; an owner without a state and a key that stands twice are seen there too.
# Every name says its table: a stranger's column of the same name would be taken for it.
DERIVED = """SELECT token.key, token.value, token.holder FROM token
UNION ALL SELECT state.key, state.value, owner.holder FROM state LEFT JOIN owner ON owner.token = state.key
UNION ALL SELECT owner.token, NULL, owner.holder FROM owner
WHERE NOT EXISTS (SELECT 1 FROM state WHERE state.key = owner.token)
ORDER BY 1"""
STATE = "SELECT key, value FROM token UNION ALL SELECT key, value FROM state ORDER BY 1"
OWNERS = "SELECT key, holder FROM token UNION ALL SELECT token, holder FROM owner ORDER BY 1"

# Each of these ends with a column, and goes on with the values that are wanted.
VALUES_OF = "SELECT key, value FROM state WHERE key"
TOKENS_OF = "SELECT number, key, value, holder FROM token WHERE number"
PLACES_OF = "SELECT hint, place FROM identity WHERE hint"
IDS_AT = "SELECT transaction_id, place FROM entry WHERE place"
IDS_OF = "SELECT transaction_id, place FROM entry WHERE transaction_id"
NUMBERS_OF = "SELECT number FROM holding WHERE hint"
OWNED_OF = "SELECT holder, token FROM owner WHERE holder"

# What the indexes must name and do not; each gives one row when there is such a thing. First whether they say, and of
# no entry that is still to come, up to where they name everything.
MISSING = (
    f"""SELECT 1 WHERE (SELECT count(*) FROM merged) IS NOT 1
    OR (SELECT max(place) FROM merged) NOT BETWEEN 0 AND ({SIZE}) LIMIT 1""",
    f"""SELECT 1 FROM entry, merged WHERE entry.place < merged.place AND NOT EXISTS (
    SELECT 1 FROM identity
    WHERE hint = substr(entry.transaction_id, 1, {HINT_BYTES}) AND identity.place = entry.place) LIMIT 1""",
    f"""SELECT 1 FROM token, merged WHERE token.number < merged.place * {OUTPUTS} AND NOT EXISTS (
    SELECT 1 FROM holding
    WHERE hint = substr(token.holder, 1, {HINT_BYTES}) AND holding.number = token.number) LIMIT 1""",
    f"""SELECT 1 FROM token LEFT JOIN entry ON entry.place = token.number >> {OUTPUT_BITS}
    WHERE substr(token.key, 2, 32) IS NOT entry.transaction_id
    OR hex(substr(token.key, 34)) IS NOT printf('%04X', token.number & {OUTPUTS - 1}) LIMIT 1""",
)
