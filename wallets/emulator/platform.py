"""The other side for a bank's developer, **simulated**: the national platform in memory, with a bank id for the client.

The platform is the sandbox's own (`cbdc.system`), behind the same HTTP interface; only the network in front of it is
bad where a case asks for it, and officers act when a case says so. The keys of the developer's bank follow from the
seed and are handed out by the emulator: they are worth nothing anywhere else.
"""

from collections.abc import Callable
from typing import Any

from cbdc.cabinet import follow
from cbdc.http.participants import SCHEMAS, ParticipantApi
from cbdc.http.server import Extension, Limits, create_app
from cbdc.http.signed_calls import CallDoor, any_authority
from cbdc.institutions import BankName
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.ports import Clock, SeededEntropy
from cbdc.system import Setup, open_system
from cbdc.token import KeyLock
from wallets.emulator.faults import DELAY_SECONDS, BadNetwork

BANK_ID = 9
OTHER_BANK_ID = 1
RESERVES_TENGE = 1_000_000
_LIMITS = Limits(10_000, 100_000)

Wsgi = Callable[..., Any]


class Platform:
    """The national platform of one case. `clock` dates the ledger and judges proofs."""

    def __init__(self, seed: int, clock: Clock, delay_seconds: int = DELAY_SECONDS) -> None:
        entropy = SeededEntropy(seed)

        def key(label: str, algorithm: int) -> SoftwareKey:
            return SoftwareKey(algorithm, entropy.bytes("key", label.encode(), 32))

        banks = (BankName(OTHER_BANK_ID, "Neighbour Test Bank"), BankName(BANK_ID, "Developer's Test Bank"))
        self.system = open_system(None, key, clock, entropy, setup=Setup(banks=banks))
        self.seed = seed
        for bank in banks:
            self.system.national_bank.endow(follow("endow", bytes([bank.id])), bank.id, tenge(RESERVES_TENGE))
        extension = Extension(ParticipantApi(self.system).routes(), SCHEMAS)
        calls = CallDoor(self.system.authority, clock, clock, knows=any_authority)
        interface = create_app(self.system, [extension], clock, _LIMITS, calls=calls)
        self.network = BadNetwork(interface.wsgi_app, delay_seconds)

    def secrets(self) -> dict[str, str]:
        """The secret bytes of the developer's bank's keys, in hexadecimal: test keys."""
        entropy = SeededEntropy(self.seed)
        labels = {"bank": f"bank-{BANK_ID}", "inventory": f"bank-{BANK_ID}/inventory"}
        return {name: entropy.bytes("key", label.encode(), 32).hex() for name, label in labels.items()}

    # --- what the people of the platform do ---

    def approve(self, request_id: bytes, officers: int) -> None:
        """So many emission officers approve; with enough of them the National Bank issues, if the reserves allow it."""
        bank = self.system.national_bank
        for officer in bank.officers[:officers]:
            bank.approve(request_id, officer)
        if officers >= bank.threshold:
            bank.issue(request_id)

    def freeze(self, pseudonym: bytes) -> None:
        """The enforcement authority freezes a customer."""
        self.system.enforcement.freeze(follow("freeze", pseudonym), pseudonym, "emulated order 1")

    # --- what is looked at ---

    def inventory_tiyn(self) -> int:
        """The developer's bank's inventory."""
        return self.held_tiyn(self.system.banks[BANK_ID].inventory_kid)

    def reserve_tiyn(self) -> int:
        """The developer's bank's reserves."""
        return self.system.national_bank.reserve_tiyn(BANK_ID)

    def held_tiyn(self, kid: bytes) -> int:
        """What a key holds."""
        owned = self.system.ledger.owned(kid)
        return sum(token.amount_tiyn for _, token in owned if isinstance(token.lock, KeyLock))

    def close(self) -> None:
        """Release it."""
        self.system.close()
