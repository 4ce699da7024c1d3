"""Reading what comes back on a connection, with bounds: it knows aiohttp's protocol and parser, and no outcomes."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

# The line before it may have come by itself, so one at the start counts; one at the end leaves nothing to cut off.
_BLANK_LINE = re.compile(rb"^\r?\n(?=.)", re.MULTILINE | re.DOTALL)
# Enough for interim responses (RFC 9110, 15.2), which have heads too.
_INTERIM_HEADS_MAX = 64
_CUTS_MAX = _INTERIM_HEADS_MAX + 1
# All heads of an answer together, and blank lines before them. Eight times as much as is kept.
_HEAD_BYTES_MAX = 64 * 1024
_SWITCHING_PROTOCOLS = 101


class HeadFirst(ResponseHandler):
    """Gives aiohttp's parser the head of a response by itself, and what follows in a later call.

    In one call the parser forgets a head that it has read when it cannot read what follows: a 204 with a body, bytes
    after a Content-Length of 0, a bad chunk. A receiver that had accepted would be sent the same for days. In two, the
    fault comes too late to undo the answer: the body ends there, and the connection is closed.

    A head is bounded, with the interim responses (RFC 9110, section 15.2) before it: aiohttp bounds each field and
    their number, which are 2 MiB together, and a receiver that never stops sending interim responses would keep the
    event loop busy parsing, beyond every timeout.
    """

    _awaits_head = False
    _head_bytes = 0
    _interim_heads = 0
    _body: StreamReader = EMPTY_PAYLOAD
    _has_broken = False

    # Whether the receiver has said anything since the last request went out.
    has_heard = False

    def set_response_params(self, **params: Any) -> None:
        """Make ready for the response to one more request: aiohttp calls this before it sends each."""
        self._awaits_head = True
        self._head_bytes = 0
        self._interim_heads = 0
        self._body = EMPTY_PAYLOAD
        self.has_heard = False
        super().set_response_params(**params)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Hand a response's head on to whoever waits for it, unless it is one interim response too many."""
        message, body = data
        if self.exception() is not None:
            return
        if message.code >= 200 or message.code == _SWITCHING_PROTOCOLS:
            self._awaits_head = False
            self._body = body
        else:
            self._interim_heads += 1
        if self._interim_heads > _INTERIM_HEADS_MAX:
            self._refuse("too many interim responses")
            return
        if message.code == _SWITCHING_PROTOCOLS:
            # aiohttp keeps the connection if no Upgrade says to what.
            self.force_close()
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Read what has come, up to the first fault. Without data, aiohttp reads on where it paused."""
        if not data:
            super().data_received(data)
            return
        self.has_heard = True
        for piece in _pieces(data):
            self._receive(piece)
            if self.exception() is not None:
                # aiohttp's parser in Python would read on, and take what follows a bad head for a good one.
                return

    def connection_lost(self, exc: BaseException | None) -> None:
        """Read what is left on a connection that broke, and end it."""
        self._read_rest(exc)
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Read what is left on a connection that broke, and fail whoever waits for a head."""
        self._read_rest(exc)
        super().set_exception(exc, *cause)

    def close(self) -> None:
        """Close the connection at once: a receiver that does not read would keep what is unsent, and the socket."""
        self.abort()

    def _receive(self, piece: bytes) -> None:
        if self._awaits_head:
            self._head_bytes += len(piece)
            if self._head_bytes > _HEAD_BYTES_MAX:
                self._refuse("the head is too large")
                return
        elif self._body.is_eof():
            # Nobody asked: it would be taken for the answer to the next request.
            self.force_close()
            self.close()
            return
        super().data_received(piece)
        if self.exception() is not None:
            self._end_body()

    def _read_rest(self, error: BaseException | None) -> None:
        """Read the answer of a receiver that gave it early and left, so that writing on failed before it was read."""
        if self._has_broken or not self._awaits_head or not isinstance(error, OSError):
            return
        self._has_broken = True
        # With TLS the socket holds what only the event loop can decrypt.
        if self.transport is None or self.transport.get_extra_info("sslcontext") is not None:
            return
        with suppress(OSError):
            rest = os.read(self.transport.get_extra_info("socket").fileno(), _HEAD_BYTES_MAX)
            if rest:
                self.data_received(rest)

    def _refuse(self, problem: str) -> None:
        self.close()
        self.set_exception(HttpProcessingError(message=problem))

    def _end_body(self) -> None:
        """Tell the reader of a body of its fault; aiohttp lets it wait for more."""
        if not self._awaits_head and not self._body.is_eof():
            self._body.set_exception(ClientPayloadError("the body is not HTTP"))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut behind blank lines: one of them ends the head. Cutting the body too is what TCP does all the time."""
    start = 0
    for blank_line in islice(_BLANK_LINE.finditer(data), _CUTS_MAX):
        yield data[start : blank_line.end()]
        start = blank_line.end()
    yield data[start:]
