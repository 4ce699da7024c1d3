"""Whose certificates receivers may show: those of the system's authorities, and of private ones beside them."""

import ssl
from pathlib import Path


class TrustError(Exception):
    """Authorities that cannot be read. The message is a phrase for the operator that names the file."""


def trusting(authorities: Path | None = None) -> ssl.SSLContext:
    """Return what verifies receivers, by their names too. It takes some 20 ms.

    The system's authorities are where OpenSSL looks for them, which SSL_CERT_FILE and SSL_CERT_DIR can move: on some
    systems there is no other way to name them.

    Args:
        authorities: a PEM file of certificates to trust as well.

    Raises:
        TrustError: it cannot be read, or holds no certificate.
    """
    # Not `create_default_context`, which writes the keys of every connection to a file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(("http/1.1",))
    if authorities is not None:
        _add(context, authorities)
    return context


def _add(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise TrustError(f"{authorities} holds no certificate in PEM, or one that is damaged") from error
    except OSError as error:
        raise TrustError(f"cannot read {authorities}: {(error.strerror or str(error)).lower()}") from error
