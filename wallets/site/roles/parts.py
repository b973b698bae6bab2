"""What several desks show alike: balance sheets, requests, fields of forms."""

from typing import Annotated, Any

from msgspec import Meta

from cbdc.accounts import BalanceSheet
from cbdc.errors import Malformed
from cbdc.money import MAX_TIYN
from cbdc.register import APPROVED, ISSUE, KIND_NAMES, REDEEM, REGISTERED, Request
from wallets.site.marked import N_
from wallets.site.opening import BANKS
from wallets.site.world import World

Amount = Annotated[
    int,
    Meta(ge=1, le=MAX_TIYN, title=N_("Amount in tenge"), description=N_("Like 1 000 or 1 000.50")),
]
HexId = Annotated[
    str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Id in hexadecimal"))
]
LegalReference = Annotated[
    str,
    Meta(
        min_length=3, max_length=120, title=N_("Legal reference"), description=N_("A decision's number, say")
    ),
]
Reason = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=120,
        title=N_("Reason"),
        description=N_("Whoever asked reads it; no names of people"),
    ),
]

KIND_TITLES = {"issue": N_("Issue"), "redeem": N_("Redemption"), "loss reserve": N_("Loss reserve")}
STATE_TITLES = {
    "registered": N_("Registered"),
    "approved": N_("Approved"),
    "done": N_("Done"),
    "refused": N_("Refused"),
}
PARTY_TREASURY = N_("Treasury")
ACCOUNT_TITLES = {
    "government and other": N_("Government and other assets"),
    "issue in progress": N_("Issue in progress"),
    "digital tenge in circulation": N_("Digital tenge in circulation"),
    "reserves at the national bank": N_("Reserves at the National Bank"),
    "digital tenge ordered": N_("Digital tenge ordered"),
    "digital tenge in the inventory": N_("Digital tenge in the inventory"),
    "digital tenge being sold": N_("Digital tenge being sold"),
    "reserve": N_("Reserve accounts of banks and the treasury's account"),
    "deposit": N_("Customers' deposits"),
    "capital": N_("Capital"),
    "result": N_("Result"),
}


def octets(text: str) -> bytes:
    """32 bytes from their hexadecimal form; E_SITE_FIELD."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Malformed("E_SITE_FIELD", field="id", problem="64 hexadecimal digits are needed")
    return value


def party_name(party: int) -> str:
    """A bank's full name, or the treasury's."""
    return BANKS[party - 1][1] if 1 <= party <= len(BANKS) else PARTY_TREASURY


def officer_seats(world: World) -> dict[bytes, int]:
    """The seats of the National Bank's officers, from 0, by key id."""
    return {officer.public.kid: seat for seat, officer in enumerate(world.system.national_bank.officers)}


def request_row(world: World, request: Request) -> dict[str, Any]:
    """A line of the operator's register for a page; `reason` and `refused_by` are an officer's, if one refused it."""
    officers, refusal = officer_seats(world), world.system.register.refusal_of(request.id)
    return {
        "id": request.id.hex(),
        "kind": KIND_NAMES[request.kind],
        "kind_title": KIND_TITLES[KIND_NAMES[request.kind]],
        "party": party_name(request.party),
        "amount_tiyn": request.amount_tiyn,
        "time": request.registered_at,
        "state": request.state_name,
        "state_title": STATE_TITLES[request.state_name],
        "approved_by": sorted(officers[kid] for kid, _ in request.approvals if kid in officers),
        "transaction": request.transaction_id.hex(),
        "refusal": request.refusal,
        "reason": refusal.record.reason if refusal is not None else "",
        "refused_by": officers.get(refusal.record.officer) if refusal is not None else None,
    }


def request_page(world: World, request: Request) -> dict[str, Any]:
    """A request with who asked, who signed and who did not, what is missing, the reserves behind it, its history."""
    bank, register = world.system.national_bank, world.system.register
    seats, row = officer_seats(world), request_row(world, request)
    refusal, is_issue = register.refusal_of(request.id), request.kind == ISSUE
    open_tiyn = sum(
        one.amount_tiyn
        for one in register.open()
        if (one.kind, one.party) == (ISSUE, request.party) and not bank.is_begun(one)
    )
    reserve_tiyn = bank.reserve_tiyn(request.party)
    begun = request.kind != REDEEM and bank.is_begun(request)
    is_open = request.state in (REGISTERED, APPROVED)
    approvals = [
        {"seat": seats.get(kid), "kid": kid.hex(), "time": register.approved_at(request.id, kid)}
        for kid, _ in request.approvals
    ]
    history = [{"what": "registered", "time": request.registered_at, "seat": None, "text": ""}]
    history += [
        {"what": "approved", "time": one["time"], "seat": one["seat"], "text": ""} for one in approvals
    ]
    if refusal is not None:
        told = refusal.record
        seat = seats.get(told.officer)
        history.append({"what": "refused", "time": told.time, "seat": seat, "text": told.reason})
    entry = _entry_of(world, request)
    if entry is not None:
        time = world.system.ledger.entry(entry).time
        history.append({"what": "done", "time": time, "seat": None, "text": ""})
    return row | {
        "signed": request.signed.encode().hex(),
        "requested_at": request.signed.record.time,
        "threshold": bank.threshold,
        "approvals": approvals,
        "missing": max(0, bank.threshold - len(approvals)) if is_open and request.kind != REDEEM else 0,
        "silent": sorted(set(seats.values()) - {one["seat"] for one in approvals}),
        "is_open": is_open,
        "is_issue": is_issue,
        "begun": begun,
        "reserve_tiyn": reserve_tiyn,
        "open_tiyn": open_tiyn,
        "short_tiyn": max(0, request.amount_tiyn - reserve_tiyn) if is_issue and is_open and not begun else 0,
        "history": history,
        "entry": entry,
    }


def _entry_of(world: World, request: Request) -> int | None:
    if not request.transaction_id:
        return None
    receipt = world.system.ledger.find(request.transaction_id)
    return None if receipt is None else receipt.index


def sheet_rows(sheet: BalanceSheet) -> dict[str, Any]:
    """A balance sheet for a page: both sides, accounts of one kind (deposits, say) as one line."""
    claims = [*sheet.liabilities, *sheet.equity, ("result", sheet.result_tiyn)]
    return {
        "assets": _summed(sheet.assets),
        "claims": _summed(claims),
        "assets_tiyn": sheet.assets_tiyn,
        "claims_tiyn": sheet.claims_tiyn,
    }


def _summed(accounts: list[tuple[str, int]]) -> list[dict[str, Any]]:
    sums: dict[str, int] = {}
    for name, amount in accounts:
        kind = name.partition(":")[0]
        sums[kind] = sums.get(kind, 0) + amount
    return [
        {"name": name, "title": ACCOUNT_TITLES.get(name, name), "amount_tiyn": amount}
        for name, amount in sums.items()
        if amount
    ]
