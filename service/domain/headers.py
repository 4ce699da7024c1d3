"""The headers that a subscriber may add to its requests.

Reserved are the names that Tidings writes itself, those that frame or route a message, and those that open a door
when a request lands on a proxy or a cloud's metadata service.
"""

import re
from collections.abc import Mapping

from service.domain.errors import InvalidField, quoted
from service.domain.model import ApiKey

HEADERS_MAX = 32
HEADER_BYTES_MAX = 4096
API_KEY_HEADER_CHARACTERS_MAX = 256
API_KEY_CHARACTERS_MAX = 4096
TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""The pattern of a token, of which HTTP makes names: RFC 9110, section 5.6.2."""

_NAME = re.compile(TOKEN)
_VALUE_FAULT = re.compile(r"[^\x20-\x7e]")
_RESERVED_PREFIXES = (
    "ce-",
    "content-",
    "messagebird-",
    "proxy-",
    "stripe-",
    "tidings-",
    "vonage-",
    "webhook-",
    "x-amz-",
    "x-aws-",
    "x-azure-",
    "x-fd-",
    "x-forwarded-",
    "x-github-",
    "x-google-",
    "x-hub-",
)
# A header that carries credentials is no place for just any text, but this is where an API key belongs.
_ALLOWED_FOR_API_KEY = "authorization"
_RESERVED_NAMES = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "metadata",
        "metadata-flavor",
        "set-cookie",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-real-ip",
    }
)


def check_headers(field: str, headers: Mapping[str, str]) -> None:
    """Refuse headers that a subscription may not add to its requests.

    At most 32; each a token of RFC 9110, section 5.6.2, not reserved, given once whatever its case; each value of the
    characters 0x20 to 0x7E without a space at either end; name and value together at most 4096 bytes.

    Raises:
        InvalidField: with the path of the header, such as `subscription.headers["X-Foo"]`. It names the faulty
            character of a value and not the value, which may be a credential.
    """
    if len(headers) > HEADERS_MAX:
        raise InvalidField(field, f"must have at most {HEADERS_MAX} headers; got {len(headers)}")
    seen: dict[str, str] = {}
    for name, value in headers.items():
        path = f"{field}[{quoted(name)}]"
        _check_name(path, name)
        _check_value(path, name, value)
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise InvalidField(path, f"header names must differ by more than case; got {quoted(twin)} too")


def check_api_key(field: str, api_key: ApiKey) -> None:
    """Refuse an API key whose header or value may not be sent.

    The header is a token of at most 256 characters, not reserved unless it is `authorization`. The value is at most
    4,096 of the characters 0x20 to 0x7E without a space at either end. Whether it may be empty is not decided here.

    Raises:
        InvalidField: with the path of the header or of the value. It names the faulty character, and not the value.
    """
    header = f"{field}.header"
    if len(api_key.header) > API_KEY_HEADER_CHARACTERS_MAX:
        raise InvalidField(
            header, f"must be at most {API_KEY_HEADER_CHARACTERS_MAX} characters; got {len(api_key.header)}"
        )
    if api_key.header.lower() != _ALLOWED_FOR_API_KEY:
        _check_name(header, api_key.header)
    if len(api_key.value) > API_KEY_CHARACTERS_MAX:
        raise InvalidField(
            f"{field}.value", f"must be at most {API_KEY_CHARACTERS_MAX} characters; got {len(api_key.value)}"
        )
    _check_characters(f"{field}.value", api_key.value)


def check_apart(field: str, headers: Mapping[str, str], api_key: ApiKey | None) -> None:
    """Refuse headers among which is that of the API key, whatever its case: a receiver would get one of the two."""
    for name in headers:
        if api_key is not None and name.lower() == api_key.header.lower():
            raise InvalidField(
                f"{field}[{quoted(name)}]", "must not be the header of the api_key; leave it out, or give that another"
            )


def _check_name(path: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidField(
            path,
            "a header name must be letters, digits and any of !#$%&'*+-.^_`|~, at least one character; "
            f"got {quoted(name)}",
        )
    reserved = _reservation(name.lower())
    if reserved is not None:
        raise InvalidField(path, f"must not be a reserved header name ({reserved}); got {quoted(name)}")


def _reservation(lower_name: str) -> str | None:
    if lower_name in _RESERVED_NAMES:
        return lower_name
    return next((f"{prefix}*" for prefix in _RESERVED_PREFIXES if lower_name.startswith(prefix)), None)


def _check_value(path: str, name: str, value: str) -> None:
    _check_characters(path, value)
    size = len(name) + len(value)
    if size > HEADER_BYTES_MAX:
        raise InvalidField(path, f"name and value must be at most {HEADER_BYTES_MAX} bytes together; got {size}")


def _check_characters(path: str, value: str) -> None:
    fault = _VALUE_FAULT.search(value)
    if fault is not None:
        raise InvalidField(
            path,
            "a header value must be visible ASCII characters and spaces; "
            f"got {quoted(fault.group())} at character {fault.start() + 1}",
        )
    if value != value.strip(" "):
        raise InvalidField(path, "a header value must not begin or end with a space; it does")
