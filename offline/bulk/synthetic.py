"""SIMULATED traffic: files of really signed batches, as many transfers as wanted, with cheats at seeded places.

For measuring and for students. Devices live in groups that pay only each other, so a group is made by itself and any
number of processes make the same files. In a group each note runs from hand to hand, with change, until its last holder
sends it home or keeps it; counters and links of each device are those of a real element. A **cheat** is one of

    double spend    an opened device pays one output to two payees                     guilty, and a loss
    bad sum         an opened device signs more than it spends                         guilty (E4), not admitted
    rollback        an opened device uses a counter and link twice, on two outputs     guilty (E2), no loss
    forged          a transfer whose signature is another's                            set aside, nobody is guilty

What was planned is told in the answer, so that whoever reconciles can be checked. Keys follow from seed and number:
this is test money, and nothing here is a secret.

Source: DTO/1, sections 5.4, 5.9 and 5.10.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc.authority import BANK_CA, ISSUER, Auth, Authority, make_root
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.record import Signed, sign
from cbdc.token import PERSON
from offline.batch import make_batch
from offline.bulk.form import SUFFIX, BatchFile
from offline.parameters import limits_for
from offline.records import (
    PAY,
    REDEEM,
    TIER_SE,
    DeviceCertificate,
    Note,
    Outpoint,
    Output,
    RedeemOrder,
    SyncRequest,
    Transfer,
    genesis_link,
)

ALGORITHMS = {"ed25519": ED25519, "es256": ES256}
CHEATS = ("double spend", "bad sum", "forged", "rollback")
_SHORT_CHEATS = CHEATS[:3]

DAY = 86_400
START = 1_790_000_000
_END = START + 3_650 * DAY
_DEVICES = 20
_NOTES = 40
_STEPS = 5
_NOTE_TIYN = 5_000_000
_BATCH_OBJECTS = 200
# A group's transfers: what each of its notes takes on average.
GROUP_TRANSFERS = _NOTES * _STEPS


@dataclass(frozen=True, slots=True)
class Plan:
    """What traffic is asked for: about `transfers` of them, `cheats` among them in a million, all from one seed.

    With `later` the last batches of the groups, about so many transfers, are kept for a file of their own.
    """

    transfers: int
    cheats_per_million: int = 100
    seed: int = 7
    algorithm: int = ES256
    later: int = 0
    statements: bool = True

    @property
    def groups(self) -> int:
        """How many groups of devices it takes."""
        return max(1, -(-self.transfers // GROUP_TRANSFERS))


@dataclass(slots=True)
class Made:
    """What was made: counts, and for each kind of cheat how many; the devices that must be found guilty."""

    transfers: int = 0
    certificates: int = 0
    notes: int = 0
    others: int = 0
    batches: int = 0
    cheats: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHEATS, 0))
    guilty: set[bytes] = field(default_factory=set)
    loss_tiyn: int = 0

    def add(self, other: "Made") -> None:
        """Count what another process made."""
        self.transfers += other.transfers
        self.certificates += other.certificates
        self.notes += other.notes
        self.others += other.others
        self.batches += other.batches
        self.cheats = {kind: self.cheats[kind] + other.cheats[kind] for kind in CHEATS}
        self.guilty |= other.guilty
        self.loss_tiyn += other.loss_tiyn


class Country:
    """The institutions of synthetic traffic: one root, one issuer, one bank; the same for every seed's name."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.issuer = self._key("issuer")
        self.bank = self._key("bank")
        root = self._key("root")
        self.root = make_root(root, START, _END, f"SIMULATED traffic {seed}")
        network = Authority(self.root).network
        auths = [
            sign(Auth(role, key.public.algorithm, key.public.raw, START, _END, scope), network, root)
            for role, key, scope in (
                (ISSUER, self.issuer, (1, 10**12)),
                (BANK_CA, self.bank, (1, TIER_SE)),
            )
        ]
        self.authority = Authority(self.root, auths)
        self.network = network

    def _key(self, label: str) -> SoftwareKey:
        return SoftwareKey(ED25519, _hash("key", self.seed, label))


@dataclass(slots=True)
class _Device:
    key: SoftwareKey
    certificate: Signed[DeviceCertificate]
    account: bytes
    kid: bytes
    counter: int = 0
    head: bytes = b""
    honest: bool = True
    out_total_tiyn: int = 0
    in_total_tiyn: int = 0
    out_count: int = 0
    in_count: int = 0


@dataclass(frozen=True, slots=True)
class _Coin:
    """An unspent output: its object, place, what it holds, where it stands on its line."""

    parent: bytes
    place: int
    amount_tiyn: int
    owner: int
    hop: int
    length: int


class _Chance:
    """A seeded dice that is the same under every version of every library."""

    def __init__(self, *seed: int) -> None:
        self._seed = seed
        self._thrown = 0

    def below(self, number: int) -> int:
        """A whole number from 0 to `number` - 1."""
        self._thrown += 1
        return int.from_bytes(_hash("chance", self._seed, self._thrown)[:16], "big") % number


class _Group:
    """One group of devices and the whole life of its notes."""

    def __init__(self, country: Country, plan: Plan, number: int) -> None:
        self._country = country
        self._plan = plan
        self._number = number
        self._chance = _Chance(plan.seed, number)
        self.made = Made()
        self._devices = [self._device(place) for place in range(_DEVICES)]
        self._out: list[Signed[Any]] = [device.certificate for device in self._devices]
        self.made.certificates = len(self._out)
        self._left = plan.transfers // plan.groups + (number < plan.transfers % plan.groups)
        self._held: dict[Outpoint, tuple[int, int]] = {}

    def objects(self) -> Iterator[Signed[Any]]:
        """Everything the group signs, in the order of its life."""
        yield from self._flush()
        for number in range(_NOTES):
            left_notes = _NOTES - number
            self._life(number, -(-self._left // left_notes))
            yield from self._flush()
        if self._plan.statements:
            for place, device in enumerate(self._devices):
                if device.honest:
                    self._out.append(self._statement(place))
                    self.made.others += 1
            yield from self._flush()

    def _flush(self) -> list[Signed[Any]]:
        out, self._out = self._out, []
        return out

    # --- who ---

    def _device(self, place: int) -> _Device:
        name = (self._plan.seed, self._number, place)
        key = SoftwareKey(self._plan.algorithm, _hash("device", *name))
        record = DeviceCertificate(
            self._country.bank.public.kid[:8],
            _hash("device id", *name)[:16],
            key.public.algorithm,
            key.public.raw,
            TIER_SE,
            PERSON,
            limits_for(TIER_SE, PERSON),
            START,
            _END,
            1,
        )
        certificate = sign(record, self._country.network, self._country.bank)
        kid = key.public.kid
        return _Device(key, certificate, _hash("account", *name), kid, head=genesis_link(kid))

    # --- what happens to one note ---

    def _life(self, number: int, steps: int) -> None:
        owner = self._chance.below(_DEVICES)
        load = self._number * _NOTES + number + 1
        record = Note(
            self._country.issuer.public.kid[:8],
            (1).to_bytes(4, "big") + load.to_bytes(8, "big") + bytes(4),
            _NOTE_TIYN,
            self._devices[owner].kid,
            0,
            5,
            12,
            START + DAY,
            START + 61 * DAY,
            START + 91 * DAY,
            load,
        )
        note = sign(record, self._country.network, self._country.issuer)
        self._out.append(note)
        self.made.notes += 1
        coins = [_Coin(note.oid, 0, _NOTE_TIYN, owner, 0, 0)]
        self._held[Outpoint(note.oid, 0)] = (owner, _NOTE_TIYN)
        for _ in range(steps):
            coins = [coin for coin in coins if coin.length < 12] or []
            if not coins or not self._left:
                return
            coin = coins.pop(self._chance.below(len(coins)))
            coins += self._step(coin)

    def _step(self, coin: _Coin) -> list[_Coin]:
        chance = self._chance
        if coin.hop >= 5:
            return self._redeem(coin)
        if chance.below(1_000_000) < self._plan.cheats_per_million:
            # A rollback takes three payments, so it needs room on the line.
            roomy = coin.hop <= 2 and coin.length <= 9
            kinds = CHEATS if roomy else _SHORT_CHEATS
            return self._cheat(coin, kinds[chance.below(len(kinds))])
        if chance.below(100) < 8:
            return self._redeem(coin)
        amount_tiyn = coin.amount_tiyn if chance.below(5) == 0 else 1 + chance.below(coin.amount_tiyn)
        return self._pay(coin, self._payee(coin), amount_tiyn)

    def _payee(self, coin: _Coin) -> int:
        return (coin.owner + 1 + self._chance.below(_DEVICES - 1)) % _DEVICES

    def _redeem(self, coin: _Coin) -> list[_Coin]:
        device = self._devices[coin.owner]
        nonce = _hash("order", coin.parent, coin.place)[:16]
        record = RedeemOrder(device.kid, device.account, nonce, START + 90 * DAY)
        order = sign(record, self._country.network, self._country.bank)
        self._out.append(order)
        self.made.others += 1
        self._sign(coin, (Output(coin.amount_tiyn, device.account),), REDEEM, order.oid)
        return []

    def _pay(self, coin: _Coin, payee: int, amount_tiyn: int, **fields: object) -> list[_Coin]:
        outputs = [Output(amount_tiyn, self._devices[payee].kid)]
        if coin.amount_tiyn > amount_tiyn:
            outputs.append(Output(coin.amount_tiyn - amount_tiyn, self._devices[coin.owner].kid))
        reference = _hash("invoice", coin.parent, coin.place, payee)
        made = self._sign(coin, tuple(outputs), PAY, reference, **fields)
        self._devices[payee].in_total_tiyn += amount_tiyn
        self._devices[payee].in_count += 1
        owners = (payee, coin.owner)
        hops = (coin.hop + 1, coin.hop)
        coins = []
        for place, output in enumerate(outputs):
            self._held[Outpoint(made.oid, place)] = (owners[place], output.amount_tiyn)
            coins.append(
                _Coin(made.oid, place, output.amount_tiyn, owners[place], hops[place], coin.length + 1)
            )
        return coins

    def _sign(
        self, coin: _Coin, outputs: tuple[Output, ...], kind: int, reference: bytes, **fields: object
    ) -> Signed[Transfer]:
        device = self._devices[coin.owner]
        values: dict[str, object] = {
            "kind": kind,
            "previous": coin.parent,
            "index": coin.place,
            "outputs": outputs,
            "payer": device.kid,
            "counter": device.counter + 1,
            "link": device.head,
            "reference": reference,
            "part": 0,
            "parts": 1,
            "hop": coin.hop + (kind == PAY),
            "length": coin.length + 1,
            "purpose": 0,
            "spend_by": START + 61 * DAY,
            "trust_sequence": 1,
            "sync_time": START + DAY,
            "time": START + 2 * DAY + self.made.transfers,
        }
        values.update(fields)
        made = sign(Transfer(**values), self._country.network, device.key)  # type: ignore[arg-type]
        device.counter += 1
        device.head = made.oid
        device.out_total_tiyn += outputs[0].amount_tiyn
        device.out_count += 1
        self._held.pop(Outpoint(coin.parent, coin.place), None)
        self._out.append(made)
        self.made.transfers += 1
        self._left -= 1
        return made

    # --- cheats ---

    def _cheat(self, coin: _Coin, kind: str) -> list[_Coin]:
        device, payee = self._devices[coin.owner], self._payee(coin)
        self.made.cheats[kind] += 1
        if kind == "forged":
            made = self._sign(coin, (Output(coin.amount_tiyn, self._devices[payee].kid),), PAY, bytes(32))
            other = self._devices[payee].key.sign(made.oid)
            self._out[-1] = Signed(made.record, made.body, other, made.oid)
            # The device never made it: its log goes on from the transfer before.
            device.counter, device.head = made.record.counter - 1, made.record.link
            device.out_total_tiyn -= coin.amount_tiyn
            device.out_count -= 1
            self._held[Outpoint(coin.parent, coin.place)] = (coin.owner, coin.amount_tiyn)
            return [coin]
        device.honest = False
        self.made.guilty.add(device.kid)
        if kind == "bad sum":
            output = Output(coin.amount_tiyn + 1, self._devices[payee].kid)
            self._sign(coin, (output,), PAY, bytes(32))
            return []
        before = (device.counter, device.head)
        first = self._pay(coin, payee, coin.amount_tiyn)
        if kind == "double spend":
            self.made.loss_tiyn += coin.amount_tiyn
            other_payee = (payee + 1) % _DEVICES
            if other_payee == coin.owner:
                other_payee = (other_payee + 1) % _DEVICES
            return first + self._pay(coin, other_payee, coin.amount_tiyn)
        # Rolled back and used again: the same counter and link, on the money a payee just got back to it.
        back = self._pay(first[0], coin.owner, coin.amount_tiyn)
        device.counter, device.head = before
        return self._pay(back[0], payee, coin.amount_tiyn)

    def _statement(self, place: int) -> Signed[SyncRequest]:
        device = self._devices[place]
        purse = sorted((*point, amount) for point, (owner, amount) in self._held.items() if owner == place)
        record = SyncRequest(
            device.kid,
            1,
            device.counter,
            device.head,
            0,
            tuple(purse),
            device.out_total_tiyn,
            device.in_total_tiyn,
            device.out_count,
            device.in_count,
            1,
            _hash("sync", self._plan.seed, self._number, place)[:16],
        )
        return sign(record, self._country.network, device.key)


def write_part(folder: Path, plan: Plan, part: int, parts: int) -> Made:
    """Write one of `parts` files of the plan: the groups whose number leaves the remainder `part`. Adds nothing twice.

    A file that exists is written anew.
    """
    country = Country(plan.seed)
    path, later = folder / f"part-{part:03}{SUFFIX}", folder / f"tail-{part:03}{SUFFIX}"
    for old in (path, later):
        old.unlink(missing_ok=True)
    file = BatchFile(path, country.network)
    kept = BatchFile(later, country.network) if plan.later else None
    made, late_left = Made(), plan.later // parts
    try:
        for number in range(part, plan.groups, parts):
            group = _Group(country, plan, number)
            objects = list(group.objects())
            cut = len(objects)
            if kept is not None and late_left > 0:
                cut, late_left = _cut(objects, late_left)
            for to, some in ((file, objects[:cut]), (kept, objects[cut:])):
                for start in range(0, len(some), _BATCH_OBJECTS):
                    chunk = some[start : start + _BATCH_OBJECTS]
                    batch = make_batch(_hash("batch", plan.seed, chunk[0].oid)[:16], (), chunk)
                    assert to is not None
                    to.append(batch.encode(), START + 10 * DAY + number // 100)
                    made.batches += 1
            made.add(group.made)
    finally:
        file.close()
        if kept is not None:
            kept.close()
    return made


def _cut(objects: list[Signed[Any]], most: int) -> tuple[int, int]:
    """Where a group's last transfers begin, at most a few of them, and how many are still wanted after it."""
    places = [place for place, signed in enumerate(objects) if isinstance(signed.record, Transfer)]
    few = min(most, max(1, len(places) // 20))
    return places[-few], most - few


def _hash(*parts: object) -> bytes:
    return hashlib.sha256(b"tenge synthetic\0" + repr(parts).encode()).digest()
