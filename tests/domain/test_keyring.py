"""Keyrings as text, and what is sealed with their keys."""

import base64
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.keyring import KeyringInvalid, Label, SealBroken, SealingKey, new_key_line, parse_keyring

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
LABELS = st.builds(Label, TEXTS, TEXTS, TEXTS)
KEYS = st.builds(SealingKey, IDS, st.binary(min_size=32, max_size=32))
RNGS = st.builds(Random, st.integers())
KEY = SealingKey("k", bytes(32))
ENCODED = base64.b64encode(bytes(range(32))).decode()


@given(KEYS, TEXTS, LABELS, RNGS)
def test_what_was_sealed_opens_under_its_label(key: SealingKey, text: str, label: Label, rng: Random) -> None:
    """Whatever the text and the label are."""
    assert text == key.open(key.seal(text, label, rng=rng), label)


@given(KEYS, TEXTS, LABELS, LABELS, RNGS)
def test_it_opens_under_no_other_label(key: SealingKey, text: str, label: Label, other: Label, rng: Random) -> None:
    """Also not under one whose parts, written one after the other, are the same text."""
    shifted = Label(label.kind + label.resource, "", label.part)
    sealed = key.seal(text, label, rng=rng)

    for each in {other, shifted, label._replace(part=label.part + "x")} - {label}:
        with pytest.raises(SealBroken):
            key.open(sealed, each)


@given(TEXTS, LABELS, RNGS, st.data())
def test_nothing_that_was_changed_opens(text: str, label: Label, rng: Random, data: st.DataObject) -> None:
    """Not a single bit, and nothing that was cut off or added."""
    sealed = base64.b64decode(KEY.seal(text, label, rng=rng))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]

    for each in (bytes(flipped), cut, sealed + b"\0"):
        with pytest.raises(SealBroken):
            KEY.open(base64.b64encode(each).decode(), label)


@given(TEXTS, LABELS)
def test_nothing_else_opens(text: str, label: Label) -> None:
    """What is no sealed text at all is damaged too, and no other kind of error."""
    with pytest.raises(SealBroken):
        KEY.open(text, label)


@given(TEXTS, LABELS, RNGS)
def test_another_key_opens_nothing(text: str, label: Label, rng: Random) -> None:
    """Neither other bytes under the same id, nor the same bytes under another id."""
    sealed = KEY.seal(text, label, rng=rng)

    for other in (SealingKey("k", bytes(31) + b"\1"), SealingKey("l", bytes(32))):
        with pytest.raises(SealBroken):
            other.open(sealed, label)


def test_same_text_is_sealed_differently_each_time() -> None:
    """Or the database would tell which subscriptions share a key."""
    rng = Random(1)

    assert 100 == len({KEY.seal("same", Label("kind"), rng=rng) for _ in range(100)})


def test_one_key_serves_many_threads() -> None:
    """The writer seals while the readers open, all of them with the same object."""

    def work(seed: int) -> bool:
        rng, label = Random(seed), Label("kind", str(seed))
        texts = [str(number) * 200 for number in range(500)]
        return texts == [KEY.open(KEY.seal(text, label, rng=rng), label) for text in texts]

    with ThreadPoolExecutor(8) as threads:
        assert [True] * 8 == list(threads.map(work, range(8)))


def test_neither_key_nor_keyring_shows_its_bytes() -> None:
    """In whatever is logged or raised."""
    keyring = parse_keyring(f"a:{ENCODED}", source="here")

    assert "Keyring('here', ['a'])" == repr(keyring)
    assert "SealingKey('a')" == repr(keyring.find("a")) == str(keyring.last)


def test_keyring_is_a_line_per_key() -> None:
    """With comments and empty lines; the last one is the newest."""
    text = f"# made by hand\n\n  one:{ENCODED}  \r\n #two:{ENCODED}\ntwo.2-b_c:{base64.b64encode(bytes(32)).decode()}"

    keyring = parse_keyring(text, source="here")

    assert ["one", "two.2-b_c"] == list(keyring)
    assert "two.2-b_c" == keyring.last.id
    assert keyring.find("two") is None


@given(RNGS)
def test_new_key_is_a_line_of_a_keyring(rng: Random) -> None:
    """Of 32 bytes, and no two are the same."""
    (first, line), (second, other) = new_key_line(rng), new_key_line(rng)

    assert [first, second] == list(parse_keyring(f"{line}\n{other}\n", source="here"))
    assert first != second


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "here holds no key; a key is a line of the form <key id>:<base64 of 32 bytes>"),
        ("# only this\n\n", "here holds no key"),
        (f"a:{ENCODED}\n{ENCODED}", "here, line 2: must be <key id>:<base64 of 32 bytes>"),
        (f":{ENCODED}", "here, line 1: must be <key id>:"),
        (f"a b:{ENCODED}", "here, line 1: must be <key id>:"),
        (f"-a:{ENCODED}", "here, line 1: must be <key id>:"),
        (f"{'a' * 65}:{ENCODED}", "here, line 1: must be <key id>:"),
        (f"a:{ENCODED[:-1]}", "here, line 1: the key a is not base64"),
        ("a:*", "here, line 1: the key a is not base64"),
        (f"\na:{ENCODED[:-4]}", "here, line 2: the key a must be 32 bytes; it has 30"),
        ("a:", "here, line 1: the key a must be 32 bytes; it has 0"),
        (f"a:{ENCODED}\nb:{ENCODED}\na:{ENCODED}", "here, line 3: the key id a is there already"),
    ],
)
def test_keyring_that_makes_no_sense_is_refused_with_its_line(text: str, words: str) -> None:
    """And without a byte of what may be a key."""
    with pytest.raises(KeyringInvalid) as caught:
        parse_keyring(text, source="here")

    assert str(caught.value).startswith(words)
    assert ENCODED[:8] not in str(caught.value)
