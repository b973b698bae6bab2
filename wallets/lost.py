"""A bank's desk for lost devices, with its books: report, early payout, and what it gets back.

The bank advances on a reported device, onto its customer's deposit: a claim of the bank ("advances on lost devices")
against what it then owes. From that moment refunds of the device come to a wallet of the bank. When the last note of
the device has closed, `settle` sells them, gives the customer what is above the advance, and books what is missing as
the bank's loss. Every step has an id that follows from the device, so asking again books nothing twice.

How much is advanced the parameter `early_payout` says (off by default, an assumption); `offline.lost` has the rule.

Source: DTO/1, section 5.12 (lost device).
"""

from cbdc.accounts import ASSET, EXPENSE, Account, Line, Posting, credit, debit, deposit, institution_of
from cbdc.cabinet import follow
from cbdc.errors import Refused
from cbdc.token import MERCHANT
from offline.lost import AdvanceOutcome, Report
from wallets.cast import Member
from wallets.desk import derived
from wallets.sandbox import MERCHANT_TIER, Sandbox


def advances(bank_id: int) -> Account:
    """What a bank has advanced on lost devices and not got back."""
    return Account(institution_of(bank_id), ASSET, "advances on lost devices")


def losses(bank_id: int) -> Account:
    """What a bank lost by advances on lost devices."""
    return Account(institution_of(bank_id), EXPENSE, "losses: advances on lost devices")


class LostDesk:
    """The desk of one bank. `bank` is its short name; opening it again finds its wallet again."""

    def __init__(self, sandbox: Sandbox, bank: str) -> None:
        self._sandbox = sandbox
        self._centre = sandbox.field.centre
        self._bank_id = sandbox.desk.bank_id(bank)
        group = f"{bank}, lost devices"
        known = sandbox.group(group)
        self.wallet = (
            known[0]
            if known
            else sandbox.add_group(group, MERCHANT, bank, MERCHANT_TIER, [group], [0], [False])[0]
        )
        """The wallet into which refunds come after an early payout."""

    def report(self, member: Member, stolen: bool = False) -> Report:
        """The owner reports its device lost or stolen; E_NO_DEVICE."""
        return self._centre.report_lost(self._device(member), stolen)

    def advance(self, member: Member) -> int:
        """Pay out early on the member's reported device, onto its deposit; how much (tiyn), and once.

        Raises E_NO_DEVICE, E_PAYOUT_OFF, E_PAYOUT_REPORT.
        """
        kid = self._device(member)
        amount_tiyn = self._centre.early_payout(kid, self.wallet.wallet.kid).advanced_tiyn
        if amount_tiyn:
            self._post(
                follow("lost device, advance", kid),
                "advance on a lost device",
                debit(advances(self._bank_id), amount_tiyn),
                credit(deposit(self._bank_id, member.customer), amount_tiyn),
            )
        return amount_tiyn

    def settle(self, member: Member) -> AdvanceOutcome:
        """Close the advance on a device whose notes have all closed: who got what, and what the bank lost.

        Raises E_NO_DEVICE, E_PAYOUT_REPORT when there was no early payout, E_PAYOUT_OPEN while a note is open,
        E_PAYOUT_HELD while something of the device's is held or owed: it would come when nobody shares it out any more.
        """
        kid = self._device(member)
        outcome = self._centre.payout_outcome(kid)
        now = self._sandbox.clock.now()
        for tree in self._centre.reconciler.facts().trees.values():
            owned = any(output.owner == kid for output in tree.outputs.values())
            if owned and now <= tree.closes:
                raise Refused("E_PAYOUT_OPEN", closes=tree.closes)
        if held_tiyn := self._centre.reconciler.owed_tiyn(kid):
            raise Refused("E_PAYOUT_HELD", held_tiyn=held_tiyn)
        self._sandbox.field.refresh_wallets([self.wallet])
        if self.wallet.wallet.total_tiyn():
            self._sandbox.sell(self.wallet, id=derived("lost device, sale", kid))
        lines = (
            debit(deposit(self._bank_id, self.wallet.customer), outcome.bank_tiyn + outcome.owner_tiyn),
            debit(losses(self._bank_id), outcome.lost_tiyn),
            credit(advances(self._bank_id), outcome.bank_tiyn + outcome.lost_tiyn),
            credit(deposit(self._bank_id, member.customer), outcome.owner_tiyn),
        )
        moved = tuple(line for line in lines if line.amount_tiyn)
        if moved:
            self._post(follow("lost device, settled", kid), "refund of a lost device", *moved)
        return outcome

    def _post(self, id: bytes, text: str, *lines: Line) -> None:
        books, now = self._sandbox.system.books, self._sandbox.clock.now()
        books.post(Posting(id, now, text, lines))

    def _device(self, member: Member) -> bytes:
        if member.device is None:
            raise Refused("E_NO_DEVICE", member=member.name)
        return member.device.kid
