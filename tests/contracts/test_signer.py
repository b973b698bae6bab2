"""One suite for every `Signer`: a key in memory, and a key in a hardware module (SoftHSM2 where there is one).

apt-get install softhsm2 && pip install -e .[hsm]
"""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cbdc import hsm as hsm_module
from cbdc.errors import TengeError
from cbdc.hsm import PIN_FILE_VARIABLE, PIN_VARIABLE, Hsm, pin_from
from cbdc.keys import (
    ED25519,
    ES256,
    KEY_BYTES,
    SIGNATURE_BYTES,
    Signer,
    SoftwareKey,
    forget_verified,
    public_key,
)
from cbdc.ledger.entry import check_inclusion
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import open_system
from tests.cbdc.institutions import START
from tests.servers.softhsm import (
    HERE,
    MODULE,
    PIN,
    look_again,
    make_token,
    needs_hsm,
    settings_of_this_process,
)

Make = Callable[[str, int], Signer]


@pytest.fixture(scope="module")
def tokens() -> Callable[[str], None]:
    """Makes a token. The library reads its settings once in a process, so all tests share one folder."""
    settings = settings_of_this_process()

    def make(label: str) -> None:
        make_token(settings, label)

    if HERE:
        for label in ("contract", "locked"):
            make(label)
        look_again()
    return make


@pytest.fixture
def away(tokens: object) -> Iterator[Callable[[], None]]:
    """Takes the module's tokens away, and brings them back at the second call and at the end."""
    place = Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens"
    elsewhere = place.with_name("elsewhere")

    def turn() -> None:
        place.rename(elsewhere) if place.exists() else elsewhere.rename(place)

    yield turn
    if elsewhere.exists():
        turn()


@pytest.fixture
def module(tokens: object) -> Iterator[Hsm]:
    with Hsm(MODULE, "contract", PIN) as opened:
        yield opened


@pytest.fixture(params=["software", pytest.param("hsm", marks=needs_hsm)])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "software":
        entropy = SeededEntropy(5)
        return lambda label, algorithm: SoftwareKey(algorithm, entropy.bytes("key", label.encode(), 32))
    opened: Hsm = request.getfixturevalue("module")
    return opened.key


# --- the contract ---


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_signatures_stand_and_are_of_one_length(make: Make, algorithm: int) -> None:
    signer = make(f"contract-{algorithm}", algorithm)
    assert signer.public == public_key(algorithm, signer.public.raw)
    assert len(signer.public.raw) == KEY_BYTES[algorithm]
    for size in (0, 1, 31, 32, 33, 1_000, 65_000):
        message = bytes(range(256)) * (size // 256) + bytes(size % 256)
        signature = signer.sign(message)
        assert len(signature) == SIGNATURE_BYTES
        forget_verified()
        signer.public.verify(signature, message)
        with pytest.raises(TengeError, match="E_SIG"):
            signer.public.verify(signature, message + b"x")
        with pytest.raises(TengeError, match="E_SIG"):
            signer.public.verify(signature[:-1] + bytes([signature[-1] ^ 1]), message)


def test_s_is_always_in_the_lower_half(make: Make) -> None:
    signer = make("contract-low", ES256)
    for number in range(40):
        message = number.to_bytes(4, "big")
        signature = signer.sign(message)
        forget_verified()
        signer.public.verify(signature, message)


def test_the_same_label_is_the_same_key_and_others_are_others(make: Make) -> None:
    assert make("contract-a", ED25519).public == make("contract-a", ED25519).public
    kids = {make(f"contract-{name}", ED25519).public.kid for name in "abc"}
    assert len(kids) == 3


def test_an_unknown_algorithm_is_refused(make: Make) -> None:
    with pytest.raises(TengeError, match="E_KEY"):
        make("contract-x", 7)


def test_it_shows_no_secret(make: Make) -> None:
    signer = make("contract-shown", ED25519)
    secret = getattr(signer, "secret", b"").hex() or PIN
    assert secret not in repr(signer)
    assert secret not in str(vars(signer).keys())


def test_a_ledger_and_an_issuer_sign_with_it(make: Make) -> None:
    entropy = SeededEntropy(11)

    def key(label: str, algorithm: int) -> Signer:
        if label in ("ledger", "issuer-1"):
            return make(label, algorithm)
        return SoftwareKey(algorithm, entropy.bytes("key", label.encode(), 32))

    system = open_system(None, key, ManualClock(START), entropy)
    head = system.ledger.head()
    head.verify(make("ledger", ED25519).public)
    receipt = system.ledger.find(system.ledger.transaction(1).id)
    assert receipt is not None
    proof = system.ledger.inclusion(receipt)
    check_inclusion(proof.leaf, proof.index, head.record.size, proof.proof, head.record.root)
    assert system.keys.issuer.public == make("issuer-1", ED25519).public
    system.close()


# --- the module alone ---


@needs_hsm
def test_the_key_cannot_be_taken_out(module: Hsm) -> None:
    signer: Any = module.key("inside", ED25519)
    pkcs11 = module._pkcs11
    private = module._handle("inside")
    assert private[pkcs11.Attribute.EXTRACTABLE] is False
    assert private[pkcs11.Attribute.NEVER_EXTRACTABLE] is True
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        private[pkcs11.Attribute.VALUE]
    with pytest.raises(pkcs11.exceptions.PKCS11Error):
        private[pkcs11.Attribute.EXTRACTABLE] = True
    assert not hasattr(signer, "secret")


@needs_hsm
def test_a_key_that_could_be_taken_out_is_not_used(module: Hsm) -> None:
    pkcs11 = module._pkcs11
    attribute = pkcs11.Attribute
    parameters = module._session.create_domain_parameters(
        pkcs11.KeyType.EC, {attribute.EC_PARAMS: hsm_module._SECP256R1}, local=True
    )
    parameters.generate_keypair(
        store=True, label="open", private_template={attribute.EXTRACTABLE: True, attribute.SENSITIVE: False}
    )
    with pytest.raises(TengeError) as caught:
        module.key("open", ES256)
    assert caught.value.code == "E_HSM_KEY"
    module.key("other-kind", ES256)
    with pytest.raises(TengeError) as caught:
        module.key("other-kind", ED25519)
    assert caught.value.facts["problem"] == "it is of another algorithm"
    for _ in range(2):
        parameters.generate_keypair(store=True, label="twins")
    with pytest.raises(TengeError, match="E_HSM_KEY"):
        module.key("twins", ES256)


@needs_hsm
def test_a_key_is_there_again_after_the_module_was_closed(tokens: object) -> None:
    with Hsm(MODULE, "contract", PIN) as opened:
        before = opened.key("kept", ED25519)
        signature = before.sign(b"message")
    with pytest.raises(TengeError) as caught:
        before.sign(b"message")
    assert caught.value.code == "E_HSM_UNAVAILABLE"
    with Hsm(MODULE, "contract", PIN) as opened:
        assert opened.key("kept", ED25519).public == before.public
    forget_verified()
    before.public.verify(signature, b"message")


@needs_hsm
@pytest.mark.parametrize(
    ("library", "token", "pin", "code"),
    [
        ("/nowhere/libmodule.so", "contract", PIN, "E_HSM_MODULE"),
        (MODULE, "no-such-token", PIN, "E_HSM_TOKEN"),
        (MODULE, "contract", "000000", "E_HSM_PIN"),
        (MODULE, "contract", "", "E_HSM_PIN"),
        (MODULE, "contract", "1" * 300, "E_HSM_PIN"),
    ],
)
def test_what_is_wrong_has_a_code_and_shows_no_pin(
    tokens: object, library: str, token: str, pin: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TengeError) as caught:
        Hsm(library, token, pin)
    assert caught.value.code == code
    assert "{" not in caught.value.sentence()
    told = str(caught.value) + repr(caught.value.facts) + caplog.text
    assert PIN not in told
    assert not pin or pin not in told
    assert caught.value.__cause__ is None


@needs_hsm
def test_a_locked_token_has_a_code(tokens: object, monkeypatch: pytest.MonkeyPatch) -> None:
    # SoftHSM2 locks nobody out, so the flag that a locked token shows is put there.
    pkcs11: Any = __import__("pkcs11")
    found = pkcs11.lib(MODULE).get_token(token_label="locked")

    class Locked:
        flags = found.flags | pkcs11.TokenFlag.USER_PIN_LOCKED

    class Library:
        def get_token(self, **named: object) -> Locked:
            return Locked()

    monkeypatch.setattr(pkcs11, "lib", lambda path: Library())
    with pytest.raises(TengeError) as caught:
        Hsm(MODULE, "locked", PIN)
    assert caught.value.code == "E_HSM_LOCKED"


@needs_hsm
def test_a_module_that_fails_while_signing_is_unavailable_and_nothing_is_written(module: Hsm) -> None:
    entropy = SeededEntropy(12)
    software = lambda label, algorithm: SoftwareKey(algorithm, entropy.bytes("key", label.encode(), 32))  # noqa: E731
    system = open_system(None, module.source(software, ["ledger"]), ManualClock(START), entropy)
    size, head = system.ledger.size, system.ledger.head()
    module.close()
    with pytest.raises(TengeError) as caught:
        system.fund_loss_reserve(bytes(32), 100)
    assert caught.value.code == "E_HSM_UNAVAILABLE"
    assert (system.ledger.size, system.ledger.head(), system.stores.ledger.size()) == (size, head, size)


@needs_hsm
def test_a_module_that_comes_back_is_opened_anew_and_the_pin_asked_for_again(
    away: Callable[[], None],
) -> None:
    asked: list[str] = []

    def pin() -> str:
        asked.append(PIN)
        return PIN

    with Hsm(MODULE, "contract", pin) as opened:
        entropy = SeededEntropy(13)
        software = lambda label, algorithm: SoftwareKey(algorithm, entropy.bytes("key", label.encode(), 32))  # noqa: E731
        keys = opened.source(software, {"ledger": "comes-back"})
        system = open_system(None, keys, ManualClock(START), entropy)
        size, head = system.ledger.size, system.ledger.head()
        away()
        for _ in range(3):
            with pytest.raises(TengeError) as caught:
                system.fund_loss_reserve(bytes(32), 100)
            assert caught.value.code == "E_HSM_UNAVAILABLE"
            assert "{" not in caught.value.sentence()
            assert (system.ledger.size, system.ledger.head(), system.stores.ledger.size()) == (
                size,
                head,
                size,
            )
        away()
        receipt = system.fund_loss_reserve(bytes(32), 100)
        assert receipt.index == size
        forget_verified()
        receipt.head.verify(system.keys.ledger.public)
        assert len(asked) >= 2
        system.close()


@needs_hsm
def test_a_pin_that_is_refused_while_opening_anew_is_not_tried_again(away: Callable[[], None]) -> None:
    asked: list[str] = []

    def pin() -> str:
        asked.append("")
        return PIN if len(asked) == 1 else "000000"

    with Hsm(MODULE, "contract", pin) as opened:
        signer = opened.key("one-try", ED25519)
        away()
        with pytest.raises(TengeError, match="E_HSM_UNAVAILABLE"):
            signer.sign(b"message")
        away()
        for _ in range(3):
            with pytest.raises(TengeError) as caught:
                signer.sign(b"message")
            assert caught.value.code == "E_HSM_UNAVAILABLE"
        assert len(asked) == 2


@needs_hsm
def test_a_key_is_made_only_where_it_may_be(module: Hsm) -> None:
    with pytest.raises(TengeError) as caught:
        module.key("never-made", ED25519, make=False)
    assert (caught.value.code, caught.value.facts) == (
        "E_HSM_KEY_MISSING",
        {"label": "never-made", "token": "contract"},
    )
    made = module.key("never-made", ED25519)
    assert module.key("never-made", ED25519, make=False).public == made.public


# --- without a module ---


def test_without_the_extra_a_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(hsm_module.importlib, "import_module", missing)
    with pytest.raises(TengeError) as caught:
        Hsm("/usr/lib/module.so", "token", PIN)
    assert (caught.value.code, caught.value.facts["problem"]) == (
        "E_HSM_MODULE",
        "the extra hsm is not installed",
    )


def test_the_pin_comes_from_a_file_of_its_owners_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.write_text(f"{PIN}\n")
    path.chmod(0o600)
    assert pin_from({PIN_FILE_VARIABLE: str(path), PIN_VARIABLE: "other"}) == PIN
    assert pin_from({PIN_VARIABLE: PIN}) == PIN
    path.chmod(0o640)
    empty = tmp_path / "empty"
    empty.touch(0o600)
    for environment in (
        {PIN_FILE_VARIABLE: str(path)},
        {PIN_FILE_VARIABLE: str(empty)},
        {PIN_FILE_VARIABLE: str(tmp_path / "missing")},
        {PIN_FILE_VARIABLE: "\0"},
        {PIN_VARIABLE: ""},
        {},
    ):
        with pytest.raises(TengeError) as caught:
            pin_from(environment)
        assert caught.value.code == "E_HSM_PIN"
        assert PIN not in str(caught.value)
