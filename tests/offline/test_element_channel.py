"""Commands to an element: whatever bytes come, a status word goes back, and nothing changes or crashes (5.7)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError, Unavailable, catalogue
from offline import element_refusal
from offline.element_applet import (
    APPLICATION_ID,
    GET_DATA,
    GET_RESPONSE,
    SELECT,
    Applet,
    command,
)
from offline.element_refusal import read_refusal, status_word, write_refusal
from offline.element_wire import BY_NAME, CALLS, write_arguments
from offline.records import Outpoint
from tests.house.catalogue import facts_named
from tests.offline.shop import Shop
from tests.offline.world import NOW


class Card:
    """A provisioned element with money behind an applet; the element itself is in `element`."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.element = self.shop.payer
        self.applet = Applet(lambda: self.element)

    def send(self, data: bytes) -> str:
        """The status word of the response, in hexadecimal."""
        return self.applet.process(data)[-2:].hex()

    def select(self) -> str:
        return self.send(command(SELECT, APPLICATION_ID, own=False))

    def pieces(self, name: str, *values: Any) -> list[bytes]:
        call, data = BY_NAME[name], write_arguments(BY_NAME[name], values)
        parts = [data[place : place + 255] for place in range(0, len(data), 255)]
        last = len(parts) - 1
        return [command(call.number, part, chained=place != last) for place, part in enumerate(parts)]

    def pay(self) -> list[bytes]:
        shop = self.shop
        return self.pieces("pay", shop.invoice(), shop.payee.certificate, [shop.pick], NOW)


@pytest.fixture
def card() -> Card:
    made = Card()
    assert made.select() == "9000"
    return made


WRONG: dict[str, tuple[str, str]] = {
    "nothing": ("", "6700"),
    "three bytes": ("805400", "6700"),
    "too long": ("80540000" + "ff" * 260, "6700"),
    "Lc says more": ("8054000005c0", "6700"),
    "Lc says less": ("805400000191000000", "6700"),
    "Lc nothing, and data": ("80540000009100", "6700"),
    "extended length": ("80540000000001910000", "6700"),
    "another class": ("c05400000191", "6e00"),
    "secure messaging": ("845400000191", "6e00"),
    "another instruction": ("800200000191", "6d00"),
    "an ISO instruction it has not": ("00b0000001", "6d00"),
    "P1": ("805401000191", "6a86"),
    "P2": ("8054000101c0", "6a86"),
    "SELECT by file": ("00a40000" + "023f00", "6a86"),
    "SELECT of another": ("00a4040007" + b"\xf0KZTXX1".hex(), "6a82"),
    "SELECT in a chain": ("10a4040007" + APPLICATION_ID.hex(), "6884"),
    "GET RESPONSE of nothing": ("00c0000000", "6985"),
    "GET RESPONSE in a chain": ("10c0000000", "6884"),
    "GET DATA of nothing": ("80ca000000", "6a88"),
    "no arguments": ("8054000000", "6a80"),
    "no MP-C": ("805400000" + "1c1", "6a80"),
    "not the shortest": ("80540000" + "0491" + "cd0005", "6a80"),
    "too many arguments": ("80540000" + "03920505", "6a80"),
    "a text": ("80540000" + "0391a178", "6a80"),
    "arguments where there are none": ("805600000190", "6a80"),
    "an object of another type": (
        "80420000" + "08" + canonical.encode([[4, b"", b""]])[:8].ljust(8, b"\0").hex(),
        "6a80",
    ),
    "ISO VERIFY": ("00200001" + "0431323334", "6d00"),
    "an attack": ("80e2000000", "6d00"),
    "another attack": ("80e00000029105", "6d00"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_a_wrong_command_gets_a_status_word_and_changes_nothing(card: Card, case: str) -> None:
    sent, word = WRONG[case]
    before = card.element.status(NOW)
    assert card.send(bytes.fromhex(sent)) == word
    assert card.element.status(NOW) == before
    card.select()
    assert card.send(command(0x54, canonical.encode([NOW]))).startswith("61")


def test_nothing_is_done_before_select() -> None:
    card = Card()
    for call in CALLS:
        assert card.send(command(call.number, b"\x90")) == "6985"
    assert card.send(command(GET_RESPONSE, b"", own=False)) == "6985"


def test_a_call_is_carried_out_at_its_last_piece_and_not_before(card: Card) -> None:
    before = card.element.status(NOW)
    *chained, last = card.pay()
    assert len(chained) >= 1
    for piece in chained:
        assert card.send(piece) == "9000"
    assert card.element.status(NOW) == before
    assert card.send(last).startswith("61")
    assert card.element.status(NOW).totals.out_count == 1


@pytest.mark.parametrize("between", ["8054000000", "80ca000000", "00c0000000", "805600000191", "0054000000"])
def test_a_chain_that_is_broken_is_forgotten(card: Card, between: str) -> None:
    before = card.element.status(NOW)
    *chained, last = card.pay()
    for piece in chained:
        card.send(piece)
    assert card.send(bytes.fromhex(between)) in ("6883", "6985")
    assert card.send(last) == "6a80", "the last piece alone is no call"
    assert card.element.status(NOW) == before
    for piece in card.pay():
        word = card.send(piece)
    assert word.startswith("61")


@pytest.mark.parametrize("how", ["lost", "twice", "swapped", "alone"])
def test_pieces_out_of_order_are_no_call(card: Card, how: str) -> None:
    before = card.element.status(NOW)
    many = [Outpoint(b"%032d" % number, 0) for number in range(20)]
    sent = card.pieces("pay", card.shop.invoice(), card.shop.payee.certificate, many, NOW)
    assert len(sent) >= 4
    changed = {
        "lost": [sent[0], *sent[2:]],
        "twice": [sent[0], sent[1], *sent[1:]],
        "swapped": [sent[1], sent[0], *sent[2:]],
        "alone": sent[-1:],
    }[how]
    words = [card.send(piece) for piece in changed]
    assert words[-1] == "6a80"
    assert card.element.status(NOW) == before


def test_what_is_too_long_is_refused_while_it_comes(card: Card) -> None:
    piece = command(BY_NAME["renew"].number, b"\0" * 255, chained=True)
    words = [card.send(piece) for _ in range(17)]
    assert words == ["9000"] * 16 + ["6a84"]
    assert card.applet._coming == b""
    longest = command(BY_NAME["trust"].number, b"\0" * 255, chained=True)
    words = [card.send(longest) for _ in range(canonical.MAX_MESSAGE_BYTES // 255 + 1)]
    assert words[-1] == "6a84"
    assert set(words[:-1]) == {"9000"}


def test_an_answer_goes_in_pieces_of_at_most_255_bytes(card: Card) -> None:
    for number in range(30):
        card.element.load(card.shop.bench.note(card.element.kid, number + 1), NOW)
    response = card.applet.process(command(0x54, canonical.encode([NOW])))
    answer = b""
    while response[-2] == 0x61:
        assert len(response) == 257
        answer += response[:-2]
        response = card.applet.process(bytes([0x00, GET_RESPONSE, 0, 0, response[-1]]))
    assert response[-2:] == b"\x90\x00"
    assert len(canonical.decode_array(answer + response[:-2])) > 20
    assert card.send(command(GET_RESPONSE, b"", own=False)) == "6985", "it is given once"


def test_an_answer_that_is_not_fetched_is_dropped_by_the_next_command(card: Card) -> None:
    assert card.send(command(0x54, canonical.encode([NOW]))).startswith("61")
    assert card.send(command(GET_DATA, b"")) == "6a88"
    assert card.send(command(GET_RESPONSE, b"", own=False)) == "6985"


def test_a_refusal_is_given_whole_and_once(card: Card) -> None:
    note = card.shop.bench.note(b"k" * 32, 5)
    for piece in card.pieces("load", note, NOW):
        word = card.send(piece)
    assert word == "6985"
    told = card.applet.process(command(GET_DATA, b""))
    error = read_refusal(told[:-2])
    assert (error.code, error.facts) == ("E_LOAD_OWNER", {"owner": "6b" * 32, "own": card.element.kid.hex()})
    assert card.send(command(GET_DATA, b"")) == "6a88"


CARD = Card()


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_get_a_status_word(commands: list[bytes]) -> None:
    card = CARD
    before = card.element.status(NOW)
    card.select()
    for data in commands:
        response = card.applet.process(data)
        assert 2 <= len(response) <= 257
    assert card.element.status(NOW) == before


# Calls in which all that matters is signed: whoever changes a byte on the way is refused, or changes nothing.
SIGNED = {
    "load": lambda shop: (shop.bench.note(shop.payer.kid, 5), NOW),
    "sync_commit": lambda shop: (shop.bench.ack(shop.payer.sync_begin(b"s")),),
    "trust": lambda shop: ([shop.world.make_trust(2)],),
    "renew": lambda shop: (
        shop.bench.world.make_device("payer", 2, public_key=shop.payer.public_key.raw)[1],
    ),
}


@pytest.mark.slow
@settings(max_examples=120)
@given(data=st.data(), name=st.sampled_from(list(SIGNED)))
def test_a_changed_call_is_refused_or_does_the_same(data: st.DataObject, name: str) -> None:
    call = BY_NAME[name]
    untouched, card = Card(), Card()
    whole = bytearray(write_arguments(call, SIGNED[name](card.shop)))
    before = card.element.status(NOW)
    assert write_arguments(call, SIGNED[name](untouched.shop)) == whole
    assert send_whole(untouched, call.number, bytes(whole)) == "9000"
    expected = untouched.element.status(NOW)
    assert expected != before
    place = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "more", "gone"])):
        case "flip":
            whole[place] ^= data.draw(st.integers(1, 255))
        case "cut":
            del whole[place:]
        case "gone":
            del whole[place]
        case _:
            whole[place:place] = data.draw(st.binary(min_size=1, max_size=3))
    word = send_whole(card, call.number, bytes(whole))
    after = card.element.status(NOW)
    assert after == (expected if word == "9000" else before)


def send_whole(card: Card, instruction: int, data: bytes) -> str:
    """The status word at the end of a chain that carries `data`."""
    card.select()
    parts = [data[start : start + 255] for start in range(0, max(1, len(data)), 255)]
    for part in parts[:-1]:
        card.send(command(instruction, part, chained=True))
    return card.send(command(instruction, parts[-1]))


# --- refusals ---


@given(
    code=st.sampled_from(sorted(catalogue())),
    facts=st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=9).filter(
            lambda name: name not in ("self", "code", "refusal")
        ),
        st.one_of(st.integers(), st.text(max_size=40), st.binary(max_size=40)),
        max_size=5,
    ),
)
def test_a_refusal_comes_back_as_it_was_raised(code: str, facts: dict[str, Any]) -> None:
    facts = {**dict.fromkeys(facts_named(code), 7), **facts}
    kind = {"malformed": Malformed, "refused": Refused, "unavailable": Unavailable}[catalogue()[code].family]
    error: TengeError = kind(code, **facts)
    assert 0x6000 < status_word(error) < 0x7000
    told = read_refusal(write_refusal(error))
    assert (type(told), told.code) == (type(error), code)
    expected = {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in error.facts.items()
    }
    assert told.facts == expected


@pytest.mark.parametrize(
    "told",
    [
        [],
        [b"E_PIN"],
        ["E_PIN", []],
        [b"E_PIN", [[b"a", 4, 1]]],
        [b"E_PIN", [[b"a", 3, b"12x"]]],
        [b"E_PIN", [[b"a", 3, b"--1"]]],
        [b"E_PIN", [[b"a", 0, b"1"]]],
        [b"E_PIN", [[b"code", 0, 1]]],
        [b"E_PIN", [[b"self", 0, 1]]],
        [b"E_PIN", [[b"a", 0, 1]] * 65],
        [b"E" * 1_025, []],
    ],
)
def test_what_is_no_refusal_is_not_believed(told: Any) -> None:
    with pytest.raises(Malformed):
        read_refusal(canonical.encode(told))


def test_a_code_nobody_knows_is_an_answer_nobody_understands() -> None:
    assert read_refusal(canonical.encode([b"E_NEW", []])).code == "E_PEER_ANSWER"


def test_each_code_has_one_status_word() -> None:
    codes = [code for group in element_refusal.STATUS_WORDS.values() for code in group]
    assert len(codes) == len(set(codes))
    assert set(codes) <= set(catalogue())
