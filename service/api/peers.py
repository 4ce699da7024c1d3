"""What a client's certificate says of it."""

from functools import lru_cache

from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    ExtensionNotFound,
    InvalidVersion,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    UnsupportedGeneralNameType,
    load_pem_x509_certificate,
)
from cryptography.x509.oid import NameOID

from service.api.methods import Context

# The clients of one server are some dozens of services; each call of theirs asks.
_CERTIFICATES_MAX = 1_024
_UNREADABLE = (ValueError, DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType)


def identities_of(context: Context) -> tuple[str, ...]:
    """Return the identities in the certificate that a call's client has shown, the first to try first.

    `uri:<URI>` for each URI among its alternative names, then `cn:<common name>`. Nothing without a certificate that
    one of the server's authorities has signed.
    """
    return tuple(name for pem in context.auth_context().get("x509_pem_cert", ()) for name in identities_in(pem))


@lru_cache(_CERTIFICATES_MAX)
def identities_in(pem: bytes) -> tuple[str, ...]:
    """Return the identities in a certificate, as `identities_of` does.

    Not what grpc makes of it: to grpc, the common name `admin<NUL>.example` is `admin`.
    """
    try:
        certificate = load_pem_x509_certificate(pem)
        names = (*(f"uri:{uri}" for uri in _uris(certificate)), *(f"cn:{name}" for name in _common_names(certificate)))
    except _UNREADABLE:
        return ()
    return tuple(name for name in names if name.isprintable())


def _uris(certificate: Certificate) -> list[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return alternatives.get_values_for_type(UniformResourceIdentifier)


def _common_names(certificate: Certificate) -> list[str]:
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    # Of several it would be a guess which one the authority has vouched for.
    return names if len(names) == 1 and names[0] else []
