"""A wallet outside the server, in Python, over HTTP alone: its key, its saved payments, its device.

phone = Phone(WsgiTransport(whole), bank_id, "aigerim", clock)        or a SocketTransport
phone.join(code); phone.fund(5_000); phone.pay(kid, 1_200)
phone.take_offline(3_000); phone.hand_over(other, 500, b"bread"); phone.sync(b"evening"); phone.go_home(b"night")
"""

from collections.abc import Mapping

from cbdc.http.client import HttpBank, HttpGateway, Reply, Transport
from cbdc.http.wallet_client import WalletClient
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.orders import FundOrder
from cbdc.ports import Clock, SeededEntropy
from cbdc.record import sign
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import ask_to_enrol
from offline.host_store import MemoryHostStore
from offline.http_client import HttpLosses, HttpOfflineDesk
from offline.journal import MemoryJournal
from offline.opened import open_for_attack
from offline.trust import TrustView
from wallets.desk import derived
from wallets.store_memory import memory_store
from wallets.wallet import Payee, Wallet, refresh, send_one


class Phone:
    """One wallet. `clock` is both its own and the real one; `name` makes its key."""

    def __init__(
        self, transport: Transport, bank_id: int, name: str, clock: Clock, algorithm: int = ED25519
    ) -> None:
        self.name = name
        self.bank_id = bank_id
        self.signer = SoftwareKey(algorithm, derived("phone of", name))
        self.kid = self.signer.public.kid
        self.store = memory_store()
        self.hosts = MemoryHostStore()
        self.device: Device | None = None
        self.connect(transport, clock)

    def connect(self, transport: Transport, clock: Clock) -> None:
        """Reach the server on another line."""
        self.clock = clock
        name, bank_id = self.name, self.bank_id
        signer_of = {self.kid: self.signer}.get
        seed = int.from_bytes(derived("phone", name)[:6], "big")
        entropy = SeededEntropy(seed)
        self.gateway = HttpGateway(transport, signer_of, clock, entropy)
        self.bank = HttpBank(self.gateway, bank_id)
        self.account = WalletClient(self.gateway, bank_id, self.signer, clock, entropy)
        self.losses = HttpLosses(self.gateway, self.signer, clock, entropy)
        self.desk = HttpOfflineDesk(self.gateway, self.kid, signer_of, clock, entropy)
        self.wallet = Wallet(name, self.signer, self.store, self.gateway, entropy, clock)

    # --- online ---

    def join(self, code: str) -> Receipt:
        """Join a bank account."""
        return self.account.join(code)

    def fund_order(self, amount_tenge: int, name: str = "fund") -> Receipt:
        """Digital tenge for the deposit."""
        order_id = derived("fund", self.name, name)
        order = FundOrder(order_id, self.bank_id, self.kid, tenge(amount_tenge), self.clock.now())
        return self.bank.fund(sign(order, self.gateway.network, self.signer))

    def fund(self, amount_tenge: int, name: str = "fund") -> None:
        """Digital tenge for the deposit, taken in."""
        self.fund_order(amount_tenge, name)
        self.refresh()

    def refresh(self) -> None:
        """Ask the ledger what is there."""
        refresh(self.store, self.gateway, self.wallet)

    def pay(self, kid: bytes, amount_tenge: int, name: str = "pay") -> Receipt:
        """Pay a key: saved, sent, closed."""
        intent = self.wallet.prepare_payment(
            derived("pay", self.name, name), [Payee(kid, tenge(amount_tenge))]
        )
        return send_one(self.store, self.gateway, intent, {self.kid: self.name}, self.clock)

    # --- offline ---

    def enrol(self, name: bytes = b"device") -> Device:
        """Make a device and have it certified; the papers come from the server and are checked from ROOT on."""
        identity = derived("phone element", self.name, name)
        element = SimulatedSecureElement(
            MemoryJournal(),
            SeededEntropy(int.from_bytes(identity[:6], "big")),
            identity,
            ES256,
            attacks_allowed=True,
        )
        proof = element.enrol(self.gateway.network, self.bank_id, self.desk.challenge(self.bank_id, identity))
        word = ask_to_enrol(proof, self.signer, self.gateway.network, self.clock.now(), bytes(16))
        certificate = self.desk.enrol(proof, word)
        assert self.desk.enrol(proof, word) == certificate
        element.provision(self.view(), certificate)
        self.device = Device(element, self.hosts)
        self.device.recover(self.clock.now())
        return self.device

    def view(self) -> TrustView:
        """What the newest lists say, believed only as far as ROOT's signatures reach."""
        return self.desk.papers().view(self.desk.trust())

    def own_device(self) -> Device:
        """The device; it must have been enrolled."""
        assert self.device is not None
        return self.device

    def copied_device(self) -> Device:
        """An attacker's copy of the device: the same key and the same notes."""
        element = self.own_device().element
        assert isinstance(element, SimulatedSecureElement)
        hosts = MemoryHostStore()
        hosts.write(element.public_key.kid, self.hosts.read(element.public_key.kid))
        return Device(open_for_attack(element, "a test"), hosts)

    def take_offline(self, amount_tenge: int, name: str = "load") -> None:
        """Lock money in escrow and take the notes."""
        device, now = self.own_device(), self.clock.now()
        status = device.status(now)
        intent = self.wallet.prepare_load(
            derived("load", self.name, name),
            [tenge(amount_tenge)],
            self.desk.papers().escrow_kid,
            status.kid,
            status.load_number + 1,
        )
        send_one(self.store, self.gateway, intent, {self.kid: self.name}, self.clock)
        for note in self.desk.notes(status.kid, status.load_number):
            device.load(note, now)

    def hand_over(self, payee: "Phone", amount_tenge: int, invoice_id: bytes) -> None:
        """Device pays device; no server is asked."""
        now = self.clock.now()
        device, other = self.own_device(), payee.own_device()
        invoice = other.invoice(invoice_id, tenge(amount_tenge), 0, now)
        receipt = other.receive(device.pay(invoice, other.certificate, now), invoice, now)
        device.keep_receipt(receipt)

    def sync(self, name: bytes) -> None:
        """Hand in what the device has seen, and be answered."""
        device, now = self.own_device(), self.clock.now()
        *first, last = device.sync(name, now)
        for batch in first:
            self.desk.submit(batch.encode())
        device.sync_commit(self.desk.sync(last.encode()).sync, now)
        chain = self.desk.trust(device.trust_view.sequence)
        if chain:
            device.trust(chain)

    def go_home(self, name: bytes) -> None:
        """Send the device's money to the account."""
        device, now = self.own_device(), self.clock.now()
        device.redeem(self.desk.redeem_order(name, device.status(now).kid), now)
        self.sync(name + b" sync")


class LosesFirstAnswers:
    """A line that loses the first answer to everything that is handed in, so each POST arrives twice.

    The second answer must be the first one, byte for byte.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.repeated = 0

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Carry one request."""
        first = self._transport.request(method, path, headers, body)
        if method == "GET":
            return first
        again = self._transport.request(method, path, headers, body)
        assert again == first, (path, first, again)
        self.repeated += 1
        return again
