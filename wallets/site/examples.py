"""The examples of the interface's document: a short story that is really played, in a small world of its own.

A wallet joins a bank, buys, pays, finds a friend by number; two devices pay each other offline; a third party asks for
a payment, splits one, locks money and collects on a mandate; every desk shows its pages. Whatever goes over the
interface is recorded, and the first good answer of each operation is its example. The world is in memory, follows from
a fixed seed and stands still, so the same server gives the same examples; nothing of them touches the served sandbox.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cbdc import canonical, conditional
from cbdc.aliases import claim_purpose, move_purpose, remove_purpose
from cbdc.errors import TengeError
from cbdc.http import wire
from cbdc.http.client import HttpBank, HttpGateway, Reply, WsgiTransport
from cbdc.http.partner_client import ConsentClient, PartnerClient
from cbdc.http.recovery_client import RecoveryClient
from cbdc.http.wallet_client import WalletClient
from cbdc.http.wallets import LOOKUP_PURPOSE
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.mandates import Mandate
from cbdc.money import tenge
from cbdc.orders import FundOrder, HolderProof
from cbdc.partners.records import CLAIM, SCOPES, Consent
from cbdc.ports import Clock, SeededEntropy
from cbdc.record import sign
from cbdc.register import ISSUE, REDEEM, MoneyRequest
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import LoadOffline, Redeem, Transfer, sign_transaction
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import ask_to_enrol
from offline.host_store import MemoryHostStore
from offline.http_client import HttpLosses, HttpOfflineDesk
from offline.journal import MemoryJournal
from wallets.desk import derived
from wallets.site.document import Example, query_path
from wallets.site.example_offices import ask_as_offices, office
from wallets.site.operations import Query
from wallets.site.partners import Partners
from wallets.site.table import OPEN_ROLES, Table
from wallets.site.users import BANK_ROLE, ROLES
from wallets.site.world import World

SEED = 5
START = 1_762_146_000
NUMBER = "+77010001122"
DAY_SECONDS = 86_400
_PLACE = re.compile(r"\{\w+\}")
_SHOWN = ("Accept-Language", "Authorization", wire.PROOF_HEADER, "Tenge-Call", "Signature-Input", "Signature")


@dataclass(frozen=True, slots=True)
class Traffic:
    """One request and its answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    reply: Reply


class Recorder:
    """A transport that writes down what passes."""

    def __init__(self, transport: WsgiTransport) -> None:
        self._transport = transport
        self.traffic: list[Traffic] = []

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send it on, and keep both."""
        # The site answers by name only.
        reply = self._transport.request(method, path, {"Host": "localhost", **headers}, body)
        kept = {name: value for name, value in headers.items() if name != "Host"}
        self.traffic.append(Traffic(method, path, kept, body, reply))
        return reply


class _Holder:
    """A customer of a demo bank with a wallet at the other end of the recorder."""

    def __init__(self, story: "_Story", user_id: str) -> None:
        self.story = story
        self.user = story.world.users.get(user_id)
        self.signer = SoftwareKey(ED25519, derived("example wallet", user_id))
        self.kid = self.signer.public.kid
        self.gateway = HttpGateway(
            story.recorder, {self.kid: self.signer}.get, story.clock, SeededEntropy(SEED)
        )
        self.bank = HttpBank(self.gateway, self.user.bank_id)
        self.consents = ConsentClient(self.gateway, self.signer, SeededEntropy(SEED), story.clock)

    def join(self, code: str) -> None:
        """Join the bank with a code."""
        public, path = self.signer.public, f"/v1/banks/{self.user.bank_id}"
        offer = self.gateway.post(f"{path}/offers", canonical.encode([code, public.algorithm, public.raw]))
        assert isinstance(offer, dict)
        possession = self.signer.sign(bytes.fromhex(offer["message"]))
        self.gateway.post(f"{path}/joins", canonical.encode([code, public.algorithm, public.raw, possession]))

    def fund(self, amount_tenge: int, name: str) -> None:
        """Buy with the deposit."""
        order = FundOrder(
            derived(name, self.kid), self.bank.bank_id, self.kid, tenge(amount_tenge), self.story.now()
        )
        self.bank.fund(sign(order, self.gateway.network, self.signer))

    def word(self, purpose: str) -> bytes:
        """The key's signed word."""
        record = HolderProof(self.kid, purpose, self.story.now(), derived("example word", purpose)[:16])
        return sign(record, self.gateway.network, self.signer).encode()

    def transfer(self, outputs: Sequence[Token], name: str) -> bytes:
        """A signed transfer of everything to these outputs, change to itself."""
        owned = [
            (identity, token)
            for identity, token in self.gateway.owned(self.kid)
            if isinstance(token.lock, KeyLock)
        ]
        change = sum(token.amount_tiyn for _, token in owned) - sum(one.amount_tiyn for one in outputs)
        whole = (*outputs, Token(change, KeyLock(self.kid)))
        record = Transfer(derived(name)[:16], tuple(identity for identity, _ in owned), whole)
        return sign_transaction(record, self.gateway.network, [self.signer]).encode()

    def pay_order(self, order: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Sign and hand in what a third party ordered; outputs are read back from the order's own bytes."""
        whole = {"transaction_id": "00" * 32, "output": 0, "mark": ""}
        tokens = [wire.read_token(whole | output)[1] for output in order["outputs"]]
        return self.consents.pay(bytes.fromhex(order["id"]), self.transfer(tokens, name))


class _Story:
    """The whole of it."""

    def __init__(self, world: World, app: Any, clock: Clock, partners: Partners, table: Table) -> None:
        self.world = world
        self.clock = clock
        self.partners = partners
        self.table = table
        self.recorder = Recorder(WsgiTransport(app))

    def now(self) -> int:
        """The ledger's moment."""
        return self.world.clock.now()

    # --- desks ---

    def json(self, method: str, path: str, token: str = "", body: object = None) -> Any:
        """A request of a program at a desk; its answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads(self.recorder.request(method, path, headers, data).body)

    def sign_in(self, role: str) -> str:
        """The token of the first user of a role."""
        user = self.world.users.of_role(role)[0]
        body = {"user": user.id, "passcode": self.world.users.passcode(user)}
        return str(self.json("POST", "/v1/sessions", body=body)["token"])

    def code(self, user_id: str) -> str:
        """A joining code of a customer's desk."""
        user = self.world.users.get(user_id)
        body = {"user": user.id, "passcode": self.world.users.passcode(user)}
        token = str(self.json("POST", "/v1/sessions", body=body)["token"])
        wish = {"request_id": f"example-code-{user_id:->10}"}
        return str(self.json("POST", f"/v1/roles/{user.role}/join-code", token, wish)["code"])

    def desks(self) -> None:
        """Every page of every desk, as data."""
        tokens = {role: self.sign_in(role) for role in ROLES}
        for query in self.table.queries.values():
            if query.is_file:
                continue
            token = "" if query.role in OPEN_ROLES else tokens[query.role]
            self.json("GET", self._path(query), token)
        self.json("DELETE", "/v1/sessions", tokens[ROLES[0]])

    def _path(self, query: Query) -> str:
        known = {"index": "1", "number": "1", "customer": self._customer(), "kid": self.asel.hex()}
        return _PLACE.sub(lambda found: known.get(found[0][1:-1], "0" * 64), query_path(query))

    def _customer(self) -> str:
        return self.world.system.banks[1].customers.all()[0].id.hex()

    @property
    def asel(self) -> bytes:
        """The key of a neighbour."""
        return self.world.neighbours[0].wallet.kid

    # --- chapters ---

    def read(self, gateway: HttpGateway) -> None:
        """What everybody may read."""
        names = (
            "health",
            "ready",
            "supply",
            "head",
            "entries/1",
            "entries/1/2",
            "consistency/1",
            "banks",
            "banks/1",
            "bank-titles",
        )
        for path in names:
            gateway.get(f"/v1/{path}")
        sandbox = self.world.sandbox
        sandbox.new_mark("meals", {8: (9,), 9: ()})
        sandbox.budget_buys("alatau", tenge(10), derived("example budget"))
        sandbox.publish_mark("meals")
        gateway.get(f"/v1/marks/{sandbox.marks['meals'].hex()}")

    def pay(self, one: _Holder, other: _Holder) -> None:
        """Join, buy, pay, read."""
        for holder in (one, other):
            holder.join(self.code(holder.user.id))
        one.fund(5_000, "example fund")
        gateway, kid = one.gateway, one.kid.hex()
        gateway.registered(one.kid)
        receipt = gateway.submit(one.transfer([Token(tenge(200), KeyLock(other.kid))], "example pay"))
        gateway.find(receipt.transaction_id)
        gateway.inclusion(receipt)
        gateway.token(TokenId(receipt.transaction_id, 0))
        gateway.submit_many([one.transfer([Token(tenge(100), KeyLock(other.kid))], "example batch")])
        for path in (f"/v1/keys/{kid}/limits", f"/v1/keys/{kid}/entries/1"):
            gateway.get(path, gateway.proof(one.kid, "GET", path))
        rules = f"/v1/keys/{kid}/bank-rules"
        gateway.get(rules, gateway.proof(one.kid, "GET", rules))
        gateway.post(f"/v1/keys/{kid}/top-up-words", one.word("bank top-up yes"))
        one.bank.deposit_tiyn(one.kid)
        inventory = HttpBank(gateway, one.bank.bank_id).inventory_kid
        one.bank.defund(one.transfer([Token(tenge(50), KeyLock(inventory))], "example defund"))

    def card(self, one: _Holder) -> None:
        """A card is linked, frozen, and held to a terminal."""
        path = f"/v1/keys/{one.kid.hex()}/cards"
        linked = one.gateway.post(path, one.word(f"card link {derived('example card').hex()}"))
        assert isinstance(linked, dict)
        name = linked["id"]
        one.gateway.post(f"{path}/{name}/words", one.word(f"card freeze {name}"))
        wish = f"card hold {name} {derived('example holding')[:16].hex()} {tenge(20)}"
        one.gateway.post(f"{path}/{name}/holdings", one.word(wish))
        one.gateway.get(path, one.gateway.proof(one.kid, "GET", path))

    def bank(self, bank_id: int) -> None:
        """A bank's own system asks for digital tenge, and gives some back."""
        keys = self.world.system.keys
        signer, inventory = keys.bank(bank_id), keys.bank_inventory(bank_id)
        kid, path = inventory.public.kid, f"/v1/participants/{bank_id}"
        gateway = office(self.recorder, self.clock, SEED, signer, {kid: inventory})
        for kind, name in ((ISSUE, "example issue"), (REDEEM, "example redemption")):
            record = MoneyRequest(derived(name), kind, bank_id, tenge(1_000), self.now())
            gateway.post(f"{path}/requests", sign(record, gateway.network, signer).encode())
        looked = f"{path}/requests/{derived('example issue').hex()}"
        self.world.system.national_bank.approve_and_issue(derived("example issue"))
        gateway.get(looked)
        gateway.get(f"{path}/account")
        identity, token = max(gateway.owned(kid), key=lambda row: row[1].amount_tiyn)
        change = (Token(token.amount_tiyn - tenge(1_000), KeyLock(kid)),)
        home = Redeem(bytes(16), derived("example redemption"), (identity,), change)
        data = sign_transaction(home, gateway.network, [inventory]).encode()
        gateway.post(f"{path}/requests/{derived('example redemption').hex()}/redeem", data)

    def numbers(self, one: _Holder, other: _Holder) -> None:
        """A phone number is claimed, found, moved, removed."""
        post = one.gateway.post
        post("/v1/aliases/claims", canonical.encode([NUMBER, one.word(claim_purpose(NUMBER))]))
        look = canonical.encode([derived("example look"), NUMBER, other.word(LOOKUP_PURPOSE)])
        post("/v1/aliases/lookups", look)
        moved = [NUMBER, other.kid, one.word(move_purpose(NUMBER, other.kid))]
        post("/v1/aliases/moves", canonical.encode(moved))
        post("/v1/aliases/removals", canonical.encode([NUMBER, other.word(remove_purpose(NUMBER))]))

    def links(self, one: _Holder, other: _Holder) -> None:
        """A request is posted, read, paid and named; another one is taken back."""
        accounts = [
            WalletClient(holder.gateway, holder.user.bank_id, holder.signer, self.clock, SeededEntropy(SEED))
            for holder in (one, other)
        ]
        payer, payee = accounts
        link, second = derived("example link"), derived("example link 2")
        payee.ask_for(link, tenge(30), "lunch", self.now() + DAY_SECONDS)
        payee.ask_for(second, tenge(30), "lunch")
        shown = payer.request(link).request.record
        wish = [Token(shown.amount_tiyn, KeyLock(shown.payee))]
        receipt = one.gateway.submit(one.transfer(wish, "example link"))
        payer.mark_paid(link, receipt.transaction_id)
        payee.withdraw_request(second)
        payee.requests()
        third = derived("example link 3")
        payee.ask_for(third, tenge(40), "tickets", self.now() + DAY_SECONDS)
        payee.ask_of(third, one.kid)
        payer.inbox()
        payer.decline_request(third)

    def losses(self, one: _Holder, other: _Holder) -> None:
        """A device is lost, then somebody's whole wallet."""
        reports = [
            HttpLosses(holder.gateway, holder.signer, self.clock, SeededEntropy(SEED))
            for holder in (one, other)
        ]
        reports[0].report_device(reports[0].devices()[0].kid)
        reports[1].report_wallet()
        self.recovery(other)

    def recovery(self, lost: _Holder) -> None:
        """A lost wallet comes back under a new key."""
        world, number = self.world, lost.user.bank_id
        customer = world.system.banks[number].customers.owner_of(lost.kid)
        clerk = next(one for one in world.users.of_role(BANK_ROLE) if one.bank_id == number)
        body = {"user": clerk.id, "passcode": world.users.passcode(clerk)}
        token = str(self.json("POST", "/v1/sessions", body=body)["token"])
        wish = {
            "request_id": "example-recovery-code",
            "customer": customer.id.hex(),
            "wallet": lost.kid.hex(),
            "document": customer.reference,
            "identified": True,
        }
        code = str(self.json("POST", "/v1/roles/bank/recovery-code", token, wish)["recovery_code"])
        signer = SoftwareKey(ED25519, derived("example new wallet"))
        gateway = HttpGateway(self.recorder, real_clock=self.clock, entropy=SeededEntropy(SEED))
        client = RecoveryClient(gateway, number, signer)
        client.complete(code, client.papers(code))

    def device(self, holder: _Holder) -> tuple[Device, HttpOfflineDesk]:
        """A device of a holder, enrolled over the interface."""
        network, now = holder.gateway.network, self.now()
        desk = HttpOfflineDesk(
            holder.gateway, holder.kid, {holder.kid: holder.signer}.get, self.clock, SeededEntropy(SEED)
        )
        element = SimulatedSecureElement(
            MemoryJournal(), SeededEntropy(SEED), derived("example element", holder.user.id), ES256
        )
        proof = element.enrol(
            network, holder.user.bank_id, desk.challenge(holder.user.bank_id, holder.user.id.encode())
        )
        certificate = desk.enrol(proof, ask_to_enrol(proof, holder.signer, network, now, bytes(16)))
        element.provision(self.world.sandbox.field.centre.trust_view, certificate)
        device = Device(element, MemoryHostStore())
        device.recover(now)
        return device, desk

    def offline(self, one: _Holder, other: _Holder) -> None:
        """Load, pay from device to device, hand in, go home."""
        one.gateway.get("/v1/offline/papers")
        payer, desk = self.device(one)
        payee, others = self.device(other)
        desk.trust(0)
        now, status = self.now(), payer.status(self.now())
        free = next(row for row in one.gateway.owned(one.kid) if isinstance(row[1].lock, KeyLock))
        outputs = (Token(free[1].amount_tiyn, KeyLock(self.world.system.escrow_kid)),)
        load = LoadOffline(bytes(16), (free[0],), outputs, status.kid, status.load_number + 1)
        one.gateway.submit(sign_transaction(load, one.gateway.network, [one.signer]).encode())
        self.world.sandbox.field.centre.tick()
        payer.load(desk.notes(status.kid, 0)[0], now)
        invoice = payee.invoice(b"bread", tenge(120), 0, now)
        payer.keep_receipt(payee.receive(payer.pay(invoice, payee.certificate, now), invoice, now))
        for device, side in ((payee, others), (payer, desk)):
            device.sync_commit(side.sync(device.sync(b"evening", now)[-1].encode()).sync, now)
        payee.redeem(others.redeem_order(b"home", payee.status(now).kid), now)
        others.submit(payee.sync(b"night", now)[-1].encode())
        desk.evidence(status.kid)
        with suppress(TengeError):
            desk.outcome(bytes(32))

    def third_parties(self, one: _Holder, other: _Holder) -> None:
        """A third party with a consent of one holder."""
        signer = SoftwareKey(ED25519, derived("example third party"))
        gateway = HttpGateway(self.recorder, real_clock=self.clock, entropy=SeededEntropy(SEED))
        books = PartnerClient(gateway, signer, SeededEntropy(SEED), self.clock)
        gateway.get(f"/v1/partners/{books.introduce('Bookkeeper')['kid']}")
        ids, until = [], self.now() + DAY_SECONDS
        for holder in (one, other):
            consent = Consent(
                derived("example consent", holder.kid),
                holder.kid,
                books.kid,
                SCOPES,
                tenge(500),
                tenge(2_000),
                self.now(),
                self.now() + 30 * DAY_SECONDS,
            )
            holder.consents.give(consent)
            ids.append(consent.id)
        self._events(books)
        books.consents()
        books.balance(ids[0])
        books.history(ids[0])
        payees = [other.kid, self.asel]
        order = books.ask_to_split(derived("example split"), ids[0], payees, tenge(25), "dinner", until)
        one.consents.orders()
        one.consents.partners()
        one.pay_order(order, "example order")
        books.order(bytes.fromhex(order["id"]))
        self._lock(books, ids, one, other)
        refused = books.ask_to_pay(derived("example no"), ids[0], [(other.kid, tenge(1))], "bill", until)
        one.consents.decline(bytes.fromhex(refused["id"]))
        self._mandate(books, ids[0], one, other)
        one.consents.consents()
        one.consents.revoke(ids[0])
        self._dead(books)

    def _events(self, books: PartnerClient) -> None:
        books.webhook_key()
        hook = books.add_webhook(derived("example hook"), "http://127.0.0.1:9/events", ["consent.revoked"])
        gone = books.add_webhook(derived("example hook 2"), "http://127.0.0.1:9/other", ["order.paid"])
        assert hook["id"] != gone["id"]
        books.remove_webhook(derived("example remove"), bytes.fromhex(gone["id"]))

    def _lock(self, books: PartnerClient, ids: Sequence[bytes], one: _Holder, other: _Holder) -> None:
        secret, until = derived("example secret"), self.now() + DAY_SECONDS
        lock = conditional.hash_lock(conditional.hash_of(secret), other.kid, one.kid, until)
        order = books.ask_to_lock(derived("example lock"), ids[0], lock, tenge(10), "escrow", until)
        paid = one.pay_order(order, "example lock")
        locked = TokenId(bytes.fromhex(paid["receipt"]["transaction_id"]), 0)
        opening = books.ask_to_open(derived("example claim"), ids[1], CLAIM, locked, until, secret)
        record = Transfer.from_body(bytes.fromhex(opening["to_sign"]))
        signed = sign_transaction(record, other.gateway.network, [other.signer])
        other.consents.pay(bytes.fromhex(opening["id"]), signed.encode())

    def _mandate(self, books: PartnerClient, consent: bytes, one: _Holder, other: _Holder) -> None:
        name, now = derived("example mandate"), self.now()
        mandate = Mandate(
            name, one.kid, other.kid, tenge(50), tenge(100), 2, 30 * DAY_SECONDS, now, now + 90 * DAY_SECONDS
        )
        one.consents.give_mandate(mandate)
        books.collect(derived("example collection"), consent, name, tenge(20))
        one.consents.mandates()
        one.consents.revoke_mandate(name)

    def _dead(self, books: PartnerClient) -> None:
        """A delivery that nobody takes becomes a dead letter, and is put back into the queue."""
        hooks = self.partners.desks.hooks
        while waiting := hooks.waiting_for(books.kid):
            hooks.failed(waiting[0], "status 500")
        letter = books.events()["dead"][0]
        books.deliver_again(derived("example again"), bytes.fromhex(letter["id"]))


def play(world: World, app: Any, clock: Clock, partners: Partners, table: Table) -> list[Traffic]:
    """Play the story in a fresh world behind its application; what went over the interface, in order."""
    story = _Story(world, app, clock, partners, table)
    one, other = _Holder(story, "aigerim"), _Holder(story, "dana")
    story.read(one.gateway)
    story.pay(one, other)
    story.numbers(one, other)
    story.card(one)
    story.bank(1)
    ask_as_offices(story.recorder, clock, SEED, world.system)
    story.third_parties(one, other)
    story.links(one, other)
    story.offline(one, other)
    story.losses(one, other)
    story.desks()
    return story.recorder.traffic


def examples_of(traffic: Sequence[Traffic], document: Mapping[str, Any]) -> list[Example]:
    """The best example of each operation in what was recorded: the first good answer, or else the first."""
    found: dict[str, Example] = {}
    templates = [
        (method.upper(), re.compile(_PLACE.sub("[^/]+", path)), operation["operationId"])
        for path, methods in sorted(document["paths"].items(), key=lambda row: ("{" in row[0], row[0]))
        for method, operation in methods.items()
    ]
    for one in traffic:
        plain = one.path.partition("?")[0]
        name = next(
            (own for verb, path, own in templates if verb == one.method and path.fullmatch(plain)), ""
        )
        if name and (name not in found or (found[name].status != 200 and one.reply.status == 200)):
            found[name] = _example(name, one)
    return list(found.values())


def _example(name: str, one: Traffic) -> Example:
    headers = {header: one.headers[header] for header in _SHOWN if header in one.headers}
    body: object = None
    if one.method == "POST":
        media = one.headers.get("Content-Type", "")
        body = json.loads(one.body) if media == "application/json" else one.body.hex()
    return Example(name, one.path, one.reply.status, json.loads(one.reply.body), headers, body)
