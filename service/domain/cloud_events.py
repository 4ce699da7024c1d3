"""The context attributes of CloudEvents 1.0, as members of a JSON object and as headers.

The event's own `attributes` are not among them: names of CloudEvents extensions are `[a-z0-9]{1,20}`, and folding ours
into that could make two of them one, or one of them `id`.
"""

import re
from urllib.parse import quote

from service.domain.clock import rfc3339
from service.domain.model import Event

SPEC_VERSION = "1.0"

_PERCENT_ENCODED = "%[0-9A-Fa-f]{2}"
_NAME_CHARACTER = rf"(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_PERCENT_ENCODED})"
_PATH_CHARACTER = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_PERCENT_ENCODED})"
_AUTHORITY = rf"(?:(?:{_NAME_CHARACTER}|:)*@)?{_NAME_CHARACTER}*(?::[0-9]*)?"
_WITH_AUTHORITY = rf"//{_AUTHORITY}(?:/{_PATH_CHARACTER}*)*"
_ABSOLUTE_PATH = rf"/(?:{_PATH_CHARACTER}+(?:/{_PATH_CHARACTER}*)*)?"
_ROOTLESS_PATH = rf"{_PATH_CHARACTER}+(?:/{_PATH_CHARACTER}*)*"
_RELATIVE_PATH = rf"(?:{_NAME_CHARACTER}|@)+(?:/{_PATH_CHARACTER}*)*"
_TAIL = rf"(?:\?(?:{_PATH_CHARACTER}|[/?])*)?(?:#(?:{_PATH_CHARACTER}|[/?])*)?"
# RFC 3986, section 4.1, but without addresses in brackets.
_URI_REFERENCE = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:(?:{_WITH_AUTHORITY}|{_ABSOLUTE_PATH}|{_ROOTLESS_PATH})?"
    rf"|{_WITH_AUTHORITY}|{_ABSOLUTE_PATH}|{_RELATIVE_PATH}|){_TAIL}"
)
# What may stand anywhere in a relative reference: section 3.3. A colon may not, nor may a second "@" in "//a@b@c".
_SAFE_IN_REFERENCES = "/!$&'()*+,;="
# What stays itself in a header: section 3.1.3.2 of the CloudEvents HTTP binding names U+0021 to U+007E without `"` and
# `%`. Letters and digits need no mention.
_SAFE_IN_HEADERS = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def attributes_of(event: Event) -> dict[str, str]:
    """Return the context attributes by name, all but `datacontenttype`; `subject` only where there is one."""
    attributes: dict[str, str] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": source_of(event),
        "type": event.event_type,
        "time": rfc3339(event.time_ms),
    }
    return attributes | {"subject": event.subject} if event.subject else attributes


def headers_of(event: Event) -> tuple[tuple[str, str], ...]:
    """Return the context attributes as `ce-*` headers, percent-encoded by section 3.1.3.2 of the HTTP binding.

    Source and subject have at most 1,024 characters each, which can make 12 KiB here: more than many receivers take.
    """
    return tuple((f"ce-{name}", quote(value, safe=_SAFE_IN_HEADERS)) for name, value in attributes_of(event).items())


def source_of(event: Event) -> str:
    """Return the event's source as CloudEvents wants it: a URI-reference that is not empty.

    A source that is one is sent as it is. Any other text is percent-encoded as a whole, its percent signs too, so that
    decoding gives it back. An event without a source has `/organizations/…/workspaces/…`.
    """
    source = event.source or f"/{event.workspace.name}"
    return source if _URI_REFERENCE.fullmatch(source) else quote(source, safe=_SAFE_IN_REFERENCES)
