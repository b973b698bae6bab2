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
from pathlib import Path
from threading import RLock
from typing import Any

from cbdc.authority import open_root
from cbdc.errors import Malformed, Refused, TengeError, by_code
from cbdc.ports import Checkpoint, Clock, no_checkpoint
from offline.evidence import verify_evidence
from wallets.case import Case
from wallets.desk import Answers, derived
from wallets.field import DAY_SECONDS
from wallets.web import diary, opening, story
from wallets.web.memory import FolderKeep, Keep, NoKeep, StageClock, StageMemory
from wallets.web.opening import BANK, NAMES, Phone
from wallets.web.wishes import read_wish

WAIT_DAYS = 120
MAX_ANSWERS = 400

_ID_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")


class Stage:
    """Everything behind the page. `act` asks for something, `view` (in `wallets.web.scene`) shows what there is."""

    def __init__(
        self,
        clock: Clock,
        seed: int | None = None,
        folder: Path | None = None,
        store: str = "",
        checkpoint: Checkpoint = no_checkpoint,
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
        self._checkpoint = checkpoint
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
        memory = self.memory
        self.clock.shift_seconds = memory.shift_seconds
        self.sandbox = opening.open_sandbox(
            self.clock, self._seed, self._keep.folder, self._store, memory.act, self._checkpoint
        )
        try:
            self.phones = opening.bring_phones(self.sandbox)
            if not memory.events:
                bought = opening.first_money(self.sandbox, self.phones)
                diary.tell(memory, self.clock.now(), "opened")
                for name, amount in bought.items():
                    diary.line(memory, name, self.clock.now(), "bought", amount, "wallet")
                memory.wallets = self._wallets()
            if memory.doing is None:
                self.case = self._reconciled()
                memory.wallets = self._wallets()
            else:
                self.case = self.sandbox.close_cases()
                self._finish(again=True)
            self._keep.save(self.memory)
        except BaseException:
            self.sandbox.close()
            raise

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
        self.memory.wallets = self._wallets()

    def _wallets(self) -> dict[str, int]:
        return {name: phone.member.wallet.total_tiyn() for name, phone in self.phones.items()}

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
        held = device.balance_tiyn(now)
        try:
            hop = self.sandbox.pay_offline(payer.member, payee.member, amount, b"", id, clone)
        except TengeError:
            if device.balance_tiyn(now) != held:
                # The payer's device has signed, the payee's has refused: settlement will decide, once it knows.
                diary.tell(
                    self.memory, now, "undelivered", payer=payer.id, payee=payee.id, amount_tiyn=amount
                )
                self._mark_unsynced(payer, payee, clone)
            raise
        place = f"{payer.id}.clone" if clone else payer.id
        kind = "paid_clone" if clone else "paid_offline"
        diary.tell(self.memory, now, kind, payer=payer.id, payee=payee.id, amount_tiyn=amount, hop=hop)
        diary.line(self.memory, place, now, "paid", -amount, "device", payee.id)
        diary.line(self.memory, payee.id, now, "received", amount, "device", payer.id)
        checks = diary.checked(payee.device, id, now, self._owners())
        if checks:
            told = {"payer": payer.id, "amount_tiyn": amount, "time": now}
            self.memory.checks[payee.id] = told | checks
        self._mark_unsynced(payer, payee, clone)

    def _mark_unsynced(self, payer: Phone, payee: Phone, clone: bool) -> None:
        for phone in (payee.id,) if clone else (payer.id, payee.id):
            if phone not in self.memory.unsynced:
                self.memory.unsynced.append(phone)

    def _owners(self) -> dict[bytes, str]:
        """Whose device has which key."""
        return {phone.device.kid: phone.id for phone in self.phones.values()}

    def _load(self, id: bytes, phone: str, amount: int) -> None:
        holder = self._needs_network(phone)
        self._enough("E_STAGE_WALLET_SHORT", phone, holder.member.wallet.balance_tiyn(), amount)
        status = holder.device.status(self.clock.now()).status
        if status != "active":
            # Before the ledger moves money into escrow for a device that would not take the note.
            raise Refused("E_ELEMENT_STATE", status=status)
        _check(self.sandbox.load([(holder.member, [amount])], b"", id))
        now = self.clock.now()
        diary.tell(self.memory, now, "loaded", who=phone, amount_tiyn=amount)
        diary.line(self.memory, phone, now, "loaded", amount, "device")

    def _unload(self, id: bytes, phone: str) -> None:
        holder = self._needs_network(phone)
        if not holder.device.balance_tiyn(self.clock.now()) and not self._again:
            raise Refused("E_STAGE_DEVICE_EMPTY", who=phone)
        before = self.memory.wallets[phone]
        amount = self.sandbox.redeem_offline(holder.member, id)
        arrived = min(amount, holder.member.wallet.total_tiyn() - before)
        now = self.clock.now()
        if arrived:
            diary.tell(self.memory, now, "unloaded", who=phone, amount_tiyn=arrived)
            diary.line(self.memory, phone, now, "unloaded", arrived, "wallet")
        if arrived < amount:
            diary.tell(self.memory, now, "held", who=phone, amount_tiyn=amount - arrived)
        self._handed_in(phone, before + arrived)

    def _sync(self, id: bytes, phone: str) -> None:
        holder = self._needs_network(phone)
        _check(self.sandbox.sync([holder.member], id))
        diary.tell(self.memory, self.clock.now(), "synced", who=phone)
        self._handed_in(phone)

    def _handed_in(self, phone: str, wallet_tiyn: int | None = None) -> None:
        """A phone has brought what it had; `wallet_tiyn` is what its wallet is already known to hold."""
        self.memory.handed_in = True
        if phone in self.memory.unsynced:
            self.memory.unsynced.remove(phone)
        known = {} if wallet_tiyn is None else {phone: wallet_tiyn}
        self.case = self._reconciled(known)

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

    def _reconciled(self, known: Mapping[str, int] | None = None) -> Case:
        """Reconcile, and tell what came of it: payments made good, double spends, what was collected.

        `known` is what wallets are known to hold, where that is no longer what `memory.wallets` says.
        """
        before = self.memory.wallets | dict(known or {})
        case = self.sandbox.close_cases()
        memory, now = self.memory, self.clock.now()
        if case.double_spends > memory.proven and case.evidence:
            named = self.phone_named(str(case.evidence[-1]["named"]))
            diary.tell(memory, now, "double_spend", named=named, amount_tiyn=case.loss_tiyn)
            memory.proven = case.double_spends
        for name, phone in self.phones.items():
            more = phone.member.wallet.total_tiyn() - before[name]
            if more > 0:
                diary.tell(memory, now, "settled", who=name, amount_tiyn=more)
                diary.line(memory, name, now, "settled", more, "wallet")
        self._tell_collected(case)
        return case

    def _tell_collected(self, case: Case) -> None:
        memory, now = self.memory, self.clock.now()
        named = self.phone_named(str(case.evidence[0]["named"])) if case.evidence else ""
        for kind, event in (
            ("owner", "collected"),
            ("device", "collected_device"),
            ("bank", "collected_bank"),
        ):
            more = case.borne.get(kind, 0) - memory.borne.get(kind, 0)
            if more > 0:
                diary.tell(memory, now, event, named=named, amount_tiyn=more)
                if kind == "owner":
                    diary.line(memory, named, now, "collected", -more, "wallet")
        memory.borne = dict(case.borne)

    def phone_named(self, name: str) -> str:
        """The id of the phone whose owner has this name in the sandbox, or the name."""
        return next((phone for phone, known in NAMES.items() if known == name), name)

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
