"""What the residents of the simulated street, their banks and a ministry do in a step of a day.

Each act takes the id of its step and derives its own ids from it, so doing it again completes it and nothing happens
twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cbdc.errors import Malformed, Refused
from cbdc.ledger.ledger import Ledger
from cbdc.money import share
from cbdc.policies import Rule, preset
from cbdc.purchases import PurchaseDesk
from cbdc.token import MERCHANT
from offline.http_losses import freeze_reference
from wallets.cast import Member
from wallets.desk import derived
from wallets.policy_payments import PolicyPayments
from wallets.refunds import RefundDesk
from wallets.site.bank_rules import policy_between
from wallets.site.opening import BANKS, POLICY, STREET, Resident, customer_id
from wallets.site.operations import Asked
from wallets.site.roles.treasury import Define, Draw, Vouchers, define, draw, give_vouchers
from wallets.site.users import SHOP_ROLE
from wallets.site.world import World
from wallets.wallet import Payee, find_tokens_of, send_one

LABEL = "School meals of the street"
_VALID_DAYS = 60


@dataclass(frozen=True, slots=True)
class Told:
    """How a step went: who and whom where the plan does not say it, how much (tiyn), "online", "offline" or neither,
    the transaction's id in hexadecimal, the code of a refusal, and how many were refused."""

    who: str = ""
    whom: str = ""
    amount_tiyn: int = 0
    way: str = ""
    transaction: str = ""
    code: str = ""
    refused: int = 0


def is_shop(resident: Resident) -> bool:
    """Whether a resident is a shop."""
    return resident.category == MERCHANT


def is_cut(world: World, member: Member) -> bool:
    """Whether the network of a resident's wallet or region is cut off."""
    place = [one.name for one in world.street].index(member.name)
    return not {member.wallet.kid.hex(), STREET[place].region}.isdisjoint(world.memory.outages)


def bank_id(world: World, member: Member) -> int:
    """The number of a resident's bank."""
    return world.sandbox.desk.bank_id(member.bank)


def wages(world: World, people: Sequence[Member], amount_tiyn: int, id: bytes) -> Told:
    """Everybody's wage comes onto the deposit, from outside."""
    for one in people:
        bank = world.system.banks[bank_id(world, one)]
        bank.receive_deposit(derived(id, "wage", one.name), one.customer, amount_tiyn, "wage received")
    return Told(amount_tiyn=amount_tiyn * len(people))


def orders(world: World, amount_tiyn: int, id: bytes) -> Told:
    """One bank's order is approved and issued; the other's is left for the officers, if it has none open."""
    (first, _, _), (second, _, _) = BANKS
    world.sandbox.order(second, amount_tiyn, derived(id, "order"))
    bank = world.system.banks[world.sandbox.desk.bank_id(first)]
    if not any(one.party == bank.bank_id for one in world.system.register.open()):
        bank.request_tokens(derived(id, "open order"), amount_tiyn)
    return Told(amount_tiyn=amount_tiyn)


def pay_by_policy(world: World, payer: Member, payee: Member, amount_tiyn: int, id: bytes) -> Told:
    """A payment over the ledger as both banks' rules want it; the refusal is raised."""
    numbers = bank_id(world, payer), bank_id(world, payee)
    policy = policy_between(world, *numbers)
    system, cabinet, sandbox = world.system, world.system.stores.cabinet, world.sandbox
    purchases = {
        number: PurchaseDesk(system.banks[number], cabinet, policy, world.clock) for number in set(numbers)
    }
    paying = PolicyPayments(
        system, sandbox.desk, sandbox.store, policy, purchases, sandbox.directory, world.clock
    )
    (refusal,) = paying.pay([(payer, payee, amount_tiyn)], id)
    if refusal is not None:
        raise refusal
    find_tokens_of(sandbox.store, system.ledger, [payee.wallet])
    return Told(way="online", transaction=paying.transaction_id(id, 0, payer).hex())


def meal(world: World, payer: Member, payee: Member, amount_tiyn: int, id: bytes) -> Told:
    """A meal is paid with a voucher of the ministry; with no network there is none today."""
    mark = next((one for name, one in world.sandbox.marks.items() if name.startswith(LABEL)), b"")
    if not mark or is_cut(world, payer) or is_cut(world, payee):
        return Told(amount_tiyn=0)
    (refusal,) = world.sandbox.pay([(payer, payee, amount_tiyn)], mark, id)
    if refusal is not None:
        raise refusal
    return Told(way="online")


def vouchers(world: World, people: Sequence[Member], amount_tiyn: int, id: bytes) -> Told:
    """The ministry defines a purpose, once while it lasts, and gives each person a voucher."""
    clerk = world.users.get("ministry")
    now, offset = world.clock.now(), world.system.genesis.policy.day_offset_seconds
    known = [one for one in world.system.treasury.definitions() if one.record.label.startswith(LABEL)]
    lasting = [one for one in known if one.record.valid_until > now]
    if lasting:
        mark = lasting[-1].oid.hex()
    else:
        today = date(1970, 1, 1) + timedelta(days=(now + offset) // 86_400)
        label = f"{LABEL} {len(known) + 1}" if known else LABEL
        fields = Define("school-meals", label, today, today + timedelta(days=_VALID_DAYS))
        mark = str(define(Asked(world, clerk, derived(id, "define")), fields)["mark"])
    draw(Asked(world, clerk, derived(id, "draw")), Draw(amount_tiyn * len(people)))
    holders = [world.sandbox.pseudonym(one).hex() for one in people]
    given = give_vouchers(Asked(world, clerk, derived(id, "give")), Vouchers(mark, amount_tiyn, holders))
    world.sandbox.field.refresh_wallets(people)
    return Told(amount_tiyn=int(given["amount_tiyn"]), refused=len(given["refused"]))


def pay_guest(world: World, payer: Member, number: int, amount_tiyn: int, id: bytes) -> Told:
    """A resident buys at a shop whose wallet joined from outside (a browser's, say), if there is one."""
    kids = [kid for user in world.users.of_role(SHOP_ROLE) for kid in _keys(world, user)]
    if not kids or is_cut(world, payer):
        return Told(amount_tiyn=0)
    kid, store, ledger = kids[number % len(kids)], world.sandbox.store, world.system.ledger
    intent = payer.wallet.prepare_payment(id, [Payee(kid, amount_tiyn)])
    receipt = send_one(store, ledger, intent, world.sandbox.directory, world.clock)
    return Told(whom=f"{kid.hex()[:10]}…", way="online", transaction=receipt.transaction_id.hex())


def _keys(world: World, user: Any) -> list[bytes]:
    ledger: Ledger = world.system.ledger
    kids = world.system.banks[user.bank_id].customers.keys_of(customer_id(user))
    known = ((kid, ledger.registered(kid)) for kid in kids)
    return [kid for kid, key in known if key is not None and not key.successor]


def mislay(world: World, member: Member, id: bytes, lost: bool) -> Told:
    """A resident mislays its telephone and has the wallet frozen; later it is found."""
    number = bank_id(world, member)
    holder, enforcement = world.sandbox.pseudonym(member), world.system.enforcement
    reference = freeze_reference(number, "mislaid in the street" if lost else "found again")
    (enforcement.freeze if lost else enforcement.unfreeze)(id, holder, reference)
    return Told()


def refund(world: World, shop: Member, paid: dict[str, Any] | None, id: bytes) -> Told:
    """A shop gives half of a payment back, the odd tiyn stays with the shop; nothing without a payment."""
    if paid is None or is_cut(world, shop):
        return Told(amount_tiyn=0)
    rules = (Rule("refund-sum", "refund_sum", 1), Rule("refund-payer", "refund_payer", 1))
    policy = preset(POLICY).with_rules(rules)
    sandbox, cabinet = world.sandbox, world.system.stores.cabinet
    desk = RefundDesk(sandbox.store, world.system.ledger, cabinet, policy, sandbox.directory, world.clock)
    amount_tiyn = share(paid["amount_tiyn"], 1, 2, "rest")[0]
    receipt = desk.refund(id, shop.wallet, bytes.fromhex(paid["transaction"]), amount_tiyn)
    world.sandbox.field.refresh_wallets(world.street)
    return Told(whom=paid["who"], amount_tiyn=amount_tiyn, transaction=receipt.transaction_id.hex())


def bring_home(world: World, shops: Sequence[Member], id: bytes) -> Told:
    """Shops with network send what their devices hold home, to their wallets."""
    amount_tiyn, refused, code = 0, 0, ""
    for shop in shops:
        if is_cut(world, shop) or shop.device is None:
            continue
        try:
            amount_tiyn += world.sandbox.redeem_offline(shop, derived(id, shop.name))
        except (Refused, Malformed) as refusal:
            if refusal.code != "E_COINS":  # nothing on the device is nothing to tell
                refused, code = refused + 1, refusal.code
    return Told(amount_tiyn=amount_tiyn, refused=refused, code=code)


def sell(world: World, shops: Sequence[Member], id: bytes) -> Told:
    """Shops with network sell the day's takings for deposits."""
    amount_tiyn = sum(
        world.sandbox.sell(shop, b"", derived(id, shop.name)) for shop in shops if not is_cut(world, shop)
    )
    return Told(amount_tiyn=amount_tiyn)
