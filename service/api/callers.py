"""Who makes the call that runs: set around each call by `calls`, asked for by the handlers that change something."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from service.domain.access import UNLIMITED, Actor, Grant
from service.domain.credentials import Credential


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, and what they may do. Without a credential it is everybody, as `--dev` sees them."""

    actor: Actor
    grant: Grant
    credential: Credential | None = None


_DEVELOPMENT: Final = "development"

_caller: ContextVar[Caller] = ContextVar("caller")


def set_caller(caller: Caller) -> None:
    """Say who makes the call that this task carries out."""
    _caller.set(caller)


def current_actor() -> Actor:
    """Return on whose behalf the call that runs acts."""
    return _caller.get().actor


def current_holder() -> str | None:
    """Return whose share of the server the call that runs takes; None with `--dev`, where one is everybody."""
    name = current_actor().name
    return None if name == _DEVELOPMENT else name


def development(call_id: str) -> Caller:
    """Return everybody, as `--dev` sees them."""
    return Caller(Actor(_DEVELOPMENT, call_id), UNLIMITED)
