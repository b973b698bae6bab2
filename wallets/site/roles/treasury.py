"""The desk of the treasury and the ministry: its money, its purposes, and vouchers for holders that it knows by
pseudonym only.

    draw        the budget's deposit at a bank becomes digital tenge of the treasury's account
    define      a purpose from a template, signed; published before or with the first money that carries it
    vouchers    marked money to pseudonyms or to everybody of a category at a bank; who is refused is told with why
    accept-act  the stand-in register puts an accepted document on the ledger, which frees money on it
    expire      what is left after the last day comes back

Names of people never reach this desk: banks know them, the ledger and the treasury know pseudonyms. Where the money
is now stands in `wallets.site.roles.treasury_projects`.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from cbdc.distribution import CommercialBank
from cbdc.errors import Refused, TengeError
from cbdc.marks import MarkDefinition, NotOffline, offline_purpose
from cbdc.record import Signed
from cbdc.token import TREASURY_ACCOUNT
from cbdc.transaction import Attest, sign_transaction
from cbdc.treasury import Voucher
from wallets.desk import derived
from wallets.site.following import Following, KeyLife, following
from wallets.site.opening import BANKS
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.purposes import ACT, TEMPLATES, WARRANTY, Figures, Parts, parts_of, template
from wallets.site.roles.watching import CATEGORIES, bank_title, rules, spoken
from wallets.site.users import TREASURY_ROLE as ROLE

REGISTER = "general"
BUDGET = derived("budget")
FOR_EVER = 4_102_444_800
_DAY = 86_400
_PSEUDONYM = 64
_MOST_SHOWN = 200

Amount = Annotated[int, Meta(ge=1, title=N_("Amount"))]
Mark = Annotated[str, Meta(min_length=64, max_length=64, title=N_("Purpose"))]


class Draw(Fields, frozen=True):
    """How much to draw."""

    amount_tiyn: Amount


class Define(Fields, frozen=True):
    """A purpose from a template."""

    template: Annotated[str, Meta(max_length=40, title=N_("Template"))]
    label: Annotated[str, Meta(min_length=2, max_length=60, title=N_("Name of the purpose"))]
    first_day: Annotated[datetime.date, Meta(title=N_("First day"), description=N_("Year-month-day"))]
    last_day: Annotated[datetime.date, Meta(title=N_("Last day"), description=N_("Year-month-day"))]
    payment_cap_tiyn: Annotated[
        int,
        Meta(ge=0, title=N_("Most of one payment"), description=N_("Empty: no cap")),
    ] = 0
    period_cap_tiyn: Annotated[
        int,
        Meta(
            ge=0,
            title=N_("Most a payer may pay in a day, or in all"),
            description=N_("For school meals a day, for farm subsidies in all. Empty: no cap"),
        ),
    ] = 0
    hops: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            title=N_("Hops offline"),
            description=N_("0: it cannot be taken offline. Offline a receiver can judge no cap a day."),
        ),
    ] = 0


class WhichMark(Fields, frozen=True):
    """Which purpose."""

    mark: Mark


class Vouchers(Fields, frozen=True):
    """Marked money for holders: named pseudonyms, or everybody of a category at a bank."""

    mark: Mark
    amount_tiyn: Annotated[int, Meta(ge=1, title=N_("Amount for each"))]
    holders: Annotated[
        list[Annotated[str, Meta(max_length=_PSEUDONYM)]],
        Meta(max_length=500, title=N_("Pseudonyms")),
    ] = []  # noqa: RUF012 - msgspec copies an empty list
    everybody: Annotated[
        str,
        Meta(max_length=40, title=N_("Or everybody of a group"), description=N_("Category and bank")),
    ] = ""


class Act(Fields, frozen=True):
    """A document that the register accepts: about whom, for how much, which."""

    holder: Annotated[str, Meta(min_length=64, max_length=64, title=N_("Holder's pseudonym"))]
    document: Annotated[str, Meta(min_length=1, max_length=80, title=N_("Document"))]
    amount_tiyn: Annotated[int, Meta(ge=1, title=N_("What it proves"))]
    warranty: Annotated[bool, Meta(title=N_("It ends a warranty"))] = False


class Free(Fields, frozen=True):
    """A simulated holder frees marked money on a document."""

    mark: Mark
    holder: Annotated[str, Meta(min_length=64, max_length=64, title=N_("Holder's pseudonym"))]
    document: Annotated[str, Meta(min_length=1, max_length=80, title=N_("Document"))]
    amount_tiyn: Amount


# --- what it has ---


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The budget's deposit, the treasury's digital tenge, and every purpose with where its money stands."""
    system = asked.world.system
    book = following(system)
    treasury = system.treasury
    number, bank = budget_bank(asked)
    return {
        "bank": bank_title(system, number),
        "deposit_tiyn": bank.deposit_tiyn(BUDGET),
        "free_tiyn": treasury.available_tiyn(),
        "account": treasury.account_kid.hex(),
        "marks": [mark_summary(asked, book, one) for one in reversed(treasury.definitions())],
        "now": asked.world.clock.now(),
    }


def budget_bank(asked: Asked) -> tuple[int, CommercialBank]:
    """The bank where the budget has its deposit, with its number."""
    banks = asked.world.system.banks.items()
    return next((number, bank) for number, bank in banks if bank.name == BANKS[0][0])


def mark_summary(asked: Asked, book: Following, signed: Signed[MarkDefinition]) -> Json:
    """A purpose in a row: its name, its days, how much carries it, whether it can go offline."""
    record = signed.record
    system = asked.world.system
    offline = offline_purpose(record)
    return {
        "id": signed.oid.hex(),
        "label": record.label,
        "purpose": record.purpose,
        "valid_from": record.valid_from,
        "valid_until": record.valid_until,
        "over": asked.world.clock.now() > record.valid_until,
        "published": signed.oid in book.marks,
        "outstanding_tiyn": system.ledger.marked_tiyn(signed.oid),
        "hops": 0 if isinstance(offline, NotOffline) else offline.max_hops,
        "documents": bool(record.releases),
    }


def draw(asked: Asked, fields: Draw) -> Json:
    """The budget buys digital tenge with its deposit; the refusals of `Treasury.draw`."""
    asked.world.system.treasury.draw(asked.id, budget_bank(asked)[1], BUDGET, fields.amount_tiyn)
    return {"amount_tiyn": fields.amount_tiyn}


# --- purposes ---


def purposes(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The templates, and the form to make a purpose of one."""
    today = _day_of(asked, asked.world.clock.now())
    return {
        "templates": [
            {
                "name": one.name,
                "title": one.title,
                "text": one.text,
                "offline": one.offline,
                "documents": one.documents,
            }
            for one in TEMPLATES.values()
        ],
        "template_choices": [(one.name, one.title) for one in TEMPLATES.values()],
        "first_day": today.isoformat(),
        "last_day": (today + datetime.timedelta(days=30)).isoformat(),
    }


def _day_of(asked: Asked, moment: int) -> datetime.date:
    day = asked.world.system.genesis.policy.day(moment)
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=day)


def _moment_of(asked: Asked, day: datetime.date) -> int:
    """The first second of a day in local time."""
    days = (day - datetime.date(1970, 1, 1)).days
    return max(0, days * _DAY - asked.world.system.genesis.policy.day_offset_seconds)


def define(asked: Asked, fields: Define) -> Json:
    """A signed purpose, and its meaning offline for devices.

    Raises E_TREASURY_TEMPLATE, E_TREASURY_DAYS, E_TREASURY_NAME for a name that another purpose has, and the refusals
    of `Treasury.define`.
    """
    system = asked.world.system
    template(fields.template)
    if fields.first_day > fields.last_day:
        raise Refused("E_TREASURY_DAYS", first=str(fields.first_day), last=str(fields.last_day))
    figures = Figures(fields.payment_cap_tiyn, fields.period_cap_tiyn, fields.hops)
    parts = parts_of(fields.template, figures, system.keys.register(REGISTER).public.kid)
    begin = _moment_of(asked, fields.first_day)
    end = _moment_of(asked, fields.last_day + datetime.timedelta(days=1)) - 1
    label = fields.label.strip()
    known = next((one for one in system.treasury.definitions() if one.record.label == label), None)
    if known is None:
        known = _define(asked, label, parts, fields, begin, end)
    elif not _same(known.record, parts, fields, begin, end):
        raise Refused("E_TREASURY_NAME", label=label)
    asked.world.know_marks()
    return {"mark": known.oid.hex(), "label": label, "path": f"/{ROLE}/purposes/{known.oid.hex()}"}


def _define(
    asked: Asked, label: str, parts: Parts, fields: Define, begin: int, end: int
) -> Signed[MarkDefinition]:
    treasury = asked.world.system.treasury
    return treasury.define(
        label,
        len(treasury.definitions()) + 1,
        parts.edges,
        begin,
        end,
        fields.payment_cap_tiyn,
        parts.release_categories,
        b"",
        parts.person_to_person,
        parts.max_hops,
        bool(parts.max_hops),
        parts.clauses,
    )


def _same(record: MarkDefinition, parts: Parts, fields: Define, begin: int, end: int) -> bool:
    """Whether a purpose of this name is the one that is asked for, so that asking again is harmless."""
    return (
        record.edges == parts.edges
        and record.clauses == parts.clauses
        and (record.valid_from, record.valid_until) == (begin, end)
        and record.payment_cap_tiyn == fields.payment_cap_tiyn
        and record.max_hops == parts.max_hops
    )


def find_mark(asked: Asked, text: str) -> Signed[MarkDefinition]:
    """A purpose of this treasury by its mark; E_TREASURY_MARK."""
    for signed in asked.world.system.treasury.definitions():
        if signed.oid.hex() == text.strip().lower():
            return signed
    raise Refused("E_TREASURY_MARK", mark=text[:64])


def publish(asked: Asked, fields: WhichMark) -> Json:
    """Put a purpose on the ledger before any money carries it; E_TREASURY_MARK, E_TILL for an empty account."""
    signed = find_mark(asked, fields.mark)
    asked.world.system.treasury.publish(signed)
    return {"mark": fields.mark, "label": signed.record.label}


def purpose(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One purpose: its rule in words, and what can be done with it; E_TREASURY_MARK."""
    system = asked.world.system
    book = following(system)
    signed = find_mark(asked, arguments["mark"])
    shown = dict(book.marks)
    book_like = Following(book.ledger, book.store, marks={**shown, signed.oid: signed})
    holders = holder_rows(asked, book, signed.record)
    return {
        **mark_summary(asked, book, signed),
        "rules": rules(system, book_like, signed.oid, asked.language),
        "holders": holders[:_MOST_SHOWN],
        "more_holders": max(0, len(holders) - _MOST_SHOWN),
        "groups": groups_of(asked, holders),
        "free_tiyn": system.treasury.available_tiyn(),
    }


# --- vouchers ---


def holder_rows(asked: Asked, book: Following, record: MarkDefinition) -> list[Json]:
    """Every holder to whom the treasury may give money of a mark: pseudonym, category, bank; no name."""
    allowed = {payee for payer, payees in record.edges if payer == TREASURY_ACCOUNT for payee in payees}
    rows = []
    seen: set[bytes] = set()
    for key in book.keys.values():
        if key.category not in allowed or key.successor or key.pseudonym in seen:
            continue
        seen.add(key.pseudonym)
        rows.append(
            {
                "pseudonym": key.pseudonym.hex(),
                "category": key.category,
                "title": CATEGORIES.get(key.category, ""),
                "bank_id": key.bank_id,
                "bank": bank_title(asked.world.system, key.bank_id),
            }
        )
    return rows


def groups_of(asked: Asked, holders: Sequence[Json]) -> list[Json]:
    """Groups to choose at once: a category at a bank, with how many holders it has."""
    found: dict[str, Json] = {}
    for row in holders:
        name = f"{row['category']}-{row['bank_id']}"
        group = found.setdefault(
            name, {"name": name, "title": row["title"], "bank": row["bank"], "holders": 0}
        )
        group["holders"] += 1
    return list(found.values())


def _keys_for(asked: Asked, fields: Vouchers, record: MarkDefinition) -> list[KeyLife]:
    """The present keys of the holders that are meant; E_TREASURY_HOLDER."""
    book = following(asked.world.system)
    holders = holder_rows(asked, book, record)
    wanted = list(dict.fromkeys(text.strip().lower() for text in fields.holders))
    if fields.everybody:
        group = [
            row["pseudonym"] for row in holders if f"{row['category']}-{row['bank_id']}" == fields.everybody
        ]
        if not group:
            raise Refused("E_TREASURY_HOLDER", holder=fields.everybody)
        wanted = list(dict.fromkeys(wanted + group))
    known = {row["pseudonym"] for row in holders}
    for text in wanted:
        if text not in known:
            raise Refused("E_TREASURY_HOLDER", holder=text[:64])
    if not wanted:
        raise Refused("E_TREASURY_HOLDER", holder="")
    keys = [book.current_key(bytes.fromhex(text)) for text in wanted]
    return [key for key in keys if key is not None]


def give_vouchers(asked: Asked, fields: Vouchers) -> Json:
    """Give marked money; a refused holder does not hold up the others.

    Raises E_TREASURY_MARK, E_TREASURY_HOLDER, E_TILL when the account cannot cover it.
    """
    world = asked.world
    signed = find_mark(asked, fields.mark)
    keys = _keys_for(asked, fields, signed.record)
    rows = [Voucher(key.kid, fields.amount_tiyn) for key in keys]
    answers = world.system.treasury.distribute(asked.id, signed, rows)
    language = spoken(asked.language)
    refused = [
        {"holder": key.pseudonym.hex(), "code": answer.code, "sentence": answer.sentence(language)}
        for key, answer in zip(keys, answers, strict=True)
        if isinstance(answer, TengeError)
    ]
    if refused and len(refused) == len(keys):
        raise next(answer for answer in answers if isinstance(answer, TengeError))
    world.sandbox.field.refresh_wallets(world.neighbours)
    given = len(keys) - len(refused)
    return {"given": given, "refused": refused, "amount_tiyn": given * fields.amount_tiyn}


# --- documents, and the end ---


def accept_act(asked: Asked, fields: Act) -> Json:
    """The stand-in register puts a document about a holder on the ledger; the ledger's refusals, E_TREASURY_HOLDER."""
    system = asked.world.system
    subject = _holder(asked, fields.holder)
    kind = WARRANTY if fields.warranty else ACT
    record = Attest(
        derived(asked.id, "attest")[:16],
        kind,
        subject,
        b"",
        document_id(fields.document),
        fields.amount_tiyn,
        (),
        FOR_EVER,
        1,
    )
    signed = sign_transaction(record, system.network, [system.keys.register(REGISTER)])
    receipt = system.ledger.submit(signed.encode())
    return {"document": document_id(fields.document).hex(), "entry": receipt.index}


def document_id(text: str) -> bytes:
    """The 32-byte id of a document by its name."""
    return derived("site document", text.strip())


def _holder(asked: Asked, text: str) -> bytes:
    book = following(asked.world.system)
    try:
        pseudonym = bytes.fromhex(text)
    except ValueError:
        pseudonym = b""
    if not book.keys_of(pseudonym):
        raise Refused("E_TREASURY_HOLDER", holder=text[:64])
    return pseudonym


def free(asked: Asked, fields: Free) -> Json:
    """A simulated holder of this server frees marked money on a document; others do so from their own wallets.

    Raises E_TREASURY_MARK, E_TREASURY_HOLDER for a holder whose wallet is elsewhere, and the ledger's refusals.
    """
    world = asked.world
    signed = find_mark(asked, fields.mark)
    pseudonym = _holder(asked, fields.holder)
    member = next((one for one in world.neighbours if world.sandbox.pseudonym(one) == pseudonym), None)
    if member is None:
        raise Refused("E_TREASURY_HOLDER", holder=fields.holder)
    world.sandbox.release_on_documents(
        member, signed.oid, fields.amount_tiyn, (document_id(fields.document),), asked.id
    )
    return {"amount_tiyn": fields.amount_tiyn}


def expire(asked: Asked, fields: WhichMark) -> Json:
    """What is left of a purpose after its last day comes back as free money; E_MARK_NOT_OVER, E_TREASURY_MARK."""
    world = asked.world
    signed = find_mark(asked, fields.mark)
    book = following(world.system)
    kids = {
        life.token.lock.holder
        for _, life in book.unspent()
        if life.token.mark == signed.oid and book.keys[life.token.lock.holder].line in ("wallets", "treasury")
    }
    before = world.system.treasury.available_tiyn()
    answers = world.system.treasury.expire(signed, sorted(kids))
    for answer in answers:
        if isinstance(answer, TengeError):
            raise answer
    world.sandbox.field.refresh_wallets(world.neighbours)
    return {"holders": len(kids), "amount_tiyn": world.system.treasury.available_tiyn() - before}


QUERIES = (
    Query(ROLE, "", N_("Treasury"), home),
    Query(ROLE, "purposes", N_("Purposes"), purposes),
    Query(ROLE, "purposes", N_("Purpose"), purpose, takes="mark", in_menu=False),
)
OPERATIONS = (
    Operation(
        ROLE, "draw", N_("Draw digital tenge from the bank"), Draw, draw, N_("The treasury has drawn it.")
    ),
    Operation(
        ROLE, "define", N_("Define a purpose"), Define, define, N_("The purpose “{label}” is defined.")
    ),
    Operation(
        ROLE,
        "publish",
        N_("Publish the purpose"),
        WhichMark,
        publish,
        N_("The purpose “{label}” stands on the ledger."),
    ),
    Operation(
        ROLE, "give-vouchers", N_("Give vouchers"), Vouchers, give_vouchers, N_("{given} holders got it.")
    ),
    Operation(
        ROLE, "accept-act", N_("Accept a document"), Act, accept_act, N_("The document stands on the ledger.")
    ),
    Operation(ROLE, "free", N_("Free money on a document"), Free, free, N_("The money is free.")),
    Operation(
        ROLE,
        "expire",
        N_("Take back what is left"),
        WhichMark,
        expire,
        N_("What was left is back in the treasury's account."),
        danger=True,
    ),
)
