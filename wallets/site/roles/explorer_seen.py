"""What does each party see of this payment? A table of fields and parties, for one payment of the journal.

The rules are those by which a pilot's report measures linkability (`wallets.pilot.privacy_report`): who can put a name
to the payer or the payee, and who can link the payment with others of the same payer, is asked of the very same views.
The table says **whether** a party sees a field, and never shows a name: whoever reads this page is the public.

    own       the party is handed it in its own business
    journal   it sees it because this sandbox's journal is open to whoever reaches it (docs/http.md)
    no        it does not see it
"""

from collections.abc import Mapping
from dataclasses import replace

from cbdc.errors import Refused
from cbdc.token import BANK_INVENTORY
from offline.records import PAY
from wallets.pilot.moves import Holder
from wallets.pilot.privacy_report import JOURNAL as READS_JOURNAL
from wallets.pilot.privacy_report import OFFLINE, ONLINE, VIEWS, Fact, Known, Payment
from wallets.pilot.privacy_report import OWN as READS_OWN
from wallets.site.following import Following, Line, following
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.explorer import ROLE, find_line, whole_id
from wallets.site.roles.watching import line_row

OWN, JOURNAL, NO = "own", "journal", "no"
FIELDS: Mapping[str, str] = {
    "amount": N_("Amount"),
    "time": N_("Time"),
    "mark": N_("Mark and its rule"),
    "basket": N_("Lines and documents"),
    "payer_key": N_("Payer's key"),
    "payer_pseudonym": N_("Payer's pseudonym"),
    "payer_name": N_("Payer's name"),
    "payee_key": N_("Payee's key"),
    "payee_pseudonym": N_("Payee's pseudonym"),
    "payee_name": N_("Payee's name"),
    "linked": N_("Other payments of the same payer"),
}
PARTIES: Mapping[str, str] = {
    "payer": N_("Payer"),
    "payee": N_("Payee"),
    "payer_bank": N_("Payer's bank"),
    "payee_bank": N_("Payee's bank"),
    "national_bank": N_("National Bank"),
    "supervisor": N_("Supervisor"),
    "public": N_("Everybody"),
}
OFFLINE_FIELDS: Mapping[str, str] = {
    "amount": N_("Amount"),
    "time": N_("Time"),
    "payer_device": N_("Payer's device key"),
    "payer_pseudonym": N_("Payer's pseudonym"),
    "payer_name": N_("Payer's name"),
    "payee_device": N_("Payee's device key"),
    "payee_pseudonym": N_("Payee's pseudonym"),
    "payee_name": N_("Payee's name"),
    "history": N_("Earlier holders of the note"),
}
_MONEY = ("amount", "time", "mark", "basket")
_KEYS = ("payer_key", "payer_pseudonym", "payee_key", "payee_pseudonym")


def sees(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Who sees which field of a payment; E_EXPLORER_UNKNOWN for an entry that pays nobody."""
    system = asked.world.system
    book = following(system)
    line = find_line(book, arguments["entry"])
    if line.kind != "Transfer" or not line.payees:
        raise Refused("E_EXPLORER_UNKNOWN", text=arguments["entry"][:80])
    known = known_of(asked, book)
    payment = Payment(line.id, ONLINE, line.payer, line.payees[0])
    table = {party: fields_of(party, known, payment) for party in PARTIES}
    linked = _linked(book, line)
    return {
        "line": line_row(system, book, line),
        **_shown(FIELDS, table),
        "same_bank": known.bank_of(line.payer) == known.bank_of(line.payees[0]),
        "linked": linked,
    }


def sees_offline(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Who sees which field of a payment from device to device, once somebody has synced; E_EXPLORER_UNKNOWN."""
    wanted = whole_id(arguments["transfer"])
    hops = {one.oid: one for one in asked.world.sandbox.field.transfers() if one.record.kind == PAY}
    transfer = hops.get(wanted)
    if transfer is None:
        raise Refused("E_EXPLORER_UNKNOWN", text=arguments["transfer"][:80])
    book = following(asked.world.system)
    loaders = {
        asked.world.system.ledger.transaction(line.index).record.device: line.payer  # type: ignore[attr-defined]
        for line in book.lines
        if line.kind == "LoadOffline"
    }
    record = transfer.record
    known = replace(known_of(asked, book), loaders=loaders)
    payment = Payment(record.reference, OFFLINE, record.payer, record.outputs[0].owner)
    table = {party: offline_fields_of(party, known, payment) for party in PARTIES}
    return {
        "line": None,
        "transfer": wanted.hex(),
        "amount_tiyn": record.outputs[0].amount_tiyn,
        "time": record.time,
        "hop": record.hop,
        **_shown(OFFLINE_FIELDS, table),
        "same_bank": False,
        "linked": None,
    }


def offline_fields_of(party: str, known: Known, payment: Payment) -> dict[str, str]:
    """What one party sees of each field of a payment from device to device.

    A party for which the views of a pilot's report have no fact sees nothing. The journal gives the payee the payer's
    pseudonym only if the payer's device ever loaded: a load names its device.
    """
    if party in ("payer", "payee"):
        row = dict.fromkeys(OFFLINE_FIELDS, OWN)
        other = "payee" if party == "payer" else "payer"
        row[f"{other}_name"] = NO
        kid = payment.payee if party == "payer" else payment.payer
        row[f"{other}_pseudonym"] = JOURNAL if kid in known.loaders else NO
        return row
    reads = READS_OWN if party == "national_bank" else READS_JOURNAL
    view = VIEWS.get((party, reads))
    if view is None or not list(view(known, payment)):
        return dict.fromkeys(OFFLINE_FIELDS, NO)
    row = dict.fromkeys(OFFLINE_FIELDS, OWN)
    row["payer_name"] = row["payee_name"] = NO
    return row


def _shown(fields: Mapping[str, str], table: Mapping[str, Mapping[str, str]]) -> Json:
    """Parties, and fields with a cell for each party."""
    return {
        "parties": [{"name": name, "title": title} for name, title in PARTIES.items()],
        "fields": [
            {
                "name": name,
                "title": title,
                "cells": [{"party": party, "sees": table[party][name]} for party in PARTIES],
            }
            for name, title in fields.items()
        ],
    }


def known_of(asked: Asked, book: Following) -> Known:
    """What there is to know of keys: the journal's registrations, and each bank's own customers."""
    banks = asked.world.system.banks
    return Known(
        {kid: Holder(key.bank_id, key.category, key.pseudonym) for kid, key in book.keys.items()},
        {
            number: frozenset(customer.pseudonym for customer in bank.customers.all())
            for number, bank in banks.items()
        },
    )


def fields_of(party: str, known: Known, payment: Payment) -> dict[str, str]:
    """What one party sees of each field of an online payment."""
    if party in ("payer", "payee"):
        other = "payee" if party == "payer" else "payer"
        row = dict.fromkeys(FIELDS, OWN)
        row[f"{other}_pseudonym"] = JOURNAL
        row[f"{other}_name"] = NO
        row["linked"] = OWN if party == "payer" else JOURNAL
        return row
    if party == "public":
        row = dict.fromkeys(FIELDS, JOURNAL)
        row["payer_name"] = row["payee_name"] = NO
        return row
    if party == "national_bank":
        row = dict.fromkeys(FIELDS, OWN)
        row["payer_name"] = row["payee_name"] = NO
        return row
    facts = list(VIEWS[party, READS_JOURNAL](known, payment))
    row = dict.fromkeys(FIELDS, NO)
    if facts:
        row |= dict.fromkeys((*_MONEY, *_KEYS, "linked"), JOURNAL)
        row |= _named(facts[0])
    return row | _own_business(party, known, payment)


def _named(fact: Fact) -> dict[str, str]:
    return {
        "payer_name": JOURNAL if fact.payer_named else NO,
        "payee_name": JOURNAL if fact.payee_named else NO,
    }


def _own_business(party: str, known: Known, payment: Payment) -> dict[str, str]:
    """A bank that sells or buys back is itself a side of the payment, and knows its customer by name."""
    for side, kid, other in (("payer", payment.payer, "payee"), ("payee", payment.payee, "payer")):
        holder = known.keys.get(kid)
        if party == f"{side}_bank" and holder is not None and holder.category == BANK_INVENTORY:
            counterpart = payment.payee if side == "payer" else payment.payer
            row = dict.fromkeys(FIELDS, OWN)
            row[f"{other}_name"] = OWN if known.named_by(holder.bank_id, counterpart) else NO
            return row
    return {}


def _linked(book: Following, line: Line) -> int:
    """How many other payments of the journal have the same payer."""
    payer = book.key(line.payer)
    places = book.entries_of.get(payer.pseudonym, []) if payer is not None else []
    own = {key.kid for key in book.keys_of(payer.pseudonym)} if payer is not None else set()
    return sum(
        1
        for index in places
        if index != line.index
        and book.lines[index].kind == "Transfer"
        and book.lines[index].payees
        and book.lines[index].payer in own
    )


OPERATIONS: tuple[Operation, ...] = ()
QUERIES = (
    Query(ROLE, "sees", N_("Who sees what"), sees, takes="entry", in_menu=False),
    Query(
        ROLE,
        "sees-offline",
        N_("Who sees what"),
        sees_offline,
        takes="transfer",
        in_menu=False,
        template="roles/explorer/sees-one.html",
    ),
)
