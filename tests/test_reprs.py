"""No value shows a secret when it is printed: tracebacks, logs and failed assertions print whatever comes along.

Found by walking through all modules, so a new field is judged by its name on the day it is written.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest
import tidings_client

import service

CANARY: Final = "canary-7d1f"
# What ends so may hold a secret, a payload, or a URL whose query holds one.
MAY_HOLD_A_SECRET: Final = re.compile(
    r"(^|_)(secrets?|values?|url|headers|body|payload|data|json|tokens?|signing_keys?|api_key|private_key|seed|ciphertext"
    r"|plaintext|authorization|credentials?|passwords?|cookies?|signatures?)(_|$)"
)
# The rest of a name that says that it is something about it.
ABOUT_IT: Final = re.compile(
    r"_(size|bytes|characters|is|ids?|count|max|min|kept|field|schema|truncated|sha256|hash|scheme|s|ms|path|file)(_|$)"
)
CANNOT_HOLD_TEXT: Final = frozenset({int, float, bool, type(None)})


def values() -> Iterator[type]:
    """Yield the dataclasses and named tuples of the server and of the Python client."""
    for package in (service, tidings_client):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and found.__module__ == module.name and field_names(found):
                    yield found


def field_names(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or named tuple, none of another class."""
    if is_dataclass(cls):
        return tuple(each.name for each in fields(cls))
    return getattr(cls, "_fields", ()) if issubclass(cls, tuple) else ()


def secret_fields(cls: type) -> list[str]:
    """Return the fields that may hold a secret, by their names and types."""
    hints = get_type_hints(cls, vars(importlib.import_module(cls.__module__)))
    return [
        name
        for name in field_names(cls)
        if MAY_HOLD_A_SECRET.search(name)
        and not ABOUT_IT.search(name)
        and not set(alternatives(hints[name])) <= CANNOT_HOLD_TEXT
    ]


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that a union has, or the type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def filled(cls: type) -> Any:
    """Return a value whose secrets are known, whatever its constructor would say of it."""
    secret = secret_fields(cls)
    hints = get_type_hints(cls, vars(importlib.import_module(cls.__module__)))
    contents = {name: secret_of(hints[name]) if name in secret else None for name in field_names(cls)}
    if issubclass(cls, tuple):
        return tuple.__new__(cls, contents.values())
    made = object.__new__(cls)
    for name, content in contents.items():
        object.__setattr__(made, name, content)
    return made


def secret_of(hint: Any) -> Any:
    """Return a secret in the form that a field wants it in: a value of ours that may mask it itself, or a text."""
    if get_origin(hint) is tuple:
        return (secret_of(get_args(hint)[0]),)
    ours = next((each for each in alternatives(hint) if isinstance(each, type) and field_names(each)), None)
    return filled(ours) if ours else CANARY


WITH_SECRETS: Final = [cls for cls in values() if secret_fields(cls)]


@pytest.mark.parametrize("cls", WITH_SECRETS, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_value_is_printed_without_its_secrets(cls: type) -> None:
    """Neither by itself nor within another one."""
    made = filled(cls)

    assert CANARY not in repr(made), f"one of {secret_fields(cls)} needs field(repr=False)"
    assert CANARY not in f"{[made]} {made}"


def test_nouns_that_are_known_to_hold_secrets_are_among_those_tested() -> None:
    """If the walk found nothing, all would be well for ever."""
    names = {cls.__name__ for cls in WITH_SECRETS}

    assert {"ApiKey", "SigningKey", "Subscription", "Event", "Attempt", "Request", "Creation", "Preview"} <= names
    assert len(WITH_SECRETS) > 15


@dataclass
class Leaky:
    """What somebody might write."""

    url: str
    headers: dict[str, str]
    payload_size: int


class LeakyTuple(NamedTuple):
    """Another way to write it."""

    token: str


@pytest.mark.parametrize("cls", [Leaky, LeakyTuple])
def test_value_that_shows_a_secret_is_found(cls: type) -> None:
    """The control: this is what the test above would fail for."""
    assert CANARY in repr(filled(cls))
    assert "payload_size" not in secret_fields(cls)
