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
from wallets.sandbox import Sandbox, raise_first

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan")
DEPOSIT_TENGE = 20_000
NOTE_TENGE = 3_000
ONLINE_TENGE = 2_000
ISSUED_TENGE = 50_000
RESERVE_TENGE = 10_000
HOLDERS = (
    ("wallets_tiyn", "in wallets"),
    ("loss_reserve_tiyn", "in the loss reserve"),
    ("escrow_tiyn", "offline"),
    ("bank_inventory_tiyn", "at banks"),
    ("treasury_tiyn", "with the treasury"),
)


@dataclass(frozen=True, slots=True)
class Wealth:
    """What one person has in all forms, in tiyn."""

    deposit_tiyn: int
    wallet_tiyn: int
    device_tiyn: int

    def words(self) -> str:
        """One column of the table."""
        parts = (self.deposit_tiyn, self.wallet_tiyn, self.device_tiyn)
        return "  ".join(f"{format_tenge(part, ''):>7}" for part in parts)


def _wealth(sandbox: Sandbox, member: Member) -> Wealth:
    device = member.device.balance_tiyn(sandbox.clock.now()) if member.device else 0
    return Wealth(sandbox.deposit_tiyn(member), member.wallet.total_tiyn(), device)


def tell(seed: int, out: Path, program: str = "tenge") -> tuple[list[str], bool]:
    """Play the story and write its report to `out`; the lines to print, and whether everything added up.

    `program` is how the reader started this command, for the command proposed at the end.
    """
    sandbox = Sandbox.in_memory(seed)
    try:
        return _tell(sandbox, seed, out, program)
    finally:
        sandbox.close()


def _words(whole_tenge: int) -> str:
    return format_tenge(tenge(whole_tenge))


def _prepare(sandbox: Sandbox) -> list[Member]:
    people = [sandbox.person(name, DEPOSIT_TENGE) for name in NAMES]
    sandbox.issue(tenge=ISSUED_TENGE)
    return people


def _tell(sandbox: Sandbox, seed: int, out: Path, program: str) -> tuple[list[str], bool]:
    people = _prepare(sandbox)
    before = [_wealth(sandbox, member) for member in people]
    lines = [
        f"A story of four people (seed {seed}). Test money; not affiliated with the National Bank of Kazakhstan.",
        (
            f"ONLINE   1. The National Bank issues {_words(ISSUED_TENGE)} to {sandbox.bank_title} against its"
            f" reserves (two of three officers sign) and {_words(RESERVE_TENGE)} to its own loss reserve."
        ),
    ]
    lines += _before_the_storm(sandbox, people)
    lines += _without_network(sandbox, people)
    told, ok = _network_is_back(sandbox, people)
    lines += told
    lines += _table(sandbox, people, before)
    adds_up, sound = _adds_up(sandbox)
    lines += adds_up
    name = sandbox.evidence_files()[0][0]
    _write(out, seed, lines, sandbox)
    proof, root = (out / "evidence" / name).as_posix(), (out / "evidence" / "root.dto").as_posix()
    lines += [
        f"REPORT      {(out / 'report.json').as_posix()}",
        f"TRY NEXT    {program} evidence verify {proof} --root {root}",
    ]
    return lines, ok and sound


def _before_the_storm(sandbox: Sandbox, people: list[Member]) -> list[str]:
    aigerim, bolat, dana, _ = people
    raise_first(sandbox.buy([(aigerim, tenge(ONLINE_TENGE + 1_000)), (bolat, tenge(1_000))], derived("buy")))
    sandbox.buy_and_load(aigerim, tenge=NOTE_TENGE)
    raise_first(sandbox.pay([(aigerim, dana, tenge(ONLINE_TENGE))], b"", derived("online")))
    return [
        (
            f"         2. Aigerim and Bolat buy digital tenge with deposits. Aigerim pays Dana {_words(ONLINE_TENGE)}"
            f" online, and loads one note of {_words(NOTE_TENGE)} onto her device."
        ),
    ]


def _without_network(sandbox: Sandbox, people: list[Member]) -> list[str]:
    aigerim, bolat, dana, erlan = people
    first = sandbox.pay_offline_once(aigerim, bolat, NOTE_TENGE)
    sandbox.clone(bolat)
    second = sandbox.pay_offline_once(bolat, dana, NOTE_TENGE)
    sandbox.pay_offline_once(bolat, erlan, NOTE_TENGE, clone=True)
    return [
        "OFFLINE  3. A storm cuts the network: Aigerim, Bolat, Dana and Erlan are all cut off. Devices still pay.",
        f"         4. Hop {first}: Aigerim's device pays Bolat's, with the signed note of {_words(NOTE_TENGE)}.",
        "         5. Bolat CHEATS: he has opened his device and cloned it. Both copies hold the same note.",
        (
            f"         6. Hop {second}: Bolat pays Dana with the note. Her device checks every signature, back to the"
            " National Bank's."
        ),
        "         7. Bolat's clone pays Erlan with THE SAME note. Cut off, Erlan's device cannot know.",
    ]


def _network_is_back(sandbox: Sandbox, people: list[Member]) -> tuple[list[str], bool]:
    _, bolat, dana, erlan = people
    raise_first(sandbox.sync([dana, erlan], derived("sync")))
    redeemed = [sandbox.redeem_offline(member, derived("home", member.name)) for member in (dana, erlan)]
    sandbox.wait(days=120)
    case = sandbox.close_cases()
    proof = sandbox.evidence_files()[0][1]
    verdict = verify_evidence(proof, sandbox.trusted_root)
    owner = next(m for m in people if m.device and m.device.certificate.record.kid == verdict.kid)
    payers = ", ".join(f"{name}: {format_tenge(amount)}" for name, amount in case.borne_by.items())
    lines = [
        "ONLINE   8. The network is back. Dana and Erlan sync; the order does not matter.",
        (
            f"PROOF    9. Two signatures of one device on one note ({TYPE_NAMES[verdict.type]}) name {owner.name}'s"
            " device, and nobody else."
        ),
        f"            The proof is a file of {len(proof)} bytes; the National Bank's root key is enough to check it.",
        (
            f"PAID    10. Dana gets {format_tenge(redeemed[0])} and Erlan gets {format_tenge(redeemed[1])}:"
            " both acted in good faith, nobody honest loses."
        ),
        (
            f"        11. The loss of {format_tenge(case.loss_tiyn)} is booked once: the loss reserve pays at once, and"
            " then collects it from"
        ),
        f"            {payers}.",
    ]
    return lines, owner is bolat and sum(case.borne_by.values()) == case.loss_tiyn


def _table(sandbox: Sandbox, people: list[Member], before: list[Wealth]) -> list[str]:
    lines = ["WHO HAS WHAT, ₸    before: deposit   wallet   device     after: deposit   wallet   device"]
    for member, was in zip(people, before, strict=True):
        has = _wealth(sandbox, member)
        lines.append(f"  {member.name:<18} {was.words()}     {has.words()}")
    return lines


def _adds_up(sandbox: Sandbox) -> tuple[list[str], bool]:
    returned = sandbox.redeem(sandbox.bank_name, derived("surplus"))
    supply = sandbox.supply()
    found = audit(sandbox.system.stores.ledger, sandbox.system.ledger.head())
    parts = [
        f"{words} {format_tenge(getattr(supply, name))}" for name, words in HOLDERS if getattr(supply, name)
    ]
    lines = [
        f"        12. The bank gives its unsold {format_tenge(returned)} back and the National Bank destroys it.",
        (
            f"ADDS UP     {format_tenge(supply.issued_tiyn)} issued = {format_tenge(supply.held_tiyn)} held"
            f" ({', '.join(parts)}) + {format_tenge(supply.redeemed_tiyn)} redeemed."
        ),
        (
            f"            {format_tenge(supply.outstanding_tiyn)} of digital tenge exist now. The audit replayed all"
            f" {found.entries} entries and {'agrees' if found.ok else 'DOES NOT AGREE'}."
        ),
    ]
    return lines, found.ok and supply.outstanding_tiyn == supply.held_tiyn


def _write(out: Path, seed: int, lines: list[str], sandbox: Sandbox) -> None:
    write_atomic(out / "evidence" / "root.dto", sandbox.root)
    for name, data in sandbox.evidence_files():
        write_atomic(out / "evidence" / name, data)
    evidence = [dict(row) for row in sandbox.case().evidence]
    report = {
        "story": "demo",
        "seed": seed,
        "supply": asdict(sandbox.supply()),
        "evidence": evidence,
        "lines": lines,
    }
    write_atomic(out / "report.json", canonical_json(report).encode())
