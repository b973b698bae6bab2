"""A person's keys: one secret of 32 bytes, from which every key follows by its label, sealed in one file.

Whoever holds the file and the passphrase can make every key again, so the file is the whole backup of the online
keys. (A device's offline key is not in it: it never leaves its secure element, and there is no backup of it.) A pilot
keeps its whole cast in one keystore, with a participant's name inside each label.

    key(label, algorithm) = HKDF-SHA256(master, info = canonical [label, algorithm])

The file, version 1:

    "tenge-keystore\\0" || version || header size (2 bytes) || header || sealed || SHA-256 of all before
    header = canonical [1 (Argon2id), memory in KiB, iterations, lanes, salt, 1 (ChaCha20-Poly1305), nonce]
    sealed = AEAD(Argon2id(passphrase, header), canonical [master], associated data = all bytes before it)

Rules kept here:

- the closing hash says "damaged" before any passphrase is asked for, in every version; it proves nothing against a
  person who changes the file on purpose, and the AEAD does: such a file is refused like a wrong passphrase;
- the costs of Argon2id are read from the file, so they are bounded before anything is computed;
- a file appears whole or not at all, readable by its owner only, and never over another one;
- no secret stands in a `repr`, a pickle, a fact of a refusal or the chain of an exception.

Sources: RFC 9106 (Argon2, section 4: the second recommended choice), RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305).
"""

import hashlib
import os
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ports import Entropy
from cbdc.record import HASH, NONCE, Bytes, Group, Unsigned

MAGIC = b"tenge-keystore\0"
VERSION = 1
MASTER_BYTES = 32
MAX_FILE_BYTES = 4_096
MAX_LABEL_BYTES = 128

MAX_MEMORY_KIB = 256 * 1_024
MAX_ITERATIONS = 8
MAX_LANES = 8

_ARGON2ID = 1
_CHACHA20_POLY1305 = 1
_HASH_BYTES = 32
_PREFIX_BYTES = len(MAGIC) + 3
_HEADER = Group((Unsigned(), Unsigned(), Unsigned(), Unsigned(), NONCE, Unsigned(), Bytes((12,))))
_PLAIN = Group((HASH,))


@dataclass(frozen=True, slots=True)
class Costs:
    """What one guess of the passphrase costs: Argon2id's memory in KiB, iterations and lanes."""

    memory_kib: int
    iterations: int
    lanes: int

    def check(self) -> None:
        """Raise E_KEYSTORE_COSTS outside Argon2id's own bounds or ours; ours keep one opening under a few seconds."""
        sound = 1 <= self.lanes <= MAX_LANES and 1 <= self.iterations <= MAX_ITERATIONS
        if not sound or not 8 * self.lanes <= self.memory_kib <= MAX_MEMORY_KIB:
            raise Refused(
                "E_KEYSTORE_COSTS",
                memory_kib=self.memory_kib,
                iterations=self.iterations,
                lanes=self.lanes,
                most_memory_kib=MAX_MEMORY_KIB,
                most_iterations=MAX_ITERATIONS,
                most_lanes=MAX_LANES,
            )


STANDARD_COSTS = Costs(memory_kib=64 * 1_024, iterations=3, lanes=4)
WEAK_COSTS_FOR_PILOTS = Costs(memory_kib=1_024, iterations=1, lanes=1)


class Keystore:
    """The opened secret: makes keys, tells nobody. `costs` are those of the file it came from, if it came from one."""

    __slots__ = ("_master", "costs")

    def __init__(self, master: bytes, costs: Costs | None = None) -> None:
        """Raises E_KEYSTORE_MASTER unless the secret is 32 bytes long."""
        if type(master) is not bytes or len(master) != MASTER_BYTES:
            raise Malformed("E_KEYSTORE_MASTER", expected=MASTER_BYTES)
        self._master = master
        self.costs = costs

    def key(self, label: str, algorithm: int = ED25519) -> SoftwareKey:
        """The key with this label: the same label and algorithm give the same key for ever.

        Raises E_KEYSTORE_LABEL for a label that is empty, longer than 128 bytes or not in Unicode normal form C
        (two labels that look the same must be the same), E_KEY for an unknown algorithm.
        """
        _check_label(label)
        return SoftwareKey(
            algorithm, self._expand(b"kzt-dt/keystore/v1\0key", canonical.encode([label, algorithm]))
        )

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that name this keystore and tell nothing about its keys."""
        return self._expand(b"kzt-dt/keystore/v1\0fingerprint", b"")[:8].hex()

    def _expand(self, salt: bytes, info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(self._master)

    def __repr__(self) -> str:
        return f"Keystore({self.fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keystore is never pickled or copied")


def _check_label(label: str) -> None:
    try:
        canonical.encode(label)
    except TengeError:
        raise Malformed("E_KEYSTORE_LABEL", most=MAX_LABEL_BYTES) from None
    if not 1 <= len(label.encode()) <= MAX_LABEL_BYTES:
        raise Malformed("E_KEYSTORE_LABEL", most=MAX_LABEL_BYTES)


def create(
    path: Path, passphrase: str, entropy: Entropy, name: bytes = b"keystore", costs: Costs = STANDARD_COSTS
) -> Keystore:
    """A new keystore in a new file at `path`; `name` is the question put to `entropy`, so a seed can have several.

    Raises E_KEYSTORE_EXISTS when something is there already (it is left as it is), E_KEYSTORE_COSTS, and
    E_KEYSTORE_FILE when the place cannot be written to.
    """
    if os.path.lexists(path):
        raise Refused("E_KEYSTORE_EXISTS", path=str(path))
    master = entropy.bytes("keystore.master", name, MASTER_BYTES)
    _write(path, seal(master, passphrase, entropy, name, costs), replace=False)
    return Keystore(master, costs)


def open_keystore(path: Path, passphrase: str) -> Keystore:
    """The keystore in the file at `path`.

    Raises E_KEYSTORE_MISSING, E_KEYSTORE_FILE when it cannot be read, and the errors of `unseal`.
    """
    return Keystore(*unseal(_read(path), passphrase))


def change_passphrase(
    path: Path, passphrase: str, new_passphrase: str, entropy: Entropy, costs: Costs = STANDARD_COSTS
) -> Keystore:
    """The same keys under a new passphrase and new costs; the old file stays until the new one is whole.

    Raises the errors of `open_keystore`, and E_KEYSTORE_FILE when the place cannot be written to.
    """
    old = _read(path)
    master, _ = unseal(old, passphrase)
    # Another question than any before, so that even seeded entropy never gives one salt to two files.
    _write(path, seal(master, new_passphrase, entropy, hashlib.sha256(old).digest(), costs), replace=True)
    return Keystore(master, costs)


def seal(
    master: bytes, passphrase: str, entropy: Entropy, name: bytes, costs: Costs = STANDARD_COSTS
) -> bytes:
    """The bytes of a keystore file; E_KEYSTORE_COSTS for costs that no reader would accept."""
    costs.check()
    salt, nonce = entropy.bytes("keystore.salt", name, 16), entropy.bytes("keystore.nonce", name, 12)
    header = canonical.encode(
        [_ARGON2ID, costs.memory_kib, costs.iterations, costs.lanes, salt, _CHACHA20_POLY1305, nonce]
    )
    prefix = MAGIC + bytes([VERSION]) + len(header).to_bytes(2, "big") + header
    sealer = ChaCha20Poly1305(_stretch(passphrase, salt, costs))
    whole = prefix + sealer.encrypt(nonce, canonical.encode([master]), prefix)
    return whole + hashlib.sha256(whole).digest()


def unseal(data: bytes, passphrase: str) -> tuple[bytes, Costs]:
    """The master secret in the bytes of a keystore file, and its costs.

    Raises, in this order: E_KEYSTORE_DAMAGED (not a keystore, cut, or changed by accident), E_KEYSTORE_VERSION,
    E_KEYSTORE_DAMAGED (a header that says nothing), E_KEYSTORE_COSTS, E_KEYSTORE_PASSPHRASE (the wrong passphrase,
    or a file changed on purpose).
    """
    whole, closing = data[:-_HASH_BYTES], data[-_HASH_BYTES:]
    if not whole.startswith(MAGIC) or len(data) > MAX_FILE_BYTES:
        raise Malformed("E_KEYSTORE_DAMAGED", problem="it does not begin like a keystore, or is far too long")
    if hashlib.sha256(whole).digest() != closing or len(whole) < _PREFIX_BYTES:
        raise Malformed("E_KEYSTORE_DAMAGED", problem="its closing hash is not that of its content")
    version = whole[len(MAGIC)]
    if version != VERSION:
        raise Malformed("E_KEYSTORE_VERSION", version=version, expected=VERSION)
    end = _PREFIX_BYTES + int.from_bytes(whole[_PREFIX_BYTES - 2 : _PREFIX_BYTES], "big")
    try:
        header = _HEADER.load(canonical.decode(whole[_PREFIX_BYTES:end]), "header")
    except TengeError as error:
        raise Malformed("E_KEYSTORE_DAMAGED", problem=f"its header gives {error.code}") from None
    stretching, memory_kib, iterations, lanes, salt, sealing, nonce = header
    if (stretching, sealing) != (_ARGON2ID, _CHACHA20_POLY1305):
        raise Malformed(
            "E_KEYSTORE_DAMAGED", problem="its header names algorithms that version 1 does not have"
        )
    costs = Costs(memory_kib, iterations, lanes)
    costs.check()
    try:
        plain = ChaCha20Poly1305(_stretch(passphrase, salt, costs)).decrypt(nonce, whole[end:], whole[:end])
    except InvalidTag:
        raise Refused("E_KEYSTORE_PASSPHRASE") from None
    try:
        (master,) = _PLAIN.load(canonical.decode(plain), "content")
    except TengeError as error:
        raise Malformed("E_KEYSTORE_DAMAGED", problem=f"its content gives {error.code}") from None
    return master, costs


def _stretch(passphrase: str, salt: bytes, costs: Costs) -> bytes:
    # Keyboards spell one passphrase in several ways; a surrogate stands for a byte that a terminal could not read.
    spelled = unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
    stretcher = Argon2id(
        salt=salt, length=32, iterations=costs.iterations, lanes=costs.lanes, memory_cost=costs.memory_kib
    )
    try:
        return stretcher.derive(spelled)
    except MemoryError:
        raise Unavailable("E_KEYSTORE_MEMORY", memory_kib=costs.memory_kib) from None


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise Malformed("E_KEYSTORE_DAMAGED", problem="it is not a plain file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise Refused("E_KEYSTORE_MISSING", path=str(path)) from None
    except (OSError, ValueError) as error:
        raise Unavailable("E_KEYSTORE_FILE", path=str(path), detail=_reason(error)) from None


def _write(path: Path, data: bytes, replace: bool) -> None:
    """Put `data` at `path` whole and durable; without `replace`, never over anything that is there."""
    try:
        # A file of this kind is born readable by its owner only (mode 0600), in the folder it will stay in.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if replace or not _linked(temporary, path):
                os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        _make_name_durable(path.parent)
    except FileExistsError:
        raise Refused("E_KEYSTORE_EXISTS", path=str(path)) from None
    except (OSError, ValueError) as error:
        raise Unavailable("E_KEYSTORE_FILE", path=str(path), detail=_reason(error)) from None


def _linked(temporary: str, path: Path) -> bool:
    """Whether the file now has its name; a link, unlike a rename, fails when the name is taken in this moment."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError from None
        return False
    return True


def _make_name_durable(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
