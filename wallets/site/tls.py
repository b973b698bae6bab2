"""A certificate made on this computer, so that phones in a classroom have what browsers call a secure context.

Without TLS a phone's browser lets a page of another computer make no keys and open no camera. So `tenge serve --class`
makes a small authority of its own and a certificate for the addresses of this computer. A browser that does not know
the authority warns; whoever goes on has keys and camera, and a browser in which the authority is installed has the
service worker too (offline start of the page).

The authority is good for these addresses only (a critical name constraint), so that installing it trusts this computer
in this network and nothing else. Keys are P-256, made by the operating system's chance, kept for their owner alone.

Source: RFC 5280, sections 4.2.1.6, 4.2.1.9 and 4.2.1.10.
"""

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cbdc.ports import Entropy
from cbdc.private import make_folder, opener
from wallets.site.serving import Certificate

DAYS = 30
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256, FIPS 186-5
AUTHORITY_FILE = "authority.crt"
CERTIFICATE_FILE = "server.crt"
KEY_FILE = "server.key"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses_of_this_computer() -> list[Address]:
    """The addresses under which others may reach this computer, and loopback; nothing is sent anywhere for it."""
    found: set[Address] = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    try:
        rows = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        rows = []
    found |= {ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: a datagram socket only chooses a route
            found.add(ipaddress.ip_address(probe.getsockname()[0]))
        except OSError:
            pass
    return sorted(found, key=lambda one: (one.version, one.is_loopback, int(one)))


def make_certificate(folder: Path, addresses: list[Address], now: int, entropy: Entropy) -> Certificate:
    """Make an authority and a certificate for these addresses and `localhost` in a folder; new ones at each start.

    `now` is in real Unix seconds; `entropy` makes the keys and must not come from a seed.
    """
    made = datetime.fromtimestamp(now, UTC)
    make_folder(folder)
    authority_key, key = _key(entropy, b"authority"), _key(entropy, b"server")
    authority = _authority(authority_key, addresses, made, _serial(entropy, b"authority"))
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), *(x509.IPAddress(one) for one in addresses)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("Digital tenge sandbox"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(_serial(entropy, b"server"))
        .not_valid_before(made - timedelta(minutes=5))
        .not_valid_after(made + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / AUTHORITY_FILE).write_bytes(authority.public_bytes(pem))
    (folder / CERTIFICATE_FILE).write_bytes(certificate.public_bytes(pem) + authority.public_bytes(pem))
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with open(folder / KEY_FILE, "wb", opener=opener) as file:
        file.write(key.private_bytes(pem, kind, plain))
    return Certificate(folder / CERTIFICATE_FILE, folder / KEY_FILE)


def _key(entropy: Entropy, name: bytes) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(entropy.bytes("site certificate key", name, 48), "big")
    return ec.derive_private_key(secret % (_ORDER - 1) + 1, ec.SECP256R1())


def _serial(entropy: Entropy, name: bytes) -> int:
    return int.from_bytes(entropy.bytes("site certificate serial", name, 16), "big") | 1


def _authority(
    key: ec.EllipticCurvePrivateKey, addresses: list[Address], made: datetime, serial: int
) -> x509.Certificate:
    allowed: list[x509.GeneralName] = [x509.DNSName("localhost")]
    allowed += [x509.IPAddress(ipaddress.ip_network(one)) for one in addresses]
    name = _name(f"Digital tenge sandbox, {made:%Y-%m-%d %H:%M}")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(made - timedelta(minutes=5))
        .not_valid_after(made + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=allowed, excluded_subtrees=None), critical=True
        )
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
