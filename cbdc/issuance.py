"""The National Bank issues and redeems digital tenge, on the operator's registered requests, and nobody else does.

    request     a bank (or the treasury) signs what it wants; the operator registers it under its id, once
    approval    emission officers of the National Bank approve an issue: two of three
    refusal     or one of them refuses it, with a signed reason, before anything was begun: that is final
    issue       the reserve account is debited, the ledger creates the tokens, the money counts as circulating
    redemption  the mirror: the ledger destroys the tokens, the reserve account is credited

Order of effects, so that a crash anywhere leaves "before" or "after" once the same call is repeated or `resume` ran:

    issue:   request and approvals written -> debit (issue in progress) -> ledger -> in circulation -> done
    redeem:  signed redemption written     -> ledger -> reserve account credited -> done

So tokens are never there without the money behind them having been debited first. Every id follows from the request's.

The reserve for offline losses is issued beforehand, by the same two of three, and charged to the National Bank's own
loss account: nobody's deposit and no unbacked issue ever pays for a broken device.

Source: `docs/domain.md`, token life cycle: requests and registers come through the operator, issue and redemption
are the National Bank's, 1:1 against accounts with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cbdc import authority
from cbdc.accounts import (
    CIRCULATION,
    GOVERNMENT_AND_OTHER,
    ISSUE_IN_PROGRESS,
    NATIONAL_BANK,
    OFFLINE_LOSSES,
    TREASURY_PARTY,
    BalanceSheet,
    Books,
    Line,
    Posting,
    capital,
    credit,
    debit,
    inventory,
    ordered,
    reserve,
    reserves,
)
from cbdc.authority import Authority
from cbdc.cabinet import follow, follow_nonce
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.ports import Clock
from cbdc.record import sign
from cbdc.register import (
    APPROVED,
    DONE,
    ISSUE,
    LOSS_RESERVE,
    REDEEM,
    REFUSED,
    REGISTERED,
    MoneyRequest,
    OperatorRegister,
    Request,
    RequestRefusal,
)
from cbdc.token import KeyLock, Token
from cbdc.transaction import (
    Issue,
    Redeem,
    SignedTransaction,
    sign_transaction,
)


@dataclass(frozen=True, slots=True)
class Holders:
    """The key ids that receive new money: by party (a bank's inventory; the treasury account is party 0), and the
    loss reserve."""

    parties: Mapping[int, bytes]
    loss_reserve: bytes

    def of(self, request: Request) -> bytes:
        """Whose key a request's money belongs to; E_REQUEST_PARTY when the party has none."""
        if request.kind == LOSS_RESERVE:
            return self.loss_reserve
        kid = self.parties.get(request.party)
        if kid is None:
            raise Refused("E_REQUEST_PARTY", party=request.party)
        return kid


class NationalBank:
    """Issues, redeems, and keeps the reserve accounts.

    `officers` are the emission officers whose signers are at hand (an approval may also come from elsewhere), and
    `operator` the operator's signer, which countersigns what was registered.
    """

    def __init__(
        self,
        gateway: Gateway,
        books: Books,
        register: OperatorRegister,
        certificates: Authority,
        officers: Sequence[Signer],
        operator: Signer,
        holders: Holders,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._books = books
        self.register = register
        self._certificates = certificates
        self.officers = tuple(officers)
        self._operator = operator
        self._holders = holders
        self._clock = clock

    @property
    def threshold(self) -> int:
        """How many emission officers must approve an issue."""
        officers = self._certificates.with_role(authority.EMISSION)
        return max((auth.scope[0] for auth in officers if auth.scope), default=1)

    # --- accounts ---

    def endow(self, id: bytes, party: int, amount_tiyn: int, text: str = "reserves provided") -> None:
        """Credit a bank's reserve account (or the treasury's account, party 0) against the government and other assets.

        For a bank the money counts as its capital. The same id again does nothing; E_ID_REUSED, E_MONEY_RANGE.
        """
        lines = [debit(GOVERNMENT_AND_OTHER, amount_tiyn), credit(reserve(party), amount_tiyn)]
        if party != TREASURY_PARTY:
            lines += [debit(reserves(party), amount_tiyn), credit(capital(party), amount_tiyn)]
        self._books.post(Posting(id, self._clock.now(), text, tuple(lines)))

    def reserve_tiyn(self, party: int) -> int:
        """What stands on a bank's reserve account, or the treasury's account (party 0)."""
        return self._books.balance(reserve(party))

    def balance_sheet(self) -> BalanceSheet:
        """Government and other assets against reserves of banks, digital tenge in circulation, and the losses borne."""
        return self._books.balance_sheet(NATIONAL_BANK)

    # --- issue ---

    def proposal(self, request: Request) -> Issue:
        """The transaction that a registered request leads to; every officer signs these same bytes."""
        output = Token(request.amount_tiyn, KeyLock(self._holders.of(request)))
        return Issue(follow_nonce("issue", request.id), request.id, (output,))

    def approve(self, request_id: bytes, officer: Signer) -> Request:
        """Add an emission officer's approval; with enough of them the request is approved.

        Raises E_REQUEST_UNKNOWN, E_REQUEST_STATE (not an open issue), E_AUTHORITY (not an officer).
        """
        request = self.register.get(request_id)
        if request.kind == REDEEM or request.state not in (REGISTERED, APPROVED):
            raise Refused("E_REQUEST_STATE", id=request_id, state=request.state_name)
        self._certificates.require(officer.public.kid, authority.EMISSION, self._clock.now())
        if any(kid == officer.public.kid for kid, _ in request.approvals):
            return request
        signed = sign_transaction(self.proposal(request), self._gateway.network, [officer])
        approvals = (*request.approvals, signed.witnesses[0])
        state = APPROVED if len(approvals) >= self.threshold else REGISTERED
        return self.register.approved(replace(request, approvals=approvals, state=state), officer.public.kid)

    def refuse(self, request_id: bytes, officer: Signer, reason: str) -> Request:
        """An emission officer refuses an issue on which nothing was begun, however many have approved it: for ever.

        The same refusal again finds itself. Raises E_REQUEST_UNKNOWN, E_REQUEST_STATE (not an open issue, begun, or
        refused before in other words), E_AUTHORITY (not an officer).
        """
        request, kid = self.register.get(request_id), officer.public.kid
        known = self.register.refusal_of(request_id)
        if known is not None and (known.record.officer, known.record.reason) == (kid, reason):
            return request
        if request.kind == REDEEM or request.state not in (REGISTERED, APPROVED):
            raise Refused("E_REQUEST_STATE", id=request_id, state=request.state_name)
        self._certificates.require(kid, authority.EMISSION, self._clock.now())
        if self.is_begun(request):
            # The account was debited, so the tokens may be on the ledger already: `resume` completes it.
            raise Refused("E_REQUEST_STATE", id=request_id, state="begun")
        record = RequestRefusal(request_id, kid, reason, self._clock.now())
        return self.register.refuse_signed(request, sign(record, self._gateway.network, officer))

    def is_begun(self, request: Request) -> bool:
        """Whether the issue was begun: the account is debited, and nothing but its end can follow."""
        return self._books.booked(self._hold(request).id)

    def issue(self, request_id: bytes) -> Receipt:
        """Carry out an approved request; the same receipt however often it is asked for.

        Raises E_REQUEST_UNKNOWN, E_REQUEST_STATE (not approved yet), E_REQUEST_REFUSED, E_FUNDS_ACCOUNT (the reserve
        account has too little: nothing happened, ask again later), or the ledger's refusal, which closes the request.
        """
        request = self.register.get(request_id)
        if request.state == DONE:
            return self._receipt(request)
        if request.state == REFUSED:
            raise Refused("E_REQUEST_REFUSED", id=request_id, reason=request.refusal)
        if request.kind == REDEEM or request.state != APPROVED:
            raise Refused("E_REQUEST_STATE", id=request_id, state=request.state_name)
        self._books.post(self._hold(request))
        return self._finish_issue(request)

    def request_loss_reserve(self, id: bytes, amount_tiyn: int) -> Request:
        """Register, as the operator, an issue to the reserve for offline losses; E_ID_REUSED for another amount."""
        return self.ask(self._operator, (id, LOSS_RESERVE, TREASURY_PARTY, amount_tiyn))

    def ask(self, signer: Signer, wanted: tuple[bytes, int, int, int]) -> Request:
        """Sign and register what a party wants (id, kind, party, amount in tiyn), or find it registered.

        Raises E_ID_REUSED when the id stands for another wish, E_REQUEST_PARTY when `signer` is not the party's.
        """
        known = self.register.find(wanted[0])
        if known is None:
            record = MoneyRequest(*wanted, self._clock.now())
            return self.register.register(sign(record, self._gateway.network, signer))
        if (known.id, known.kind, known.party, known.amount_tiyn) != wanted:
            raise Refused("E_ID_REUSED", id=wanted[0])
        return known

    def approve_and_issue(self, request_id: bytes) -> Receipt:
        """Approve with as many of the officers at hand as are needed, then issue. Raises what both raise."""
        request = self.register.get(request_id)
        for officer in self.officers:
            if request.state != REGISTERED:
                break
            request = self.approve(request_id, officer)
        return self.issue(request_id)

    def _finish_issue(self, request: Request) -> Receipt:
        witnesses = request.approvals
        signed = sign_transaction(self.proposal(request), self._gateway.network, [self._operator])
        transaction = SignedTransaction(
            signed.record, signed.body, signed.id, (*witnesses, *signed.witnesses)
        )
        try:
            receipt = self._gateway.submit(transaction.encode())
        except (Refused, Malformed) as refusal:
            # Written before the money goes back, so that nothing can be issued on it afterwards.
            refused = self.register.write(replace(request, state=REFUSED, refusal=refusal.code))
            self._return(refused)
            raise
        self._books.post(self._posting(request, "issued", self._issued_lines(request)))
        self.register.close(replace(request, state=DONE, transaction_id=receipt.transaction_id))
        return receipt

    def _hold(self, request: Request) -> Posting:
        amount = request.amount_tiyn
        if request.kind == LOSS_RESERVE:
            lines = [debit(OFFLINE_LOSSES, amount), credit(ISSUE_IN_PROGRESS, amount)]
        else:
            lines = [debit(reserve(request.party), amount), credit(ISSUE_IN_PROGRESS, amount)]
            if request.party != TREASURY_PARTY:
                lines += [debit(ordered(request.party), amount), credit(reserves(request.party), amount)]
        return self._posting(request, "issue begun", lines)

    def _issued_lines(self, request: Request) -> list[Line]:
        amount = request.amount_tiyn
        lines = [debit(ISSUE_IN_PROGRESS, amount), credit(CIRCULATION, amount)]
        if request.kind == ISSUE and request.party != TREASURY_PARTY:
            lines += [debit(inventory(request.party), amount), credit(ordered(request.party), amount)]
        return lines

    def _return(self, request: Request) -> None:
        """Give back what a refused issue had debited, and close the request."""
        hold = self._hold(request)
        back = [Line(account, -amount) for account, amount in hold.lines]
        self._books.post(self._posting(request, "issue refused", back))
        self.register.close(request)

    def _posting(self, request: Request, text: str, lines: Sequence[Line]) -> Posting:
        return Posting(follow(text, request.id), self._clock.now(), text, tuple(lines))

    # --- redemption ---

    def redeem(self, request_id: bytes, transaction: SignedTransaction | None = None) -> Receipt:
        """Destroy the tokens of a redemption that the holder signed, and credit the party's account.

        A request that already carries its transaction needs none.

        Raises E_REQUEST_UNKNOWN, E_REQUEST_STATE, E_REQUEST_REFUSED, E_REQUEST_PARTY (somebody else's tokens),
        E_REQUEST_AMOUNT (another amount than registered), or the ledger's refusal, which closes the request.
        """
        request = self.register.get(request_id)
        if request.state == DONE:
            return self._receipt(request)
        if request.state == REFUSED:
            raise Refused("E_REQUEST_REFUSED", id=request_id, reason=request.refusal)
        if request.kind != REDEEM or (request.state == REGISTERED and transaction is None):
            raise Refused("E_REQUEST_STATE", id=request_id, state=request.state_name)
        if request.state == REGISTERED and transaction is not None:
            self._check_redemption(request, transaction)
            countersigned = sign_transaction(transaction.record, self._gateway.network, [self._operator])
            both = (*transaction.witnesses, *countersigned.witnesses)
            whole = SignedTransaction(transaction.record, transaction.body, transaction.id, both)
            request = self.register.write(replace(request, state=APPROVED, transaction=whole.encode()))
        return self._finish_redeem(request)

    def _check_redemption(self, request: Request, transaction: SignedTransaction) -> None:
        record = transaction.record
        if not isinstance(record, Redeem) or record.request != request.id:
            raise Refused("E_REQUEST_PARTY", party=request.party)
        holder = self._holders.of(request)
        given = -sum(token.amount_tiyn for token in record.outputs)
        for identity in record.inputs:
            token = self._gateway.token(identity)
            if token is None:
                raise Refused("E_TOKEN_SPENT", transaction_id=identity.transaction_id, output=identity.output)
            if token.lock.holder != holder:
                raise Refused("E_REQUEST_PARTY", party=request.party)
            given += token.amount_tiyn
        if given != request.amount_tiyn:
            raise Refused(
                "E_REQUEST_AMOUNT", id=request.id, registered_tiyn=request.amount_tiyn, given_tiyn=given
            )

    def _finish_redeem(self, request: Request) -> Receipt:
        try:
            receipt = self._gateway.submit(request.transaction)
        except (Refused, Malformed) as refusal:
            self.register.close(replace(request, state=REFUSED, refusal=refusal.code))
            raise
        amount = request.amount_tiyn
        lines = [debit(CIRCULATION, amount), credit(reserve(request.party), amount)]
        if request.party != TREASURY_PARTY:
            lines += [debit(reserves(request.party), amount), credit(inventory(request.party), amount)]
        self._books.post(self._posting(request, "redeemed", lines))
        self.register.close(replace(request, state=DONE, transaction_id=receipt.transaction_id))
        return receipt

    # --- after a crash ---

    def resume(self) -> list[tuple[bytes, TengeError]]:
        """Complete what was begun; the ids and refusals of what the ledger would not take.

        A request that was only registered or approved was not begun: it stays open until somebody asks for it.
        """
        refused: list[tuple[bytes, TengeError]] = []
        for request in self.register.open():
            try:
                if request.kind == REDEEM:
                    if request.state == APPROVED:
                        self._finish_redeem(request)
                elif request.state == REFUSED:
                    self._return(request)
                elif self.is_begun(request):
                    self._finish_issue(request)
            except (Refused, Malformed) as refusal:
                refused.append((request.id, refusal))
        return refused

    def _receipt(self, request: Request) -> Receipt:
        receipt = self._gateway.find(request.transaction_id)
        if receipt is None:
            raise Refused("E_BOOKS_LEDGER", id=request.id)
        return receipt
