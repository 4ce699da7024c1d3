"""Requests on their way in: how many at once, and how long each may take.

What a client sends stays with it, but for a window of 64 KiB for each call, until its message is asked for. From then
on grpc keeps what has come of the message: as much as a message may be large, for as long as its client dawdles. So
messages are asked for here, after it is known who calls, and few at a time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final
from weakref import WeakValueDictionary

import grpc

from service.api.methods import Context
from service.domain.errors import Draining, InvalidField, Quota, QuotaExceeded
from service.quotas import OnRefused

# With up to 8 MiB each, for grpc takes no larger messages: 256 MiB, and 128 MiB of what strangers may send.
REQUESTS_MAX: Final = 32
QUESTIONS_MAX: Final = 16
# Long enough for 4 MiB, the largest request, over a line that takes 150 ms to and fro, for 64 KiB go each time; short,
# for others may be waiting.
WITHIN_S: Final = 10.0
# Once the server shuts down.
_LAST_REQUEST_S: Final = 1.0
_RETRY_AFTER_S: Final = 1.0


class Arrivals:
    """Waits for the messages of calls.

    Requests take turns, and one holder has half of the places; one that takes too long is refused. Questions about the
    server itself, which strangers may ask, never wait, for a place that a stranger holds might not be freed: when all
    are taken, the oldest question of the connection with most of them is refused. Whoever asks for the health of the
    server sends a few bytes and is through before others come.

    Args:
        requests_max: how many requests may be on their way at once.
        questions_max: how many questions.
        within_s: how long a request may take once it has a place.
        on_refused: told of each that is refused.
    """

    def __init__(
        self,
        *,
        requests_max: int = REQUESTS_MAX,
        questions_max: int = QUESTIONS_MAX,
        within_s: float = WITHIN_S,
        on_refused: OnRefused = lambda _: None,
    ) -> None:
        self._within_s = within_s
        self._on_refused = on_refused
        self._places = asyncio.Semaphore(requests_max)
        self._share = requests_max - requests_max // 2
        self._places_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._requests: set[asyncio.Timeout] = set()
        self._drained_at_s: float | None = None
        self._questions_max = questions_max
        # Each with its connection, the oldest first.
        self._questions: dict[asyncio.Timeout, str] = {}

    def drain(self) -> None:
        """Refuse the requests that are not here a second from now. Questions go on."""
        self._drained_at_s = drained_at_s = _now_s() + _LAST_REQUEST_S
        for limit in self._requests:
            if not limit.expired():
                limit.reschedule(drained_at_s)

    async def request(self, context: Context, holder: str | None) -> bytes:
        """Return the one message of a call. `holder` is whose share of the places it takes, None for nobody's.

        Raises:
            InvalidField: the client has ended its side without one.
            QuotaExceeded: it takes too long.
            Draining: the server shuts down.
        """
        async with self._share_of(holder), self._places:
            limit = asyncio.timeout_at(self._due_s())
            self._requests.add(limit)
            try:
                async with limit:
                    message: Any = await context.read()
            except TimeoutError as error:
                raise self._too_slow() from error
            finally:
                self._requests.discard(limit)
        return _required(message)

    async def question(self, context: Context, connection: str) -> bytes:
        """Return the one message of a call that asks about the server itself.

        Raises:
            InvalidField: the client has ended its side without one.
            QuotaExceeded: others needed its place.
        """
        return _required(await self._question(context, connection))

    async def questions(self, context: Context, connection: str) -> AsyncIterator[bytes]:
        """Yield the messages of a stream of questions.

        Raises:
            QuotaExceeded: others needed its place.
        """
        while (message := await self._question(context, connection)) is not grpc.aio.EOF:
            yield message

    async def _question(self, context: Context, connection: str) -> Any:
        if len(self._questions) >= self._questions_max:
            self._give_up_one()
        try:
            async with asyncio.timeout(None) as limit:
                self._questions[limit] = connection
                try:
                    message: Any = await context.read()
                finally:
                    self._questions.pop(limit, None)
        except TimeoutError as error:
            raise self._refusal("too many questions are on their way to this server; ask again") from error
        return message

    def _give_up_one(self) -> None:
        [(greediest, _)] = Counter(self._questions.values()).most_common(1)
        oldest = next(limit for limit, connection in self._questions.items() if connection == greediest)
        del self._questions[oldest]
        oldest.reschedule(_now_s())

    def _share_of(self, holder: str | None) -> AbstractAsyncContextManager[None]:
        if holder is None:
            return nullcontext()
        places = self._places_of.get(holder)
        if places is None:
            # Forgotten with the last call that has or wants one of them: credentials come and go.
            self._places_of[holder] = places = asyncio.Semaphore(self._share)
        return places

    def _due_s(self) -> float:
        return _now_s() + self._within_s if self._drained_at_s is None else self._drained_at_s

    def _too_slow(self) -> Draining | QuotaExceeded:
        if self._drained_at_s is not None:
            return draining()
        return self._refusal(f"the request has not come within {self._within_s:g} s; send it again, and faster")

    def _refusal(self, message: str) -> QuotaExceeded:
        self._on_refused(Quota.REQUEST_BYTES)
        return QuotaExceeded(message, quota=Quota.REQUEST_BYTES, subject="server", retry_after_s=_RETRY_AFTER_S)


def draining() -> Draining:
    """Return the refusal of what comes while the server shuts down."""
    return Draining("the server is shutting down; connect again and repeat the request")


def _required(message: Any) -> bytes:
    if message is grpc.aio.EOF:
        raise InvalidField("request", "must be one message; got none")
    required: bytes = message
    return required


def _now_s() -> float:
    return asyncio.get_running_loop().time()
