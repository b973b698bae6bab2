"""A secure element behind a byte channel, as its host sees it: the same calls, the same answers, the same refusals.

    with ElementProcess(element_command(folder)) as process:
        element = RemoteElement(process, address=1)
        device = Device(element, store)                          nothing else changes

`ElementProcess` starts `offline.element_process`, speaks frames over its pipes, and starts it anew when it has died or
fallen silent. A call that was cut off raises Unavailable and says so; every call may then be repeated with the same
ids, and what the element had done it gives again, byte for byte. `LocalChannel` is the same channel without a process.

An element is not asked twice for its key, its certificate and its trust view: they are kept here until a call changes
them or the channel is opened anew. So one address has one client.

Source: DTO/1, sections 5.7, 5.8 and 5.19.12; ISO 7816-4.
"""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, Self

from cbdc import canonical
from cbdc.authority import Auth
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import PublicKey
from cbdc.record import R, Signed, open_envelope
from offline.element_applet import (
    APPLICATION_ID,
    GET_DATA,
    GET_RESPONSE,
    MORE,
    PIECE_BYTES,
    SELECT,
    command,
)
from offline.element_frames import Frame, FrameReader
from offline.element_protocol import ElementStatus
from offline.element_refusal import DONE, read_refusal
from offline.element_server import ATTACKS, ElementServer
from offline.element_wire import BY_NAME, WIRE_VERSION, Call, read_answer, write_arguments
from offline.purse import Caps
from offline.records import (
    DeviceCertificate,
    Enrol,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SignedTransfer,
    SyncAck,
    SyncRequest,
    Trust,
)
from offline.trust import TrustView

SILENCE_SECONDS = 30
_READ_BYTES = 65_536
# Where a pipe cannot be waited for with a limit, a silent element is waited for as long as it lives.
_PIPES_WAIT = os.name == "posix"
_PAPERS = frozenset({"provision", "renew", "anchor", "trust"})
_WITHOUT = frozenset({"public_key", "trust_view"})
_NO_NETWORK = bytes(8)


class Channel(Protocol):
    """Carries one command to the element with an address and gives its response."""

    @property
    def session(self) -> int:
        """Another number each time that what is behind the channel has forgotten everything but its journals."""
        ...

    def exchange(self, address: int, command: bytes) -> bytes:
        """The response: data and a status word. Raises E_ELEMENT_GONE or E_ELEMENT_SILENT."""
        ...


class LocalChannel:
    """A server of elements in this process, spoken to in frames all the same."""

    def __init__(self, server: ElementServer) -> None:
        self._server = server
        self._number = 0
        self.session = 1

    def exchange(self, address: int, command: bytes) -> bytes:
        """The response to one command; E_ELEMENT_SILENT when the frame does not come back."""
        self._number += 1
        answers = FrameReader().take(self.carry(Frame(address, self._number % 2**32, command).encode()))
        for answer in answers:
            if (answer.address, answer.number) == (address, self._number % 2**32):
                return answer.data
        raise Unavailable("E_ELEMENT_SILENT", seconds=0)

    def carry(self, frame: bytes) -> bytes:
        """The bytes that come back for these bytes."""
        return self._server.take(frame)


def element_command(
    folder: Path,
    seed: int | None = None,
    durable: bool = True,
    open_for_attack: str = "",
    algorithm: str = "es256",
) -> list[str]:
    """The command that serves the elements of a folder in a process of its own (`offline.element_process`)."""
    words = [sys.executable, "-m", "offline.element_process", str(folder), "--algorithm", algorithm]
    words += [] if seed is None else ["--seed", str(seed)]
    words += [] if durable else ["--not-durable"]
    return words + (["--open-for-attack", open_for_attack] if open_for_attack else [])


class ElementProcess:
    """The process of simulated elements, started when it is first asked and again when it has died; a context."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
        silence_seconds: int = SILENCE_SECONDS,
    ) -> None:
        """`environment` None is this process's own; `silence_seconds` is how long the element may say nothing."""
        self._words = list(words)
        self.environment = environment
        self._silence_seconds = silence_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = FrameReader()
        self._lock = RLock()
        self._number = 0
        self._session = 0

    @property
    def session(self) -> int:
        """How many processes have ended so far: what was selected in one of them is selected no more."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                # It died between two calls. Nothing was cut off, so nobody need know.
                self._end(self._process)
            return self._session

    @property
    def pid(self) -> int:
        """The process's id; 0 when none runs."""
        return 0 if self._process is None else self._process.pid

    def exchange(self, address: int, command: bytes) -> bytes:
        """The response to one command; E_ELEMENT_GONE or E_ELEMENT_SILENT, and the next call starts it anew."""
        with self._lock:
            process = self._running()
            self._number = (self._number + 1) % 2**32
            assert process.stdin is not None
            try:
                process.stdin.write(Frame(address, self._number, command).encode())
                process.stdin.flush()
            except OSError:
                raise self._gone(process) from None
            return self._response(process, address)

    def close(self) -> None:
        """End the process by ending its input."""
        with self._lock:
            if self._process is not None:
                self._end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._reader = FrameReader()
            self._process = subprocess.Popen(  # noqa: S603 - the words are this project's own
                self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment
            )
        return self._process

    def _response(self, process: subprocess.Popen[bytes], address: int) -> bytes:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        while True:
            if _PIPES_WAIT and not select.select([descriptor], [], [], self._silence_seconds)[0]:
                process.kill()
                self._end(process)
                raise Unavailable("E_ELEMENT_SILENT", seconds=self._silence_seconds)
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                raise self._gone(process)
            for frame in self._reader.take(data):
                if (frame.address, frame.number) == (address, self._number):
                    return frame.data

    def _gone(self, process: subprocess.Popen[bytes]) -> Unavailable:
        self._end(process)
        return Unavailable("E_ELEMENT_GONE", exit_code=process.returncode)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        self._session += 1
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                continue  # what was still to be written has no reader any more
        process.wait()


class RemoteElement:
    """The secure element with this address behind a channel; see `offline.element_protocol.SecureElement`."""

    def __init__(self, channel: Channel, address: int) -> None:
        self._channel = channel
        self._address = address
        self._lock = RLock()
        self._session: int | None = None
        self._kept: dict[str, Any] = {}

    # --- reading ---

    @property
    def public_key(self) -> PublicKey:
        """The element's public key."""
        key: PublicKey = self._keep("public_key")
        return key

    @property
    def certificate(self) -> Signed[DeviceCertificate]:
        """Its certificate; E_ELEMENT_STATE before provisioning."""
        certificate: Signed[DeviceCertificate] = self._keep("certificate")
        return certificate

    @property
    def trust_view(self) -> TrustView:
        """The anchors and the TRUST list it believes; E_ELEMENT_STATE before provisioning."""
        view: TrustView = self._keep("trust_view")
        return view

    def resend(self, reference: bytes) -> tuple[SignedTransfer, ...]:
        """Own transfers for an invoice or an order, while they wait for an acknowledgement."""
        transfers: tuple[SignedTransfer, ...] = self._ask("resend", reference)
        return transfers

    def receipt(self, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt given for an invoice, if it is one of the last given."""
        receipt: Signed[Receipt] | None = self._ask("receipt", invoice)
        return receipt

    def status(self, now: int) -> ElementStatus:
        """What may be known of it."""
        status: ElementStatus = self._ask("status", now)
        return status

    # --- papers ---

    def enrol(self, network: bytes, bank_id: int, challenge: bytes) -> Signed[Enrol]:
        """Proof of possession of the key."""
        proof: Signed[Enrol] = self._ask("enrol", network, bank_id, challenge, network=network)
        return proof

    def provision(self, trust: TrustView, certificate: Signed[DeviceCertificate]) -> None:
        """Take anchors, the first TRUST list and the certificate; once."""
        self._ask("provision", trust, certificate)

    def renew(self, certificate: Signed[DeviceCertificate]) -> None:
        """Take another certificate for the same key."""
        self._ask("renew", certificate)

    def anchor(self, auth: Signed[Auth]) -> None:
        """Take one more certificate of ROOT."""
        self._ask("anchor", auth)

    def trust(self, chain: Sequence[Signed[Trust]]) -> None:
        """Adopt a newer TRUST list, or another party's chain of them."""
        self._ask("trust", chain)

    def set_pin(self, request_id: bytes, pin: bytes, limit_tiyn: int) -> None:
        """Ask for this PIN before more than `limit_tiyn` goes out."""
        self._ask("set_pin", request_id, pin, limit_tiyn)

    def verify_pin(self, pin: bytes) -> None:
        """Enter the PIN for the next payment or redemption."""
        self._ask("verify_pin", pin)

    # --- money ---

    def load(self, note: Signed[Note], now: int) -> None:
        """Take a note that the National Bank made for this element."""
        self._ask("load", note, now)

    def invoice(
        self,
        request_id: bytes,
        amount_tiyn: int,
        purpose: int,
        expires: int,
        max_parts: int,
        max_bytes: int,
        offer: bytes,
        memo: bytes,
        now: int,
    ) -> Signed[Invoice]:
        """Promise to take a payment."""
        wishes = (amount_tiyn, purpose, expires, max_parts, max_bytes, offer, memo)
        invoice: Signed[Invoice] = self._ask("invoice", request_id, *wishes, now)
        return invoice

    def pay(
        self,
        invoice: Signed[Invoice],
        payee: Signed[DeviceCertificate],
        picks: Sequence[Outpoint],
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Spend these outpoints for the invoice: once and for ever."""
        transfers: tuple[SignedTransfer, ...] = self._ask("pay", invoice, payee, picks, now)
        return transfers

    def accept(
        self,
        invoice: bytes,
        transfers: Sequence[SignedTransfer],
        caps: Sequence[Caps],
        payer: Signed[DeviceCertificate],
        now: int,
    ) -> Signed[Receipt]:
        """Take the whole payment for an open invoice."""
        receipt: Signed[Receipt] = self._ask("accept", invoice, transfers, caps, payer, now)
        return receipt

    def redeem(
        self,
        request_id: bytes,
        order: Signed[RedeemOrder],
        picks: Sequence[Outpoint],
        amount_tiyn: int,
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Send money home to the account that the bank's order names."""
        transfers: tuple[SignedTransfer, ...] = self._ask(
            "redeem", request_id, order, picks, amount_tiyn, now
        )
        return transfers

    def sync_begin(self, request_id: bytes) -> Signed[SyncRequest]:
        """State what the element holds, and cancel open invoices."""
        request: Signed[SyncRequest] = self._ask("sync_begin", request_id)
        return request

    def sync_commit(self, ack: Signed[SyncAck]) -> None:
        """Take settlement's answer."""
        self._ask("sync_commit", ack)

    # --- the wire ---

    def _keep(self, name: str) -> Any:
        with self._lock:
            if name not in self._kept or self._session != self._channel.session:
                self._kept[name] = self._ask(name)
            return self._kept[name]

    def _ask(self, name: str, *values: Any, network: bytes | None = None) -> Any:
        call = BY_NAME[name]
        with self._lock:
            data = write_arguments(call, values)
            if name in _PAPERS:
                self._kept = {}
            answer = self._call(call, data)
            if network is None:
                network = _NO_NETWORK if call.answer is None or name in _WITHOUT else self._network()
            return self._understood(lambda: read_answer(call, answer, network))

    def _network(self) -> bytes:
        try:
            return self.trust_view.network
        except Refused:
            return _NO_NETWORK  # not provisioned: it has signed nothing that depends on a network

    def _call(self, call: Call, data: bytes) -> bytes:
        try:
            if self._session != self._channel.session:
                self._select()
            pieces = [data[place : place + PIECE_BYTES] for place in range(0, max(len(data), 1), PIECE_BYTES)]
            for piece in pieces[:-1]:
                self._whole(command(call.number, piece, chained=True))
            return self._whole(command(call.number, pieces[-1]))
        except Unavailable:
            # Whatever it was, the next call finds its place anew.
            self._session, self._kept = None, {}
            raise

    def _select(self) -> None:
        answer = self._whole(command(SELECT, APPLICATION_ID, own=False))
        if answer != canonical.encode([WIRE_VERSION]):
            raise Unavailable(
                "E_ELEMENT_ANSWER", problem=f"another version of the channel: {answer[:8].hex()}"
            )
        self._session, self._kept = self._channel.session, {}

    def _whole(self, sent: bytes) -> bytes:
        """The whole answer to one command; the refusal that a status word stands for is fetched and raised."""
        data, word = self._collected(sent)
        if word == DONE:
            return data
        told, known = self._collected(command(GET_DATA, b""))
        if known != DONE:
            raise Unavailable("E_ELEMENT_ANSWER", problem=f"status word {word:04X}")
        raise self._understood(lambda: read_refusal(told))

    def _collected(self, sent: bytes) -> tuple[bytes, int]:
        answer = bytearray()
        response = self._channel.exchange(self._address, sent)
        while len(response) > 2 and response[-2] == MORE:
            answer += response[:-2]
            if len(answer) > canonical.MAX_MESSAGE_BYTES:
                raise Unavailable("E_ELEMENT_ANSWER", problem="it does not end")
            fetch = command(GET_RESPONSE, b"", own=False)[:-1] + response[-1:]
            response = self._channel.exchange(self._address, fetch)
        if len(response) < 2:
            raise Unavailable("E_ELEMENT_ANSWER", problem="no status word")
        return bytes(answer) + response[:-2], int.from_bytes(response[-2:], "big")

    def _understood(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except TengeError as error:
            self._session, self._kept = None, {}
            raise Unavailable("E_ELEMENT_ANSWER", problem=f"{error.code} in its answer") from None


class OpenedRemote(RemoteElement):
    """An **opened** element in a process that was started for an attack study; elsewhere its tools are not there."""

    def clone(self, address: int) -> "OpenedRemote":
        """A second element with the same key and the same state, under another address."""
        self._attack("clone", address)
        return OpenedRemote(self._channel, address)

    def capture(self) -> int:
        """The state now, to be put back later; its number."""
        number: int = self._attack("capture")
        return number

    def rollback(self, number: int) -> None:
        """Put an earlier state back."""
        self._attack("rollback", number)

    def sign_anything(self, record: R) -> Signed[R]:
        """This record, signed with the element's key, whatever it says."""
        envelope = self._attack("sign_anything", record.TYPE, record.body())
        return open_envelope(envelope, _class_of(record), self.trust_view.network)

    def _attack(self, name: str, *values: Any) -> Any:
        call = next(call for call in ATTACKS if call.name == name)
        with self._lock:
            answer = self._call(call, write_arguments(call, values))
            self._kept = {}
            return self._understood(lambda: read_answer(call, answer, _NO_NETWORK))


def _class_of(record: R) -> type[R]:
    return type(record)
