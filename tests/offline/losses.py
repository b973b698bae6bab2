"""One fixed scenario for every loss policy (attack list, R26), and the table of who got what.

Kairat's opened device pays one note of 10,000 tenge to Ayan and the same note to Bota. Ayan passes 4,000 on to Dana.
Kairat also holds a note of 3,000; his owner's wallet could pay 4,500, his bank 1,500. Everybody redeems in time, Ayan's
branch a day before Bota's. The cap of CAPPED is 20 thousandths of the device's `max_out`: 2,000 tenge.
"""

from cbdc.money import format_tenge, tenge
from offline.beacon import BeaconParty, SimulatedBeacon
from offline.loss_policy import FIRST_SEEN, LOTTERY, POLICIES, LossPolicy, first_seen_for_study
from offline.posting import BANK, OWNER
from offline.settle import Borne
from tests.cbdc.world import DAY, START
from tests.offline.centre import Centre

CAP_PERMILLE = 20
RESERVE_TIYN = tenge(100_000)
PEOPLE = ("kairat", "ayan", "bota", "dana")
NAMES = (*POLICIES, FIRST_SEEN)


def beacon(word: str = "chance", silent: tuple[str, ...] = ()) -> SimulatedBeacon:
    """A beacon of two parties whose secrets follow from `word`."""
    parties = {name: BeaconParty(f"{word} {name}".encode(), START) for name in ("bank", "national bank")}
    return SimulatedBeacon(parties, silent)


def policy_of(name: str) -> LossPolicy:
    """The policy of this name with the scenario's cap; FIRST_SEEN opened for the study of R26."""
    if name == FIRST_SEEN:
        return first_seen_for_study("R26 and R29: what it does")
    return LossPolicy(name, cap_permille=CAP_PERMILLE)


class Payers:
    """Recourse: the owner and the bank pay up to these amounts, the same for one fact."""

    def __init__(self, owner_tiyn: int = 0, bank_tiyn: int = 0) -> None:
        self.left = {OWNER: owner_tiyn, BANK: bank_tiyn}
        self.asked: list[tuple[str, int]] = []
        self.paid: dict[bytes, int] = {}

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        if fact not in self.paid:
            self.asked.append((party, amount_tiyn))
            self.paid[fact] = min(amount_tiyn, self.left[party])
            self.left[party] -= self.paid[fact]
        return self.paid[fact]


class Scenario:
    """The scenario under one policy. `first` is handed in a day before the other branch."""

    def __init__(self, policy: str, first: str = "ayan", word: str = "chance", scale: int = 1) -> None:
        self.payers = Payers(tenge(4_500 * scale), tenge(1_500 * scale))
        self.centre = centre = Centre(
            policy=policy_of(policy),
            reserve_tiyn=RESERVE_TIYN,
            recourse=self.payers,
            beacon=beacon(word) if policy == LOTTERY else None,
        )
        self.kairat, ayan, bota, dana = (centre.device(name) for name in PEOPLE)
        self.note, self.other = centre.load_notes("kairat", tenge(10_000 * scale), tenge(3_000 * scale))
        left = centre.spend(self.note, 0, ayan, tenge(10_000 * scale))
        right = centre.spend(self.note, 0, bota, tenge(10_000 * scale))
        onward = centre.spend(left, 0, dana, tenge(4_000 * scale))
        self.branches = {
            "ayan": (left, onward, centre.take_home(onward, 1, ayan), centre.take_home(onward, 0, dana)),
            "bota": (right, centre.take_home(right, 0, bota)),
        }
        for name in sorted(self.branches, key=lambda name: name != first):
            centre.hand_in(*self.branches[name])
            centre.clock.advance(DAY)

    def close(self) -> dict[str, int]:
        """Let everything close; what everybody got, in tiyn."""
        self.centre.close()
        return self.got()

    def got(self) -> dict[str, int]:
        """What each wallet holds, and what the loss reserve has lost (tiyn)."""
        table = self.centre.ledger.supply()
        wallets = {name: self.centre.wallet(name) for name in PEOPLE}
        return {**wallets, "reserve": RESERVE_TIYN - table.loss_reserve_tiyn, "escrow": table.escrow_tiyn}

    def borne(self) -> Borne:
        """Who bore it."""
        return self.centre.reconciler.borne(self.kairat.kid)


def table_of_policies() -> str:
    """R26 as a table: what everybody got under each policy, and who bore the loss; made by playing it."""
    head = ("policy", *PEOPLE, "device", "owner", "bank", "reserve", "payees")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in NAMES:
        scenario = Scenario(name)
        got, borne = scenario.close(), scenario.borne()
        parts = (borne.device_tiyn, borne.owner_tiyn, borne.bank_tiyn, borne.reserve_tiyn, borne.payees_tiyn)
        amounts = [format_tenge(amount, "") for amount in (*(got[who] for who in PEOPLE), *parts)]
        lines.append(f"| {' | '.join((name, *amounts))} |")
    return "\n".join(lines)
