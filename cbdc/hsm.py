"""Keys that never leave a hardware module: `Signer` over PKCS#11 (the extra `hsm`: python-pkcs11).

    with Hsm(module, token, pin_from(os.environ)) as hsm:
        key = hsm.source(software.key, ("ledger", "issuer-1"))      # a KeySource: these labels from the module
        system = open_system(folder, key, clock, entropy)

Rules kept here:

- a key is made inside the module: not extractable, sensitive, for signing only; one that is there already and is
  extractable is refused, since somebody may have a copy of it;
- its label in the module is its label here; the public half is read from the module and judged like any other key;
- a signature is verified before it is handed out, and of ES256 the lower s is given, so it is one of the only two
  forms that this sandbox reads;
- the PIN comes from a file that only its owner may read, or from the environment; it is given to the module and kept
  nowhere; no refusal, log or `repr` shows it;
- one session signs, one signature at a time; what the module does not do is E_HSM_UNAVAILABLE, and the ledger then
  commits nothing;
- who gives a source of the PIN (a callable) gets the module back: after a failure the next signature opens the module
  anew and asks the source again. A PIN that is refused then is not tried a second time, since that locks a token.

Tried with SoftHSM2, which is software: what a hardware module adds (that the key cannot be read out by whoever has the
machine) is the module's, and none was at hand.
"""

import importlib
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.institutions import KeySource
from cbdc.keys import ED25519, KEY_BYTES, PublicKey, Signer, low_s, public_key

PIN_VARIABLE = "TENGE_HSM_PIN"
PIN_FILE_VARIABLE = "TENGE_HSM_PIN_FILE"
MOST_PIN = 255
PinSource = Callable[[], str]
# The curves' names as DER: a printable string for edwards25519, and the object id of secp256r1.
_EDWARDS25519 = b"\x13\x0cedwards25519"
_SECP256R1 = bytes.fromhex("06082a8648ce3d030107")


def pin_from(environment: Mapping[str, str]) -> str:
    """The PIN in the file that `TENGE_HSM_PIN_FILE` names, or else in `TENGE_HSM_PIN`.

    Raises E_HSM_PIN when there is none, and when others may read the file.
    """
    name = environment.get(PIN_FILE_VARIABLE, "")
    if not name:
        return _checked(environment.get(PIN_VARIABLE, ""))
    path = Path(name)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Refused("E_HSM_PIN", problem="others may read the file of the PIN")
        return _checked(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        raise Refused("E_HSM_PIN", problem="the file of the PIN cannot be read") from None


def _checked(pin: str) -> str:
    if not 0 < len(pin) <= MOST_PIN:
        raise Refused("E_HSM_PIN", problem="there is none, or it is too long")
    return pin


class Hsm:
    """One token of one module, opened with its PIN; one for a process. Close it at the end."""

    def __init__(self, module: str, token: str, pin: str | PinSource) -> None:
        """`module` is the path of the module's library, `token` the token's label, `pin` the PIN or its source.

        Raises E_HSM_MODULE, E_HSM_TOKEN, E_HSM_PIN, E_HSM_LOCKED, E_HSM_UNAVAILABLE.
        """
        try:
            self._pkcs11: Any = importlib.import_module("pkcs11")
        except ImportError:
            raise Unavailable(
                "E_HSM_MODULE", module=module, problem="the extra hsm is not installed"
            ) from None
        self._errors: Any = importlib.import_module("pkcs11.exceptions")
        self._module = module
        self._token_label = token
        self._lock = Lock()
        self._handles: dict[str, Any] = {}
        self._pin: PinSource | None = None
        self._session: Any = self._open(module, token, pin if isinstance(pin, str) else pin())
        self._pin = None if isinstance(pin, str) else pin

    def _open(self, module: str, token: str, pin: str) -> Any:
        try:
            library = self._pkcs11.lib(module)
        except (self._errors.PKCS11Error, OSError):
            raise Unavailable("E_HSM_MODULE", module=module, problem="it cannot be loaded") from None
        try:
            found = library.get_token(token_label=token)
        except self._errors.PKCS11Error:
            raise Refused("E_HSM_TOKEN", token=token) from None
        if found.flags & self._pkcs11.TokenFlag.USER_PIN_LOCKED:
            raise Refused("E_HSM_LOCKED", token=token)
        try:
            return found.open(rw=True, user_pin=_checked(pin))
        except self._errors.PinLocked:
            raise Refused("E_HSM_LOCKED", token=token) from None
        except (self._errors.PinIncorrect, self._errors.PinInvalid, self._errors.PinLenRange):
            raise Refused("E_HSM_PIN", problem="the token does not take it") from None
        except self._errors.PKCS11Error as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> TengeError:
        return Unavailable("E_HSM_UNAVAILABLE", token=self._token_label, problem=type(error).__name__)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Log out; keys of this token sign no more."""
        with self._lock:
            self._pin = None
            self._drop()

    def _drop(self) -> None:
        """Let go of the session, which may be dead."""
        session, self._session = self._session, None
        self._handles.clear()
        if session is not None:
            with suppress(self._errors.PKCS11Error):
                session.close()

    def key(self, label: str, algorithm: int, make: bool = True) -> "HsmKey":
        """The signer with this label; made in the module when there is none, unless `make` is false.

        Raises E_HSM_KEY for one that is extractable or of another algorithm, E_HSM_KEY_MISSING, E_KEY,
        E_HSM_UNAVAILABLE.
        """
        if algorithm not in KEY_BYTES:
            raise Malformed("E_KEY", algorithm=algorithm, length=0)
        with self._lock:
            try:
                private = self._find(label, self._pkcs11.ObjectClass.PRIVATE_KEY)
                if private is None and not make:
                    raise Refused("E_HSM_KEY_MISSING", label=label, token=self._token_label)
                if private is None:
                    private = self._make(label, algorithm)
                public = self._find(label, self._pkcs11.ObjectClass.PUBLIC_KEY)
                self._check(label, private, public, algorithm)
                raw = _raw(algorithm, bytes(public[self._pkcs11.Attribute.EC_POINT]))
            except self._errors.PKCS11Error as error:
                raise self._failed(error) from None
            self._handles[label] = private
        return HsmKey(self, label, public_key(algorithm, raw))

    def source(
        self, otherwise: KeySource, labels: Iterable[str] | Mapping[str, str], make: bool = True
    ) -> KeySource:
        """A source of keys: those with these labels from the module, all others from `otherwise`.

        A mapping also says under which label the module has each. `make` as for `key`.
        """
        kept = dict(labels) if isinstance(labels, Mapping) else {label: label for label in labels}

        def key(label: str, algorithm: int) -> Signer:
            return self.key(kept[label], algorithm, make) if label in kept else otherwise(label, algorithm)

        return key

    def _session_now(self) -> Any:
        if self._session is None:
            self._session = self._opened_anew()
        return self._session

    def _opened_anew(self) -> Any:
        """A new session after a failure. A module that lost its token knows it again only when it begins anew."""
        if self._pin is None:
            raise Unavailable("E_HSM_UNAVAILABLE", token=self._token_label, problem="closed")
        try:
            library = self._pkcs11.lib(self._module)
            with suppress(self._errors.PKCS11Error):
                library.finalize()
            library.initialize()
            return self._open(self._module, self._token_label, self._pin())
        except TengeError as error:
            if error.code in ("E_HSM_PIN", "E_HSM_LOCKED"):
                self._pin = None
            raise Unavailable(
                "E_HSM_UNAVAILABLE",
                token=self._token_label,
                problem=f"it cannot be opened again ({error.code})",
            ) from None

    def _find(self, label: str, kind: Any) -> Any:
        attribute = self._pkcs11.Attribute
        wanted = {attribute.LABEL: label, attribute.CLASS: kind}
        found = list(self._session_now().get_objects(wanted))
        if len(found) > 1:
            raise Refused("E_HSM_KEY", label=label, problem="there are two of that name")
        return found[0] if found else None

    def _make(self, label: str, algorithm: int) -> Any:
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.KeyType
        edwards = algorithm == ED25519
        parameters = self._session_now().create_domain_parameters(
            kinds.EC_EDWARDS if edwards else kinds.EC,
            {attribute.EC_PARAMS: _EDWARDS25519 if edwards else _SECP256R1},
            local=True,
        )
        mechanism = self._pkcs11.Mechanism
        _, private = parameters.generate_keypair(
            mechanism=mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else mechanism.EC_KEY_PAIR_GEN,
            store=True,
            label=label,
            capabilities=self._pkcs11.MechanismFlag.SIGN | self._pkcs11.MechanismFlag.VERIFY,
            private_template={attribute.EXTRACTABLE: False, attribute.SENSITIVE: True},
        )
        return private

    def _check(self, label: str, private: Any, public: Any, algorithm: int) -> None:
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.KeyType
        wanted = kinds.EC_EDWARDS if algorithm == ED25519 else kinds.EC
        if public is None:
            raise Refused("E_HSM_KEY", label=label, problem="its public half is missing")
        if private.key_type != wanted or public.key_type != wanted:
            raise Refused("E_HSM_KEY", label=label, problem="it is of another algorithm")
        safe = private[attribute.NEVER_EXTRACTABLE] and private[attribute.ALWAYS_SENSITIVE]
        if private[attribute.EXTRACTABLE] or not safe:
            raise Refused(
                "E_HSM_KEY", label=label, problem="it can be taken out of the module, or once could"
            )

    def _handle(self, label: str) -> Any:
        if label not in self._handles:
            self._handles[label] = self._find(label, self._pkcs11.ObjectClass.PRIVATE_KEY)
        if self._handles[label] is None:
            raise Refused("E_HSM_KEY_MISSING", label=label, token=self._token_label)
        return self._handles[label]

    def sign(self, label: str, algorithm: int, message: bytes) -> bytes:
        """The module's 64 bytes over a message by the key with this label; E_HSM_UNAVAILABLE."""
        mechanism = self._pkcs11.Mechanism
        with self._lock:
            try:
                self._session_now()
                private = self._handle(label)
                if algorithm == ED25519:
                    return bytes(private.sign(message, mechanism=mechanism.EDDSA))
                return bytes(private.sign(sha256(message).digest(), mechanism=mechanism.ECDSA))
            except self._errors.PKCS11Error as error:
                self._drop()
                raise self._failed(error) from None
            except TengeError as error:
                self._drop()
                raise Unavailable(
                    "E_HSM_UNAVAILABLE",
                    token=self._token_label,
                    problem=str(error.facts.get("problem", error.code)),
                ) from None


def _raw(algorithm: int, point: bytes) -> bytes:
    """The key as this sandbox writes it: of the point in its DER octet string, compressed for ES256."""
    inner = point[2:] if point[:1] == b"\x04" and len(point) > 2 and point[1] == len(point) - 2 else point
    if algorithm == ED25519:
        return inner
    return bytes([2 + inner[-1] % 2]) + inner[1:33] if len(inner) == 65 else inner


class HsmKey:
    """A `Signer` whose private half is in the module."""

    def __init__(self, hsm: Hsm, label: str, public: PublicKey) -> None:
        self._hsm = hsm
        self._label = label
        self._public = public

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """A 64-byte signature, verified before it is handed out.

        Raises E_HSM_UNAVAILABLE; E_SIG when the module came back with another key of this name.
        """
        signature = self._hsm.sign(self._label, self._public.algorithm, message)
        if self._public.algorithm != ED25519:
            signature = low_s(signature)
        self._public.verify(signature, message)
        return signature

    def __repr__(self) -> str:
        return f"HsmKey({self._label}, {self._public.kid.hex()[:16]})"
