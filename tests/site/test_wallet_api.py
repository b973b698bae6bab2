"""What a wallet asks over HTTP besides paying: joining, history, limits, marks, phone numbers; and what it may not."""

from collections.abc import Iterator

import pytest

from cbdc import canonical
from cbdc.aliases import claim_purpose, move_purpose, remove_purpose
from cbdc.errors import TengeError
from cbdc.http.client import HttpBank, HttpGateway, WsgiTransport
from cbdc.http.wallets import LOOKUP_PURPOSE
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.orders import FundOrder, HolderProof
from cbdc.ports import SeededEntropy
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from offline.http_api import order_purpose
from tests.conftest import ROOT
from tests.house.made_api import table_row
from tests.site.visitor import Visitor, opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.whole import Whole

NUMBER = "+77010001122"


class Phone:
    """A wallet far away: a key, and the server's address."""

    def __init__(self, whole: Whole, user_id: str, algorithm: int = ED25519) -> None:
        self.whole = whole
        self.user = whole.world.users.get(user_id)
        self.signer = SoftwareKey(algorithm, derived("phone", user_id))
        self.kid = self.signer.public.kid
        signers = {self.kid: self.signer}.get
        self.gateway = HttpGateway(
            WsgiTransport(whole), signers, whole.world.real_clock, SeededEntropy(len(user_id))
        )
        self.bank = HttpBank(self.gateway, self.user.bank_id)

    def join(self, code: str = "") -> "Phone":
        world = self.whole.world
        code = code or world.joining[self.user.bank_id].issue(self.kid, customer_id(self.user))
        public = self.signer.public
        path = f"/v1/banks/{self.user.bank_id}"
        offer = self.gateway.post(f"{path}/offers", canonical.encode([code, public.algorithm, public.raw]))
        assert isinstance(offer, dict)
        possession = self.signer.sign(bytes.fromhex(offer["message"]))
        body = canonical.encode([code, public.algorithm, public.raw, possession])
        first = self.gateway.post(f"{path}/joins", body)
        assert self.gateway.post(f"{path}/joins", body) == first
        return self

    def fund(self, amount_tenge: int, name: str = "fund") -> None:
        order = FundOrder(
            derived(name, self.kid),
            self.user.bank_id,
            self.kid,
            tenge(amount_tenge),
            self.whole.world.clock.now(),
        )
        self.bank.fund(sign(order, self.gateway.network, self.signer))

    def word(self, purpose: str, time: int | None = None) -> bytes:
        now = self.whole.world.clock.now() if time is None else time
        record = HolderProof(self.kid, purpose, now, derived("word", purpose)[:16])
        return sign(record, self.gateway.network, self.signer).encode()

    def pay(self, kid: bytes, amount_tenge: int) -> None:
        [(token, held)] = self.gateway.owned(self.kid)
        outputs = (
            Token(tenge(amount_tenge), KeyLock(kid)),
            Token(held.amount_tiyn - tenge(amount_tenge), KeyLock(self.kid)),
        )
        record = Transfer(bytes(16), (token,), outputs)
        self.gateway.submit(sign_transaction(record, self.gateway.network, [self.signer]).encode())

    def ask(self, path: str) -> dict[str, object]:
        answer = self.gateway.get(path, self.gateway.proof(self.kid, "GET", path))
        assert isinstance(answer, dict)
        return answer

    def look_up(self, number: str, name: str = "look", **changed: object) -> str:
        purpose = str(changed.get("purpose", LOOKUP_PURPOSE))
        time = changed.get("time")
        word = self.word(purpose, time if isinstance(time, int) else None)
        body = canonical.encode([derived(name), number, word])
        answer = self.gateway.post("/v1/aliases/lookups", body)
        assert isinstance(answer, dict)
        return str(answer["kid"])


def code_of(call, *arguments, **named) -> str:
    with pytest.raises(TengeError) as caught:
        call(*arguments, **named)
    return caught.value.code


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_a_wallet_joins_buys_pays_and_reads_its_history(whole: Whole, algorithm: int) -> None:
    aigerim, dana = Phone(whole, "aigerim", algorithm).join(), Phone(whole, "dana", algorithm).join()
    before = whole.world.system.ledger.size
    aigerim.fund(5_000)
    aigerim.pay(dana.kid, 1_200)
    assert [token.amount_tiyn for _, token in dana.gateway.owned(dana.kid)] == [tenge(1_200)]
    found = aigerim.gateway.get(f"/v1/keys/{aigerim.kid.hex()}/entries/{before}")
    assert isinstance(found, dict)
    assert [entry["index"] for entry in found["entries"]] == [before, before + 1]
    assert found["next"] == found["size"] == before + 2
    later = dana.gateway.get(f"/v1/keys/{dana.kid.hex()}/entries/{before}")
    assert isinstance(later, dict)
    assert [entry["index"] for entry in later["entries"]] == [before + 1]
    beyond = dana.gateway.get(f"/v1/keys/{dana.kid.hex()}/entries/999999")
    assert isinstance(beyond, dict)
    assert (beyond["entries"], beyond["next"]) == ([], 999_999)


def test_limits_tell_what_is_left(whole: Whole) -> None:
    aigerim, dana = Phone(whole, "aigerim").join(), Phone(whole, "dana").join()
    aigerim.fund(5_000)
    aigerim.pay(dana.kid, 1_200)
    found = aigerim.ask(f"/v1/keys/{aigerim.kid.hex()}/limits")
    assert (found["holding_tiyn"], found["paid_today_tiyn"]) == (tenge(3_800), tenge(1_200))
    limits = whole.world.system.genesis.policy.limits(2)
    assert found["holding_limit_tiyn"] == limits.holding_limit_tiyn
    assert found["frozen"] == ""
    path = f"/v1/keys/{aigerim.kid.hex()}/limits"
    assert code_of(dana.gateway.get, path, dana.gateway.proof(dana.kid, "GET", path)) == "E_HTTP_PROOF"
    assert code_of(dana.gateway.get, f"/v1/keys/{'ab' * 32}/limits") == "E_HTTP_NONE"


def test_a_mark_is_told_in_words(whole: Whole) -> None:
    sandbox = whole.world.sandbox
    sandbox.new_mark("meals", {8: (9,), 9: ()})
    mark = sandbox.marks["meals"]
    gateway = Phone(whole, "aigerim").gateway
    assert code_of(gateway.get, f"/v1/marks/{mark.hex()}") == "E_HTTP_NONE"
    sandbox.budget_buys("alatau", tenge(10), derived("budget"))
    sandbox.publish_mark("meals")
    english = gateway.get(f"/v1/marks/{mark.hex()}")
    russian = gateway.get(f"/v1/marks/{mark.hex()}", {"Accept-Language": "ru"})
    assert isinstance(english, dict)
    assert isinstance(russian, dict)
    assert english["label"] == russian["label"] == "meals"
    assert len(english["words"]) == len(russian["words"]) > 3
    assert english["words"] != russian["words"]


def test_a_number_is_claimed_found_moved_and_removed(whole: Whole) -> None:
    aigerim, bolat = Phone(whole, "aigerim").join(), Phone(whole, "bolat").join()
    gateway = aigerim.gateway
    body = canonical.encode([NUMBER, aigerim.word(claim_purpose(NUMBER))])
    assert (
        gateway.post("/v1/aliases/claims", body) == gateway.post("/v1/aliases/claims", body) == {"done": True}
    )
    assert bolat.look_up("+7 701 000 11 22") == aigerim.kid.hex()
    mine = canonical.encode([NUMBER, bolat.word(claim_purpose(NUMBER))])
    assert code_of(gateway.post, "/v1/aliases/claims", mine) == "E_ALIAS_TAKEN"
    stolen = canonical.encode([NUMBER, bolat.kid, bolat.word(move_purpose(NUMBER, bolat.kid))])
    assert code_of(gateway.post, "/v1/aliases/moves", stolen) == "E_ALIAS_PROOF"
    moved = canonical.encode([NUMBER, bolat.kid, aigerim.word(move_purpose(NUMBER, bolat.kid))])
    gateway.post("/v1/aliases/moves", moved)
    assert aigerim.look_up(NUMBER, "again") == bolat.kid.hex()
    gone = canonical.encode([NUMBER, bolat.word(remove_purpose(NUMBER))])
    gateway.post("/v1/aliases/removals", gone)
    assert code_of(aigerim.look_up, NUMBER, "once more") == "E_ALIAS_UNKNOWN"


def test_lookups_are_for_registered_holders_who_prove_it_now(whole: Whole) -> None:
    bolat, stranger = Phone(whole, "bolat").join(), Phone(whole, "madina")
    assert code_of(stranger.look_up, NUMBER) == "E_HTTP_NONE"
    assert code_of(bolat.look_up, NUMBER, purpose="another") == "E_HTTP_PROOF"
    assert code_of(bolat.look_up, NUMBER, time=whole.world.clock.now() - 400) == "E_HTTP_PROOF"
    assert code_of(bolat.look_up, "no number") == "E_ALIAS_NUMBER"


def test_what_is_no_join_is_refused(whole: Whole) -> None:
    gateway, public = Phone(whole, "aigerim").gateway, Phone(whole, "aigerim").signer.public
    for path in ("offers", "joins"):
        for body in (b"", b"\xc1", canonical.encode(["X"]), canonical.encode([1, 2, 3]), b"x" * 5_000):
            assert code_of(gateway.post, f"/v1/banks/1/{path}", body).startswith("E_")
    offer = canonical.encode(["0123456789", public.algorithm, public.raw])
    assert code_of(gateway.post, "/v1/banks/1/offers", offer) == "E_JOIN_CODE"
    assert code_of(gateway.post, "/v1/banks/9/offers", offer) == "E_BANK_UNKNOWN"
    weak = canonical.encode(["0123456789", ED25519, bytes(32)])
    assert code_of(gateway.post, "/v1/banks/1/offers", weak) in ("E_KEY", "E_KEY_WEAK", "E_JOIN_CODE")


def test_a_devices_notes_and_orders_are_its_owners(whole: Whole) -> None:
    bolat = Phone(whole, "bolat").join()
    device = whole.world.neighbours[0].device
    assert device is not None
    kid = device.status(whole.world.clock.now()).kid
    path = f"/v1/offline/devices/{kid.hex()}/notes/0"
    assert code_of(bolat.gateway.get, path) == "E_HTTP_PROOF"
    assert code_of(bolat.gateway.get, path, bolat.gateway.proof(bolat.kid, "GET", path)) == "E_HTTP_PROOF"
    unknown = f"/v1/offline/devices/{'ab' * 32}/notes/0"
    assert code_of(bolat.gateway.get, unknown) == "E_DEVICE_UNKNOWN"
    order = canonical.encode([b"mine", kid, bolat.word(order_purpose(b"mine", kid))])
    assert code_of(bolat.gateway.post, "/v1/offline/orders", order) == "E_DEVICE_WORD"


def test_a_device_finds_what_it_needs_to_check_everything(whole: Whole) -> None:
    papers = Phone(whole, "aigerim").gateway.get("/v1/offline/papers")
    assert isinstance(papers, dict)
    authority = whole.world.system.authority
    assert papers["root"] == authority.root.encode().hex()
    assert len(papers["certificates"]) == len(authority.auths) > 3
    assert papers["escrow_kid"] == whole.world.system.escrow_kid.hex()


def test_the_page_of_the_interface_has_every_route(whole: Whole) -> None:
    page = (ROOT / "docs/http.md").read_text(encoding="utf-8").splitlines()
    missing = [row for row in map(table_row, whole.extension_routes()) if row not in page]
    assert missing == []
    document = Visitor(whole).get("/v1/openapi.json").get_json()
    for route in whole.extension_routes():
        assert route.method.lower() in document["paths"][route.path]


def test_a_customers_desk_gives_a_code_that_joins(whole: Whole) -> None:
    visitor = Visitor(whole).signed_in("aigerim")
    answer = visitor.post(
        "/person/do/join-code",
        {"csrf": visitor.csrf(), "request_id": "the-code-of-this-test", "back": "/person/"},
    )
    assert answer.headers["Location"] == "/person/"
    assert len(whole.world.system.stores.cabinet.all("join codes")) == 1
