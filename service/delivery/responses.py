"""Reading the answer to one request, with bounds: it knows aiohttp's parser, which is llhttp, and no sockets."""

import asyncio
import re
from collections.abc import Iterator
from itertools import islice
from typing import cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

# The line before it may have come by itself, so one at the start counts; one at the end leaves nothing to cut off.
_BLANK_LINE = re.compile(rb"^\r?\n(?=.)", re.MULTILINE | re.DOTALL)
# Enough for interim responses (RFC 9110, 15.2), which have heads too.
_INTERIM_HEADS_MAX = 64
_CUTS_MAX = _INTERIM_HEADS_MAX + 1
# All heads of an answer together, and blank lines before them. Eight times as much as is kept.
_HEAD_BYTES_MAX = 64 * 1024
_SWITCHING_PROTOCOLS = 101
# More than comes at once: a body that is too long ends the reading before the parser's buffer is full.
_BUFFER_BYTES = 1024 * 1024


class AnswerUnreadable(Exception):
    """What the receiver sent is not HTTP, or is more than a head may be."""


class Response:
    """The answer to one request, as far as it has come.

    The parser is given the head of a response by itself, and what follows in a later call. In one call it forgets a
    head that it has read when it cannot read what follows: a 204 with a body, bytes after a Content-Length of 0, a bad
    chunk. A receiver that had accepted would be sent the same for days. In two, the fault comes too late to undo the
    answer: the body ends there, and the connection is closed.

    A head is bounded, with the interim responses (RFC 9110, section 15.2) before it: the parser bounds each field and
    their number, which are 2 MiB together, and a receiver that never stops sending interim responses would keep the
    event loop busy parsing, beyond every timeout.

    Args:
        loop: the running event loop, which aiohttp wants to know.
        body_bytes_max: how much of the body is read.

    Attributes:
        head: status and headers, None until they have come.
        has_ended: whether nothing more is to be read: the body is at its end, too long or faulty.
        leaves_open: whether the connection can be used again, once this has ended.
    """

    __slots__ = (
        "_body",
        "_body_bytes_max",
        "_head_bytes",
        "_interim_heads",
        "_parser",
        "has_ended",
        "head",
        "leaves_open",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, body_bytes_max: int) -> None:
        self._parser = HttpResponseParser(
            _NEVER_PAUSED, loop, _BUFFER_BYTES, read_until_eof=True, auto_decompress=False
        )
        self._body_bytes_max = body_bytes_max
        self._body: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._interim_heads = 0
        self.head: RawResponseMessage | None = None
        self.has_ended = False
        self.leaves_open = True

    def feed(self, data: bytes) -> None:
        """Read what has come, up to the first fault.

        Raises:
            AnswerUnreadable: there is no head, and can be none any more. Nothing may be fed afterwards.
        """
        for piece in _pieces(data):
            self._feed(piece)

    def feed_eof(self) -> None:
        """End a body that goes on until the connection is closed, and every other one where it is."""
        if self.head is not None and not self.has_ended:
            self._parse_eof()
        self._end(leaves_open=False)

    def take_body(self) -> tuple[bytes, bool]:
        """Return the body as far as it has come, within the limit, and whether that is all of it. To be called once."""
        is_whole = self._body.is_eof() and self._body.total_bytes <= self._body_bytes_max
        return self._body.read_nowait()[: self._body_bytes_max], is_whole

    def _feed(self, piece: bytes) -> None:
        if self.has_ended:
            # Nobody asked: it would be taken for the answer to the next request.
            self.leaves_open = False
            return
        if self.head is None:
            self._head_bytes += len(piece)
            if self._head_bytes > _HEAD_BYTES_MAX:
                raise AnswerUnreadable("the head is too large")
        try:
            messages, _, _ = self._parser.feed_data(piece)
        except Exception as fault:
            if self.head is None:
                raise AnswerUnreadable from fault
            self._end(leaves_open=False)
            return
        for message, body in messages:
            self._take(message, body)
        if self._body.total_bytes > self._body_bytes_max:
            self._end(leaves_open=False)
        elif self.head is not None and self._body.is_eof():
            self._end(leaves_open=self.leaves_open)

    def _take(self, message: RawResponseMessage, body: StreamReader) -> None:
        if self.head is not None:
            # A second answer.
            self.leaves_open = False
        elif message.code >= 200 or message.code == _SWITCHING_PROTOCOLS:
            self.head = message
            self._body = body
            self.leaves_open = not message.should_close and message.code != _SWITCHING_PROTOCOLS
        else:
            self._interim_heads += 1
            if self._interim_heads > _INTERIM_HEADS_MAX:
                raise AnswerUnreadable("too many interim responses")

    def _parse_eof(self) -> None:
        try:
            self._parser.feed_eof()
        except Exception:
            # The body is not whole, which it says by not being at its end.
            return

    def _end(self, *, leaves_open: bool) -> None:
        self.has_ended = True
        self.leaves_open = leaves_open


class _NeverPaused:
    """What the reader of a body takes for its protocol. Its buffer is never full, so there is nothing to do."""

    _reading_paused = False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self, resume_parser: bool = True) -> None:
        pass


_NEVER_PAUSED = cast(BaseProtocol, _NeverPaused())


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut behind blank lines: one of them ends the head. Cutting the body too is what TCP does all the time."""
    start = 0
    for blank_line in islice(_BLANK_LINE.finditer(data), _CUTS_MAX):
        yield data[start : blank_line.end()]
        start = blank_line.end()
    yield data[start:]
