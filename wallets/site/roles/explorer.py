"""The ledger explorer, open to everybody and unable to change anything: entries, search, one entry in words, keys,
marks, signed heads.

It shows what everybody with the journal can see: keys, pseudonyms, amounts, marks, banks, and no name of a person.
Proofs, token histories, "who sees what" and the offline pages stand in the modules beside this one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cbdc.errors import Malformed, Refused, TengeError, catalogue, words_of
from cbdc.explanation import told
from cbdc.ledger.entry import LogHead
from cbdc.marks import open_definition
from cbdc.record import open_envelope
from cbdc.token import HashLock, QuorumLock, TokenId
from cbdc.transaction import SignedTransaction
from wallets.site.following import Following, Line, following
from wallets.site.judging import judge
from wallets.site.operations import N_, Asked, Download, Json, Operation, Query
from wallets.site.roles.watching import (
    KINDS,
    bank_title,
    line_row,
    mark_label,
    mark_row,
    page_of,
    paged,
    party,
    rules,
    signer,
    spoken,
    teller,
)

ROLE = "explorer"
LEAST_LETTERS = 4
MOST_FOUND = 50
_HEX = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_REFERENCES = ("legal_reference", "request", "fact", "device", "holder", "document")


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The newest entries first, a page at a time, perhaps of one kind."""
    system = asked.world.system
    book = following(system)
    kind = arguments.get("kind", "")
    wanted = kind if kind in KINDS else ""
    lines = [line for line in book.lines if line.kind == wanted] if wanted else book.lines
    page, pages, first = page_of(arguments, len(lines))
    shown = list(reversed(lines))[first : first + 25]
    head = system.ledger.head().record
    return {
        **paged((line_row(system, book, line) for line in shown), page, pages),
        "kinds": [{"name": name, "title": title} for name, title in KINDS.items()],
        "kind": wanted,
        "entries": len(book.lines),
        "head": {"size": head.size, "root": head.root.hex(), "time": head.time},
    }


# --- search ---


def search(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What a text may mean: an entry's number, the beginning of an id, a token, or a word of a mark's label."""
    text = arguments.get("q", "").strip()[:80]
    if not text:
        return {"text": "", "rows": [], "more": False}
    system = asked.world.system
    found = list(find(following(system), text))
    return {"text": text, "rows": found[:MOST_FOUND], "more": len(found) > MOST_FOUND}


def find(book: Following, text: str) -> Iterator[dict[str, Any]]:
    """Everything that the text may mean: {what, id, title, path}; E_EXPLORER_SEARCH for a text that means nothing."""
    lower = text.lower()
    known = False
    if _NUMBER.fullmatch(lower):
        known = True
        if int(lower) < len(book.lines):
            line = book.lines[int(lower)]
            yield _hit("entry", str(line.index), KINDS[line.kind], "entry")
    begin, colon, output = lower.partition(":")
    if _HEX.fullmatch(begin) and len(begin) >= LEAST_LETTERS:
        known = True
        if not colon:
            yield from _by_id(book, begin)
        elif _NUMBER.fullmatch(output):
            for identity in book.places:
                if identity.hex().startswith(begin) and TokenId(identity, int(output)) in book.tokens:
                    yield _hit("token", f"{identity.hex()}:{int(output)}", "", "token")
    for mark, signed in book.marks.items():
        if len(text) >= 2 and lower in signed.record.label.lower():
            known = True
            yield _hit("mark", mark.hex(), signed.record.label, "mark")
    if not known:
        raise Malformed(
            "E_EXPLORER_SEARCH", text=text[:40], problem=f"fewer than {LEAST_LETTERS} letters of an id"
        )


def _by_id(book: Following, begin: str) -> Iterator[dict[str, Any]]:
    for identity, index in book.places.items():
        if identity.hex().startswith(begin):
            yield _hit("transaction", identity.hex(), KINDS[book.lines[index].kind], "entry")
    for kid in book.keys:
        if kid.hex().startswith(begin):
            yield _hit("key", kid.hex(), "", "key")
    for pseudonym in {key.pseudonym for key in book.keys.values()}:
        if pseudonym.hex().startswith(begin):
            yield _hit("pseudonym", pseudonym.hex(), "", "key")
    for mark, signed in book.marks.items():
        if mark.hex().startswith(begin):
            yield _hit("mark", mark.hex(), signed.record.label, "mark")


def _hit(what: str, id: str, title: str, page: str) -> dict[str, Any]:
    return {"what": what, "id": id, "title": title, "path": f"/{ROLE}/{page}/{id}"}


# --- one entry ---


def find_line(book: Following, text: str) -> Line:
    """The entry with this number or id (64 letters, or a beginning that only one has); E_EXPLORER_UNKNOWN."""
    lower = text.strip().lower()
    if _NUMBER.fullmatch(lower) and int(lower) < len(book.lines):
        return book.lines[int(lower)]
    if _HEX.fullmatch(lower) and len(lower) >= LEAST_LETTERS:
        found = [index for identity, index in book.places.items() if identity.hex().startswith(lower)]
        if len(found) == 1:
            return book.lines[found[0]]
    raise Refused("E_EXPLORER_UNKNOWN", text=text[:80])


def entry(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One entry: who, what, marks, signatures, and why it was allowed."""
    system = asked.world.system
    book = following(system)
    line = find_line(book, arguments["entry"])
    answer = line_row(system, book, line) | {"last": len(book.lines) - 1}
    answer["kind_title"] = answer.pop("title")
    if line.index == 0:
        return answer | {"genesis": _genesis(asked), "spent": [], "made": [], "signatures": [], "why": []}
    transaction = system.ledger.transaction(line.index)
    record: Any = transaction.record
    names = [name for name in _REFERENCES if getattr(record, name, b"")]
    plain = {name: getattr(record, name) for name in names}
    return answer | {
        "genesis": None,
        "spent": [_token(asked, book, identity) for identity in line.spent],
        "made": [_token(asked, book, identity) for identity in line.made],
        "signatures": _signatures(asked, book, transaction),
        "references": {name: text.hex() if isinstance(text, bytes) else text for name, text in plain.items()},
        "basket": [
            {"item": row.item, "quantity": row.quantity, "amount_tiyn": row.amount_tiyn}
            for row in getattr(record, "lines", ())
        ],
        "documents": [document.hex() for document in getattr(record, "documents", ())],
        "defines": _defines(asked, book, record),
        "is_payment": line.kind == "Transfer",
        **_why(asked, book, line),
    }


def _defines(asked: Asked, book: Following, record: Any) -> Json | None:
    """The mark whose definition an entry brings along."""
    if not getattr(record, "definition", b""):
        return None
    return mark_row(book, open_definition(record.definition, asked.world.system.network).oid)


def _genesis(asked: Asked) -> Json:
    """Entry 0: what the whole journal is judged by."""
    system = asked.world.system
    policy = system.genesis.policy
    return {
        "root": system.authority.root.record.key.kid.hex(),
        "label": policy.label,
        "tiers": [
            {"tier": tier, "holding_tiyn": holding, "payment_tiyn": payment, "day_tiyn": day}
            for tier, holding, payment, day in policy.tiers
        ],
    }


def _token(asked: Asked, book: Following, identity: TokenId) -> Json:
    life = book.tokens[identity]
    lock = life.token.lock
    return {
        "id": f"{identity.transaction_id.hex()}:{identity.output}",
        "amount_tiyn": life.token.amount_tiyn,
        "mark": mark_row(book, life.token.mark) if life.token.mark else None,
        "holder": party(asked.world.system, book.key(lock.holder), lock.holder),
        "lock": "hash" if isinstance(lock, HashLock) else "quorum" if isinstance(lock, QuorumLock) else "key",
        "made": life.made,
        "spent": life.spent,
    }


def _signatures(asked: Asked, book: Following, transaction: SignedTransaction) -> list[Json]:
    return [
        {"signature": signature.hex(), **signer(asked.world.system, book, kid)}
        for kid, signature in transaction.witnesses
    ]


def _why(asked: Asked, book: Following, line: Line) -> Json:
    """Why it was allowed: every guard it passed, and what each rule of its marks found."""
    system = asked.world.system
    tells = teller(system, book, asked.language)
    language = spoken(asked.language)
    try:
        found = judge(system).explain(line.index)
    except TengeError as error:
        return {
            "why": [],
            "guards": [],
            "why_not": error.sentence(language),
            "next": error.next_step(language),
        }
    guards = [{"name": name, "title": title} for name, title in words_of(language)["guard"].items()]
    return {"why": told(found, tells, line.index), "guards": guards, "why_not": "", "next": ""}


# --- keys and holders ---


def keys(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every key that the ledger knows, newest first."""
    system = asked.world.system
    book = following(system)
    page, pages, first = page_of(arguments, len(book.keys))
    shown = list(reversed(book.keys.values()))[first : first + 25]
    rows = [
        {**party(system, key, key.kid), "entry": key.entry, "replaced": bool(key.successor)} for key in shown
    ]
    return paged(rows, page, pages)


def key(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What the ledger knows of a key or of a pseudonym: its keys, what they hold, its entries; E_EXPLORER_UNKNOWN."""
    system = asked.world.system
    book = following(system)
    name = whole_id(arguments["key"])
    known = book.key(name)
    pseudonym = known.pseudonym if known is not None else name
    own = book.keys_of(pseudonym)
    if not own:
        raise Refused("E_EXPLORER_UNKNOWN", text=arguments["key"][:80])
    places = book.entries_of.get(name, [])
    page, pages, first = page_of(arguments, len(places))
    shown = list(reversed(places))[first : first + 25]
    tokens = [pair for one in own for pair in system.ledger.owned(one.kid)]
    newest = own[-1]
    return {
        **paged((line_row(system, book, book.lines[index]) for index in shown), page, pages),
        "name": name.hex(),
        "is_key": known is not None,
        "holder": party(system, newest, newest.kid),
        "tier": newest.tier,
        "keys": [
            {
                "kid": one.kid.hex(),
                "public_key": one.public_key.hex(),
                "algorithm": one.algorithm,
                "entry": one.entry,
                "successor": one.successor.hex(),
            }
            for one in own
        ],
        "frozen": system.ledger.frozen(pseudonym),
        "held_tiyn": sum(token.amount_tiyn for _, token in tokens),
        "tokens": [_token(asked, book, identity) for identity, _ in tokens[:100]],
        "more_tokens": max(0, len(tokens) - 100),
    }


def whole_id(text: str) -> bytes:
    """A 32-byte id in 64 letters; E_EXPLORER_UNKNOWN."""
    lower = text.strip().lower()
    if not _HEX.fullmatch(lower) or len(lower) != 64:
        raise Refused("E_EXPLORER_UNKNOWN", text=text[:80])
    return bytes.fromhex(lower)


# --- marks ---


def marks(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every mark that ever was on money, with how much carries it now."""
    system = asked.world.system
    book = following(system)
    page, pages, first = page_of(arguments, len(book.marks))
    shown = list(book.marks.values())[first : first + 25]
    rows = [
        {
            "id": one.oid.hex(),
            "label": one.record.label,
            "valid_from": one.record.valid_from,
            "valid_until": one.record.valid_until,
            "outstanding_tiyn": system.ledger.marked_tiyn(one.oid),
            "entries": len(book.entries_of.get(one.oid, ())),
        }
        for one in shown
    ]
    return paged(rows, page, pages)


def mark(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """A mark's rule in words, how much carries it, and its entries; E_EXPLORER_UNKNOWN."""
    system = asked.world.system
    book = following(system)
    name = whole_id(arguments["mark"])
    if name not in book.marks:
        raise Refused("E_EXPLORER_UNKNOWN", text=arguments["mark"][:80])
    places = book.entries_of.get(name, [])
    page, pages, first = page_of(arguments, len(places))
    shown = list(reversed(places))[first : first + 25]
    record = book.marks[name].record
    return {
        **paged((line_row(system, book, book.lines[index]) for index in shown), page, pages),
        "id": name.hex(),
        "label": mark_label(book, name),
        "rules": rules(system, book, name, asked.language),
        "outstanding_tiyn": system.ledger.marked_tiyn(name),
        "valid_from": record.valid_from,
        "valid_until": record.valid_until,
    }


# --- signed heads ---


def heads(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The signed heads of the log, newest first."""
    system = asked.world.system
    kept = list(system.stores.ledger.heads())
    page, pages, first = page_of(arguments, len(kept))
    shown = list(reversed(kept))[first : first + 25]
    opened = [open_envelope(envelope, LogHead, system.network).record for _, envelope in shown]
    rows = [{"size": one.size, "root": one.root.hex(), "time": one.time} for one in opened]
    ledger = system.keys.ledger.public
    return paged(rows, page, pages) | {"ledger_key": ledger.raw.hex(), "ledger_kid": ledger.kid.hex()}


def head_file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """A signed head as a file, to be kept elsewhere; "newest" or its size; E_EXPLORER_UNKNOWN."""
    system = asked.world.system
    wanted = arguments["size"]
    if wanted == "newest":
        head = system.ledger.head()
        return Download(f"head-{head.record.size}.dto", head.encode())
    for size, envelope in system.stores.ledger.heads():
        if str(size) == wanted:
            return Download(f"head-{size}.dto", envelope)
    raise Refused("E_EXPLORER_UNKNOWN", text=wanted[:80])


def bank_names(asked: Asked) -> dict[int, str]:
    """The banks by number."""
    return {number: bank_title(asked.world.system, number) for number in asked.world.system.banks}


def code(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What a refusal's code means: its rule, its sentence with the places for facts, what to do; E_EXPLORER_UNKNOWN."""
    name = arguments["code"]
    known = catalogue(spoken(asked.language))
    if name not in known:
        raise Refused("E_EXPLORER_UNKNOWN", text=name[:80])
    found = known[name]
    return {
        "code": name,
        "family": found.family,
        "rule": found.rule,
        "sentence": found.sentence,
        "next": found.next,
    }


QUERIES = (
    Query(ROLE, "codes", N_("Code of a refusal"), code, takes="code", in_menu=False),
    Query(ROLE, "", N_("Journal"), home),
    Query(ROLE, "search", N_("Search"), search, in_menu=False),
    Query(ROLE, "entry", N_("Entry"), entry, takes="entry", in_menu=False),
    Query(ROLE, "keys", N_("Keys"), keys),
    Query(ROLE, "key", N_("Key"), key, takes="key", in_menu=False),
    Query(ROLE, "marks", N_("Marks"), marks),
    Query(ROLE, "mark", N_("Mark"), mark, takes="mark", in_menu=False),
    Query(ROLE, "heads", N_("Signed heads"), heads),
    Query(ROLE, "head", N_("Signed head"), head_file, takes="size", in_menu=False),
)
OPERATIONS: tuple[Operation, ...] = ()
