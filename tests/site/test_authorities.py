"""Under which names institutions may ask a server, and a real server that was restarted."""

import json
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.http.call_client import CallingTransport
from cbdc.http.client import WsgiTransport
from cbdc.http.signed_calls import named
from cbdc.ports import ManualClock, SeededEntropy
from tests.site.visitor import START
from wallets.site.authorities import authorities_of, checked
from wallets.site.tls import addresses_of_this_computer
from wallets.site.whole import Whole
from wallets.site.world import World

ACCOUNT = "/v1/participants/1/account"


def test_a_server_knows_the_names_it_listens_under() -> None:
    local = authorities_of("127.0.0.1", 8765, tls=False)
    assert {"127.0.0.1:8765", "localhost:8765", "[::1]:8765"} <= local
    assert not {"127.0.0.1", "127.0.0.1:8766", "localhost"} & local
    assert authorities_of("10.1.2.3", 8765, tls=False) == {"10.1.2.3:8765"}
    assert authorities_of("2001:db8::7", 9, tls=False) == {"[2001:db8::7]:9"}


def test_the_protocols_own_port_may_be_left_out() -> None:
    assert "10.1.2.3" in authorities_of("10.1.2.3", 80, tls=False)
    assert "10.1.2.3" in authorities_of("10.1.2.3", 443, tls=True)
    assert "10.1.2.3" not in authorities_of("10.1.2.3", 443, tls=False)
    assert "10.1.2.3" not in authorities_of("10.1.2.3", 80, tls=True)


def test_on_every_address_it_answers_to_those_of_this_computer_only() -> None:
    names = authorities_of("0.0.0.0", 8765, tls=False)
    for one in addresses_of_this_computer():
        assert (f"[{one}]:8765" if one.version == 6 else f"{one}:8765") in names
    assert "192.0.2.77:8765" not in names


def test_an_operator_adds_names() -> None:
    assert "cbdc.example" in authorities_of("127.0.0.1", 1, tls=False, more=["CBDC.example"])
    assert checked(["a.b:1", "[::1]:7", "X"]) == ("a.b:1", "[::1]:7", "x")


@pytest.mark.parametrize(
    "name", ["", "a b", "http://a", "a/", "a:", "a:123456", "-a", "a@b", "ä.example", "a\n"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(TengeError) as caught:
        checked([name])
    assert (caught.value.code, caught.value.facts) == ("E_SERVE_AUTHORITY", {"authority": name})


def test_a_kept_sandbox_takes_a_call_once_over_a_restart_and_a_new_act(tmp_path: Path) -> None:
    clock, sent = ManualClock(START), []

    class Kept:
        def __init__(self, whole: Whole) -> None:
            self.wire = WsgiTransport(whole)

        def request(self, *asked: object) -> object:
            sent.append(asked)
            return self.wire.request(*asked)  # type: ignore[arg-type]

    def served() -> tuple[World, Whole]:
        world = World(clock, 7, tmp_path / "site")
        whole = Whole(world, SeededEntropy(7), clock)
        whole.knows_authority = named(["platform.example"])
        return world, whole

    world, whole = served()
    for seed, authority in ((1, "platform.example"), (2, "localhost")):
        bank = world.system.keys.bank(1)
        calling = CallingTransport(Kept(whole), bank, authority, clock, SeededEntropy(seed))  # type: ignore[arg-type]
        calling.request("GET", ACCOUNT, {}, b"")
    world.close()
    world, whole = served()
    answers = [json.loads(WsgiTransport(whole).request(*asked).body).get("code") for asked in sent]
    assert answers == ["E_CALL_REPLAY", "E_CALL_AUTHORITY"]
    fresh = CallingTransport(
        WsgiTransport(whole), world.system.keys.bank(1), "platform.example", clock, SeededEntropy(3)
    )
    assert fresh.request("GET", ACCOUNT, {}, b"").status == 200
    world.close()
