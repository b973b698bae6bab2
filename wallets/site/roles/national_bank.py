"""The desk of the National Bank: supply, issue and redemption by two of three officers, offline money and its cases.

Each officer signs with the officer's own key; the second approval of a request issues at once, and one refusal with a
reason ends it for ever. The National Bank sees keys, pseudonyms and amounts; whose they are is known to the holders'
banks.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from msgspec import Meta

from cbdc.accounts import reserve
from cbdc.authority import open_root
from cbdc.errors import Refused
from cbdc.register import APPROVED, ISSUE, REDEEM, REGISTERED
from offline.evidence import verify_evidence
from offline.parameters import PARAMETERS, PRESETS
from wallets.site.opening import BANKS
from wallets.site.operations import N_, Asked, Download, Fields, Json, Operation, Query
from wallets.site.roles.parts import (
    Amount,
    HexId,
    Reason,
    octets,
    request_page,
    request_row,
    sheet_rows,
)
from wallets.site.users import NATIONAL_BANK_ROLE
from wallets.site.world import World

MOST_SHOWN = 200
DAY_SECONDS = 86_400
MODE_TITLES = {
    "staged": N_("Staged: every payment is settled before it is paid on"),
    "intermittent": N_("Intermittent: several hops, for days"),
    "extended": N_("Extended: many hops, for weeks"),
}
_AGES = (1, 7, 30, 90)


class OfRequest(Fields, frozen=True):
    """One request of the operator's register."""

    request: HexId


class RefusedRequest(Fields, frozen=True):
    """One request of the operator's register, and why it is refused."""

    request: HexId
    reason: Reason


class JustAmount(Fields, frozen=True):
    """An amount."""

    amount_tiyn: Amount


class Mode(Fields, frozen=True):
    """A preset of offline numbers."""

    mode: Annotated[str, Meta(min_length=1, max_length=20, title=N_("Mode of offline money"))]


class OfFile(Fields, frozen=True):
    """A proof by its file's name."""

    file: Annotated[str, Meta(pattern="^case-[0-9]{1,6}[.]dto$", title=N_("File"))]


# --- what is seen ---


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The supply, and the balance sheets of the National Bank and the banks."""
    system = asked.world.system
    banks = [
        {"name": title, "sheet": sheet_rows(system.banks[number].balance_sheet())}
        for number, (_, title, _) in enumerate(BANKS, start=1)
    ]
    supply = asked.world.sandbox.supply()
    return {
        "supply": asdict(supply)
        | {"outstanding_tiyn": supply.outstanding_tiyn, "held_tiyn": supply.held_tiyn},
        "sheet": sheet_rows(system.national_bank.balance_sheet()),
        "banks": banks,
        "waiting": sum(1 for one in system.register.open() if one.kind != REDEEM),
    }


def requests(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What waits for approval, what was decided, and whether this officer has approved already."""
    register = asked.world.system.register
    return {
        "open": [
            request_row(asked.world, one)
            | {"mine": asked.user.seat in request_row(asked.world, one)["approved_by"]}
            for one in register.open()
        ],
        "closed": [request_row(asked.world, one) for one in reversed(register.closed())][:MOST_SHOWN],
        "threshold": asked.world.system.national_bank.threshold,
    }


def one_request(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One request: who asked, who signed, what is missing, the reserves behind it, the history; E_REQUEST_UNKNOWN."""
    world = asked.world
    request = world.system.register.get(octets(arguments["request"]))
    page = request_page(world, request)
    mine = asked.user.seat in page["approved_by"]
    may = page["is_open"] and request.kind != REDEEM
    return {
        "one": page,
        "mine": mine,
        "may_approve": may and (not mine or request.state == APPROVED),
        "may_refuse": may and not page["begun"],
    }


def offline_money(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The float of offline money and its age, settlement's books, the mode and the numbers in force."""
    world = asked.world
    centre = world.sandbox.field.centre
    now, facts = world.clock.now(), centre.reconciler.facts()
    ages = dict.fromkeys((*_AGES, 0), 0)
    for tree in facts.trees.values():
        if now > tree.closes:
            continue  # what was unspent at the end has gone back to its owner
        days = max(0, now - tree.note.record.issued) // DAY_SECONDS
        ages[next((limit for limit in _AGES if days < limit), 0)] += tree.float_tiyn
    view = centre.lists.view
    numbers = [
        {"name": one.name, "value": view.parameter(one), "default": one.default, "id": one.id}
        for one in PARAMETERS
    ]
    return {
        "totals": asdict(centre.reconciler.totals()),
        "ages": [{"under_days": limit, "amount_tiyn": amount} for limit, amount in ages.items()],
        "notes": len(facts.trees),
        "pending": len(facts.pending),
        "numbers": numbers,
        "modes_shown": [(name, MODE_TITLES[name]) for name in PRESETS],
        "list_number": view.sequence,
        "loss_policy": world.sandbox.loss_policy,
    }


def cases(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every guilty device: what it cost, who bore it, and the proofs."""
    world = asked.world
    centre = world.sandbox.field.centre
    files = world.sandbox.evidence_files()
    rows = []
    for kid in centre.reconciler.guilty():
        borne = centre.reconciler.borne(kid)
        proofs = set(centre.reconciler.evidence(kid))
        rows.append(
            {name: value for name, value in asdict(borne).items() if name != "kid"}
            | {
                "device": kid.hex(),
                "bank": BANKS[centre.devices.bank_of(kid) - 1][1],
                "is_revoked": centre.lists.view.is_revoked(kid),
                "files": [name for name, data in files if data in proofs],
            }
        )
    return {"cases": rows, "files": [{"name": name, "bytes": len(data)} for name, data in files]}


def evidence_file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """A proof, or the root to check it with, as a file."""
    name = arguments["file"]
    sandbox = asked.world.sandbox
    if name == "root.dto":
        return Download(name, sandbox.root)
    return Download(name, _proof(asked.world, name))


def _proof(world: World, name: str) -> bytes:
    found = dict(world.sandbox.evidence_files()).get(name)
    if found is None:
        raise Refused("E_STAGE_PROOF", file=name[:40])
    return found


# --- what is done ---


def approve(asked: Asked, fields: OfRequest) -> Json:
    """This officer's approval; the one that completes the number needed also issues.

    While the settlement system rests, the issue waits for its opening; E_SETTLEMENT_CLOSED for one that waits already.
    """
    national_bank = asked.world.system.national_bank
    request_id, officer = octets(fields.request), national_bank.officers[asked.user.seat]
    _check_covered(asked.world, request_id, officer.public.kid)
    if asked.world.system.register.get(request_id).state == APPROVED:
        asked.world.check_settlement_open()
    request = national_bank.approve(request_id, officer)
    issued, calendar = "", asked.world.hours.calendar()
    if request.state == APPROVED and (calendar is None or calendar.is_open(asked.world.clock.now())):
        issued = national_bank.issue(request_id).transaction_id.hex()
    return {
        "approvals": len(request.approvals),
        "threshold": national_bank.threshold,
        "transaction": issued,
        "amount_tiyn": request.amount_tiyn,
    }


def _check_covered(world: World, request_id: bytes, officer: bytes) -> None:
    """E_FUNDS_ACCOUNT before the approval that would issue, so that a refused one is not written down."""
    national_bank, request = world.system.national_bank, world.system.register.get(request_id)
    approved_by = {officer, *(kid for kid, _ in request.approvals)}
    if request.kind != ISSUE or len(approved_by) < national_bank.threshold:
        return
    has_tiyn = national_bank.reserve_tiyn(request.party)
    # What a crash cut off is finished without a second debit: the money has left the account already.
    if request.state == REGISTERED and has_tiyn < request.amount_tiyn:
        account = reserve(request.party).path
        raise Refused(
            "E_FUNDS_ACCOUNT", account=account, balance_tiyn=has_tiyn, needed_tiyn=request.amount_tiyn
        )


def refuse(asked: Asked, fields: RefusedRequest) -> Json:
    """This officer refuses a request on which nothing was begun: final, whatever was signed before. E_REQUEST_STATE."""
    national_bank = asked.world.system.national_bank
    officer = national_bank.officers[asked.user.seat]
    request = national_bank.refuse(octets(fields.request), officer, fields.reason)
    return {"request": fields.request, "amount_tiyn": request.amount_tiyn, "reason": fields.reason}


def fund_loss_reserve(asked: Asked, fields: JustAmount) -> Json:
    """A request for the loss reserve, to be approved like every issue; charged to the National Bank's loss account."""
    request = asked.world.system.national_bank.request_loss_reserve(asked.id, fields.amount_tiyn)
    return {"request": request.id.hex(), "amount_tiyn": request.amount_tiyn}


def switch_mode(asked: Asked, fields: Mode) -> Json:
    """Another preset of offline numbers for everybody: a signed list, which every device learns at its next sync."""
    made = asked.world.sandbox.field.centre.switch_mode(asked.id, fields.mode)
    return {"list": made.record.sequence, "mode": fields.mode}


def verify(asked: Asked, fields: OfFile) -> Json:
    """Check a proof as a stranger would: from the bytes of two files, with nothing of the sandbox."""
    data, root = _proof(asked.world, fields.file), asked.world.sandbox.root
    verdict = verify_evidence(data, open_root(root))
    return {"file": fields.file, "device": verdict.kid.hex(), "bytes": len(data), "root_bytes": len(root)}


_ROLE = NATIONAL_BANK_ROLE
QUERIES: tuple[Query, ...] = (
    Query(_ROLE, "", N_("Supply and balance sheets"), home),
    Query(_ROLE, "requests", N_("Requests to issue"), requests),
    Query(_ROLE, "requests", N_("Request"), one_request, takes="request", in_menu=False),
    Query(_ROLE, "offline", N_("Offline money"), offline_money),
    Query(_ROLE, "cases", N_("Cases and evidence"), cases),
    Query(_ROLE, "evidence", N_("Evidence"), evidence_file, takes="file", in_menu=False),
)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        _ROLE,
        "approve",
        N_("Approve"),
        OfRequest,
        approve,
        N_("Approved: {approvals} of {threshold} for {amount}."),
    ),
    Operation(
        _ROLE,
        "refuse",
        N_("Refuse"),
        RefusedRequest,
        refuse,
        N_("Refused for ever: the request of {amount}."),
        danger=True,
    ),
    Operation(
        _ROLE,
        "fund-loss-reserve",
        N_("Fund the loss reserve"),
        JustAmount,
        fund_loss_reserve,
        N_("Requested: {amount} for the loss reserve. Two officers must approve it."),
    ),
    Operation(
        _ROLE,
        "switch-mode",
        N_("Switch the mode"),
        Mode,
        switch_mode,
        N_("Mode {mode} is in force by list {list}."),
    ),
    Operation(
        _ROLE,
        "verify",
        N_("Verify this proof"),
        OfFile,
        verify,
        N_(
            "{file} proves it: device {device}, from {bytes} bytes of proof and {root_bytes} bytes of root alone."
        ),
    ),
)
