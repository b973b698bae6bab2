"""A reference client for the bank emulator: a bank's own system in its smallest form, which speaks HTTP only.

    client = ReferenceBank(SocketTransport("http://127.0.0.1:8790"), SystemClock())
    client.work()        # does every task that the emulator hands out, until there is none

    TENGE_EMULATOR_URL=http://127.0.0.1:8790 python -m wallets.emulator.client

It shows what a bank's developer has to write: build and sign what is sent, keep it before it is sent, and repeat the
same bytes when no answer comes, in a call that is signed anew. Codes of refusals are reported as they came.
"""

import json
import os
import sys
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from cbdc.cabinet import follow_nonce
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.http.call_client import CallingTransport
from cbdc.http.client import HttpGateway, SocketTransport, Transport
from cbdc.keys import ED25519, Signer, SoftwareKey
from cbdc.ports import Clock, ManualClock, SystemClock, SystemEntropy
from cbdc.record import sign
from cbdc.register import ISSUE, REDEEM, MoneyRequest
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Redeem, RegisterKey, SignedTransaction, Transfer, sign_transaction

TRIES = 4
AUTHORITY = "localhost"
TASK_PATH = "/emulator/task"
CASE_PATH = "/emulator/case"
OUTCOME_PATH = "/emulator/outcome"
OLD_SECONDS = 3_600

Arguments = Mapping[str, Any]


class ReferenceBank:
    """A bank's client. Its keys come from the emulator; `clock` dates its calls, which are signed for `authority`."""

    def __init__(self, transport: Transport, clock: Clock, authority: str = AUTHORITY) -> None:
        self._transport = transport
        self._authority = authority
        self._clock = clock
        case = self._ask("GET", CASE_PATH)
        self._bank_id = int(case["bank_id"])
        self._bank = SoftwareKey(ED25519, bytes.fromhex(case["keys"]["bank"]))
        self._inventory = SoftwareKey(ED25519, bytes.fromhex(case["keys"]["inventory"]))
        self._gateway = self._signed(clock)
        self._path = f"/v1/participants/{self._bank_id}"
        self._kept: dict[str, bytes] = {}
        self._spent: list[tuple[TokenId, Token]] = []

    @property
    def kid(self) -> bytes:
        """The key id of the inventory."""
        return self._inventory.public.kid

    def _signed(self, clock: Clock) -> HttpGateway:
        """The platform, with calls that the bank's certified key signs."""
        calling = CallingTransport(self._transport, self._bank, self._authority, clock, SystemEntropy())
        return HttpGateway(calling, {self.kid: self._inventory}.get, clock, SystemEntropy())

    # --- the emulator's own questions ---

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        reply = self._transport.request(method, path, headers, data)
        try:
            answer = json.loads(reply.body)
        except ValueError:
            raise Unavailable("E_PEER_ANSWER", answer=path) from None
        if reply.status != 200 or not isinstance(answer, dict):
            raise Unavailable("E_PEER_ANSWER", answer=path)
        return answer

    def work(self) -> int:
        """Do every task that is handed out; how many there were."""
        done = 0
        while (task := self._ask("GET", TASK_PATH))["do"] != "end":
            outcome, code = "done", ""
            try:
                self.perform(str(task["do"]), task["arguments"])
            except TengeError as refusal:
                outcome, code = "refused", refusal.code
            self._ask("POST", OUTCOME_PATH, {"number": task["number"], "outcome": outcome, "code": code})
            done += 1
        return done

    def perform(self, do: str, arguments: Arguments) -> None:
        """Do one task; raises the refusal."""
        name = do.replace("-", "_")
        doing: Callable[[Arguments], None] | None = getattr(self, f"do_{name}", None)
        if doing is None:
            raise Malformed("E_FIELD", field="do", problem=f"this client cannot {do}"[:80])
        doing(arguments)

    # --- repeating ---

    def _post(self, path: str, body: bytes) -> Any:
        """The answer; the very same bytes again when there is none, or when the network delivered a call twice."""
        for _ in range(TRIES - 1):
            try:
                return self._gateway.post(path, body)
            except Unavailable:
                continue
            except Refused as refusal:
                if refusal.code != "E_CALL_REPLAY":
                    raise
        return self._gateway.post(path, body)

    def _once(self, id: str, build: Callable[[], bytes]) -> bytes:
        """What was built and kept under an id, before it is sent for the first time."""
        if id not in self._kept:
            self._kept[id] = build()
        return self._kept[id]

    # --- requests for money ---

    def _request(self, arguments: Arguments, kind: int, signer: Signer, party: int = 0) -> bytes:
        record = MoneyRequest(
            bytes.fromhex(arguments["id"]),
            kind,
            party or self._bank_id,
            int(arguments["amount_tiyn"]),
            0,
        )
        return sign(record, self._gateway.network, signer).encode()

    def do_order(self, arguments: Arguments) -> None:
        """Ask for digital tenge."""
        self._post(f"{self._path}/requests", self._request(arguments, ISSUE, self._bank))

    def do_order_wrong_key(self, arguments: Arguments) -> None:
        """Ask with a key that is not the bank's."""
        self._post(f"{self._path}/requests", self._request(arguments, ISSUE, self._inventory))

    def do_order_other_network(self, arguments: Arguments) -> None:
        """Ask with a signature for another network."""
        record = MoneyRequest(
            bytes.fromhex(arguments["id"]), ISSUE, self._bank_id, int(arguments["amount_tiyn"]), 0
        )
        self._post(f"{self._path}/requests", sign(record, bytes(8), self._bank).encode())

    def do_order_for(self, arguments: Arguments) -> None:
        """Ask in another bank's name."""
        body = self._request(arguments, ISSUE, self._bank, int(arguments["party"]))
        self._post(f"{self._path}/requests", body)

    def do_look(self, arguments: Arguments) -> None:
        """See what became of a request; the state must be the one that is expected."""
        path = f"{self._path}/requests/{arguments['id']}"
        _must(self._gateway.get(path), {"state": arguments["state"]})

    # --- customers ---

    def _registration(self, arguments: Arguments) -> tuple[RegisterKey, SoftwareKey]:
        signer = SoftwareKey(ED25519, bytes.fromhex(arguments["secret"]))
        record = RegisterKey(
            follow_nonce("enrol", signer.public.kid),
            signer.public.algorithm,
            signer.public.raw,
            self._bank_id,
            int(arguments["tier"]),
            int(arguments["category"]),
            bytes.fromhex(arguments["pseudonym"]),
        )
        return record, signer

    def do_register(self, arguments: Arguments) -> None:
        """Register a customer's key; the customer shows that it has it."""
        record, signer = self._registration(arguments)
        self._submit(sign_transaction(record, self._gateway.network, [signer, self._bank]))

    def do_register_without_possession(self, arguments: Arguments) -> None:
        """Register a key without its own signature."""
        record, _ = self._registration(arguments)
        self._submit(sign_transaction(record, self._gateway.network, [self._bank]))

    def _submit(self, transaction: SignedTransaction) -> None:
        self._post("/v1/transactions", transaction.encode())

    # --- sales ---

    def _transfer(
        self, arguments: Arguments, owner: Signer, payee: bytes, tokens: list[tuple[TokenId, Token]]
    ) -> Transfer:
        amount, kid = int(arguments["amount_tiyn"]), owner.public.kid
        change = sum(token.amount_tiyn for _, token in tokens) - amount
        outputs = [Token(amount, KeyLock(payee))]
        if change > 0:
            outputs.append(Token(change, KeyLock(kid)))
        nonce = follow_nonce("emulator client", bytes.fromhex(arguments["id"]))
        return Transfer(nonce, tuple(identity for identity, _ in tokens), tuple(outputs))

    def _owned(self, signer: Signer) -> list[tuple[TokenId, Token]]:
        kid = signer.public.kid
        gateway = HttpGateway(self._transport, {kid: signer}.get, self._clock, SystemEntropy())
        return gateway.owned(kid)

    def do_sell(self, arguments: Arguments) -> None:
        """Send digital tenge to a customer: built and kept once, sent until it is answered."""

        def build() -> bytes:
            self._spent = self._owned(self._inventory)
            record = self._transfer(arguments, self._inventory, bytes.fromhex(arguments["kid"]), self._spent)
            return sign_transaction(record, self._gateway.network, [self._inventory]).encode()

        self._post("/v1/transactions", self._once(arguments["id"], build))

    def do_sell_spent_tokens(self, arguments: Arguments) -> None:
        """Sell with the tokens of the sale before."""
        record = self._transfer(arguments, self._inventory, bytes.fromhex(arguments["kid"]), self._spent)
        self._submit(sign_transaction(record, self._gateway.network, [self._inventory]))

    def do_sell_wrong_key(self, arguments: Arguments) -> None:
        """Sell with a signature that another key made in the inventory's name."""
        tokens = self._owned(self._inventory)
        record = self._transfer(arguments, self._inventory, bytes.fromhex(arguments["kid"]), tokens)
        forged = sign_transaction(record, self._gateway.network, [self._bank])
        witnesses = ((self.kid, forged.witnesses[0][1]),)
        self._submit(SignedTransaction(forged.record, forged.body, forged.id, witnesses))

    def do_buy_back(self, arguments: Arguments) -> None:
        """Take money of a customer back; here the client signs for the customer as well."""
        customer = SoftwareKey(ED25519, bytes.fromhex(arguments["secret"]))

        def build() -> bytes:
            record = self._transfer(arguments, customer, self.kid, self._owned(customer))
            return sign_transaction(record, self._gateway.network, [customer]).encode()

        self._post("/v1/transactions", self._once(arguments["id"], build))

    # --- redemption ---

    def _redeem(self, arguments: Arguments, amount_tiyn: int) -> None:
        name = bytes.fromhex(arguments["id"])

        def build() -> bytes:
            tokens = self._owned(self._inventory)
            change = sum(token.amount_tiyn for _, token in tokens) - amount_tiyn
            record = Redeem(
                follow_nonce("emulator client", name),
                name,
                tuple(identity for identity, _ in tokens),
                (Token(change, KeyLock(self.kid)),),
            )
            return sign_transaction(record, self._gateway.network, [self._inventory]).encode()

        self._post(f"{self._path}/requests/{arguments['id']}/redeem", self._once(arguments["id"], build))

    def do_redeem(self, arguments: Arguments) -> None:
        """Ask, then give tokens back."""
        self._post(f"{self._path}/requests", self._request(arguments, REDEEM, self._bank))
        self._redeem(arguments, int(arguments["amount_tiyn"]))

    def do_redeem_less(self, arguments: Arguments) -> None:
        """Ask for one sum and give another."""
        self._post(f"{self._path}/requests", self._request(arguments, REDEEM, self._bank))
        self._redeem(arguments, int(arguments["amount_tiyn"]) - 1)

    def do_redeem_unasked(self, arguments: Arguments) -> None:
        """Give tokens back without a request."""
        self._redeem(arguments, int(arguments["amount_tiyn"]))

    # --- reading ---

    def do_account(self, arguments: Arguments) -> None:
        """Read the bank's account; it must be what is expected."""
        _must(self._gateway.get(f"{self._path}/account"), arguments)

    def do_account_unsigned(self, arguments: Arguments) -> None:
        """Read it without a signature."""
        HttpGateway(self._transport).get(f"{self._path}/account")

    def do_account_signed_long_ago(self, arguments: Arguments) -> None:
        """Read it with a call that was signed an hour ago."""
        before = ManualClock(self._clock.now() - OLD_SECONDS)
        self._signed(before).get(f"{self._path}/account")

    def do_account_of(self, arguments: Arguments) -> None:
        """Read another bank's account."""
        self._gateway.get(f"/v1/participants/{arguments['party']}/account")


def _must(answer: object, expected: Arguments) -> None:
    """Return if the answer has these items; E_PEER_ANSWER."""
    there = answer if isinstance(answer, dict) else {}
    if any(there.get(name) != value for name, value in expected.items()):
        raise Unavailable("E_PEER_ANSWER", answer=json.dumps(there)[:80])


def main(url: str) -> int:
    """Work for the emulator at this address; the exit code."""
    ReferenceBank(SocketTransport(url), SystemClock(), urllib.parse.urlsplit(url).netloc).work()
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ["TENGE_EMULATOR_URL"]))
