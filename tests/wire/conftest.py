"""Certificates made for each run: a private authority and what it signed, well and badly."""

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """`ca` is the bundle a line is given; `server(name)` is a TLS context for a fake biller."""

    ca: Path
    server: Callable[[str], ssl.SSLContext]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", ca_key, ca_key, None, names=(), authority=True)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    kinds = {
        "good": {"names": ("localhost",)},
        "expired": {"names": ("localhost",), "age": 400 * DAY},
        "not yet valid": {"names": ("localhost",), "age": -10 * DAY},
        "wrong host": {"names": ("other.test",)},
        "address only": {"names": ("127.0.0.1",)},
        "self-signed": {"names": ("localhost",), "own": True},
    }

    def server(kind: str) -> ssl.SSLContext:
        facts = dict(kinds[kind])
        key = ec.generate_private_key(ec.SECP256R1())
        own = bool(facts.pop("own", False))
        certificate = _certificate("biller", key, key if own else ca_key, None if own else ca.subject, **facts)
        path = folder / f"{kind}.pem"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    return Certificates(folder / "ca.pem", server)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    *,
    names: tuple[str, ...],
    authority: bool = False,
    age: datetime.timedelta = DAY,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - age  # noqa: TID251 - a certificate is judged by the machine's clock
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternatives = [x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signer, hashes.SHA256())
