"""Who may sign in at the sandbox: roles, and the demo users of each.

A role is a desk with pages and operations of its own; a user sits at exactly one. Persons and shops are customers of
a bank: signing in is signing in at the bank, which hands out a code that joins a wallet to the account. Everybody here
is made up, and so are the banks.

Passcodes follow from the sandbox's secret. They keep a visitor of a class from the teacher's desk; they guard test
money only, and a server on this computer alone shows them beside the names.
"""

from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.ports import Entropy
from cbdc.token import MERCHANT, PERSON
from wallets.site.marked import N_

PASSCODE_DIGITS = 6

PERSON_ROLE = "person"
SHOP_ROLE = "shop"
BANK_ROLE = "bank"
NATIONAL_BANK_ROLE = "national-bank"
REGISTER_ROLE = "register"
TREASURY_ROLE = "treasury"
SUPERVISOR_ROLE = "supervisor"
OPERATOR_ROLE = "operator"

ROLES = (
    PERSON_ROLE,
    SHOP_ROLE,
    BANK_ROLE,
    NATIONAL_BANK_ROLE,
    REGISTER_ROLE,
    TREASURY_ROLE,
    SUPERVISOR_ROLE,
    OPERATOR_ROLE,
)


ROLE_TITLES = {
    PERSON_ROLE: N_("Person"),
    SHOP_ROLE: N_("Shop"),
    BANK_ROLE: N_("Commercial bank"),
    NATIONAL_BANK_ROLE: N_("National Bank"),
    REGISTER_ROLE: N_("Operator's register"),
    TREASURY_ROLE: N_("Treasury and ministry"),
    SUPERVISOR_ROLE: N_("Supervisor and auditor"),
    OPERATOR_ROLE: N_("Operator of the sandbox"),
}
ROLE_SIGHTS = {
    PERSON_ROLE: N_("An account at a bank, and a code that joins a wallet to it."),
    SHOP_ROLE: N_("The same for a shop, whose wallet is a till."),
    BANK_ROLE: N_("Inventory, customers, deposits, and orders to the National Bank."),
    NATIONAL_BANK_ROLE: N_("Issue and redemption by two of three officers, supply, cases, limits."),
    REGISTER_ROLE: N_("Every request to issue and redeem, as the operator registered it."),
    TREASURY_ROLE: N_("Budget money with a purpose, from allocation to the final payee."),
    SUPERVISOR_ROLE: N_("Alerts, figures and an audit that trusts nothing; no power over money."),
    OPERATOR_ROLE: N_("The sandbox's clock, outages, pilots, and a fresh start."),
}


@dataclass(frozen=True, slots=True)
class User:
    """One who may sign in.

    `seat` numbers the users of one role from 0 (which officer, say). `bank_id` is the bank of a customer or a clerk,
    0 for others. `region` names the place whose network an outage cuts; `deposit_tenge` is what a customer has at the
    bank when the sandbox opens.
    """

    id: str
    role: str
    name: str
    seat: int = 0
    bank_id: int = 0
    region: str = ""
    deposit_tenge: int = 0

    @property
    def is_customer(self) -> bool:
        """Whether this is a bank's customer: somebody who may hold a wallet."""
        return self.role in (PERSON_ROLE, SHOP_ROLE)

    @property
    def category(self) -> int:
        """The ledger's category of a customer."""
        return MERCHANT if self.role == SHOP_ROLE else PERSON


ALMATY, AKTOBE = N_("Almaty"), N_("Aktobe")

DEMO_USERS = (
    User("aigerim", PERSON_ROLE, N_("Aigerim"), 0, 1, ALMATY, 250_000),
    User("bolat", PERSON_ROLE, N_("Bolat"), 1, 1, ALMATY, 180_000),
    User("madina", PERSON_ROLE, N_("Madina"), 2, 2, AKTOBE, 120_000),
    User("yerlan", PERSON_ROLE, N_("Yerlan"), 3, 2, AKTOBE, 90_000),
    User("dana", SHOP_ROLE, N_("Dana's bakery"), 0, 1, ALMATY, 400_000),
    User("arman", SHOP_ROLE, N_("Arman's kiosk"), 1, 2, AKTOBE, 200_000),
    User("clerk-1", BANK_ROLE, N_("Clerk of the first bank"), 0, 1),
    User("clerk-2", BANK_ROLE, N_("Clerk of the second bank"), 1, 2),
    User("officer-1", NATIONAL_BANK_ROLE, N_("First officer"), 0),
    User("officer-2", NATIONAL_BANK_ROLE, N_("Second officer"), 1),
    User("officer-3", NATIONAL_BANK_ROLE, N_("Third officer"), 2),
    User("registrar", REGISTER_ROLE, N_("Registrar"), 0),
    User("treasurer", TREASURY_ROLE, N_("Treasurer"), 0),
    User("ministry", TREASURY_ROLE, N_("Ministry's clerk"), 1),
    User("supervisor", SUPERVISOR_ROLE, N_("Supervisor"), 0),
    User("auditor", SUPERVISOR_ROLE, N_("Auditor"), 1),
    User("operator", OPERATOR_ROLE, N_("Operator of the sandbox"), 0),
)


class Directory:
    """The users of one sandbox by id, and the passcode of each."""

    def __init__(self, users: tuple[User, ...], entropy: Entropy) -> None:
        self._users = {user.id: user for user in users}
        assert len(self._users) == len(users), "a user's id is used once"
        self._entropy = entropy

    def all(self) -> list[User]:
        """Every user, in the order they were listed."""
        return list(self._users.values())

    def of_role(self, role: str) -> list[User]:
        """The users of one role."""
        return [user for user in self._users.values() if user.role == role]

    def get(self, id: str) -> User:
        """The user with this id; E_SITE_USER."""
        user = self._users.get(id)
        if user is None:
            raise Refused("E_SITE_USER", user=id[:40])
        return user

    def add(self, user: User) -> None:
        """One more user (a student of a class); the same again changes nothing, another under the id is refused."""
        known = self._users.setdefault(user.id, user)
        if known != user:
            raise Refused("E_ID_REUSED", id=user.id)

    def passcode(self, user: User) -> str:
        """The user's passcode: digits that follow from the sandbox's secret."""
        number = int.from_bytes(self._entropy.bytes("site passcode", user.id.encode(), 16), "big")
        return f"{number % 10**PASSCODE_DIGITS:0{PASSCODE_DIGITS}d}"
