"""`tenge offline samples`: one file of everything that devices hand to each other, made by the real thing from a seed.

A small sandbox is played in memory: five payments pass one note on, one payment is made over flow I, one device is
cloned and caught. Every message on the way is written down as it was said.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from offline.channel import Inviter, Joiner
from offline.device import Device
from offline.transfer import PayeeSession, PayerSession
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.folder import write_atomic
from wallets.sandbox import Sandbox, raise_first

NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Gulnar", "Kairat")
NOTE_TENGE = 5_000
SUFFIX = ".dto"

Sample = tuple[str, str, bytes]


def write(folder: Path, seed: int) -> list[Sample]:
    """Write one file of each kind into `folder`: (file, what it is, bytes); the same seed writes the same bytes."""
    sandbox = Sandbox.in_memory(seed)
    try:
        made = list(_samples(sandbox, seed))
    finally:
        sandbox.close()
    for name, _, data in made:
        write_atomic(folder / name, data)
    return made


def _samples(sandbox: Sandbox, seed: int) -> Iterator[Sample]:
    people = [sandbox.person(name, 20_000) for name in NAMES]
    sandbox.issue(tenge=50_000)
    sandbox.buy_and_load(people[0], tenge=NOTE_TENGE)
    yield from _papers(people[0])
    yield from _flow_q(sandbox, people)
    yield from _flow_i(sandbox, people)
    yield from _channel(seed)
    yield from _settlement(sandbox, people)


def _device(member: Member) -> Device:
    assert member.device is not None, "everybody here has a device"
    return member.device


def _papers(member: Member) -> Iterator[Sample]:
    device = _device(member)
    (outpoint,) = device.status(0).purse
    line = device.line(outpoint)
    assert line is not None, "the host keeps what it loaded"
    yield "certificate.dto", "a device's certificate", device.certificate.encode()
    yield "note.dto", f"a note of {NOTE_TENGE:,} tenge", line.note.encode()
    yield "trust.dto", "a TRUST list", device.trust_view.chain[-1].encode()


def _flow_q(sandbox: Sandbox, people: list[Member]) -> Iterator[Sample]:
    now = sandbox.clock.now()
    amount = NOTE_TENGE
    for hop, (payer, payee) in enumerate(pairwise(people), start=1):
        amount -= 500
        asking = PayeeSession(_device(payee), derived("sample", payee.name)[:16], tenge(amount), 0)
        paying = PayerSession(_device(payer))
        request = asking.start(now)
        paying.receive(request, now)
        payment = paying.confirm(now)
        (receipt,) = asking.receive(payment, now)
        paying.receive(receipt, now)
        if hop == 1:
            assert asking.invoice is not None, "the payee has asked"
            yield "request.dto", "flow Q: what the payee shows", request
            yield "invoice.dto", "the invoice in it", asking.invoice.encode()
            yield "receipt.dto", "a receipt", receipt
        yield (
            f"payment-{hop}.dto",
            f"flow Q: a payment with its history, {hop} hop{'s' if hop > 1 else ''}",
            payment,
        )


def _flow_i(sandbox: Sandbox, people: list[Member]) -> Iterator[Sample]:
    now = sandbox.clock.now()
    asking = PayeeSession(_device(people[0]), derived("sample", "flow I")[:16], tenge(400), 0, near=True)
    paying = PayerSession(_device(people[3]))
    hello = asking.start(now)
    (offer,) = paying.receive(hello, now)
    (draft,) = asking.receive(offer, now)
    paying.receive(draft, now)
    commit = paying.confirm(now)
    asking.receive(commit, now)
    yield "hello.dto", "flow I: who asks, and for how much", hello
    yield "offer.dto", "flow I: the lines that would pay", offer
    yield "draft.dto", "flow I: the invoice for that offer", draft
    yield "commit.dto", "flow I: only the new transfer: what must arrive", commit


def _channel(seed: int) -> Iterator[Sample]:
    chance = SeededEntropy(seed)
    inviter = Inviter(chance, b"samples")
    joiner = Joiner(chance, b"joiner", inviter.engagement)
    yield "engagement.dto", "an encrypted channel: what the payee shows", inviter.engagement
    yield "answer.dto", "an encrypted channel: the payer's answer", joiner.answer


def _settlement(sandbox: Sandbox, people: list[Member]) -> Iterator[Sample]:
    cheat = people[3]
    raise_first(sandbox.sync(people[:3], derived("sample", "sync")))
    batches = _device(people[4]).sync(derived("sample", "batch")[:16], sandbox.clock.now())
    yield "batch.dto", "what a device hands to settlement", batches[-1].encode()
    sandbox.clone(cheat)
    sandbox.pay_offline_once(cheat, people[1], 50)
    sandbox.pay_offline_once(cheat, people[2], 50, clone=True)
    raise_first(sandbox.sync([people[1], people[2]], derived("sample", "caught")))
    sandbox.wait(days=120)
    sandbox.close_cases()
    yield "evidence.dto", "the proof of a double spend", sandbox.evidence_files()[0][1]
    yield "root.dto", "the National Bank's root", sandbox.root
