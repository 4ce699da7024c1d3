"""Certificates for tests of TLS: what trustme does not make, and files of them."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_TO = datetime(2120, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with what leads to its authority, and its key, both in PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both into files of a folder, over those that are there."""
        paths = folder / "server.pem", folder / "server.key"
        paths[0].write_bytes(self.certificate)
        paths[1].write_bytes(self.key)
        return paths


def pair(authority: trustme.CA, *names: str, common_name: str | None = None, not_after: datetime | None = None) -> Pair:
    """Issue a certificate for names."""
    issued = authority.issue_cert(*names, common_name=common_name, not_before=_FROM, not_after=not_after or _TO)
    return Pair(b"".join(pem.bytes() for pem in issued.cert_chain_pems), issued.private_key_pem.bytes())


class Authority:
    """Signs whatever it is asked to."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
        self.pem = self._sign(self._name, (), self._key.public_key(), is_authority=True)

    def issue(self, common_names: Sequence[str], alternatives: Sequence[x509.GeneralName] = ()) -> Pair:
        """Issue a certificate with these names in this order."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])
        return Pair(
            self._sign(subject, alternatives, key.public_key(), is_authority=False),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )

    def _sign(
        self,
        subject: x509.Name,
        alternatives: Sequence[x509.GeneralName],
        key: ec.EllipticCurvePublicKey,
        *,
        is_authority: bool,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder(issuer_name=self._name, subject_name=subject, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_FROM)
            .not_valid_after(_TO)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def loopback() -> x509.GeneralName:
    """Return the name of a server on this machine."""
    return x509.IPAddress(ip_address("127.0.0.1"))


def encrypted(key_pem: bytes) -> bytes:
    """Return a key that needs a passphrase."""
    key = load_pem_private_key(key_pem, password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))


def with_unsupported_curve(certificate: bytes) -> bytes:
    """Return a certificate of P-256 as one of SM2 (GB/T 32918), which grpc's TLS does not have."""
    return _altered(certificate, bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a811ccf5501822d"))


def with_unknown_version(certificate: bytes) -> bytes:
    """Return a certificate as one of a version that there is not (RFC 5280, 4.1.2.1)."""
    return _altered(certificate, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09")


def _altered(certificate: bytes, old: bytes, new: bytes) -> bytes:
    """Change some bytes of a certificate. Its signature does not fit any more."""
    der = ssl.PEM_cert_to_DER_cert(certificate.decode())
    assert 1 == der.count(old)
    return ssl.DER_cert_to_PEM_cert(der.replace(old, new)).encode()
