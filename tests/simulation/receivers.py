"""Receivers that say what they are told to, as a Transport, and keep what they get.

A receiver is known by its host: whoever makes a subscription gives it one that no other has.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random

from service.domain.outcomes import Reply, Request, Unreachable, UnreachableKind
from tests.fakes import reply_of
from tests.invariants import InFlight, Receipt

_NETWORK_S_MAX = 0.02
_SLOW_S_MAX = 2.0
_RETRY_AFTER_S_MAX = 10


class Behaviour(Enum):
    """What a receiver does with a request."""

    ACCEPT = auto()
    FAIL = auto()
    BUSY = auto()
    GONE = auto()
    SLOW = auto()
    STALL = auto()
    REFUSE = auto()
    FLICKER = auto()


_FLICKERING = (Behaviour.ACCEPT, Behaviour.ACCEPT, Behaviour.FAIL, Behaviour.BUSY, Behaviour.REFUSE, Behaviour.SLOW)


@dataclass
class Receivers:
    """All receivers by their hosts, and what they got. `samples` are what processes had under way, each by itself.

    A request that is broken off before it has arrived never arrives; one that has arrived was received, whatever
    becomes of whoever sent it.
    """

    rng: Random
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    samples: list[InFlight] = field(default_factory=list)
    # When requests were started, by process and host.
    starts: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    # How often a receiver said 2xx at once, by host and event; one that takes its time may not be heard any more.
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def reached_by(self, owner: str) -> "Connections":
        """Return the Transport of one process."""
        return Connections(self, owner)

    async def answer(self, request: Request, host: str) -> Reply | Unreachable:
        """Let a request arrive, and its answer travel back."""
        await self._travel()
        behaviour = self.behaviours[host]
        if behaviour is Behaviour.FLICKER:
            behaviour = self.rng.choice(_FLICKERING)
        if behaviour is Behaviour.REFUSE:
            return Unreachable(UnreachableKind.CONNECT_FAILED, "the receiver refused the connection")
        receipt = Receipt(host, _headers(request), request.body, _now_s())
        self.receipts.append(receipt)
        reply = await self._reply(behaviour)
        if reply.http_status < 300 and behaviour is not Behaviour.SLOW:
            self.accepted[host, receipt.event_id] += 1
        await self._travel()
        return reply

    async def _reply(self, behaviour: Behaviour) -> Reply:
        match behaviour:
            case Behaviour.SLOW:
                await asyncio.sleep(self.rng.uniform(0, _SLOW_S_MAX))
                return reply_of(200)
            case Behaviour.STALL:
                await asyncio.Event().wait()
                raise AssertionError("an event that nobody sets")
            case Behaviour.FAIL:
                return reply_of(self.rng.choice((400, 404, 500, 502, 302)))
            case Behaviour.BUSY:
                after_s = str(self.rng.randrange(_RETRY_AFTER_S_MAX))
                return reply_of(self.rng.choice((429, 503)), ("Retry-After", after_s))
            case Behaviour.GONE:
                return reply_of(410)
            case _:
                return reply_of(self.rng.choice((200, 202, 204)))

    async def _travel(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, _NETWORK_S_MAX))


@dataclass
class Connections:
    """A Transport to all receivers, which counts what one process has under way."""

    receivers: Receivers
    owner: str
    _under_way: Counter[str] = field(default_factory=Counter)

    async def post(self, request: Request) -> Reply | Unreachable:
        """Bring a request to its receiver, and its answer back."""
        host = host_of(request.url)
        self._under_way[host] += 1
        self.receivers.starts.setdefault((self.owner, host), []).append(_now_s())
        self.receivers.samples.append(InFlight(_now_s(), +self._under_way))
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self.receivers.answer(request, host)
        except TimeoutError:
            return Unreachable(UnreachableKind.TIMED_OUT, f"no response within {request.timeout_s:g} s")
        finally:
            self._under_way[host] -= 1

    async def close(self) -> None:
        """Nothing is open."""


def host_of(url: str) -> str:
    """Return the host of a URL."""
    return url.split("/")[2]


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers}


def _now_s() -> float:
    return asyncio.get_running_loop().time()
