"""Vectors of what leads from ROOT to a device and to a note: AUTH, DEVCERT, NOTE and TRUST (families G, X and V)."""

from dataclasses import replace
from typing import Any

from cbdc.authority import BANK_CA, ISSUER, make_root, network_id
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.record import Signed, sign, signing_message
from offline.records import TIER_SE, TIER_TEE, Note, Trust
from tests.offline.world import END, MAX_NOTE_TIYN, NOW, START, World
from tests.vectors import edwards
from tests.vectors.case import Case, case
from tests.vectors.make_keys import second_signature

NAMES = {ED25519: "ed25519", ES256: "es256"}


def context_of(world: World) -> dict[str, Any]:
    """What the cases of one world share: ROOT, certificates, trust and the moment."""
    return {
        "network": world.network.hex(),
        "root": world.root.encode().hex(),
        "auths": [auth.encode().hex() for auth in world.authority.auths],
        "trust": [world.first_trust.encode().hex()],
        "now": NOW,
    }


def with_trust(world: World, sequence: int = 2, **fields: Any) -> list[bytes]:
    """The first list and one more full list with these fields."""
    return [world.first_trust.encode(), world.make_trust(sequence, **fields).encode()]


def _root_cases(world: World) -> list[Case]:
    cases: list[Case] = []
    for algorithm, name in NAMES.items():
        key = world.key("another root", algorithm)
        root = make_root(key, START, END, "Another")
        cases.append(case(f"root-{name}", "a self-signed ROOT", "root", root.encode()))
        forged = sign(root.record, network_id(root.record), world.root_key)
        cases.append(case(f"root-forged-{name}", "signed by another key", "root", forged.encode(), "E_SIG"))
        auth = world.make_auth(BANK_CA, key, (9, TIER_SE))
        cases.append(case(f"auth-{name}", "a key certified by ROOT", "auth", auth.encode()))
    stranger = World("certificates stranger")
    own = world.make_auth(BANK_CA, world.key("bank three"), (3, TIER_SE))
    by_bank = world.make_auth(BANK_CA, world.key("bank three"), (3, TIER_SE), signer=world.bank_key)
    other = stranger.make_auth(BANK_CA, world.key("bank three"), (3, TIER_SE))
    cases += [
        case("G16-auth", "an AUTH signed by a bank", "auth", by_bank.encode(), "E_SIG"),
        case("G13-auth", "an AUTH of another sandbox", "auth", other.encode(), "E_SIG"),
        case("G1-auth", "an AUTH with another role", "auth", _altered(own, role=ISSUER), "E_SIG"),
    ]
    small = edwards.encode(edwards.NEUTRAL)
    weak = world.make_auth(BANK_CA, world.key("bank three"), (3, TIER_SE), public_key=small)
    cases.append(case("G9-auth", "an AUTH for a key of small order", "auth", weak.encode(), "E_KEY"))
    return cases


def _altered(signed: Signed[Any], **fields: Any) -> bytes:
    """The object with other fields under the old signature."""
    body = replace(signed.record, **fields).body()
    return Signed(signed.record, body, signed.signature, signed.oid).encode()


def _certificate_cases(world: World) -> list[Case]:
    cases: list[Case] = []

    def add(id: str, what: str, data: bytes, expect: str = "ok", **more: Any) -> None:
        cases.append(case(id, what, "certificate", data, expect, **more))

    for algorithm, name in NAMES.items():
        made = world.make_device(f"device {name}", algorithm).certificate
        add(f"certificate-{name}", "a device of a known bank", made.encode())
        add(f"G1-certificate-{name}", "a higher tier than was signed", _altered(made, tier=TIER_TEE), "E_SIG")
        add(f"G17-early-{name}", "asked before it starts", made.encode(), "E_CERT_TIME", at=START - 1)
        add(f"G17-start-{name}", "asked in its first second", made.encode(), at=START)
        expires = made.record.expires
        add(f"G17-end-{name}", "asked in its last second", made.encode(), at=expires)
        add(f"G17-late-{name}", "asked after it ends", made.encode(), "E_CERT_TIME", at=expires + 1)
    device = world.make_device("device").certificate
    stranger = World("certificates stranger")
    add(
        "G16-unknown", "a bank that nobody knows", stranger.make_device("device").certificate.encode(), "E_CA"
    )
    wrong = world.make_device("device", signer=world.other_bank_key).certificate
    add("G16-other-bank", "signed by another bank than it names", wrong.encode(), "E_SIG")
    by_root = world.make_device("device", ca=world.root_key).certificate
    add("G16-root", "signed by ROOT itself", by_root.encode(), "E_CA")
    by_issuer = world.make_device("device", ca=world.issuer_key).certificate
    add("G16-issuer", "signed by an issuer of notes", by_issuer.encode(), "E_CA")
    high = world.make_device("device", tier=4).certificate
    add("G16-tier", "a tier above the bank's highest", high.encode(), "E_CA")
    early = world.make_device("device", not_before=START - 1).certificate
    add("G16-before", "certified before the bank was", early.encode(), "E_CA")
    late = world.make_device("device", not_before=END + 1, expires=END + 2).certificate
    add("G16-after", "certified after the bank's time", late.encode(), "E_CA")
    net = sign(device.record, stranger.network, world.bank_key)
    add("G13-certificate", "of another sandbox", net.encode(), "E_SIG")
    for number, point in enumerate(edwards.small_points()):
        weak = world.make_device("device", public_key=edwards.encode(point)).certificate
        add(f"G9-certificate-{number}", "for a key of small order", weak.encode(), "E_KEY")
    for id, raw in (
        ("zeros", bytes(33)),
        ("prefix", b"\x04" + bytes(32)),
        ("off-curve", b"\x02" + b"\xff" * 32),
    ):
        weak = world.make_device("device", algorithm=ES256, public_key=raw).certificate
        add(f"G10-certificate-{id}", "for no point of P-256", weak.encode(), "E_KEY")
    mixed = world.make_device("device", algorithm=ES256, public_key=device.record.public_key).certificate
    add("G10-certificate-mixed", "an Ed25519 key called ES256", mixed.encode(), "E_KEY")
    kid, reference = world.bank_key.public.kid, world.bank_key.public.kid[:8]
    revoked = with_trust(world, revoked_references=(reference,))
    add("G19-reference", "the bank is revoked by reference", device.encode(), "E_CA", trust=revoked)
    revoked = with_trust(world, revoked_kids=(kid[:16],))
    add("G19-kid", "the bank is revoked by key", device.encode(), "E_CA", trust=revoked)
    revoked = with_trust(world, revoked_references=(world.other_bank_key.public.kid[:8],))
    add("G19-other", "another bank is revoked", device.encode(), trust=revoked)
    first = world.first_trust.encode()
    full = world.make_trust(2, revoked_references=(reference,)).encode()
    nothing = world.make_trust(3, base_sequence=2).encode()
    change = world.make_trust(2, base_sequence=1, revoked_references=(reference,)).encode()
    again = world.make_trust(3).encode()
    add("S16-change", "the bank is revoked by a change", device.encode(), "E_CA", trust=[first, change])
    add(
        "S16-change-keeps",
        "a change leaves it revoked",
        device.encode(),
        "E_CA",
        trust=[first, full, nothing],
    )
    add(
        "S16-full-forgets",
        "a full list without it takes it back",
        device.encode(),
        trust=[first, full, again],
    )
    return cases


def _note_cases(world: World) -> list[Case]:
    owner = world.make_device("holder").kid
    cases: list[Case] = []

    def add(id: str, what: str, note: Signed[Note] | bytes, expect: str = "ok", **more: Any) -> None:
        data = note if isinstance(note, bytes) else note.encode()
        cases.append(case(id, what, "note", data, expect, **more))

    def note(
        amount_tiyn: int = tenge(5_000), signer: SoftwareKey | None = None, **fields: Any
    ) -> Signed[Note]:
        return world.make_note(owner, amount_tiyn, signer, **fields)

    good = note()
    issued = good.record.issued
    add("note", "an ordinary note", good)
    add("X32-least", "a note of one tiyn", note(1))
    add("X32-most", "a note of the issuer's most", note(MAX_NOTE_TIYN))
    add("G5-nothing", "a note of nothing", note(0), "E_AMOUNT")
    add("G5-above", "one tiyn above the issuer's most", note(MAX_NOTE_TIYN + 1), "E_AMOUNT")
    add("G5-huge", "a note of 2**53 - 1", note(2**53 - 1), "E_AMOUNT")
    add("G1-amount", "another amount under the signature", _altered(good, amount_tiyn=tenge(50_000)), "E_SIG")
    add("G1-owner", "another owner under the signature", _altered(good, owner=bytes(32)), "E_SIG")
    stranger = World("certificates stranger")
    add("G2", "an issuer that nobody knows", stranger.make_note(owner, tenge(5_000)), "E_ISSUER")
    for name, key in (("bank", world.bank_key), ("status", world.status_key), ("settle", world.settle_key)):
        own = note(signer=key, issuer_reference=key.public.kid[:8])
        add(f"G3-{name}-own", f"signed and named by the {name} key", own, "E_ISSUER")
        add(f"G3-{name}", f"signed by the {name} key in the issuer's name", note(signer=key), "E_SIG")
    add("G4-before", "issued before the epoch", note(issued=START - 1), "E_ISSUER")
    add(
        "G4-after",
        "issued after the epoch",
        note(issued=END + 1, spend_by=END + 2, redeem_by=END + 3),
        "E_ISSUER",
    )
    add("G4-first", "issued in the epoch's first second", note(issued=START))
    add("X21-order-1", "to be spent by the moment of issue", note(spend_by=issued), "E_NOTE_TIME")
    add(
        "X21-order-2",
        "to be redeemed by the end of spending",
        note(redeem_by=good.record.spend_by),
        "E_NOTE_TIME",
    )
    add(
        "X21-order-3",
        "all moments the other way round",
        note(issued=issued, spend_by=issued - 2, redeem_by=issued - 1),
        "E_NOTE_TIME",
    )
    add(
        "G13-note",
        "of another sandbox",
        world.make_note(owner, tenge(5_000), network=stranger.network),
        "E_SIG",
    )
    issuer = world.issuer_key.public.kid
    add(
        "G19-epoch",
        "the epoch is revoked",
        good,
        "E_ISSUER",
        trust=with_trust(world, revoked_references=(issuer[:8],)),
    )
    add(
        "G19-epoch-kid",
        "the epoch's key is revoked",
        good,
        "E_ISSUER",
        trust=with_trust(world, revoked_kids=(issuer[:16],)),
    )
    add(
        "V7-serial",
        "tainted by serial",
        good,
        "E_TAINTED",
        trust=with_trust(world, tainted_notes=(good.record.serial,)),
    )
    add("V7-oid", "tainted by id", good, "E_TAINTED", trust=with_trust(world, tainted_notes=(good.oid[:16],)))
    other = note()
    add(
        "V7-other",
        "another note is tainted",
        good,
        trust=with_trust(world, tainted_notes=(other.record.serial,)),
    )
    add(
        "note-order",
        "amount and moments wrong: the amount is asked first",
        note(0, spend_by=issued),
        "E_AMOUNT",
    )
    return cases


def _trust_cases(world: World) -> list[Case]:
    first = world.first_trust
    cases: list[Case] = []

    def add(id: str, what: str, signed: Signed[Trust] | bytes, expect: str = "ok", **more: Any) -> None:
        data = signed if isinstance(signed, bytes) else signed.encode()
        cases.append(case(id, what, "adopt", data, expect, **more))

    fifth = world.make_trust(5)
    delta = world.make_trust(6, base_sequence=5)
    after = {"trust": [first.encode(), fifth.encode()]}
    add("trust-same", "the adopted list once more", first)
    add("trust-next", "the next full list", world.make_trust(2))
    add("trust-jump", "a full list far ahead", fifth)
    add("trust-delta", "a change to the adopted list", delta, **after)
    add("trust-first", "the first list where there is none", first, trust=[])
    add("S16-older", "an older list", world.make_trust(4), "E_TRUST_OLD", **after)
    add(
        "S16-equal",
        "another list with the adopted number",
        world.make_trust(5, next_update=NOW),
        "E_TRUST_OLD",
        **after,
    )
    add("S16-zero", "a list with the number 0", world.make_trust(0), "E_TRUST_OLD", trust=[])
    add(
        "S16-base",
        "a change to a list before the adopted one",
        world.make_trust(6, base_sequence=4),
        "E_TRUST_BASE",
        **after,
    )
    add(
        "S16-base-ahead",
        "a change to a list that is not here yet",
        world.make_trust(8, base_sequence=7),
        "E_TRUST_BASE",
        **after,
    )
    add("S16-base-none", "a change where there is no list", delta, "E_TRUST_BASE", trust=[])
    for name, key in (("bank", world.bank_key), ("issuer", world.issuer_key), ("root", world.root_key)):
        add(f"S16-{name}", f"signed by the {name} key", world.make_trust(2, signer=key), "E_SIG")
    stranger = World("certificates stranger")
    add("S16-stranger", "of another sandbox", stranger.make_trust(2), "E_SIG")
    add(
        "S16-altered",
        "one revocation taken out",
        _altered(world.make_trust(2, revoked_kids=(bytes(16),)), revoked_kids=()),
        "E_SIG",
    )
    add("S16-time", "issued when no status key was valid", world.make_trust(2, issued=END + 1), "E_AUTHORITY")
    add(
        "S16-signature-first",
        "old and forged: the signature is asked first",
        world.make_trust(4, signer=world.bank_key),
        "E_SIG",
        **after,
    )
    return cases


def _authority_by_es256() -> list[Case]:
    """The same ways under authorities that sign with P-256."""
    world = World("certificates es256", ES256)
    context = context_of(world)
    device = world.make_device("device", ES256)
    note = world.make_note(device.kid, tenge(5_000))
    shared = {"context": context}
    second = second_signature(world.issuer_key.secret, _message(note))
    twin = Signed(note.record, note.body, second, note.oid)
    trust = world.make_trust(2)
    return [
        case("es256-root", "ROOT signs with P-256", "root", world.root.encode(), **shared),
        case(
            "es256-certificate",
            "a bank signs with P-256",
            "certificate",
            device.certificate.encode(),
            **shared,
        ),
        case("es256-note", "an issuer signs with P-256", "note", note.encode(), **shared),
        case("G8-note", "the same note with another valid signature", "note", twin.encode(), **shared),
        case("es256-adopt", "a status key signs with P-256", "adopt", trust.encode(), **shared),
        case(
            "es256-note-altered", "another amount", "note", _altered(note, amount_tiyn=1), "E_SIG", **shared
        ),
    ]


def _message(signed: Signed[Any]) -> bytes:
    return signing_message(signed.record.DOMAIN, signed.record.TYPE, signed.oid)


def make() -> dict[str, Any]:
    """The file `certificates.json`."""
    world = World("certificates")
    cases = [
        *_root_cases(world),
        *_certificate_cases(world),
        *_note_cases(world),
        *_trust_cases(world),
        *_authority_by_es256(),
    ]
    return {
        "origin": "DTO/1, sections 5.2, 5.4, 5.6 (V3, V4), 5.12 and 7.2 (G1 to G19), 7.3 (X32), 7.5 (S16), 7.8 (V7)",
        "schema": {
            "context": "network id, ROOT, AUTHs, the TRUST lists to adopt in turn, the receiver's clock; a case may "
            "bring a context or trust lists of its own",
            "root": "the bytes are a self-signed ROOT",
            "auth": "the bytes are an AUTH under the context's ROOT",
            "certificate": "the bytes are a DEVCERT that passes V3 (valid `at` that moment, when given)",
            "note": "the bytes are a NOTE that passes V4",
            "adopt": "the bytes are a TRUST list that may be adopted after the context's",
        },
        "context": context_of(world),
        "cases": cases,
    }
