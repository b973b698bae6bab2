"""A host, and a channel or a card that does not keep to the rules: it asks again, and nothing happens twice (5.7)."""

from collections.abc import Callable

import pytest

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from offline.element_applet import GET_DATA, SELECT
from offline.element_client import LocalChannel, OpenedRemote, RemoteElement
from offline.element_server import ATTACKS, Drawer, ElementServer
from offline.element_wire import CALLS
from offline.journal import Journal, MemoryJournal
from tests.offline.bench import Bench
from tests.offline.world import NOW


class Lying:
    """A channel whose card answers what a test wants."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.session = 1
        self.answer = answer

    def exchange(self, address: int, command: bytes) -> bytes:
        return self.answer(command)


SELECTED = canonical.encode([1]) + b"\x90\x00"


@pytest.mark.parametrize(
    "answer",
    [
        lambda sent: b"",
        lambda sent: b"\x90",
        lambda sent: b"\x90\x00",
        lambda sent: canonical.encode([2]) + b"\x90\x00",
        lambda sent: b"\x6d\x00",
        lambda sent: SELECTED if sent[1] == SELECT else b"\x90\x00",
        lambda sent: SELECTED if sent[1] == SELECT else b"\xc1\x90\x00",
        lambda sent: SELECTED if sent[1] == SELECT else b"\x69\x85",
        lambda sent: SELECTED if sent[1] == SELECT else b"x" * 255 + b"\x61\xff",
        lambda sent: (
            SELECTED if sent[1] == SELECT else (b"\x90\x90\x00" if sent[1] == GET_DATA else b"\x69\x85")
        ),
        lambda sent: SELECTED if sent[1] == SELECT else canonical.encode([2, b"x" * 33]) + b"\x90\x00",
    ],
)
def test_a_card_that_answers_nonsense_is_unavailable(answer: Callable[[bytes], bytes]) -> None:
    element = RemoteElement(Lying(answer), 1)
    with pytest.raises(Unavailable, match=r"^E_ELEMENT_ANSWER"):
        element.public_key  # noqa: B018 - the property asks the card


class Bad(LocalChannel):
    """A channel that does to frames what `fault` says, once; `{}` passes them on."""

    def __init__(self, server: ElementServer) -> None:
        super().__init__(server)
        self.faults: list[str] = []
        self.late = b""

    def carry(self, frame: bytes) -> bytes:
        match self.faults.pop(0) if self.faults else "":
            case "command lost":
                return b""
            case "command damaged":
                return super().carry(frame[:-1] + bytes([frame[-1] ^ 1]))
            case "command twice":
                return super().carry(frame + frame)
            case "answer lost":
                super().carry(frame)
                return b""
            case "answer late":
                self.late = super().carry(frame)
                return b""
        answers, self.late = self.late + super().carry(frame), b""
        return answers


def cut_off(call: Callable[[], object]) -> str:
    """The code with which a call was cut off, the first time or when it was asked again."""
    for _ in range(9):
        try:
            call()
        except Unavailable as error:
            return error.code
    return ""


def bad_pair() -> tuple[Bench, Bad, RemoteElement]:
    bench = Bench("bad channel")
    journals: dict[str, Journal] = {}
    drawer = Drawer(
        lambda name: journals.setdefault(name, MemoryJournal()), SeededEntropy(7), deep_checks=True
    )
    channel = Bad(ElementServer(drawer))
    element = RemoteElement(channel, 1)
    made = bench.world.make_device("a", algorithm=2, public_key=element.public_key.raw)
    element.provision(bench.world.trust, made.certificate)
    element.load(bench.world.make_note(element.public_key.kid, tenge(100)), NOW)
    return bench, channel, element


@pytest.mark.parametrize("fault", ["command lost", "command damaged", "answer lost", "answer late"])
@pytest.mark.parametrize("when", range(4))
def test_a_call_that_was_cut_off_may_be_repeated(fault: str, when: int) -> None:
    bench, channel, element = bad_pair()
    order = bench.world.make_redeem_order(element.public_key.kid)
    (pick,) = element.status(NOW).purse
    channel.faults = [""] * when + [fault]
    assert cut_off(lambda: element.redeem(b"r", order, [pick], 100, NOW)) == "E_ELEMENT_SILENT"
    sent = element.redeem(b"r", order, [pick], 100, NOW)
    assert element.redeem(b"r", order, [pick], 100, NOW) == sent
    status = element.status(NOW)
    assert (status.balance_tiyn, status.totals.out_count) == (tenge(100) - 100, 1)


def test_a_command_that_comes_twice_is_answered_once() -> None:
    _, channel, element = bad_pair()
    channel.faults = ["command twice"] * 3
    assert element.status(NOW).balance_tiyn == tenge(100)
    assert element.status(NOW).balance_tiyn == tenge(100)


def test_one_server_holds_many_and_no_more_than_it_says() -> None:
    server = ElementServer(Drawer(lambda name: MemoryJournal(), SeededEntropy(7)), most=3)
    channel = LocalChannel(server)
    keys = {RemoteElement(channel, address).public_key.kid for address in (1, 2, 2**32 - 1)}
    assert len(keys) == 3
    with pytest.raises(Unavailable, match=r"E_ELEMENT_ANSWER.*6A84"):
        RemoteElement(channel, 9).public_key  # noqa: B018


def test_an_element_that_lost_its_journal_is_opened_anew() -> None:
    _, channel, element = bad_pair()
    applet = channel._server._applets[1]
    inside = applet._element
    assert inside is not None

    def fail(record: bytes) -> None:
        raise Unavailable("E_JOURNAL_IO", journal="a", detail="OSError")

    inside._journal.append = fail  # type: ignore[attr-defined]
    journal = inside._journal  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match=r"^E_JOURNAL_IO"):
        element.sync_begin(b"s")
    assert applet._element is None
    del journal.append
    assert element.sync_begin(b"s").record.sync_number == 1


def test_what_a_closed_card_has_not_cannot_be_asked() -> None:
    bench, channel, _ = bad_pair()
    thief = OpenedRemote(channel, 1)
    before = thief.status(NOW)
    for attempt in (thief.capture, lambda: thief.clone(9), lambda: thief.rollback(0)):
        with pytest.raises(Unavailable, match=r"E_ELEMENT_ANSWER.*6D00"):
            attempt()
    # No TRUST list has a word for it either: whatever policy and purposes say, the element stays closed.
    policy = tuple((number, 1) for number in range(1, 60))
    thief.trust([bench.world.make_trust(9, policy=policy)])
    after = thief.status(NOW)
    assert (before.opened, after.opened, after.opened_for) == (False, False, "")
    assert {call.number for call in ATTACKS}.isdisjoint(call.number for call in CALLS)
