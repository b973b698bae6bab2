"""One life of a ledger on bad hardware, from a seed: power cuts, kills, disk faults, a bad network, a wild clock.

An episode runs through `crashes` generations. In each the engine is opened on what the last crash left (the power may
fail while it opens), clients pay over the virtual network, faults strike, and at a step of the disk that chance chose
the power is cut, or the process is killed. After each crash the auditor judges what is there; at the end everything
heals, every payment must settle, and the product's own audit has to agree.

Everything follows from (engine, seed): `play_again` is the command that repeats one.
"""

import errno
import random
from collections import Counter
from dataclasses import dataclass, field

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.store import Store
from tests.cbdc.world import START
from tests.faults.auditor import Auditor, Wrong, insist
from tests.faults.disk import Fault, PowerCut
from tests.faults.machines import MACHINES
from tests.faults.network import Clients, Network
from tests.faults.town import town

CRASHES = 8
DAY = 86_400


def play_again(engine: str, seed: int) -> str:
    """The command that plays this life again."""
    return f"python -m tests.faults --engine {engine} --seed {seed} --crashes {CRASHES}"


class WildClock:
    """A clock that is set wrong: it jumps ahead and back by up to days. It never passes the certificates' last day."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.moment = START + 20 * DAY

    def jump(self) -> None:
        """Somebody sets it, or it is corrected."""
        self.moment = max(START, self.moment + self.chance.choice((-3 * DAY, -3_600, -1, 1, 60, DAY)))

    def now(self) -> int:
        """What it shows."""
        return self.moment


@dataclass(slots=True)
class Figures:
    """What a number of lives saw."""

    lives: int = 0
    crashes: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """For a file."""
        return {"lives": self.lives, "crashes": self.crashes, "happened": dict(sorted(self.happened.items()))}


class Life:
    """One episode; see the module's text."""

    def __init__(self, engine: str, seed: int, figures: Figures, liar: bool = False) -> None:
        self.chance = random.Random(f"{engine}/{seed}")
        self.engine = engine
        self.figures = figures
        self.machine = MACHINES[engine](random.Random(f"{engine}/{seed}/disk"), liar=liar)
        self.clock = WildClock(self.chance)
        self.auditor = Auditor(town())
        self.network = Network(self.chance)
        self.clients = Clients(self.auditor, self.network, self.chance)
        self.ledger: Ledger | None = None
        # Every second life goes through the pipeline, here with one caller at a time.
        self.piped = seed % 2 == 1

    def live(self, crashes: int = CRASHES) -> None:
        """The whole life; `Wrong` when the ledger broke its word."""
        self.figures.lives += 1
        try:
            store = self.machine.open()
            self.auditor.town.settle_in(store)
            for _ in range(crashes):
                self._generation()
            self._heal()
        finally:
            self.machine.gone()

    # --- a generation: from a start to the next crash ---

    def _generation(self) -> None:
        disk = self.machine.disk
        kill = self.chance.random() < 0.3
        disk.cut_at = (
            None
            if kill
            else disk.steps + self.chance.choice((3, 12, 30, 80, 200)) * self.chance.randint(1, 4)
        )
        self.machine.disk.faults.clear()
        try:
            if self.ledger is None:
                self._open()
            for _ in range(self.chance.randint(5, 120)):
                self._turn()
        except PowerCut:
            self.figures.happened["power cuts at a chosen step"] += 1
            kill = False
        self._crash(kill)

    def _open(self) -> None:
        """Open as a supervisor does: again and again while the disk refuses."""
        for attempt in range(20):
            try:
                self.ledger = Ledger(self.machine.open(), self.auditor.town.signer, self.clock)
                self._power_check()
                return
            except Unavailable:
                self._power_check()
                self.figures.happened["openings that a fault refused"] += 1
                self.machine.kill()
                if attempt == 10:
                    self._mend()
            except TengeError as error:
                self._power_check()
                raise Wrong(f"what a crash left is not opened: {error.code}") from error
        raise Wrong("the ledger does not open though the disk works again")

    def _power_check(self) -> None:
        if self.machine.disk.off:
            raise PowerCut

    def _turn(self) -> None:
        """One event of the world."""
        event = self.chance.random()
        if event < 0.25:
            self.clients.pay_something()
        elif event < 0.35:
            self.clients.ask_again()
        elif event < 0.65:
            self._serve()
        elif event < 0.87:
            if (reply := self.network.next_reply()) is not None:
                self.clients.hear(reply)
        elif event < 0.90:
            self.network.cut_lines()
        elif event < 0.95:
            self.clock.jump()
        elif event < 0.98:
            self._plan_fault()
        else:
            self._mend()

    def _plan_fault(self) -> None:
        kind = self.chance.choice(("write", "sync", "sync", "read", "truncate", "full"))
        self.figures.happened[f"disk faults planned: {kind}"] += 1
        disk = self.machine.disk
        if kind == "full":
            disk.capacity = disk.used() + self.chance.randrange(1, 20_000)
            return
        number = self.chance.choice((errno.EIO, errno.EIO, errno.ENOSPC)) if kind == "write" else errno.EIO
        disk.faults.append(Fault(kind, self.chance.randint(1, 6), number, self.chance.random() < 0.3))

    def _mend(self) -> None:
        self.machine.disk.capacity = None
        self.machine.disk.faults.clear()

    def _serve(self, calm: bool = False) -> None:
        """The ledger takes what arrives, sometimes several requests in one group, and answers."""
        group = self.network.next_request(calm)
        if group is None:
            return
        if self.chance.random() < 0.3 and (more := self.network.next_request(calm)):
            group = group + more
        assert self.ledger is not None
        try:
            answers = self._door().submit_many([plan.data for plan in group])
        except Unavailable as error:
            self._power_check()
            self.figures.happened[f"groups answered with {error.code}"] += 1
            # A ledger that says its store failed is started anew, sooner or later; an engine may insist on it.
            if calm or self.chance.random() < 0.15:
                self._restart()
            return
        except TengeError as error:
            self._power_check()
            raise Wrong(f"a disk fault became {error.code}") from error
        self._power_check()
        self.figures.happened["groups answered"] += 1
        self.network.replies.append(list(zip(group, answers, strict=True)))

    def _door(self) -> Ledger | Pipeline:
        assert self.ledger is not None
        return Pipeline(self.ledger, workers=0, capacity=1_000) if self.piped else self.ledger

    def _restart(self) -> None:
        self.figures.happened["restarts after a failure"] += 1
        self.ledger = None
        self.machine.kill()
        self._open()

    # --- crashes and the end ---

    def _crash(self, kill: bool) -> None:
        self.figures.crashes += 1
        self.ledger = None
        self._mend()
        if kill:
            self.figures.happened["kills"] += 1
            self.machine.kill()
            self.machine.disk.cut_at = None
        else:
            self.machine.cut()
        if self.chance.random() < 0.5:
            self.network.cut_lines()
        if self.chance.random() < 0.75:
            return  # the next start finds it as it is, with nobody having looked before
        self._judge(self.machine.open())
        self.machine.kill()

    def _judge(self, store: Store) -> None:
        there = self.auditor.check(store)
        unknown = [identity for identity in self.clients.open if self.clients.open[identity].honest]
        self.figures.happened["unknown outcomes that stood"] += sum(1 for name in unknown if name in there)
        self.figures.happened["unknown outcomes that did not"] += sum(
            1 for name in unknown if name not in there
        )

    def _heal(self) -> None:
        """Everything works again: all that is open settles, and both judges look at the whole."""
        self.machine.disk.cut_at = None
        self._mend()
        if self.ledger is None:
            self._open()
        assert self.ledger is not None
        for _ in range(3):
            self.clients.ask_all()
            while self.network.requests or self.network.replies:
                self._serve(calm=True)
                if (reply := self.network.next_reply(calm=True)) is not None:
                    self.clients.hear(reply)
        insist(not self.clients.open, f"{len(self.clients.open)} payments do not settle")
        store = self.ledger._store
        self.auditor.check(store)
        self.auditor.check_answers(self.ledger)
        self.auditor.check_supply(self.ledger)
        self.figures.happened["payments settled"] += len(self.auditor.receipts)
        self.machine.stop()
        store = self.machine.open()
        self.auditor.check(store)
        problems = audit(store).problems
        insist(problems == [], f"the product's own audit: {problems[:1]}")


def play(engine: str, seed: int, crashes: int, figures: Figures, liar: bool = False) -> None:
    """One life; what is wrong is told with its seed and the command that repeats it."""
    try:
        Life(engine, seed, figures, liar).live(crashes)
    except (Wrong, TengeError) as wrong:
        again = play_again(engine, seed).replace(f"--crashes {CRASHES}", f"--crashes {crashes}")
        raise Wrong(f"{wrong}\nengine {engine}, seed {seed}; again: {again}") from wrong
