"""The National Bank's weighty acts by two officers, who is frozen, what is revoked, and what supervision noticed.

One officer proposes, another signs, and the act is carried out at once; one officer alone can only drop a proposal.
What stands here of frozen holders and revoked devices is read from the journal, the TRUST lists and the proofs: the
holders are pseudonyms, and whose they are is known to their banks.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.joint_acts import DONE, FREEZE, KIND_NAMES, PROPOSED, REVOKE, UNFREEZE, Proposal
from cbdc.keys import Signer
from offline.http_losses import freeze_reference
from offline.lost import STOLEN
from wallets.site.following import Act, following
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles import supervisor
from wallets.site.roles.parts import HexId, LegalReference, Reason, octets, officer_seats
from wallets.site.roles.watching import bank_title, party
from wallets.site.users import NATIONAL_BANK_ROLE as ROLE
from wallets.site.world import World

MOST_SHOWN = 200
KIND_TITLES = {
    "freeze": N_("Freeze a holder"),
    "unfreeze": N_("Lift a freeze"),
    "revoke": N_("Revoke a device"),
}
STATE_TITLES = {
    "proposed": N_("Waits for a second officer"),
    "signed": N_("Signed by two"),
    "done": N_("Done"),
    "dropped": N_("Dropped"),
    "failed": N_("Refused by the rules"),
}


class Holder(Fields, frozen=True):
    """A holder by pseudonym, and on what the act stands."""

    pseudonym: HexId
    reference: LegalReference


class OfDevice(Fields, frozen=True):
    """One device, and on what the act stands."""

    device: HexId
    reference: LegalReference


class OfAct(Fields, frozen=True):
    """A proposed act."""

    act: Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Act"))]


class DroppedAct(Fields, frozen=True):
    """A proposed act, and why it is dropped."""

    act: Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Act"))]
    reason: Reason


# --- what is seen ---


def acts(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What waits for a second officer, and what became of earlier acts, newest first."""
    book, world = asked.world.acts, asked.world
    closed = [act_row(world, one) for one in reversed(book.closed())]
    return {
        "open": [
            act_row(world, one) | {"mine": officer_seats(world).get(one.officer) == asked.user.seat}
            for one in book.open()
        ],
        "closed": closed[:MOST_SHOWN],
    }


def act_row(world: World, one: Proposal) -> Json:
    """One act for a page."""
    seats, act = officer_seats(world), one.act
    return {
        "id": act.id.hex(),
        "kind": KIND_NAMES[act.kind],
        "kind_title": KIND_TITLES[KIND_NAMES[act.kind]],
        "subject": act.subject.hex(),
        "reference": act.reference,
        "time": act.time,
        "state": one.state_name,
        "state_title": STATE_TITLES[one.state_name],
        "proposed_by": seats.get(one.officer),
        "second_by": seats.get(one.second) if one.second else None,
        "signed_at": one.signed_at,
        "ended_at": one.ended_at,
        "reason": one.reason,
        "outcome": one.outcome,
        "waits": one.state == PROPOSED,
    }


def stopped(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Frozen holders and revoked devices: since when, why, by whom, and what can be done about it."""
    world = asked.world
    book = following(world.system)
    done = [one for one in world.acts.closed() if one.state == DONE]
    return {
        "frozen": [_frozen(world, done, pseudonym, act) for pseudonym, act in book.frozen.items()][
            :MOST_SHOWN
        ],
        "revoked": _revoked(world, done)[:MOST_SHOWN],
    }


def _officers_of(world: World, done: list[Proposal], kind: int, subject: bytes) -> list[int]:
    """The seats of the two officers whose act it was, newest act first; empty when it was nobody's here."""
    seats = officer_seats(world)
    for one in reversed(done):
        if (one.act.kind, one.act.subject) == (kind, subject):
            return [seats[kid] for kid in (one.officer, one.second) if kid in seats]
    return []


def _frozen(world: World, done: list[Proposal], pseudonym: bytes, act: Act) -> Json:
    system = world.system
    keys = following(system).keys_of(pseudonym)
    by_bank = next(
        (number for number in system.banks if act.reference.startswith(freeze_reference(number, ""))), 0
    )
    ordered = [one for one in done if one.outcome == system.ledger.transaction(act.entry).id.hex()]
    return {
        "pseudonym": pseudonym.hex(),
        "holder": party(system, keys[-1], keys[-1].kid) if keys else None,
        "entry": act.entry,
        "time": act.time,
        "reference": act.reference,
        "held_tiyn": system.ledger.holding_tiyn(pseudonym),
        "bank": bank_title(system, by_bank) if by_bank else "",
        "officers": _officers_of(world, ordered, FREEZE, pseudonym),
        "lift_proposed": any(
            (one.act.kind, one.act.subject) == (UNFREEZE, pseudonym) for one in world.acts.open()
        ),
    }


def _revoked(world: World, done: list[Proposal]) -> list[Json]:
    centre = world.sandbox.field.centre
    first: dict[bytes, tuple[int, int]] = {}
    for made in centre.lists.lists:
        for kid in made.record.revoked_kids:
            first.setdefault(bytes(kid), (made.record.sequence, made.record.issued))
    guilty, rows = centre.reconciler.guilty(), []
    for kid in centre.devices.devices():
        if kid[:16] not in first:
            continue
        number, issued = first[kid[:16]]
        report = centre.lost.reported(kid)
        officers = _officers_of(world, done, REVOKE, kid)
        act = next((one.act for one in reversed(done) if one.act.subject == kid), None)
        rows.append(
            {
                "device": kid.hex(),
                "bank": bank_title(world.system, centre.devices.bank_of(kid)),
                "list": number,
                "time": issued,
                "guilty": kid in guilty,
                "report": "" if report is None else ("stolen" if report.kind == STOLEN else "lost"),
                "officers": officers,
                "reference": act.reference if act is not None else "",
                "unspent_tiyn": centre.known_unspent_tiyn(kid),
            }
        )
    return sorted(rows, key=lambda row: (-row["time"], row["device"]))


def alerts(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What supervision noticed, newest first, as the supervisor's desk shows it; this desk can act on it."""
    return supervisor.home(asked, arguments)


# --- what is done ---


def _officer(asked: Asked) -> Signer:
    return asked.world.system.national_bank.officers[asked.user.seat]


def _proposed(asked: Asked, kind: int, subject: str, reference: str) -> Json:
    one = asked.world.acts.propose(asked.id, kind, octets(subject), reference, _officer(asked))
    return act_row(asked.world, one)


def freeze(asked: Asked, fields: Holder) -> Json:
    """Propose that the enforcement authority stops a wallet's holder; E_HTTP_NONE, E_FROZEN, E_ACT_WAITS."""
    return _proposed(asked, FREEZE, fields.pseudonym, fields.reference)


def unfreeze(asked: Asked, fields: Holder) -> Json:
    """Propose that a freeze is lifted; E_NOT_FROZEN, E_ACT_WAITS."""
    return _proposed(asked, UNFREEZE, fields.pseudonym, fields.reference)


def revoke_device(asked: Asked, fields: OfDevice) -> Json:
    """Propose that a device is revoked by the next list; E_DEVICE_UNKNOWN, E_ACT_REVOKED, E_ACT_WAITS."""
    return _proposed(asked, REVOKE, fields.device, fields.reference)


def second(asked: Asked, fields: OfAct) -> Json:
    """Sign a proposed act as the second officer: it is carried out at once. E_ACT_SAME, E_ACT_STATE, E_ACT_UNKNOWN."""
    return act_row(asked.world, asked.world.acts.second(octets(fields.act), _officer(asked)))


def drop(asked: Asked, fields: DroppedAct) -> Json:
    """End a proposal that nobody has signed yet; E_ACT_STATE, E_ACT_UNKNOWN."""
    return act_row(asked.world, asked.world.acts.drop(octets(fields.act), _officer(asked), fields.reason))


QUERIES: tuple[Query, ...] = (
    Query(ROLE, "acts", N_("Acts of two officers"), acts),
    Query(ROLE, "stopped", N_("Frozen and revoked"), stopped),
    Query(ROLE, "alerts", N_("Alerts"), alerts),
)
_PROPOSED = N_("Proposed. A second officer must sign it.")
OPERATIONS: tuple[Operation, ...] = (
    Operation(ROLE, "freeze", N_("Propose to freeze a holder"), Holder, freeze, _PROPOSED, danger=True),
    Operation(ROLE, "unfreeze", N_("Propose to lift a freeze"), Holder, unfreeze, _PROPOSED),
    Operation(
        ROLE,
        "revoke-device",
        N_("Propose to revoke a device"),
        OfDevice,
        revoke_device,
        _PROPOSED,
        danger=True,
    ),
    Operation(
        ROLE,
        "second",
        N_("Sign as the second officer"),
        OfAct,
        second,
        N_("Signed by two officers and carried out."),
        danger=True,
    ),
    Operation(ROLE, "drop", N_("Drop the proposal"), DroppedAct, drop, N_("The proposal is dropped.")),
)
