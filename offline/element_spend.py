"""How an element spends: from picked slots to signed transfers, and the purse that is left.

One payment is a run of transfers, one for each picked outpoint, with counters and links that follow on each other.
All but the last are spent whole; the last gives change. Payment and redemption differ in little: a redemption goes to
an account, adds no hop, and is bound by no cap.

Source: DTO/1, sections 5.4 (transfer semantics) and 5.7 (`pay`, `redeem`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from offline.element_state import ElementState, changed
from offline.purse import Caps, Slot, slot_of_output, split_amounts
from offline.records import PAY, Outpoint, Output, SignedTransfer, Transfer


@dataclass(frozen=True, slots=True)
class Spend:
    """What one payment or redemption spends, and for whom.

    `kind` is PAY or REDEEM, `owner` the payee's key id or the account, `reference` the invoice or the order.
    """

    kind: int
    picks: Sequence[Outpoint]
    slots: Sequence[Slot]
    amount_tiyn: int
    owner: bytes
    reference: bytes


def build(
    state: ElementState, spend: Spend, payer: bytes, moment: int, sign: Callable[[Transfer], SignedTransfer]
) -> tuple[tuple[SignedTransfer, ...], Mapping[Outpoint, Slot]]:
    """The signed transfers of `spend` by `payer`, and the purse after them; nothing is remembered yet.

    Raises E_PICKS when the picks do not fit the amount.
    """
    gives = split_amounts([slot.amount_tiyn for slot in spend.slots], spend.amount_tiyn)
    change: dict[Outpoint, Slot] = {}
    transfers: list[SignedTransfer] = []
    link = state.head
    for part, (pick, slot, give_tiyn) in enumerate(zip(spend.picks, spend.slots, gives, strict=True)):
        change_tiyn = slot.amount_tiyn - give_tiyn
        outputs: tuple[Output, ...] = (Output(give_tiyn, spend.owner),)
        if change_tiyn:
            outputs = (*outputs, Output(change_tiyn, payer))
        assert sum(output.amount_tiyn for output in outputs) == slot.amount_tiyn, (
            "I5: outputs are not the input"
        )
        transfer = sign(
            Transfer(
                kind=spend.kind,
                previous=pick.previous,
                index=pick.position,
                outputs=outputs,
                payer=payer,
                counter=state.counter + 1 + part,
                link=link,
                reference=spend.reference,
                part=part,
                parts=len(spend.picks),
                hop=slot.hop + (1 if spend.kind == PAY else 0),
                length=slot.length + 1,
                purpose=slot.purpose,
                spend_by=slot.spend_by,
                trust_sequence=state.trust_sequence,
                sync_time=state.sync_time,
                time=moment,
            )
        )
        link = transfer.oid
        transfers.append(transfer)
        if change_tiyn:
            caps = Caps(slot.max_hops, slot.max_length)
            change[Outpoint(transfer.oid, 1)] = slot_of_output(transfer.record, 1, caps)
    return tuple(transfers), changed(state.purse, change, spend.picks)
