"""A solution of replay a payment. Students: this is where the fun ends."""

import hashlib
from collections.abc import Mapping

from ledgerbook import Book, Diary, Order, Road
from teahouse import Teahouse, read, write

from cbdc.errors import TengeError
from cbdc.keys import ED25519, public_key

NETWORK = b"teahouse"
PURPOSE = "payment"


def with_another_number(teahouse: Teahouse) -> None:
    """The number is not signed."""
    payer, payee, amount_tiyn, number, signature = read(teahouse.heard[0])
    teahouse.send(write(payer, payee, amount_tiyn, number + 1_000_000, signature))


def tomorrow(teahouse: Teahouse) -> None:
    """The numbers are only in memory."""
    teahouse.close_for_the_night()
    teahouse.send(teahouse.heard[0])


def with_play_money(teahouse: Teahouse) -> None:
    """The network is not signed."""
    teahouse.send(teahouse.practice)


def with_a_slip(teahouse: Teahouse) -> None:
    """The purpose is not signed."""
    payer, payee, amount_tiyn, signature = teahouse.slip
    teahouse.send(write(payer, payee, amount_tiyn, 77_777_777, signature))


class Wrong(Exception):
    """Refused."""


class Reused(Exception):
    """Another order under the same number."""


def message(network: bytes, purpose: str, number: bytes, payer: str, payee: str, amount_tiyn: int) -> bytes:
    """Each field with its length, the amount as text."""
    fields = (network, purpose.encode(), number, payer.encode(), payee.encode(), str(amount_tiyn).encode())
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def handle(order: Order, keys: Mapping[str, bytes], book: Book) -> str:
    """Judge, then look, then one step."""
    network, purpose, number, payer, payee, amount_tiyn, signature = order
    if network != NETWORK or purpose != PURPOSE or payer not in keys or payee not in keys:
        raise Wrong("not for this till")
    if type(amount_tiyn) is not int or amount_tiyn < 1:
        raise Wrong("no amount")
    try:
        public_key(ED25519, keys[payer]).verify(signature, message(*order[:6]))
    except TengeError as error:
        raise Wrong("not the payer's signature") from error
    digest = hashlib.sha256(message(*order[:6])).digest()
    known = book.find(number)
    if known is not None:
        if known[0] != digest:
            raise Reused("another order under this number")
        return known[1]
    if book.balance(payer) < amount_tiyn:
        raise Wrong("not enough")
    answer = digest.hex()
    book.commit(number, digest, answer, payer, payee, amount_tiyn)
    return answer


def pay(payer: str, payee: str, amount_tiyn: int, sign: object, diary: Diary, road: Road) -> str:
    """Save, send, note the answer."""
    number = diary.new_number()
    fields = (NETWORK, PURPOSE, number, payer, payee, amount_tiyn)
    order = (*fields, sign.sign(message(*fields)))  # type: ignore[attr-defined]
    diary.write(order)
    return _finish(order, diary, road)


def resume(diary: Diary, road: Road) -> list[str]:
    """The same orders again."""
    return [_finish(tuple(order), diary, road) for order in diary.open_orders()]


def _finish(order: Order, diary: Diary, road: Road) -> str:
    answer = road.send(order)
    diary.done(order[2], answer)
    return answer
