"""Echoes: what a text repeats of a secret is found however it is escaped, and wherever the text ends."""

import json
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.echoes import without_echoes
from service.domain.masking import MASK

SECRET: Final = 'sk/live+0123"4567<89>&\\abc'


def kept_of(text: str, *secrets: str, is_cut: bool = False) -> str:
    """Return what is left of one text."""
    [kept] = without_echoes([text], secrets, is_cut=is_cut)
    return kept


def php(text: str) -> str:
    """Return JSON as PHP writes it."""
    return json.dumps(text).replace("/", "\\/")


def go(text: str) -> str:
    """Return JSON as Go writes it."""
    return json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def dot_net(text: str) -> str:
    """Return JSON as .NET writes it."""
    return go(text).replace("+", "\\u002B").replace('\\"', "\\u0022")


def html(text: str) -> str:
    """Return text as it stands on a page."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&#34;")
        .replace("+", "&#x2B;")
    )


SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": str,
    "JSON": json.dumps,
    "PHP": php,
    "Go": go,
    ".NET": dot_net,
    "HTML": html,
    "percent": quote,
    "percent twice": lambda text: quote(quote(text)),
    "JSON in JSON": lambda text: php(php(text)),
    "HTML in JSON": lambda text: go(html(text)),
    "HTML twice": lambda text: html(html(text)),
    "JSON in percent": lambda text: quote(dot_net(text)),
    "HTML in percent": lambda text: quote(html(text)),
}
spelled = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)


@spelled
def test_secret_is_found_however_it_is_escaped(spell: Callable[[str], str]) -> None:
    """All but the secret stays, character for character."""
    text = spell(SECRET)
    opening, closing = text[: text.index("sk")], text[text.index("abc") + 3 :]

    kept = kept_of(f"<\\\\ got %41 \xe9 {text} &amp; more", SECRET)

    assert f"<\\\\ got %41 \xe9 {opening}{MASK}{closing} &amp; more" == kept


@spelled
def test_beginning_of_a_secret_is_found_wherever_a_text_was_cut(spell: Callable[[str], str]) -> None:
    """In the middle of an escape too."""
    text = spell(SECRET)
    opening = text[: text.index("sk")]

    for end in range(text.index("live") + 4, len(text)):
        assert f"got {opening}{MASK}" == kept_of(f"got {text[:end]}", SECRET, is_cut=True)[: len(opening) + 14]


@spelled
def test_beginning_of_a_secret_in_a_whole_text_stays(spell: Callable[[str], str]) -> None:
    """That is no secret."""
    beginning = spell(SECRET[:16])

    assert f"got {beginning}" == kept_of(f"got {beginning}", SECRET)


def test_nothing_is_found_across_two_texts() -> None:
    """Each is kept by itself."""
    assert ["secret", "-value", "", "."] == without_echoes(
        ["secret", "-value", "", "."], {"secret-value"}, is_cut=False
    )
    assert ["a/secret", "/value"] == without_echoes(["a/secret", "/value"], {"secret/value"}, is_cut=False)


def test_only_the_last_of_several_texts_was_cut() -> None:
    """What the others end with is whole."""
    assert ["secret-", MASK] == without_echoes(["secret-", "secret-"], {"secret-value"}, is_cut=True)


def test_secrets_that_lie_across_each_other_are_redacted_together() -> None:
    """As the path of a URL and a part of it."""
    assert f"<{MASK}>" == kept_of("<abcdefghijkl>", "abcdefgh", "efghijkl", "cdefghij")


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("a" * 4_096, {"a" * 8 + "b" * 8}),
        ("b/" * 4_096 + "\\", {"b/" * 100}),
        ("none here" * 400, {f"secret-{number}" for number in range(100)}),
        ("none here" * 800, {"secret-value" * 600}),
    ],
    ids=["beginnings", "escapes", "secrets", "long secrets"],
)
def test_text_that_takes_long_to_search_is_not_kept(text: str, secrets: set[str]) -> None:
    """Nobody can make the search long, nor have what it did not find. Shorter than a secret, it holds none."""
    assert [MASK, "short", MASK] == without_echoes(["longer", "short", text], secrets, is_cut=False)


VISIBLE: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)


@given(
    value=VISIBLE,
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    spell=st.sampled_from([str, json.dumps, php, dot_net]),
)
def test_any_value_is_found_between_any_bytes(value: str, before: bytes, after: bytes, spell: Any) -> None:
    """Nothing that comes before or after hides it."""
    assume(value not in MASK)
    text = spell(value)[1:-1] if spell is not str else value
    # Six characters are left of it, and it is no part of an escape.
    assume(spell is str or len(re.sub(r"[^A-Za-z0-9._~-]+", "?", value).strip("?")) >= 6)
    assume(not re.search(rb"(\\|%)\w*$|[&#][^;]*$", before) and not re.search(r"[\\%&#]\w*$", value))

    kept = kept_of(f"{before.decode('latin-1')}{text}{after.decode('latin-1')}", value)

    assert MASK in kept
    assert value not in kept.replace(MASK, "")


@given(value=VISIBLE, kept_characters=st.integers(min_value=6, max_value=60))
def test_no_beginning_of_any_value_is_left_at_a_cut(value: str, kept_characters: int) -> None:
    """Wherever it is cut, six characters or more of a secret are too many."""
    assume(value[:6] not in MASK)

    kept = kept_of(f"x {value[:kept_characters]}", value, is_cut=True)

    assert value[:6] not in kept
