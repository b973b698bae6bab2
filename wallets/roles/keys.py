"""The keys of a writer and of its fronts: a writer's folder, and the file that a front is given.

A writer's folder has the institutions' keystore, as the sandbox's has, and `fronts/`: the certificates of the fronts
that this writer believes. A front's file holds ROOT, its certificate and its secret; it is its owner's alone, and
whoever has it can make the writer believe forged signatures until the audit. **Simulated**: ROOT's key lies in the
writer's folder, and a certificate is made there by a command.

Rules kept here: a certificate is signed by ROOT with its role, its period and the network under the signature; a front
does not start with one that is another network's, another role's, another key's, expired or not valid yet.
"""

import json
import os
import stat
from pathlib import Path
from typing import NamedTuple

from cbdc.authority import FRONT, LEDGER, Auth, Authority, Root, network_id, open_root
from cbdc.customers import sandbox_policy
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.institutions import (
    STANDARD_BANKS,
    STANDARD_REGISTERS,
    InstitutionKeys,
    OverKeys,
    build_genesis,
    check_not_left,
    registrations,
    the_same_keys,
)
from cbdc.keys import ED25519, PublicKey, Signer, SoftwareKey
from cbdc.ledger.entry import open_entry, open_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from cbdc.operations.rotation import ledger_number
from cbdc.ports import Clock, Entropy
from cbdc.private import make_folder, opener
from cbdc.record import Signed, open_envelope, sign
from wallets import keystore

FORMAT = "tenge-front-1"
MAX_FILE_BYTES = 16_384
DAY_SECONDS = 86_400
KEYS_IN_TURN = 4
"""How many keys of the ledger, and of the issuer of offline notes, a genesis certifies: one signs, the others may
follow it (`tenge keys rotate`; a number of the offline policy)."""
SLACK_SECONDS = 3_600
"""How far the clock of a front's machine may be behind the one where its certificate was made. An assumption."""
LABEL = "Sandbox of the digital tenge, served by roles"
PASSPHRASE = "sandbox"  # noqa: S105 - the file's mode protects it here, as in the sandbox
_FRONTS = "fronts"


class FrontKey(NamedTuple):
    """What a front is given: its key, its certificate, and the ROOT that signed it."""

    signer: Signer
    certificate: Signed[Auth]
    root: Signed[Root]

    @property
    def network(self) -> bytes:
        """The network that the certificate names."""
        return network_id(self.root.record)


def institution_keys(
    folder: Path, entropy: Entropy, over: OverKeys = the_same_keys, *, make: bool = True
) -> InstitutionKeys:
    """The institutions' keys in a writer's folder, made when it is new and they may be; the ledger's key is the one
    that signs now (`cbdc.operations.rotation`).

    `over` puts a hardware module over them. Raises what `wallets.keystore` raises, and E_ROTATION_FILE.
    """
    path = folder / "keystore.tenge"
    new = make and not path.exists()
    if make:
        make_folder(folder)
    opened = (
        keystore.create(path, PASSPHRASE, entropy, costs=keystore.WEAK_COSTS_FOR_PILOTS)
        if new
        else keystore.open_keystore(path, PASSPHRASE)
    )
    return InstitutionKeys(
        over(opened.key, new), STANDARD_BANKS, STANDARD_REGISTERS, ledger_number=ledger_number(folder)
    )


def open_ledger(store: Store, keys: InstitutionKeys, clock: Clock) -> Ledger:
    """The ledger in a store: entry 0 and the institutions' keys when it is new.

    Raises E_SYSTEM_KEYS when it was founded with other keys (another folder, or a module that is not named now), and
    what `Ledger` raises.
    """
    if store.size() == 0:
        genesis = build_genesis(keys, sandbox_policy(), LABEL, clock.now(), KEYS_IN_TURN)
        ledger = Ledger.create(store, genesis, keys.ledger, clock)
    else:
        check_keys(store, keys)
        ledger = Ledger(store, keys.ledger, clock)
    for answer in ledger.submit_many([item.encode() for item in registrations(keys, ledger.network)]):
        if isinstance(answer, TengeError):
            raise answer
    return ledger


def check_keys(store: Store, keys: InstitutionKeys) -> None:
    """Return if the genesis in a store is by this ROOT and certifies the ledger's key that signs, which was not left.

    Raises E_SYSTEM_KEYS, E_ROTATION_BACK when the newest head is by a later key of the ledger (another folder's writer
    signs with that one, or this folder is from before the change), E_LEDGER_EMPTY for a store without entries.
    """
    first = next(store.entries(0, 1), None)
    if first is None:
        raise Refused("E_LEDGER_EMPTY")
    authority = open_genesis(open_entry(first.data).payload).authority
    root, signing = keys.root.public.kid, keys.ledger.public.kid
    if authority.root.record.key.kid != root:
        raise Refused("E_SYSTEM_KEYS", kid=root)
    if signing not in {auth.kid for auth in authority.with_role(LEDGER)}:
        raise Refused("E_SYSTEM_KEYS", kid=signing)
    check_not_left(store, authority, signing)


def certify(root: Signer, network: bytes, key: PublicKey, now: int, days: int) -> Signed[Auth]:
    """ROOT's certificate for a front's key, from `now` on for so many days."""
    period = (now - SLACK_SECONDS, now + days * DAY_SECONDS)
    return sign(Auth(FRONT, key.algorithm, key.raw, *period, ()), network, root)


def make_front_key(root: Signed[Root], signer: Signer, entropy: Entropy, now: int, days: int) -> FrontKey:
    """A new front's key, and its certificate by `signer`, which is ROOT's key."""
    own = SoftwareKey(ED25519, entropy.bytes("front key", now.to_bytes(8, "big"), 32))
    return FrontKey(own, certify(signer, network_id(root.record), own.public, now, days), root)


def write_front_key(path: Path, key: FrontKey) -> None:
    """Write a front's file, for its owner only and never over another one; E_FRONT_KEY, `OSError`."""
    assert isinstance(key.signer, SoftwareKey)
    value = {
        "format": FORMAT,
        "root": key.root.encode().hex(),
        "certificate": key.certificate.encode().hex(),
        "secret": key.signer.secret.hex(),
    }
    try:
        with open(path, "x", encoding="ascii", opener=opener) as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    except FileExistsError:
        raise Refused("E_FRONT_KEY", file=path.as_posix(), problem="there is a file already") from None


def read_front_key(path: Path, now: int) -> FrontKey:
    """The front's file at `path`, its certificate verified and good `now` (real Unix seconds).

    Raises E_FRONT_KEY, E_SIG for a certificate that this ROOT did not sign for this network, E_AUTHORITY for another
    role or key, E_AUTHORITY_TIME outside its period, `OSError`.
    """
    data = _read_alone(path)
    try:
        if len(data) > MAX_FILE_BYTES:
            raise ValueError("too large")
        value = json.loads(data)
        if value["format"] != FORMAT:
            raise ValueError("another format")
        parts = [bytes.fromhex(value[name]) for name in ("root", "certificate", "secret")]
        root = open_root(parts[0])
        signer = SoftwareKey(ED25519, parts[2])
    except (ValueError, KeyError, TypeError, RecursionError, Malformed):
        raise Refused("E_FRONT_KEY", file=path.as_posix(), problem="it cannot be read") from None
    authority = Authority(root, [parts[1]])
    authority.require(signer.public.kid, FRONT, now)
    return FrontKey(signer, authority.auths[0], root)


def _read_alone(path: Path) -> bytes:
    """What a front's file holds; E_FRONT_KEY when it is no file or others may read it, `OSError`."""
    # Without waiting: a pipe of that name would be waited for until somebody writes to it.
    with open(
        path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    ) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise Refused("E_FRONT_KEY", file=path.as_posix(), problem="it is no file")
        if os.name == "posix" and mode & 0o077:
            raise Refused("E_FRONT_KEY", file=path.as_posix(), problem="others than its owner may read it")
        return file.read(MAX_FILE_BYTES + 1)


def check_name_is_free(folder: Path, name: str) -> None:
    """Return if no front of this name is believed: another certificate there would send it away. E_FRONT_KEY."""
    path = _certificate_path(folder, name)
    if path.exists() or path.is_symlink():
        raise Refused(
            "E_FRONT_KEY", file=path.as_posix(), problem="the writer believes a front of that name already"
        )


def keep_certificate(folder: Path, name: str, certificate: Signed[Auth]) -> None:
    """Let the writer of this folder believe a front, whole or not at all; `OSError`."""
    path = _certificate_path(folder, name)
    make_folder(path.parent)
    part = path.with_name(f"{path.name}.part")
    with open(part, "w", encoding="ascii", opener=opener) as file:
        file.write(certificate.encode().hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _certificate_path(folder: Path, name: str) -> Path:
    return folder / _FRONTS / f"{name}.certificate"


def kept_certificates(folder: Path, network: bytes) -> list[Signed[Auth]]:
    """The certificates of the fronts that this folder's writer believes, not verified yet; E_FRONT_KEY."""
    found = []
    for path in sorted((folder / _FRONTS).glob("*.certificate")):
        try:
            data = bytes.fromhex(path.read_text(encoding="ascii"))
            found.append(open_envelope(data, Auth, network))
        except (ValueError, Malformed):
            raise Refused("E_FRONT_KEY", file=path.as_posix(), problem="it is no certificate") from None
    return found
