"""Page sizes and page tokens."""

import base64
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.api.paging import Position, Scope, Shape, decode, encode, page_size
from service.domain.errors import InvalidField, InvalidPageToken

SCOPE: Scope = ("ListEvents", "organizations/a/workspaces/b", "agent.status.changed", None)
BIGINTS = st.integers(-(2**63), 2**63 - 1)
# As they come out of a database: no lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
POSITIONS = BIGINTS | TEXTS | st.lists(BIGINTS | TEXTS, min_size=1, max_size=4).map(tuple)
SCOPES = st.lists(BIGINTS | TEXTS | st.none() | st.lists(TEXTS, max_size=2).map(tuple), max_size=4).map(tuple)


def shape_of(position: Position) -> Shape:
    """Return the type of a position, or the types of its parts."""
    return tuple(type(part) for part in position) if isinstance(position, tuple) else type(position)


@pytest.mark.parametrize(
    ("asked", "given_"), [(0, 50), (1, 1), (50, 50), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_page_size_has_a_default_and_a_maximum(asked: int, given_: int) -> None:
    """A caller that asks for too much gets what there is."""
    assert given_ == page_size(asked)


def test_negative_page_size_is_refused() -> None:
    """It is a mistake, not a wish."""
    with pytest.raises(InvalidField, match="page_size: must not be negative; got -1"):
        page_size(-1)


def test_empty_token_means_the_first_page() -> None:
    """As in every request that does not name one."""
    assert decode("", scope=SCOPE, shape=(int, str)) is None


def test_end_of_the_list_has_an_empty_token() -> None:
    """It says that there is no next page."""
    assert "" == encode(None, scope=SCOPE)


@given(position=POSITIONS, scope=SCOPES)
def test_token_brings_back_its_position(position: Position, scope: Scope) -> None:
    """Whatever the sort key holds, and as text that fits into a URL."""
    token = encode(position, scope=scope)

    assert position == decode(token, scope=scope, shape=shape_of(position))
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@given(position=POSITIONS, scope=SCOPES, other=SCOPES)
def test_token_of_another_list_is_refused(position: Position, scope: Scope, other: Scope) -> None:
    """Method, parent and filters must be those of the page before, or rows would be skipped in silence."""
    assume(scope != other)
    token = encode(position, scope=scope)

    with pytest.raises(InvalidPageToken):
        decode(token, scope=other, shape=shape_of(position))


@given(position=POSITIONS, index=st.integers(min_value=0), character=st.sampled_from(string.ascii_letters + "-_=+/ é"))
def test_garbled_token_never_means_another_position(position: Position, index: int, character: str) -> None:
    """One wrong character is found out; only the unused bits of the last one do not matter."""
    token = encode(position, scope=SCOPE)
    index %= len(token)
    garbled = token[:index] + character + token[index + 1 :]
    try:
        found = decode(garbled, scope=SCOPE, shape=shape_of(position))
    except InvalidPageToken:
        return

    assert position == found


@given(garbage=st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_garbage_is_refused_as_an_invalid_page_token(garbage: str) -> None:
    """Never as a bug of ours."""
    with pytest.raises(InvalidPageToken) as caught:
        decode(garbage, scope=SCOPE, shape=(int, str))

    assert "page_token" == caught.value.field


@pytest.mark.parametrize(
    ("position", "shape"),
    [
        *((position, (int, str)) for position in [("7", "a"), (7,), (7, "a", "b"), (True, "a"), (2**63, "a"), (), 7]),
        *((position, (int, str)) for position in [(None, "a"), ((7,), "a"), "7a"]),
        *((position, int) for position in ["7", True, 2**63, (7,), ()]),
        *((position, str) for position in [7, ("a",), ()]),
    ],
)
def test_token_with_a_position_of_another_shape_is_refused(position: Position, shape: Shape) -> None:
    """The digest is no secret, so a forger can make one; the database must not meet what it cannot compare."""
    with pytest.raises(InvalidPageToken):
        decode(encode(position, scope=SCOPE), scope=SCOPE, shape=shape)


def test_overlong_token_is_refused_before_it_is_decoded() -> None:
    """Tokens of ours are short."""
    with pytest.raises(InvalidPageToken):
        decode(encode("a" * 5000, scope=SCOPE), scope=SCOPE, shape=str)
