"""The server's certificate: read from PEM files, checked, and read again once they have changed.

A new certificate takes effect with the next handshake; connections that exist go on. One that cannot be used is
reported, and the old one stays: who renews certificates writes two files, one after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

import grpc
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificates

from service.domain.clock import Clock, rfc3339

_log = structlog.stdlib.get_logger()

# Certificates that renew themselves do so weeks before.
_SOON_MS: Final = 7 * 24 * 3_600_000

_Key: TypeAlias = EllipticCurvePrivateKey | RSAPrivateKey
_Version: TypeAlias = tuple[int, int, int] | None


class TlsError(Exception):
    """A certificate or a key that cannot be used. The message is one sentence for the operator; it shows no key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate and what leads to its authority, its key, and the clients' authorities."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    def __iter__(self) -> Iterator[Path]:
        """Yield the files that there are."""
        yield self.certificate
        yield self.key
        if self.client_authorities is not None:
            yield self.client_authorities


class Tls:
    """What a server shows to its clients, and what it wants to see of them.

    With `client_authorities`, no handshake succeeds without a certificate that one of them has signed.

    Raises:
        TlsError: the files cannot be read, or do not fit together.
    """

    def __init__(self, files: TlsFiles, *, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._looking = Lock()
        # Before they are read: a change in between is seen next time.
        self._versions = _versions(files)
        self._latest = _load(files)
        self._told: str | None = None
        self._tell_of_the_end()

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port is opened with: each needs its own, or it does not learn of what another was told."""
        given = self._latest

        # Called by grpc in each handshake, in a thread of its own, one at a time for a port.
        def renewed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            latest = self._look()
            if latest is given:
                return None
            given = latest
            return latest.configuration

        return grpc.dynamic_ssl_server_credentials(
            given.configuration,
            renewed,  # type: ignore[arg-type]  # typeshed forgot that None means "no other"
            require_client_authentication=self._files.client_authorities is not None,
        )

    def _look(self) -> "_Loaded":
        """Return what the files hold, or held when they could be used last."""
        with self._looking:
            versions = _versions(self._files)
            if versions != self._versions:
                # Also when they cannot be used: that is told once, not in each handshake.
                self._versions = versions
                self._reload()
            self._tell_of_the_end()
            return self._latest

    def _reload(self) -> None:
        try:
            loaded = _load(self._files)
            if loaded.expires_ms <= self._clock.now_ms() < self._latest.expires_ms:
                raise TlsError(f"the certificate in {self._files.certificate} has expired, and the one in use has not")
        except TlsError as error:
            _log.warning("tls.not_reloaded", error=str(error))
            return
        self._latest, self._told = loaded, None
        _log.info("tls.reloaded", certificate=str(self._files.certificate), expires=rfc3339(loaded.expires_ms))

    def _tell_of_the_end(self) -> None:
        """Say once that the certificate expires soon, and once that it has: whoever renews it may have forgotten.

        It is used all the same: the clients decide, and a server that is down helps nobody.
        """
        left_ms = self._latest.expires_ms - self._clock.now_ms()
        event = "tls.expired" if left_ms <= 0 else "tls.expires_soon" if left_ms <= _SOON_MS else None
        if event is None or event == self._told:
            return
        self._told = event
        _log.warning(event, certificate=str(self._files.certificate), expires=rfc3339(self._latest.expires_ms))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the files hold, ready to be used."""

    configuration: grpc.ServerCertificateConfiguration
    expires_ms: int


def _load(files: TlsFiles) -> _Loaded:
    chain_pem, key_pem = _read(files.certificate), _read(files.key)
    certificate, *_ = _certificates(files.certificate, chain_pem)
    if _public_bytes(_private_key(files.key, key_pem)) != _certified(files.certificate, certificate):
        raise TlsError(f"the key in {files.key} is not that of the first certificate in {files.certificate}")
    authorities_pem = None
    if files.client_authorities is not None:
        authorities_pem = _read(files.client_authorities)
        _certificates(files.client_authorities, authorities_pem)
    configuration = grpc.ssl_server_certificate_configuration([(key_pem, chain_pem)], authorities_pem)
    return _Loaded(configuration, round(certificate.not_valid_after_utc.timestamp() * 1000))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _certificates(path: Path, pem: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(pem)
    except (ValueError, InvalidVersion) as error:
        raise TlsError(f"{path} holds no certificate in PEM, or one that is damaged") from error


def _private_key(path: Path, pem: bytes) -> _Key:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise TlsError(f"the key in {path} is encrypted; it must be there without a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(f"{path} holds no private key in PEM, or one that is damaged") from error
    # Others have no place in the TLS of grpc's clients.
    if not isinstance(key, _Key):
        raise TlsError(f"the key in {path} must be an RSA key or one of an elliptic curve (ECDSA)")
    return key


def _certified(path: Path, certificate: Certificate) -> bytes:
    try:
        return _public_bytes(certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(
            f"the first certificate in {path} must be that of an RSA key or of one of an elliptic curve (ECDSA)"
        ) from error


def _public_bytes(holder: Certificate | _Key) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _versions(files: TlsFiles) -> tuple[_Version, ...]:
    """Return what tells whether files have changed: cheap, for it is asked in each handshake."""
    return tuple(_version(path) for path in files)


def _version(path: Path) -> _Version:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
