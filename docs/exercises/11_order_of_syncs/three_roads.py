"""Three roads down from the summer pasture: the world of this exercise.

On the pasture above Kegen no phone finds a network. People pay each other device to device, and whoever comes down to
the valley synchronises. One of them has opened his device and pays the same notes to several people.

    pasture = Pasture(seed=7)
    pasture.lines[name]             what somebody holds, and what somebody has passed on and kept a copy of
    pasture.play(order)             the weakened reconciler, when people come down in this order
    pasture.visit([(name, 0)...])   the same, line by line: who hands in which of his lines
    pasture.product(order)          what the product says of the same papers

Keys, notes and payments are really signed; nobody's phone is simulated here, only the papers.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from first_come import FirstCome

from cbdc.keys import ES256, SoftwareKey
from cbdc.ports import SeededEntropy
from cbdc.record import Signed, sign
from cbdc.token import PERSON
from offline.bulk.synthetic import START, Country
from offline.parameters import limits_for
from offline.records import (
    PAY,
    TIER_SE,
    DeviceCertificate,
    Note,
    Outpoint,
    Output,
    Transfer,
    genesis_link,
)

DAY = 86_400
CLOSES = START + 91 * DAY
PEOPLE = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
SHOPS = ("Kolsai", "Kaindy", "Samal", "Dastarkhan", "Alatau", "Sharyn")


@dataclass(slots=True)
class Holder:
    """Somebody with a device: name, key, certificate, and where the device's log stands."""

    name: str
    key: SoftwareKey
    certificate: Signed[DeviceCertificate]
    counter: int = 0
    head: bytes = b""

    @property
    def kid(self) -> bytes:
        """The key id of the device."""
        return self.key.public.kid


@dataclass(frozen=True, slots=True)
class Coin:
    """An output that can be spent: the note, the transfers that lead to it, its number, and who owns it."""

    note: Signed[Note]
    transfers: tuple[Signed[Transfer], ...]
    position: int
    amount_tiyn: int
    owner: Holder
    hop: int = 0


class Scribe:
    """Writes notes, certificates and payments, rightly signed. It also writes what a cheat would: `pay` twice."""

    def __init__(self, seed: int, what: str) -> None:
        self._entropy = SeededEntropy(seed)
        self._what = what
        self.country = Country(seed)
        self.network = self.country.network
        self.holders: list[Holder] = []
        self.notes: list[Signed[Note]] = []
        self._number = 0

    def bytes(self, size: int = 32) -> bytes:
        """Bytes that nothing else has."""
        self._number += 1
        return self._entropy.bytes(f"three roads/{self._what}", self._number.to_bytes(4, "big"), size)

    def holder(self, name: str) -> Holder:
        """Somebody new, with a device that the bank has certified."""
        key = SoftwareKey(ES256, self.bytes())
        record = DeviceCertificate(
            self.country.bank.public.kid[:8],
            self.bytes(16),
            ES256,
            key.public.raw,
            TIER_SE,
            PERSON,
            limits_for(TIER_SE, PERSON),
            START,
            CLOSES,
            len(self.holders) + 1,
        )
        certificate = sign(record, self.network, self.country.bank)
        made = Holder(name, key, certificate, head=genesis_link(key.public.kid))
        self.holders.append(made)
        return made

    def note(self, owner: Holder, amount_tiyn: int, registered: bool = True) -> Coin:
        """A note that its owner has loaded; one that is not `registered` no ledger knows."""
        load = len(self.notes) + 1 if registered else 1_000 + self._number
        record = Note(
            self.country.issuer.public.kid[:8],
            (1).to_bytes(4, "big") + load.to_bytes(8, "big") + bytes(4),
            amount_tiyn,
            owner.kid,
            0,
            5,
            12,
            START + DAY,
            CLOSES - 30 * DAY,
            CLOSES,
            load,
        )
        note = sign(record, self.network, self.country.issuer)
        if registered:
            self.notes.append(note)
        return Coin(note, (), 0, amount_tiyn, owner)

    def pay(
        self, coin: Coin, payee: Holder, amount_tiyn: int = 0, signer: Holder | None = None
    ) -> list[Coin]:
        """The coin's owner pays `amount_tiyn` of it (0: all) to `payee`: the payee's coin, and the change if any.

        With `signer` somebody else signs in the owner's name.
        """
        paid_tiyn = amount_tiyn or coin.amount_tiyn
        outputs = [Output(paid_tiyn, payee.kid)]
        if paid_tiyn < coin.amount_tiyn:
            outputs.append(Output(coin.amount_tiyn - paid_tiyn, coin.owner.kid))
        made = self.transfer(coin, tuple(outputs), signer or coin.owner)
        line = (*coin.transfers, made)
        owners, hops = (payee, coin.owner), (coin.hop + 1, coin.hop)
        return [
            Coin(coin.note, line, place, output.amount_tiyn, owners[place], hops[place])
            for place, output in enumerate(outputs)
        ]

    def transfer(
        self, coin: Coin, outputs: tuple[Output, ...], signer: Holder, **changed: object
    ) -> Signed[Transfer]:
        """One signed transfer of a coin into any outputs; `changed` are fields to be other than they should."""
        owner, parent = coin.owner, coin.transfers[-1] if coin.transfers else coin.note
        record = Transfer(
            kind=PAY,
            previous=parent.oid,
            index=coin.position,
            outputs=outputs,
            payer=owner.kid,
            counter=owner.counter + 1,
            link=owner.head,
            reference=self.bytes(),
            part=0,
            parts=1,
            hop=coin.hop + 1,
            length=len(coin.transfers) + 1,
            purpose=0,
            spend_by=coin.note.record.spend_by,
            trust_sequence=1,
            sync_time=START + DAY,
            time=START + 2 * DAY + self._number,
        )
        record = replace(record, **changed)  # type: ignore[arg-type]
        made = sign(record, self.network, signer.key)
        owner.counter, owner.head = owner.counter + 1, made.oid
        return made


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody can hand in: the note, the transfers after it, and which output of the last one it is about.

    All of it bytes, as devices hold it; `amount_tiyn` is what that output holds.
    """

    note: bytes
    transfers: tuple[bytes, ...]
    position: int
    amount_tiyn: int


@dataclass(slots=True)
class _Held:
    coins: dict[str, list[Coin]] = field(default_factory=dict)

    def add(self, coins: Iterable[Coin]) -> None:
        for coin in coins:
            self.coins.setdefault(coin.owner.name, []).append(coin)


class Pasture:
    """A summer's papers; the same seed gives the same summer.

    network     eight bytes that every signature is bound to
    claimants   four names: two of the ring, and two honest shops, in no order
    ring        the two who are in it with the owner of the opened device
    victim      the shop that is to lose
    spared      the shop that is not to lose, so that nobody wonders
    lines       name -> what that person can hand in
    """

    SHOWN = ("network", "claimants", "ring", "victim", "spared", "lines")
    CALLS = ("play", "visit", "product")

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        scribe = self._scribe = Scribe(seed, "pasture")
        self.network = scribe.network
        names = chance.sample(PEOPLE, 7)
        shops = chance.sample(SHOPS, 2)
        cheat, first, second, dana, *others = [scribe.holder(name) for name in names]
        victim, spared = (scribe.holder(name) for name in shops)
        self.ring = (first.name, second.name)
        self.victim, self.spared = victim.name, spared.name
        claimants = [first.name, second.name, victim.name, spared.name]
        chance.shuffle(claimants)
        self.claimants = tuple(claimants)
        held = _Held()
        # The notes that are spent twice: to one of the ring and a shop, and once to both shops.
        for one, other in ((first, victim), (spared, second), (spared, victim)):
            coin = scribe.note(cheat, chance.randrange(2_000, 9_000) * 100)
            for payee in chance.sample((one, other), 2):
                held.add(scribe.pay(coin, payee))
        coin = scribe.note(cheat, chance.randrange(2_000, 9_000) * 100)
        held.add(scribe.pay(coin, second))
        passed = scribe.pay(coin, dana)
        held.add([*passed, *scribe.pay(passed[0], victim)])
        # Honest days: every one of these passes on a part of what it got, or all of it.
        for payer in others:
            coin = scribe.note(payer, chance.randrange(3_000, 9_000) * 100)
            middle = chance.choice([one for one in others if one is not payer])
            got, change = scribe.pay(coin, middle, chance.randrange(500, 2_500) * 100)
            held.add([got, change, *scribe.pay(got, chance.choice((victim, spared)))])
            held.add(scribe.pay(change, dana, chance.randrange(100, 400) * 100)[:1])
        self._coins = held.coins
        for coins in self._coins.values():
            chance.shuffle(coins)
        self.lines = {name: tuple(_line(coin) for coin in coins) for name, coins in self._coins.items()}

    def play(self, order: Sequence[str]) -> dict[str, object]:
        """The weakened reconciler when these people come down in this order and each hands in all of its lines.

        {"paid": {name: tiyn}, "refused": {name: tiyn}, "suspects": [names]}
        """
        return self.visit([(name, place) for name in order for place in range(len(self._coins[name]))])

    def visit(self, visits: Sequence[Sequence[object]]) -> dict[str, object]:
        """The same, line by line: [(name, number of the line in `lines[name]`)...]."""
        reconciler = FirstCome()
        for name, place in visits:
            coin = self._coins[name][place]  # type: ignore[index]
            reconciler.hand_in(name, coin.transfers, coin.position)  # type: ignore[arg-type]
        return {
            "paid": dict(reconciler.paid),
            "refused": dict(reconciler.refused),
            "suspects": sorted(reconciler.suspects),
        }

    def product(self, order: Sequence[str]) -> dict[str, object]:
        """What the product derives from the same papers, handed in in this order, once the notes have closed.

        {"paid": {name: tiyn}, "loss_tiyn": tiyn, "guilty": [names], "digest": text}
        """
        coins = [coin for name in order for coin in self._coins[name]]
        return self._derived([one for coin in coins for one in coin.transfers])

    def _derived(self, transfers: Sequence[Signed[Transfer]]) -> dict[str, object]:
        from offline.admission import check_follows
        from offline.graph import Rules, derive
        from offline.seen import Seen

        seen = Seen()
        for holder in self._scribe.holders:
            seen.add(holder.certificate, START)
        for one in transfers:
            seen.add(one, START + 3 * DAY)
        facts = derive(seen, self._scribe.notes, Rules(check_follows, lambda *_: False), 0)
        names = {holder.kid: holder.name for holder in self._scribe.holders}
        paid: dict[str, int] = {}
        for tree in facts.trees.values():
            for output in tree.unspent.values():
                paid[names[output.owner]] = paid.get(names[output.owner], 0) + output.amount_tiyn
        return {
            "paid": paid,
            "loss_tiyn": facts.loss_tiyn,
            "guilty": sorted(names[kid] for kid in facts.guilty),
            "digest": facts.digest().hex(),
        }

    def paid_of_each_note(self, visits: Sequence[Sequence[object]]) -> list[tuple[int, int]]:
        """(the note's amount, what the weakened reconciler paid of it) for each note, after these visits."""
        reconciler, paid = FirstCome(), dict.fromkeys((note.oid for note in self._scribe.notes), 0)
        seen: set[Outpoint] = set()
        for name, place in visits:
            coin = self._coins[name][place]  # type: ignore[index]
            end = Outpoint(coin.transfers[-1].oid, coin.position)
            if reconciler.hand_in(name, coin.transfers, coin.position) and end not in seen:  # type: ignore[arg-type]
                paid[coin.note.oid] += coin.amount_tiyn
                seen.add(end)
        return [(note.record.amount_tiyn, paid[note.oid]) for note in self._scribe.notes]


def _line(coin: Coin) -> Line:
    transfers = tuple(one.encode() for one in coin.transfers)
    return Line(coin.note.encode(), transfers, coin.position, coin.amount_tiyn)
