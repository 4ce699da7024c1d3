"""What a client's certificate says of it."""

from service.api.calls import Context


def identities_of(context: Context) -> tuple[str, ...]:
    """Return the identities in the certificate that a call's client has shown, the first to try first.

    `uri:<URI>` for each URI among its alternative names, then `cn:<common name>`. Nothing without a certificate that
    one of the server's authorities has signed.
    """
    properties = context.auth_context()
    uris = properties.get("x509_uri", ())
    names = properties.get("x509_common_name", ())
    return (*(f"uri:{uri.decode()}" for uri in uris), *(f"cn:{name.decode()}" for name in names))
