"""The world behind the site: kept and opened again, put forward, reset, cut off; the same request, the same answer."""

from pathlib import Path

import pytest

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ports import ManualClock
from tests.site.visitor import START, Visitor, opened
from wallets.auditing import audit_target
from wallets.site import memory, opening
from wallets.site.users import User
from wallets.site.world import World

STUDENT = User("student-1", "person", "Student one", 100, 1, "class", 50_000)


def test_a_kept_world_opens_as_it_was(tmp_path: Path) -> None:
    world = World(ManualClock(START), None, tmp_path)
    world.put_forward(3_600)
    world.set_outage("Almaty", True)
    world.add_user(STUDENT)
    before = (world.system.ledger.size, world.sandbox.head(), world.users.passcode(STUDENT))
    world.close()
    again = World(ManualClock(START), None, tmp_path)
    assert (again.system.ledger.size, again.sandbox.head(), again.users.passcode(STUDENT)) == before
    assert again.clock.now() == START + 3_600
    assert again.memory.outages == ["Almaty"]
    assert again.users.get("student-1") == STUDENT
    again.close()


def test_its_act_can_be_audited(tmp_path: Path) -> None:
    world = World(ManualClock(START), None, tmp_path)
    world.close()
    assert audit_target(str(tmp_path / "act-0001"))["problems"] == []


def test_a_reset_begins_a_new_act_and_deletes_nothing(tmp_path: Path) -> None:
    world = World(ManualClock(START), None, tmp_path)
    network = world.system.network
    world.put_forward(100)
    told: list[int] = []
    world.on_reset.append(lambda: told.append(world.memory.act))
    world.reset()
    assert told == [2]
    assert world.system.network != network
    assert world.clock.now() == START
    assert (tmp_path / "act-0001").is_dir()
    assert (tmp_path / "act-0002").is_dir()
    world.close()


def test_the_same_request_gets_the_same_answer_and_does_it_once() -> None:
    with opened() as whole:
        done: list[bytes] = []

        def do(id: bytes) -> dict[str, int]:
            done.append(id)
            return {"number": len(done)}

        assert whole.world.once("request-a", "mark", do) == {"number": 1}
        assert whole.world.once("request-a", "mark", do) == {"number": 1}
        assert whole.world.once("request-b", "mark", do) == {"number": 2}
        with pytest.raises(Refused) as refused:
            whole.world.once("request-a", "another mark", do)
        assert refused.value.code == "E_ID_REUSED"
        assert len(set(done)) == len(done) == 2


def test_a_refusal_is_judged_again() -> None:
    with opened() as whole:
        answers: list[object] = [Refused("E_SITE_PATH"), {"ok": True}]

        def do(id: bytes) -> dict[str, object]:
            answer = answers.pop(0)
            if isinstance(answer, TengeError):
                raise answer
            assert isinstance(answer, dict)
            return answer

        with pytest.raises(Refused):
            whole.world.once("request-a", "mark", do)
        assert whole.world.once("request-a", "mark", do) == {"ok": True}


def test_an_outage_cuts_a_name_until_it_ends() -> None:
    with opened() as whole:
        world = whole.world
        world.require_network(("ab" * 32, "Almaty"))
        world.set_outage("Almaty", True)
        world.set_outage("Almaty", True)
        with pytest.raises(TengeError) as refused:
            world.require_network(("ab" * 32, "Almaty"))
        assert refused.value.code == "E_SITE_OUTAGE"
        world.require_network(("ab" * 32, "Aktobe"))
        world.set_outage("Almaty", False)
        world.require_network(("Almaty",))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 2, "act": 1}', '{"format": 1, "act": "x"}']
)
def test_a_damaged_memory_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / memory.STATE_FILE).write_text(text)
    with pytest.raises(Malformed) as refused:
        World(ManualClock(START), None, tmp_path)
    assert refused.value.code == "E_STAGE_DAMAGED"


def test_a_cut_wallet_finds_no_server_and_others_do() -> None:
    with opened() as whole:
        world = whole.world
        bolat = world.users.get("bolat")
        wallet = world.sandbox.wallet("a wallet of Bolat's")
        world.system.banks[1].register_key(opening.customer_id(bolat), wallet.signer)
        neighbour = world.neighbours[0].wallet.kid
        for cut in (wallet.kid.hex(), "Almaty"):
            world.set_outage(cut, True)
            statuses = [
                Visitor(whole).get("/v1/health", headers={"Tenge-Wallet": kid}).status_code
                for kid in (wallet.kid.hex(), neighbour.hex(), "", "not a key")
            ]
            assert statuses == [503, 200, 200, 200]
            assert Visitor(whole).get(f"/v1/wallets/{wallet.kid.hex()}/events").status_code == 503
            world.set_outage(cut, False)
        assert Visitor(whole).get("/v1/health", headers={"Tenge-Wallet": wallet.kid.hex()}).status_code == 200
