"""CloudEvents: the context attributes, and their spelling in headers."""

import re
from typing import Final
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.cloud_events import attributes_of, headers_of, source_of
from tests.fakes import event_of

TEXTS: Final = st.text(st.characters(codec="utf-8"), max_size=50)
# RFC 3986, section 2.
ALLOWED: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")


def test_attributes_are_those_of_the_specification() -> None:
    """The four required ones, the time, and a subject where there is one; our own attributes are no extensions."""
    event = event_of("e1", source="agents/a-17", subject="A 17", attributes={"team": "support", "id": "another"})

    assert {
        "specversion": "1.0",
        "id": "e1",
        "source": "agents/a-17",
        "type": "agent.created",
        "time": "2026-11-20T09:30:00.000Z",
        "subject": "A 17",
    } == attributes_of(event)


def test_subject_is_left_out_where_there_is_none() -> None:
    """The specification does not allow an empty one."""
    assert "subject" not in attributes_of(event_of(subject=""))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "/organizations/acme/workspaces/main"),
        ("agents/a-17", "agents/a-17"),
        ("urn:agent:17", "urn:agent:17"),
        ("https://user@example.com:8443/a%20b?c=/?#d", "https://user@example.com:8443/a%20b?c=/?#d"),
        ("//host/path", "//host/path"),
        ("?query", "?query"),
        ("Agent 17", "Agent%2017"),
        ("100%", "100%25"),
        ("50%25 of it", "50%2525%20of%20it"),
        ("17:agent", "17%3Aagent"),
        ("a#b#c", "a%23b%23c"),
        ("https://host:port/", "https%3A//host%3Aport/"),
        ("//a@b@c", "//a%40b%40c"),
        ("caf\u00e9", "caf%C3%A9"),
        ('"<>\\^`{|}[]', "%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
    ],
)
def test_source_is_a_uri_reference(source: str, expected: str) -> None:
    """One that is none is percent-encoded as a whole, so that decoding gives it back."""
    assert expected == source_of(event_of(source=source))


@given(TEXTS.filter(bool))
def test_every_source_becomes_a_uri_reference_that_says_it(source: str) -> None:
    """In the characters of one, and as it was or decodable to it."""
    reference = source_of(event_of(source=source))

    assert ALLOWED.fullmatch(reference)
    assert reference.count("#") <= 1
    assert source in (reference, unquote(reference))


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("A 17", "A%2017"),
        ('"quoted"', "%22quoted%22"),
        ("100%", "100%25"),
        # The example of the specification.
        ("Euro \u20ac \U0001f600", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", "!#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"),
    ],
)
def test_header_values_are_encoded_as_the_http_binding_says(subject: str, expected: str) -> None:
    """Section 3.1.3.2: space, double quote, percent, and what is not printable ASCII; nothing else."""
    assert expected == dict(headers_of(event_of(subject=subject)))["ce-subject"]


@given(subject=TEXTS.filter(bool), source=TEXTS)
def test_headers_say_the_attributes(subject: str, source: str) -> None:
    """In visible ASCII, which no text can break out of."""
    event = event_of(subject=subject, source=source)

    headers = headers_of(event)

    assert attributes_of(event) == {name.removeprefix("ce-"): unquote(value) for name, value in headers}
    assert all(name.startswith("ce-") and re.fullmatch(r"[\x21-\x7e]+", value) for name, value in headers)
