"""Headers: which ones a subscriber may add."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidField
from service.domain.headers import HEADER_BYTES_MAX, HEADERS_MAX, check_apart, check_api_key, check_headers
from service.domain.model import ApiKey

FIELD = "subscription.headers"
RESERVED = (
    "webhook-id",
    "tidings-attempt",
    "ce-type",
    "content-type",
    "content-length",
    "x-hub-signature-256",
    "x-github-event",
    "stripe-signature",
    "messagebird-signature",
    "vonage-signature",
    "host",
    "date",
    "user-agent",
    "transfer-encoding",
    "te",
    "trailer",
    "connection",
    "keep-alive",
    "upgrade",
    "expect",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "accept-encoding",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-real-ip",
    "traceparent",
    "tracestate",
    "metadata",
    "metadata-flavor",
    "x-aws-ec2-metadata-token",
    "x-amz-date",
    "x-google-metadata-request",
    "x-azure-clientip",
    "x-fd-healthprobe",
    "authorization",
)


def refusal(headers: dict[str, str]) -> InvalidField:
    with pytest.raises(InvalidField) as refused:
        check_headers(FIELD, headers)
    return refused.value


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Team": "billing"},
        {"X-Empty": ""},
        {"X-Words": "two words, and (more)"},
        {"!#$%&'*+.^_`|~-09azAZ": "~"},
        {"Accept": "application/json", "X-Api-Key": "s3cret"},
        {"Contents": "not content-*", "Vias": "1", "Hosted": "1"},
    ],
)
def test_legal_headers_are_accepted(headers: dict[str, str]) -> None:
    """Anything that RFC 9110 allows, is visible and is nobody else's."""
    check_headers(FIELD, headers)


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("name", RESERVED)
def test_reserved_name_is_refused_in_any_case(name: str, spell: type[str]) -> None:
    """Header names have no case, so neither has the list."""
    error = refusal({spell(name): "x"})

    assert f'{FIELD}["{spell(name)}"]' == error.field
    assert "reserved" in error.message


@pytest.mark.parametrize("name", ["", " ", "X Y", "X:Y", "X\r\nY", "Ü", "(x)", "a/b", '"a"', "x\x00", "x\u212a"])
def test_name_that_is_no_token_is_refused(name: str) -> None:
    """A name with a separator in it could end the header early."""
    assert "header name" in refusal({name: "x"}).message


@pytest.mark.parametrize("value", ["\r\nX: 1", "a\nb", "a\tb", "\x00", "\x7f", "é", "\u2028", "\ud800"])
def test_value_outside_visible_ascii_is_refused(value: str) -> None:
    """Control characters inject headers; others have no agreed encoding."""
    assert "visible ASCII" in refusal({"X-Foo": value}).message


@pytest.mark.parametrize("value", [" ", " a", "a "])
def test_value_with_a_space_at_an_end_is_refused(value: str) -> None:
    """HTTP strips it, so it would not arrive as given."""
    assert "space" in refusal({"X-Foo": value}).message


def test_error_names_the_fault_and_keeps_the_value_to_itself() -> None:
    """A header often carries a credential; messages end up in logs."""
    error = refusal({"X-Api-Key": "s3cret\u00e9"})

    assert 'subscription.headers["X-Api-Key"]' == error.field
    assert '"\\xe9" at character 7' in error.message
    assert "s3cret" not in error.message


def test_names_equal_but_for_case_are_refused() -> None:
    """They are one header to the receiver, with two values."""
    error = refusal({"X-Foo": "1", "x-foo": "2"})

    assert f'{FIELD}["x-foo"]' == error.field
    assert '"X-Foo"' in error.message


def test_number_of_headers_is_limited() -> None:
    """32 pass, 33 do not."""
    check_headers(FIELD, {f"X-{number}": "" for number in range(HEADERS_MAX)})

    assert FIELD == refusal({f"X-{number}": "" for number in range(HEADERS_MAX + 1)}).field


def test_size_of_a_header_is_limited() -> None:
    """Name and value count together: 4096 bytes pass, 4097 do not."""
    check_headers(FIELD, {"X-Foo": "v" * (HEADER_BYTES_MAX - 5)})

    assert "4097" in refusal({"X-Foo": "v" * (HEADER_BYTES_MAX - 4)}).message


@given(st.text(max_size=8), st.text(max_size=8))
def test_accepted_headers_cannot_break_out_of_their_line(name: str, value: str) -> None:
    """Whatever is accepted makes one well-formed header line."""
    try:
        check_headers(FIELD, {name: value})
    except InvalidField:
        return

    line = f"{name}: {value}"
    assert line.isascii()
    assert line.isprintable()
    assert (name, value) == (line.partition(":")[0], line.partition(":")[2].strip())


# --- API keys


def api_key_refusal(header: str, value: str) -> InvalidField:
    with pytest.raises(InvalidField) as refused:
        check_api_key("subscription.api_key", ApiKey(header, value))
    return refused.value


@pytest.mark.parametrize("header", ["X-API-Key", "authorization", "AUTHORIZATION", "x" * 256])
@pytest.mark.parametrize("value", ["", "k", "Bearer of-mine", "x" * 4096])
def test_api_key_may_be_any_header_that_is_not_ours_and_authorization(header: str, value: str) -> None:
    """Whether it may be empty is decided where the stored one is known."""
    check_api_key("subscription.api_key", ApiKey(header, value))


@pytest.mark.parametrize(
    "header", ["", "a b", "é", "x:", "x" * 257, *(each for each in RESERVED if each != "authorization")]
)
def test_api_key_in_a_header_that_is_reserved_or_none_is_refused(header: str) -> None:
    """By the rules of the other headers."""
    assert "subscription.api_key.header" == api_key_refusal(header, "k").field


@pytest.mark.parametrize("value", ["secret\0", "secret\r\nX: 1", "secreté", " secret", "secret ", "secret" * 683])
def test_faulty_api_key_is_refused_and_not_repeated(value: str) -> None:
    """The message goes to logs and screens."""
    refused = api_key_refusal("X-API-Key", value)

    assert "subscription.api_key.value" == refused.field
    assert "secret" not in refused.message


@given(st.text(alphabet="aAbB-", min_size=1, max_size=3), st.text(alphabet="aAbB-", min_size=1, max_size=3))
def test_header_and_api_key_are_apart_exactly_when_they_differ_by_more_than_case(header: str, name: str) -> None:
    """A receiver reads names without regard to case."""
    try:
        check_apart("subscription.headers", {header: ""}, ApiKey(name, "k"))
    except InvalidField:
        assert header.lower() == name.lower()
    else:
        assert header.lower() != name.lower()
    check_apart("subscription.headers", {header: ""}, None)
