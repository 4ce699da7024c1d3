"""The small rules about text that callers give."""

import pytest

from service.domain.attributes import (
    attributes_match,
    check_annotations,
    check_attributes,
    check_content_type,
    check_display_name,
    check_text,
    is_json_content_type,
)
from service.domain.errors import InvalidField


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"agent_id": "42"},
        {"A.b-c_9": ""},
        {"k" * 64: "v" * 1024},
        {"é".encode().hex(): "é\n"},
        {str(n): "" for n in range(64)},
    ],
)
def test_attributes_within_the_limits_are_accepted(attributes: dict[str, str]) -> None:
    """Up to 64 of them; values are free text. Annotations have the same limits."""
    check_attributes("event.attributes", attributes)
    check_annotations("subscription.annotations", attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({str(n): "" for n in range(65)}, "event.attributes: must have at most 64 attributes; got 65"),
        ({"k": "v" * 1025}, "event.attributes[k]: must be at most 1024 characters; got 1025"),
        *(
            (
                {key: "v"},
                'event.attributes: keys must be 1 to 64 letters, digits, "_", "." and "-"; '
                f'got the key "{ascii(key)[1:-1]}"',
            )
            for key in ("", "a b", "é", "a/b", "k" * 65, "a\n")
        ),
    ],
)
def test_attributes_outside_the_limits_are_refused(attributes: dict[str, str], message: str) -> None:
    """The message says which limit, and the key is safe to print."""
    with pytest.raises(InvalidField) as caught:
        check_attributes("event.attributes", attributes)

    assert message == caught.value.message


def test_too_many_annotations_are_called_annotations() -> None:
    """The word in the message is the word in the contract."""
    with pytest.raises(InvalidField, match=r"^subscription\.annotations: must have at most 64 annotations; got 65$"):
        check_annotations("subscription.annotations", {str(n): "" for n in range(65)})


@pytest.mark.parametrize(
    ("filters", "attributes", "expected"),
    [
        ({}, {}, True),
        ({}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, False),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, False),
        ({"a": "1"}, {"a": "2"}, False),
        ({"a": "1"}, {"A": "1"}, False),
        ({"a": ""}, {}, False),
        ({"a": ""}, {"a": ""}, True),
    ],
)
def test_every_filter_must_equal_its_attribute(
    filters: dict[str, str], attributes: dict[str, str], expected: bool
) -> None:
    """AND, exact, and an absent attribute is not an empty one."""
    assert expected == attributes_match(filters, attributes)


@pytest.mark.parametrize("value", ["", "agents/42", "naïve ☃ \U0001f600", "x" * 1024, "\U0001f600" * 1024, "\u00a0"])
def test_text_within_its_limit_is_accepted(value: str) -> None:
    """Characters are counted, not bytes."""
    check_text("event.source", value, 1024)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("x" * 1025, "must be at most 1024 characters; got 1025"),
        ("a\nb", "must not contain control characters; got U+000A at character 2"),
        ("\x00", "must not contain control characters; got U+0000 at character 1"),
        ("ab\x7f", "must not contain control characters; got U+007F at character 3"),
        ("\x9b", "must not contain control characters; got U+009B at character 1"),
    ],
)
def test_text_that_is_long_or_has_control_characters_is_refused(value: str, problem: str) -> None:
    """Such text would break headers and logs further on."""
    with pytest.raises(InvalidField) as caught:
        check_text("event.source", value, 1024)

    assert f"event.source: {problem}" == caught.value.message


@pytest.mark.parametrize("value", ["abc", "Billing (EU)", "日本語", "x" * 128])
def test_display_name_of_3_to_128_characters_is_accepted(value: str) -> None:
    """In any script."""
    check_display_name("subscription.display_name", value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", 'must be 3 to 128 characters; got ""'),
        ("ab", 'must be 3 to 128 characters; got "ab"'),
        ("x" * 129, "must be at most 128 characters; got 129"),
        ("a\tb", "must not contain control characters; got U+0009 at character 2"),
        (" abc", 'must not begin or end with white space; got " abc"'),
        ("abc\u3000", 'must not begin or end with white space; got "abc\\u3000"'),
        ("   ", 'must not begin or end with white space; got "   "'),
    ],
)
def test_display_name_that_people_would_misread_is_refused(value: str, problem: str) -> None:
    """Two names that look alike are one name too many."""
    with pytest.raises(InvalidField) as caught:
        check_display_name("subscription.display_name", value)

    assert f"subscription.display_name: {problem}" == caught.value.message


@pytest.mark.parametrize(
    "value",
    [
        "application/json",
        "text/plain; charset=utf-8",
        "text/plain;charset=utf-8",
        'multipart/mixed; boundary="a b; \\" c"; x=y',
        "application/vnd.acme+json",
        "a/" + "b" * 126,
    ],
)
def test_media_type_is_accepted(value: str) -> None:
    """With parameters, quoted or not (RFC 9110)."""
    check_content_type("event.content_type", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "json",
        "/json",
        "text/",
        "text/plain ",
        " text/plain",
        "text /plain",
        "text/plain;",
        "text/plain; charset",
        "text/plain; charset=",
        'text/plain; a="b',
        "text/plain\r\nx-evil: 1",
        "text/plain\n",
        'text/plain; a="\r\nx: 1"',
        "text/pläin",
        'text/plain; a="ä"',
        "text/plain, text/html",
        "a/" + "b" * 127,
    ],
)
def test_what_is_not_a_media_type_is_refused(value: str) -> None:
    """It becomes a header of the delivery, so nothing is let through that could break one."""
    with pytest.raises(InvalidField, match=r"^event\.content_type: must be a media type of at most 128 ASCII"):
        check_content_type("event.content_type", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/cloudevents+json", True),
        ("application/problem+JSON;x=y", True),
        ("text/json", False),
        ("application/jsonl", False),
        ("application/json-seq", False),
        ("text/plain; x=application/json", False),
        ('text/plain; x="+json', False),
        ("", False),
    ],
)
def test_media_type_promises_json_by_its_name_or_its_suffix(value: str, expected: bool) -> None:
    """Parameters say nothing about it."""
    assert expected == is_json_content_type(value)
