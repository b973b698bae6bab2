"""`tenge demo`: a story of four people in at most 25 lines, played on the real thing.

Aigerim is online. Bolat, Dana and Erlan are cut off by a storm and pay device to device; Bolat's device has been
cloned and the clone pays Erlan with the note that already went to Dana. When the network is back, reconciliation
proves whose device signed twice, both honest payees are paid in full, and the loss is booked once.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from cbdc.ledger.audit import audit
from cbdc.money import format_tenge, tenge
from offline.evidence import verify_evidence
from wallets.case import TYPE_NAMES
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.folder import canonical_json, write_atomic
from wallets.sandbox import Sandbox

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan")
DEPOSIT_TENGE = 20_000
NOTE_TENGE = 3_000
ONLINE_TENGE = 2_000
BREAD_TENGE = 3_000


@dataclass(frozen=True, slots=True)
class Wealth:
    """What one person has in all forms, in tiyn."""

    deposit_tiyn: int
    wallet_tiyn: int
    device_tiyn: int

    def words(self) -> str:
        """One column of the table."""
        parts = (self.deposit_tiyn, self.wallet_tiyn, self.device_tiyn)
        return " ".join(f"{format_tenge(part, ''):>7}" for part in parts)


def _wealth(sandbox: Sandbox, member: Member) -> Wealth:
    device = member.device.balance_tiyn(sandbox.clock.now()) if member.device else 0
    return Wealth(sandbox.deposit_tiyn(member), member.wallet.total_tiyn(), device)


def tell(seed: int, out: Path) -> tuple[list[str], bool]:
    """Play the story and write its report to `out`; the lines to print, and whether everything added up."""
    sandbox = Sandbox.in_memory(seed)
    try:
        return _tell(sandbox, seed, out)
    finally:
        sandbox.close()


def _prepare(sandbox: Sandbox) -> list[Member]:
    people = [sandbox.person(name, DEPOSIT_TENGE) for name in NAMES]
    sandbox.issue(tenge=100_000)
    return people


def _tell(sandbox: Sandbox, seed: int, out: Path) -> tuple[list[str], bool]:
    people = aigerim, bolat, dana, erlan = _prepare(sandbox)
    before = [_wealth(sandbox, member) for member in people]
    lines = [
        f"A story of four people, seed {seed}. Test money; not affiliated with the National Bank of Kazakhstan.",
        "1. Online.  The National Bank issues 100 000 ₸ to a bank against its reserves (2 of 3 officers sign).",
    ]
    _raise(sandbox.buy([(aigerim, tenge(ONLINE_TENGE + 1_000)), (bolat, tenge(1_000))], derived("buy")))
    sandbox.buy_and_load(aigerim, tenge=NOTE_TENGE)
    _raise(sandbox.pay([(aigerim, dana, tenge(ONLINE_TENGE))], b"", derived("online")))
    lines += [
        (
            f"2. Online.  Aigerim buys digital tenge with her deposit, pays Dana {ONLINE_TENGE:,} ₸ and loads a note of"
            f" {NOTE_TENGE:,} ₸ onto her device."
        ),
        "3. Offline. A storm cuts the network. Aigerim, Bolat, Dana and Erlan are all cut off; devices still work.",
    ]
    first = sandbox.pay_offline_once(aigerim, bolat, NOTE_TENGE)
    sandbox.clone(bolat)
    second = sandbox.pay_offline_once(bolat, dana, BREAD_TENGE)
    sandbox.pay_offline_once(bolat, erlan, BREAD_TENGE, clone=True)
    lines += [
        f"4. Offline. Hop {first}: Aigerim's device pays Bolat's {NOTE_TENGE:,} ₸ with the signed note.",
        "5. Cheat.   Bolat has opened his device and CLONED it: two devices now hold the same note.",
        (
            f"6. Offline. Hop {second}: Bolat pays Dana {BREAD_TENGE:,} ₸ with that note. Dana checks every signature"
            " back to the National Bank."
        ),
        f"7. Cheat.   Bolat's clone pays Erlan {BREAD_TENGE:,} ₸ with THE SAME note. Cut off, Erlan cannot know.",
    ]
    _raise(sandbox.sync([dana, erlan], derived("sync")))
    case = sandbox.reconcile()
    redeemed = [sandbox.redeem_offline(member, derived("home", member.name)) for member in (dana, erlan)]
    sandbox.wait(days=120)
    case = sandbox.close_cases()
    name, proof = sandbox.evidence_files()[0]
    verdict = verify_evidence(proof, sandbox.trusted_root)
    owner = next(m for m in people if m.device and m.device.certificate.record.kid == verdict.kid)
    after = [_wealth(sandbox, member) for member in people]
    supply = sandbox.supply()
    found = audit(sandbox.system.stores.ledger, sandbox.system.ledger.head())
    lines += [
        "8. Online.  The network is back. Dana and Erlan hand in what they hold, in any order.",
        f"9. Proof.   One note, two signatures by one device: {TYPE_NAMES[verdict.type]} names {owner.name}'s device, and only it.",
        (
            f"            The proof is a file of {len(proof)} bytes that anyone can check with the National Bank's root key"
            " alone."
        ),
        (
            f"10. Paid.   Dana and Erlan are both paid in full ({format_tenge(redeemed[0])} and"
            f" {format_tenge(redeemed[1])}): they acted in good faith."
        ),
        f"            The loss of {format_tenge(case.loss_tiyn)} is booked once, first from the loss reserve; then"
        " collected: "
        + ", ".join(f"{who} {format_tenge(tiyn)}" for who, tiyn in case.borne_by.items())
        + ".",
        "            Who       before: deposit  wallet  device    after: deposit  wallet  device",
    ]
    for member, was, has in zip(people, before, after, strict=True):
        lines.append(f"            {member.name:<9}       {was.words()}           {has.words()}")
    held = f"{format_tenge(supply.issued_tiyn)} issued = {format_tenge(supply.held_tiyn)} held + "
    lines.append(
        f"11. Adds up. {held}{format_tenge(supply.redeemed_tiyn)} redeemed; the audit of every entry agrees."
    )
    ok = found.ok and supply.outstanding_tiyn == supply.held_tiyn and owner is bolat
    _write(out, seed, case.evidence, asdict(supply), lines, sandbox)
    proof_path, root_path = (out / "evidence" / name).as_posix(), (out / "evidence" / "root.dto").as_posix()
    lines += [
        f"Report: {(out / 'report.json').as_posix()}",
        f"Next:   tenge evidence verify {proof_path} --root {root_path}",
    ]
    return lines, ok


def _raise(answers: object) -> None:
    for answer in answers if isinstance(answers, list) else []:
        if answer is not None:
            raise answer


def _write(
    out: Path, seed: int, evidence: object, supply: dict[str, int], lines: list[str], sandbox: Sandbox
) -> None:
    (out / "evidence").mkdir(parents=True, exist_ok=True)
    write_atomic(out / "evidence" / "root.dto", sandbox.root)
    for name, data in sandbox.evidence_files():
        write_atomic(out / "evidence" / name, data)
    report = {"story": "demo", "seed": seed, "supply": supply, "evidence": evidence, "lines": lines}
    write_atomic(out / "report.json", canonical_json(report).encode())
