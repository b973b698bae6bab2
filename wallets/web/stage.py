"""The stage: three phones, a bank and the National Bank, as one plain object over a sandbox.

    stage = Stage(SystemClock(), seed=None)
    stage.act("0f3c…", "airplane", {"phone": "bolat", "on": True})
    stage.act("91ab…", "pay", {"phone": "bolat", "payee": "dana", "amount": "3 000", "clone": False})
    stage.view("en")["supply"]["adds_up"]

The page is one way to press its buttons; a test is another. Rules kept here:

- one wish at a time: a lock around everything, whatever threads the server has;
- a wish has an id of the client's making. The same id again gets the first answer, be it done or refused, and what
  stands below derives its own ids from it: a double click, a lost answer and a kill all end with one payment;
- the network is real in one respect only: a phone in airplane mode, and a clone always, is never given to the ledger,
  the bank or settlement; between phones, either side in airplane mode means device to device;
- the stage decides nothing about money: it asks the sandbox and tells what came of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from cbdc.authority import open_root
from cbdc.errors import Malformed, Refused, TengeError, by_code
from cbdc.money import tenge
from cbdc.ports import Clock, no_checkpoint
from cbdc.token import MERCHANT, PERSON
from offline.device import Device
from offline.evidence import verify_evidence
from wallets.case import Case
from wallets.cast import Member, SandboxPlan
from wallets.desk import Answers, derived
from wallets.field import DAY_SECONDS
from wallets.sandbox import Sandbox
from wallets.web import diary, story
from wallets.web.memory import FolderKeep, Keep, NoKeep, StageClock, StageMemory
from wallets.web.wishes import PHONES, read_wish

BANK = "bank"
NAMES = {"aigerim": "Aigerim", "bolat": "Bolat", "dana": "Dana"}
CATEGORIES = {"aigerim": PERSON, "bolat": PERSON, "dana": MERCHANT}
DEPOSITS_TENGE = {"aigerim": 50_000, "bolat": 30_000, "dana": 80_000}
BOUGHT_TENGE = {"aigerim": 20_000, "bolat": 8_000, "dana": 5_000}
FIRST_ISSUE_TENGE = 100_000
RESERVES_TENGE = 1_000_000
LOSS_RESERVE_TENGE = 50_000
WAIT_DAYS = 120
MAX_ANSWERS = 400

_ID_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")


@dataclass(slots=True)
class Phone:
    """One phone: its id, whose it is, and what it is (person or shop)."""

    id: str
    member: Member
    kind: str = field(default="person")

    @property
    def device(self) -> Device:
        """Its secure device; every phone of the stage has one."""
        assert self.member.device is not None
        return self.member.device

    @property
    def clone(self) -> Device | None:
        """The copy of its device, where somebody made one."""
        return self.member.clone


class Stage:
    """Everything behind the page. `act` asks for something, `view` (in `wallets.web.scene`) shows what there is."""

    def __init__(
        self, clock: Clock, seed: int | None = None, folder: Path | None = None, store: str = ""
    ) -> None:
        """A stage in memory, or in `folder` as it was left there; `store` is the URL of the ledger's own store.

        Raises E_STAGE_FOLDER, E_STAGE_IN_USE, E_STAGE_DAMAGED, E_STAGE_STORE, E_STORE_URL.
        """
        if store and folder is None:
            raise Refused("E_STAGE_STORE")
        self.lock = RLock()
        self.clock = StageClock(clock)
        self._seed = seed
        self._store = store
        self._again = False
        self._keep: Keep = NoKeep() if folder is None else FolderKeep(folder)
        try:
            self.memory = self._keep.load()
            self._open()
        except BaseException:
            self._keep.close()
            raise

    def close(self) -> None:
        """Release every file."""
        with self.lock:
            self.sandbox.close()
            self._keep.close()

    # --- opening ---

    def _open(self) -> None:
        self.clock.shift_seconds = self.memory.shift_seconds
        self.sandbox = Sandbox.open(self._plan(), self._act_folder(), no_checkpoint)
        try:
            self._set_the_stage()
        except BaseException:
            self.sandbox.close()
            raise

    def _set_the_stage(self) -> None:
        sandbox = self.sandbox
        sandbox.set_up()
        self.phones = {
            id: Phone(
                id,
                sandbox.person(NAMES[id], DEPOSITS_TENGE[id], category=CATEGORIES[id]),
                "shop" if CATEGORIES[id] == MERCHANT else "person",
            )
            for id in PHONES
        }
        if not self.memory.events:
            sandbox.issue(FIRST_ISSUE_TENGE, id=derived("stage issue"))
            rows = [(self.phones[id].member, tenge(BOUGHT_TENGE[id])) for id in PHONES]
            _check(sandbox.buy(rows, derived("stage bought")))
            diary.tell(self.memory, self.clock.now(), "opened")
            for id in PHONES:
                diary.line(self.memory, id, self.clock.now(), "bought", tenge(BOUGHT_TENGE[id]), "wallet")
        for phone in self.phones.values():
            for device in filter(None, (phone.device, phone.clone)):
                device.recover(self.clock.now())
        self.case = self._reconciled()
        if self.memory.doing is not None:
            self._finish(again=True)
        self._keep.save(self.memory)

    def _plan(self) -> SandboxPlan:
        return SandboxPlan(
            self._seed,
            self.clock,
            label="stage",
            store=self._store_url(),
            banks=((BANK, "Test bank", tenge(RESERVES_TENGE)),),
            loss_reserve_tiyn=tenge(LOSS_RESERVE_TENGE),
        )

    def _store_url(self) -> str:
        """The ledger's own store; each fresh start has one of its own beside it."""
        if not self._store or self.memory.act == 1:
            return self._store
        stem, dot, ending = self._store.rpartition(".")
        name = f"-{self.memory.act}"
        return f"{stem}{name}.{ending}" if dot and "/" not in ending else f"{self._store}{name}"

    def _act_folder(self) -> Path | None:
        folder = self._keep.folder
        return None if folder is None else folder / f"act-{self.memory.act:04d}"

    # --- wishes ---

    def act(self, request_id: object, action: object, fields: Mapping[str, object]) -> None:
        """Do what is wished, once for a request id; asked again, the first answer again.

        Raises the refusal, after it was written into the log. What is no wish at all (E_STAGE_REQUEST,
        E_STAGE_ACTION, E_STAGE_FIELD, E_MONEY_TEXT, E_MONEY_RANGE) is not written anywhere.
        """
        with self.lock:
            if (
                not isinstance(request_id, str)
                or not 16 <= len(request_id) <= 64
                or set(request_id) - _ID_LETTERS
            ):
                raise Malformed("E_STAGE_REQUEST")
            name, values = read_wish(action, fields)
            mark = derived(name, *(f"{key}={value}" for key, value in sorted(values.items()))).hex()
            known = self.memory.answers.get(request_id)
            if known is not None:
                _repeat(known, mark)
                return
            self.memory.doing = {"request": request_id, "mark": mark, "action": name, "fields": dict(fields)}
            self._keep.save(self.memory)
            refusal = self._finish()
            if refusal is not None:
                raise refusal

    def _finish(self, again: bool = False) -> TengeError | None:
        """Do the wish that is written down, or do it again after a kill; what it was refused with."""
        doing = self.memory.doing
        assert doing is not None
        self._again = again
        try:
            name, values = read_wish(doing["action"], doing["fields"])
            refusal = self._try(doing["request"], name, values)
            self._answer(doing["request"], doing["mark"], refusal)
            return refusal
        finally:
            # A bug must not be met again at every start, so the wish is struck out in any case.
            self.memory.doing = None
            self._keep.save(self.memory)

    def _answer(self, request_id: str, mark: str, refusal: TengeError | None) -> None:
        self.memory.answers[request_id] = {"wish": mark, "refusal": _kept(refusal)}
        for old in list(self.memory.answers)[:-MAX_ANSWERS]:
            del self.memory.answers[old]
        self.memory.version += 1

    def _try(self, request_id: str, name: str, values: Mapping[str, Any]) -> TengeError | None:
        try:
            self._do(name, values, derived("stage", self.memory.act, request_id))
        except TengeError as error:
            who = values.get("phone", "")
            diary.refused(self.memory, self.clock.now(), error, str(who))
            return error
        return None

    def _do(self, name: str, values: Mapping[str, Any], id: bytes) -> None:
        doers: Mapping[str, Callable[..., None]] = {
            "airplane": self._airplane,
            "pay": self._pay,
            "load": self._load,
            "unload": self._unload,
            "sync": self._sync,
            "clone": self._clone,
            "buy": self._buy,
            "sell": self._sell,
            "issue": self._issue,
            "redeem": self._redeem,
            "verify": self._verify,
            "wait": self._wait,
            "reset": self._reset,
            "story": self._story,
        }
        doers[name](id, **values)

    # --- phones ---

    def in_airplane(self, phone: str) -> bool:
        """Whether a phone has no network."""
        return phone in self.memory.airplane

    def _needs_network(self, phone: str) -> Phone:
        if self.in_airplane(phone):
            raise Refused("E_STAGE_AIRPLANE", who=phone)
        return self.phones[phone]

    def _enough(self, code: str, who: str, available_tiyn: int, amount_tiyn: int) -> None:
        """Say in a person's words what the sandbox would say in its own; what is done again may have moved it all."""
        if available_tiyn < amount_tiyn and not self._again:
            raise Refused(code, who=who, available=available_tiyn, amount=amount_tiyn)

    def _airplane(self, id: bytes, phone: str, on: bool) -> None:
        if on != self.in_airplane(phone):
            (self.memory.airplane.append if on else self.memory.airplane.remove)(phone)
            diary.tell(self.memory, self.clock.now(), "airplane_on" if on else "airplane_off", who=phone)

    def _pay(self, id: bytes, phone: str, payee: str, amount: int, clone: bool) -> None:
        if phone == payee:
            raise Refused("E_STAGE_SELF", who=phone)
        if clone and self.phones[phone].clone is None:
            raise Refused("E_STAGE_NO_CLONE", who=phone)
        if clone or self.in_airplane(phone) or self.in_airplane(payee):
            self._pay_offline(id, self.phones[phone], self.phones[payee], amount, clone)
        else:
            self._pay_online(id, self.phones[phone], self.phones[payee], amount)

    def _pay_online(self, id: bytes, payer: Phone, payee: Phone, amount: int) -> None:
        self._enough("E_STAGE_WALLET_SHORT", payer.id, payer.member.wallet.balance_tiyn(), amount)
        _check(self.sandbox.pay([(payer.member, payee.member, amount)], b"", id))
        now = self.clock.now()
        diary.tell(self.memory, now, "paid_online", payer=payer.id, payee=payee.id, amount_tiyn=amount)
        diary.line(self.memory, payer.id, now, "paid", -amount, "wallet", payee.id)
        diary.line(self.memory, payee.id, now, "received", amount, "wallet", payer.id)

    def _pay_offline(self, id: bytes, payer: Phone, payee: Phone, amount: int, clone: bool) -> None:
        now = self.clock.now()
        device = payer.clone if clone else payer.device
        assert device is not None
        self._enough("E_STAGE_DEVICE_SHORT", payer.id, device.balance_tiyn(now), amount)
        before = set(payee.device.status(now).purse)
        hop = self.sandbox.pay_offline(payer.member, payee.member, amount, b"", id, clone)
        place = f"{payer.id}.clone" if clone else payer.id
        kind = "paid_clone" if clone else "paid_offline"
        diary.tell(self.memory, now, kind, payer=payer.id, payee=payee.id, amount_tiyn=amount, hop=hop)
        diary.line(self.memory, place, now, "paid", -amount, "device", payee.id)
        diary.line(self.memory, payee.id, now, "received", amount, "device", payer.id)
        self.memory.checks[payee.id] = {
            "payer": payer.id,
            "amount_tiyn": amount,
            "time": now,
            **diary.checked(payee.device, before, now, self._owners()),
        }
        for one in {payee.id} if clone else {payer.id, payee.id}:
            if one not in self.memory.unsynced:
                self.memory.unsynced.append(one)

    def _owners(self) -> dict[bytes, str]:
        """Whose device has which key."""
        return {phone.device.kid: phone.id for phone in self.phones.values()}

    def _load(self, id: bytes, phone: str, amount: int) -> None:
        holder = self._needs_network(phone)
        self._enough("E_STAGE_WALLET_SHORT", phone, holder.member.wallet.balance_tiyn(), amount)
        _check(self.sandbox.load([(holder.member, [amount])], b"", id))
        now = self.clock.now()
        diary.tell(self.memory, now, "loaded", who=phone, amount_tiyn=amount)
        diary.line(self.memory, phone, now, "loaded", amount, "device")

    def _unload(self, id: bytes, phone: str) -> None:
        holder = self._needs_network(phone)
        if not holder.device.balance_tiyn(self.clock.now()) and not self._again:
            raise Refused("E_STAGE_DEVICE_EMPTY", who=phone)
        amount = self.sandbox.redeem_offline(holder.member, id)
        now = self.clock.now()
        diary.tell(self.memory, now, "unloaded", who=phone, amount_tiyn=amount)
        diary.line(self.memory, phone, now, "unloaded", amount, "wallet")
        self._handed_in(phone)

    def _sync(self, id: bytes, phone: str) -> None:
        holder = self._needs_network(phone)
        _check(self.sandbox.sync([holder.member], id))
        diary.tell(self.memory, self.clock.now(), "synced", who=phone)
        self._handed_in(phone)

    def _handed_in(self, phone: str) -> None:
        self.memory.handed_in = True
        if phone in self.memory.unsynced:
            self.memory.unsynced.remove(phone)
        self.case = self._reconciled()

    def _clone(self, id: bytes, phone: str) -> None:
        if self.phones[phone].clone is not None and not self._again:
            raise Refused("E_STAGE_CLONED", who=phone)
        self.sandbox.clone(self.phones[phone].member)
        self.memory.lines[f"{phone}.clone"] = []
        diary.tell(self.memory, self.clock.now(), "cloned", who=phone)

    # --- the bank and the National Bank ---

    def _bank(self) -> Any:
        return self.sandbox.system.banks[self.sandbox.desk.bank_id(BANK)]

    def _buy(self, id: bytes, phone: str, amount: int) -> None:
        member = self.phones[phone].member
        self._needs_network(phone)
        self._enough("E_STAGE_DEPOSIT_SHORT", phone, self.sandbox.deposit_tiyn(member), amount)
        self._enough("E_STAGE_INVENTORY_SHORT", "", self._bank().inventory_tiyn(), amount)
        _check(self.sandbox.buy([(member, amount)], id))
        now = self.clock.now()
        diary.tell(self.memory, now, "bought", who=phone, amount_tiyn=amount)
        diary.line(self.memory, phone, now, "bought", amount, "wallet")

    def _sell(self, id: bytes, phone: str) -> None:
        member = self._needs_network(phone).member
        if not member.wallet.balance_tiyn() and not self._again:
            raise Refused("E_STAGE_WALLET_EMPTY", who=phone)
        amount = self.sandbox.sell(member, b"", id)
        now = self.clock.now()
        diary.tell(self.memory, now, "sold", who=phone, amount_tiyn=amount)
        diary.line(self.memory, phone, now, "sold", -amount, "wallet")

    def _issue(self, id: bytes, amount: int) -> None:
        reserves = self.sandbox.system.national_bank.reserve_tiyn(self.sandbox.desk.bank_id(BANK))
        self._enough("E_STAGE_RESERVES_SHORT", "", reserves, amount)
        self.sandbox.order(BANK, amount, id)
        diary.tell(self.memory, self.clock.now(), "issued", amount_tiyn=amount)

    def _redeem(self, id: bytes) -> None:
        if not self._bank().inventory_tiyn() and not self._again:
            raise Refused("E_STAGE_INVENTORY_EMPTY")
        amount = self.sandbox.redeem(BANK, id)
        diary.tell(self.memory, self.clock.now(), "taken_back", amount_tiyn=amount)

    # --- the case ---

    def _reconciled(self) -> Case:
        """Reconcile, tell of new double spends and of what was collected since."""
        case = self.sandbox.close_cases()
        memory, now = self.memory, self.clock.now()
        if case.double_spends > memory.proven and case.evidence:
            named = self.phone_named(str(case.evidence[-1]["named"]))
            diary.tell(memory, now, "double_spend", named=named, amount_tiyn=case.loss_tiyn)
            memory.proven = case.double_spends
        named = self.phone_named(str(case.evidence[0]["named"])) if case.evidence else ""
        for kind, event in (("owner", "collected"), ("device", "collected"), ("bank", "collected_bank")):
            more = case.borne.get(kind, 0) - memory.borne.get(kind, 0)
            if more > 0:
                diary.tell(memory, now, event, named=named, amount_tiyn=more)
                if kind == "owner":
                    diary.line(memory, named, now, "collected", -more, "wallet")
        memory.borne = dict(case.borne)
        return case

    def phone_named(self, name: str) -> str:
        """The id of the phone whose owner has this name in the sandbox, or the name."""
        return next((id for id, known in NAMES.items() if known == name), name)

    def proof(self, file: str) -> bytes:
        """The bytes of a proof file; E_STAGE_PROOF."""
        with self.lock:
            found = dict(self.sandbox.evidence_files()).get(file)
            if found is None:
                raise Refused("E_STAGE_PROOF", file=file)
            return found

    def root(self) -> bytes:
        """The root, as a verifier needs it."""
        with self.lock:
            return self.sandbox.root

    def _verify(self, id: bytes, file: str) -> None:
        data, root = self.proof(file), self.root()
        # As a stranger would: from the bytes of two files, with nothing of the sandbox.
        verdict = verify_evidence(data, open_root(root))
        named = self._owners().get(verdict.kid, verdict.kid.hex())
        self.memory.verified[file] = {
            "named": named,
            "kid": verdict.kid.hex()[:16],
            "root_bytes": len(root),
            "bytes": len(data),
        }
        diary.tell(self.memory, self.clock.now(), "proof_verified", named=named, file=file)

    def _wait(self, id: bytes) -> None:
        self.memory.shift_seconds += WAIT_DAYS * DAY_SECONDS
        self.clock.shift_seconds = self.memory.shift_seconds
        diary.tell(self.memory, self.clock.now(), "time_passed", days=WAIT_DAYS)
        self.case = self._reconciled()

    # --- starting anew, and the story ---

    def _reset(self, id: bytes) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        before = self.memory
        self.sandbox.close()
        self.memory = StageMemory(act=before.act + 1, version=before.version, answers=before.answers)
        self._keep.save(self.memory)
        self._open()

    def _story(self, id: bytes, go: str) -> None:
        if go == "end":
            self.memory.story = None
        elif go == "start":
            self._start_anew()
            self.memory.story = 0
        else:
            told = self.memory.story
            if told is None or told >= len(story.STEPS):
                raise Refused("E_STAGE_STORY")
            for place, (action, fields) in enumerate(story.STEPS[told]):
                name, values = read_wish(action, fields)
                self._do(name, values, derived(id, place))
            self.memory.story = told + 1


def _check(answers: Answers) -> None:
    for answer in answers:
        if answer is not None:
            raise answer


def _kept(error: TengeError | None) -> dict[str, Any] | None:
    return None if error is None else {"code": error.code, "facts": error.facts}


def _repeat(known: Mapping[str, Any], mark: str) -> None:
    """Give the first answer again."""
    if known["wish"] != mark:
        raise Refused("E_STAGE_REQUEST_USED")
    if known["refusal"] is not None:
        raise by_code(known["refusal"]["code"], known["refusal"]["facts"])
