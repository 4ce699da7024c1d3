"""One connection to a receiver: a request is written, the answer is read, and the next may follow.

It knows asyncio's protocols. It does not know outcomes, nor which addresses are allowed; `service.delivery.pool` makes
connections and keeps them.
"""

import asyncio
import os
from contextlib import suppress
from typing import cast

from service.delivery.responses import AnswerUnreadable, Response

_WRITE_BYTES = 64 * 1024
_REST_BYTES_MAX = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection to one receiver, for one request at a time.

    It is closed by aborting: a receiver that does not read would keep what is unsent, and the socket. What nobody asked
    for closes it, as do faulty answers.

    Args:
        remote_address: where it leads to, as `ip:port`.
        body_bytes_max: how much of a response's body is read; the connection of a longer one is closed.

    Attributes:
        has_heard: whether the receiver has said anything since the last request went out.
        idle_since_s: when its last request was over, in seconds of the loop's clock.
    """

    def __init__(self, remote_address: str, *, body_bytes_max: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._body_bytes_max = body_bytes_max
        self._transport: asyncio.Transport
        self._response: Response | None = None
        self._failure: AnswerUnreadable | OSError | None = None
        self._news: asyncio.Future[None] | None = None
        self._must_wait_to_write = False
        self._has_sent_all = True
        self.remote_address = remote_address
        self.has_heard = False
        self.idle_since_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a request may go out on it."""
        return self._failure is None and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes) -> Response:
        """Send a request, and return the answer once its head is there, which may be before all is sent.

        Raises:
            AnswerUnreadable: what came back is not HTTP, or too much.
            OSError: the connection broke, or was closed.
        """
        self._response = response = Response(self._loop, body_bytes_max=self._body_bytes_max)
        self.has_heard = False
        await self._write(head, body, response)
        while response.head is None:
            await self._wait()
        return response

    async def read_body(self, response: Response, *, deadline_s: float) -> tuple[bytes, bool]:
        """Return the body as far as it has come by the deadline, within the limit, and whether that is all of it."""
        if not response.has_ended:
            # A connection that breaks is as much the end of the body as the time that is up.
            with suppress(OSError):
                async with asyncio.timeout_at(deadline_s):
                    while not response.has_ended:
                        await self._wait()
        return response.take_body()

    def end_exchange(self) -> None:
        """Be idle until the next request, or closed if the last one leaves no connection to be used again."""
        response, self._response = self._response, None
        if response is None or not (response.has_ended and response.leaves_open and self._has_sent_all):
            self.close()
        self.idle_since_s = self._loop.time()

    def close(self) -> None:
        """Close the connection at once. Whoever waits for an answer is told that it broke."""
        self._fail(ConnectionAbortedError())

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no such class

    def data_received(self, data: bytes) -> None:
        """Read on, if an answer is awaited."""
        response = self._response
        if response is None:
            self.close()
            return
        self.has_heard = True
        try:
            response.feed(data)
        except AnswerUnreadable as fault:
            self._fail(fault)
            return
        if response.has_ended and not response.leaves_open:
            self.close()
        self._wake()

    def pause_writing(self) -> None:
        """Wait with the rest of a request: the receiver does not take it as fast."""
        self._must_wait_to_write = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._must_wait_to_write = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """End what is under way, once what is left on a connection that broke has been read."""
        response = self._response
        if response is not None:
            if response.head is None and isinstance(error, OSError):
                self._read_rest()
            response.feed_eof()
        self._fail(error if isinstance(error, OSError) else ConnectionAbortedError())

    # What it is made of

    async def _write(self, head: bytes, body: bytes, response: Response) -> None:
        """Write as fast as the receiver takes it, so that no second copy piles up, until it answers."""
        part: bytes | memoryview = head + body[:_WRITE_BYTES]
        rest = memoryview(body)[_WRITE_BYTES:]
        while part and response.head is None:
            if self._must_wait_to_write or not self.is_open:
                await self._wait()
            else:
                self._transport.write(part)
                part, rest = rest[:_WRITE_BYTES], rest[_WRITE_BYTES:]
        self._has_sent_all = not part

    async def _wait(self) -> None:
        """Wait until something has happened.

        Raises:
            AnswerUnreadable, OSError: nothing more will happen.
        """
        if self._failure is not None:
            raise self._failure
        self._news = self._loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, failure: AnswerUnreadable | OSError) -> None:
        self._failure = self._failure or failure
        self._transport.abort()
        self._wake()

    def _read_rest(self) -> None:
        """Read the answer of a receiver that gave it early and left, so that writing on failed before it was read."""
        # With TLS the socket holds what only the event loop can decrypt.
        if self._transport.get_extra_info("sslcontext") is not None:
            return
        with suppress(OSError):
            rest = os.read(self._transport.get_extra_info("socket").fileno(), _REST_BYTES_MAX)
            if rest:
                self.data_received(rest)
