"""How the watching desks name what the journal holds: parties by what is public of them, amounts, marks, entries.

The journal knows keys, pseudonyms, banks and categories, and never a person. So a holder is spoken of as "person at
Alatau Test Bank, pseudonym 3f2a…", an institution by what its key is for. Everything here is plain data (texts,
numbers, lists) that a page and a JSON answer share.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cbdc.explanation import Teller
from cbdc.rule_words import rule_in_words
from cbdc.system import System
from wallets.site.following import Following, KeyLife, Line
from wallets.site.opening import BANKS
from wallets.site.operations import N_, Download
from wallets.site.words import LANGUAGES

PAGE_ROWS = 25
MOST_PAGES = 1_000_000

KINDS: Mapping[str, str] = {
    "Genesis": N_("Beginning of the journal"),
    "Issue": N_("Issue"),
    "Transfer": N_("Payment"),
    "Redeem": N_("Redemption"),
    "Freeze": N_("Freeze"),
    "Unfreeze": N_("Freeze lifted"),
    "Seize": N_("Seizure"),
    "ReleaseMark": N_("Release of a mark"),
    "ExpireMark": N_("Return after a mark's last day"),
    "LoadOffline": N_("Money taken offline"),
    "SettleOffline": N_("Settlement of offline money"),
    "RegisterKey": N_("Key registered"),
    "RotateKey": N_("Key replaced"),
    "Attest": N_("Statement of an outside register"),
    "HandOver": N_("Customer handed over to another bank"),
    "Recover": N_("Lost key recovered"),
}
LINES: Mapping[str, str] = {
    "bank_inventory": N_("Banks' inventories"),
    "treasury": N_("Treasury"),
    "wallets": N_("Wallets"),
    "escrow": N_("Offline (in escrow)"),
    "loss_reserve": N_("Loss reserve"),
}
CATEGORIES: Mapping[int, str] = {
    1: N_("person"),
    2: N_("merchant"),
    3: N_("pupil"),
    4: N_("canteen"),
    5: N_("supplier"),
    6: N_("contractor"),
    7: N_("subcontractor"),
    8: N_("public customer"),
    9: N_("firm"),
    10: N_("farmer"),
    11: N_("livestock seller"),
    12: N_("exchange"),
    13: N_("custodian"),
    14: N_("voucher office"),
    200: N_("bank's inventory"),
    201: N_("treasury's account"),
    202: N_("escrow of offline money"),
    203: N_("loss reserve"),
}
INSTITUTIONS: Mapping[str, str] = {
    "issuer": N_("issuer of offline notes"),
    "enforcement": N_("enforcement authority"),
    "settle": N_("offline settlement"),
    "treasury": N_("treasury"),
    "officer": N_("officer of the National Bank"),
    "operator": N_("operator of the register"),
    "bank": N_("bank"),
    "register": N_("outside register"),
}


def spoken(language: str) -> str:
    """A language in which refusals and rules can be told: English for one that has no words of its own."""
    return language if language in LANGUAGES else "en"


def bank_title(system: System, bank_id: int) -> str:
    """A bank's full name by its number, empty for none."""
    titles = {name: title for name, title, _ in BANKS}
    bank = system.banks.get(bank_id)
    return titles.get(bank.name, bank.name) if bank is not None else ""


def party(system: System, key: KeyLife | None, kid: bytes) -> dict[str, Any]:
    """What is public of the holder of a key."""
    if key is None:
        return {"kid": kid.hex(), "category": 0, "title": "", "bank": "", "pseudonym": "", "line": ""}
    return {
        "kid": kid.hex(),
        "category": key.category,
        "title": CATEGORIES.get(key.category, ""),
        "bank": bank_title(system, key.bank_id),
        "pseudonym": key.pseudonym.hex(),
        "line": key.line,
    }


def signer(system: System, book: Following, kid: bytes) -> dict[str, Any]:
    """Who signed: a holder's key, or an institution's, by its certificate's roles."""
    row = party(system, book.key(kid), kid)
    keys = system.keys
    named: list[tuple[str, bytes, int]] = [
        ("bank", keys.bank(number).public.kid, number) for number in system.banks
    ]
    named += [("officer", officer.public.kid, 0) for officer in keys.officers]
    named += [
        ("operator", keys.operator.public.kid, 0),
        ("enforcement", keys.enforcement.public.kid, 0),
        ("treasury", keys.treasury.public.kid, 0),
        ("settle", keys.settle.public.kid, 0),
    ]
    named += [("issuer", one.public.kid, 0) for one in system.issuers]
    named.append(("register", keys.register("general").public.kid, 0))
    for name, own, bank_id in named:
        if own == kid:
            row |= {"title": INSTITUTIONS[name], "bank": bank_title(system, bank_id)}
    return row


def mark_label(book: Following, mark: bytes) -> str:
    """A mark's label, or the beginning of its id; empty for free money."""
    known = book.marks.get(mark)
    return known.record.label if known is not None else mark.hex()[:12]


def mark_row(book: Following, mark: bytes) -> dict[str, str]:
    """A mark to show: its id and label."""
    return {"id": mark.hex(), "label": mark_label(book, mark)}


def line_row(system: System, book: Following, line: Line) -> dict[str, Any]:
    """An entry as a row of a list."""
    return {
        "index": line.index,
        "time": line.time,
        "id": line.id.hex(),
        "kind": line.kind,
        "title": KINDS[line.kind],
        "payer": party(system, book.key(line.payer), line.payer) if line.payer else None,
        "payees": [party(system, book.key(kid), kid) for kid in line.payees[:5]],
        "more_payees": max(0, len(line.payees) - 5),
        "amount_tiyn": line.amount_tiyn,
        "marks": [mark_row(book, mark) for mark in line.marks],
    }


def names(system: System, book: Following) -> dict[bytes, str]:
    """What is public of keys, pseudonyms and marks, as short names for sentences about rules."""
    found = {mark: signed.record.label for mark, signed in book.marks.items()}
    found[system.keys.treasury_account.public.kid] = "treasury"
    found[system.keys.register("general").public.kid] = "general"
    return found


def teller(system: System, book: Following, language: str) -> Teller:
    """Who tells rules and findings in a language."""
    return Teller(spoken(language), names(system, book), system.genesis.policy.day_offset_seconds)


def rules(system: System, book: Following, mark: bytes, language: str) -> list[str]:
    """A mark's whole rule in words."""
    offset = system.genesis.policy.day_offset_seconds
    definition = book.marks[mark].record
    return rule_in_words(definition, spoken(language), mark, names(system, book), offset)


def page_of(arguments: Mapping[str, str], count: int, rows: int = PAGE_ROWS) -> tuple[int, int, int]:
    """(page, pages, first row) for what `page` asks for: never beyond the ends, whatever was typed."""
    pages = max(1, -(-count // rows))
    text = arguments.get("page", "1")
    asked = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
    page = min(max(asked, 1), pages)
    return page, pages, (page - 1) * rows


def paged(rows: Iterable[Any], page: int, pages: int) -> dict[str, Any]:
    """The rows of one page, and where it stands among the pages."""
    return {"rows": list(rows), "page": page, "pages": pages}


def as_state(row: Mapping[str, Any]) -> Download:
    """A job's progress as a small JSON answer: state, done, of, text."""
    plain = {name: row[name] for name in ("state", "done", "of", "text")}
    return Download("state.json", json.dumps(plain, sort_keys=True).encode(), "application/json", shown=True)
