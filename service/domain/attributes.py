"""The small rules about text that callers give: attributes, annotations, display names, media types."""

import re
from collections.abc import Mapping

from service.domain.errors import InvalidField, quoted
from service.domain.headers import TOKEN

ATTRIBUTES_MAX = 64
ATTRIBUTE_VALUE_CHARACTERS_MAX = 1024
SOURCE_CHARACTERS_MAX = 1024
DISPLAY_NAME_CHARACTERS_MIN = 3
DISPLAY_NAME_CHARACTERS_MAX = 128
CONTENT_TYPE_CHARACTERS_MAX = 128

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# RFC 9110, sections 5.6.4 (quoted-string), 5.6.6 (parameters) and 8.3.1 (media-type).
_QUOTED_STRING = r'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_MEDIA_TYPE = re.compile(rf"{TOKEN}/{TOKEN}(?:[ \t]*;[ \t]*{TOKEN}=(?:{TOKEN}|{_QUOTED_STRING}))*")


def check_attributes(field: str, attributes: Mapping[str, str]) -> None:
    """Refuse more than 64 attributes, a key that is not `[A-Za-z0-9_.-]{1,64}`, a value of more than 1,024 characters.

    The rule for the attributes of an event and for the attribute filters of a subscription.
    """
    _check_map(field, attributes, "attributes")


def check_annotations(field: str, annotations: Mapping[str, str]) -> None:
    """Refuse annotations by the same limits as attributes."""
    _check_map(field, annotations, "annotations")


def attributes_match(filters: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    """Say whether every filter equals the attribute of its name. No filter at all lets everything pass."""
    return all(attributes.get(key) == value for key, value in filters.items())


def check_text(field: str, value: str, characters_max: int) -> None:
    """Refuse text that is too long or holds a control character (U+0000–001F, U+007F–009F)."""
    _check_length(field, value, characters_max)
    if found := _CONTROL_CHARACTER.search(value):
        raise InvalidField(
            field, f"must not contain control characters; got U+{ord(found[0]):04X} at character {found.start() + 1}"
        )


def check_display_name(field: str, value: str) -> None:
    """Refuse a name for people that is not 3 to 128 characters, or that begins or ends with white space."""
    if len(value) < DISPLAY_NAME_CHARACTERS_MIN:
        raise InvalidField(
            field,
            f"must be {DISPLAY_NAME_CHARACTERS_MIN} to {DISPLAY_NAME_CHARACTERS_MAX} characters; got {quoted(value)}",
        )
    check_text(field, value, DISPLAY_NAME_CHARACTERS_MAX)
    if value != value.strip():
        raise InvalidField(field, f"must not begin or end with white space; got {quoted(value)}")


def check_content_type(field: str, value: str) -> None:
    """Refuse what is not a media type (RFC 9110, section 8.3.1) of at most 128 ASCII characters."""
    if len(value) > CONTENT_TYPE_CHARACTERS_MAX or not _MEDIA_TYPE.fullmatch(value):
        raise InvalidField(
            field,
            f'must be a media type of at most {CONTENT_TYPE_CHARACTERS_MAX} ASCII characters, such as "text/plain"; '
            f"got {quoted(value)}",
        )


def is_json_content_type(value: str) -> bool:
    """Say whether a media type promises JSON: `application/json`, or any type that ends in `+json` (RFC 6839)."""
    media_type = value.partition(";")[0].strip(" \t").lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _check_map(field: str, entries: Mapping[str, str], noun: str) -> None:
    if len(entries) > ATTRIBUTES_MAX:
        raise InvalidField(field, f"must have at most {ATTRIBUTES_MAX} {noun}; got {len(entries)}")
    for key, value in entries.items():
        if not _KEY.fullmatch(key):
            raise InvalidField(
                field, f'keys must be 1 to 64 letters, digits, "_", "." and "-"; got the key {quoted(key)}'
            )
        _check_length(f"{field}[{key}]", value, ATTRIBUTE_VALUE_CHARACTERS_MAX)


def _check_length(field: str, value: str, characters_max: int) -> None:
    if len(value) > characters_max:
        raise InvalidField(field, f"must be at most {characters_max} characters; got {len(value)}")
