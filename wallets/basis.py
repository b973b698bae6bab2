"""What a payment stands on besides money: the lines it pays for, and the documents it is made under.

Marks may ask for both (`cbdc.clauses`); a payment of free money needs neither. And how a payment of marked money
arrives: the wallet makes the outputs that the mark's definition will be asked about, from the same function.
"""

from typing import NamedTuple

from cbdc.clause import BasketLine
from cbdc.clauses import marking_of, parts_of
from cbdc.errors import Refused
from cbdc.marks import MarkDefinition
from cbdc.money import share
from cbdc.record import Signed


class Basis(NamedTuple):
    """Lines (item, quantity, amount in tiyn) and documents (32-byte ids)."""

    lines: tuple[BasketLine, ...] = ()
    documents: tuple[bytes, ...] = ()


NO_BASIS = Basis()


def arriving(
    definition: Signed[MarkDefinition] | None, payer: int, payee: int, amount_tiyn: int
) -> dict[bytes, int]:
    """How a payment between two categories of holders arrives: mark (empty: free money) to tiyn."""
    if definition is None:
        return {b"": amount_tiyn}
    return parts_of(definition.record.clauses, definition.oid, payer, payee, amount_tiyn)


def marked_in_part(
    definition: Signed[MarkDefinition], payer: int, payee: int, amount_tiyn: int
) -> dict[bytes, int]:
    """How free money arrives that its payer marks as the definition lets it; E_MARK_ISSUER when it does not."""
    clause = marking_of(definition.record.clauses, payer, payee)
    if clause is None:
        raise Refused("E_MARK_ISSUER", mark=definition.record.label)
    part, rest = share(amount_tiyn, clause.numerator, clause.denominator, remainder_to="share")
    return {name: amount for name, amount in ((definition.oid, part), (b"", rest)) if amount}
