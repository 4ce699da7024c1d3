"""StreamPublish: items in, each published by itself, results out, with a bound on what is held in between."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Literal, TypeVar

import structlog

from service.api.calls import is_being_cancelled
from service.api.drafts import Drafts
from service.api.errors import internal_status, status_of
from service.api.event_types import violation
from service.api.payloads import weight
from service.api.stream_limits import StreamLimits
from service.domain.errors import CallerError, InvalidField, quoted
from service.domain.ids import Ids
from service.domain.names import Workspace, parse_workspace
from service.publishing import EventDraft, Published, Publisher
from service.quotas import PublishRates
from service.turns import CpuSlice
from tidings.v1 import publishing_pb2 as pb

ITEMS_MAX = 1_000
# Per stream: items without a written result, and the bytes of those that are being published. A client that does not
# read its results stops being read after so many.
WINDOW_ITEMS_MAX = 256
WINDOW_BYTES_MAX = 8 * 1024 * 1024
# A result with all of its schema violations takes less than 64 KiB, so a response stays far below 1 MiB.
_RESPONSE_BYTES = 256 * 1024
_ITEMS_PER_TURN = 16
# How long a client that was told of the shutdown has to end its side. A stream that ends while its client is sending
# can look broken there, results and all.
_LINGER_S = 1.0
_METHOD = "tidings.v1.PublishService/StreamPublish"

T = TypeVar("T")

_log = structlog.stdlib.get_logger()


class PublishStream:
    """One call of StreamPublish. Make it inside the call, and iterate over `responses` once.

    Args:
        requests: the client's messages.
        draining: set when the server shuts down.
        rates: how fast items are taken, together with whatever else their workspace publishes.
        limits: those of all streams together.
        ids: makes the call ids that an INTERNAL result shares with the log.
        on_item_refused: called for each item that is refused, with the reason; None for a fault of ours.
        linger_s: how long to wait, after `draining` and the last result, for the client to end its side.
    """

    def __init__(
        self,
        requests: AsyncIterator[pb.StreamPublishRequest],
        *,
        publisher: Publisher,
        drafts: Drafts,
        draining: asyncio.Event,
        rates: PublishRates,
        limits: StreamLimits,
        ids: Ids,
        on_item_refused: Callable[[str | None], None] = lambda _: None,
        linger_s: float = _LINGER_S,
    ) -> None:
        self._requests = requests
        self._publisher = publisher
        self._drafts = drafts
        self._draining = draining
        self._rates = rates
        self._limits = limits
        self._ids = ids
        self._on_item_refused = on_item_refused
        self._linger_s = linger_s
        self._publishing: set[asyncio.Task[None]] = set()
        self._results: deque[pb.StreamPublishResult] = deque()
        self._unanswered = 0
        self._bytes = 0
        self._is_told = False
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    async def responses(self) -> AsyncGenerator[pb.StreamPublishResponse]:
        """Yield what the client is to be told, until every item that was taken has its result.

        Close it with `aclosing`: nothing goes on in the background after that. What was being committed then is
        committed all the same.

        Raises:
            CallerError: one of the messages was wrong; the results of the items before it have been yielded.
        """
        reading = self._start(self._take_all())
        drain = self._start(self._draining.wait())
        try:
            while (response := await self._next(reading, drain)) is not None:
                yield response
                # Not before it is written: a client that does not read is not to be read.
                self._unanswered -= len(response.results)
                self._room.set()
            if reading.done():
                reading.result()
        finally:
            await _end(reading, drain, *self._publishing)

    async def _next(
        self, reading: asyncio.Task[None], drain: asyncio.Task[Literal[True]]
    ) -> pb.StreamPublishResponse | None:
        """Wait for something to tell; None when nothing more will come."""
        while True:
            self._news.clear()
            if drain.done() and not self._is_told:
                self._is_told = True
                return pb.StreamPublishResponse(draining=True)
            if self._results:
                return self._gathered()
            if reading.done() and not self._publishing:
                return None
            if not await self._is_heard_of():
                return None

    async def _is_heard_of(self) -> bool:
        """Wait for something to happen; for long only while something is to be done."""
        is_lingering = self._is_told and not self._publishing
        try:
            async with asyncio.timeout(self._linger_s if is_lingering else None):
                return await self._news.wait()
        except TimeoutError:
            return False

    def _gathered(self) -> pb.StreamPublishResponse:
        """Take the results that are ready, or as many as one response holds."""
        response = pb.StreamPublishResponse()
        size = 0
        while self._results and size < _RESPONSE_BYTES:
            result = self._results.popleft()
            size += result.ByteSize()
            response.results.append(result)
        return response

    async def _take_all(self) -> None:
        workspace: Workspace | None = None
        async for request in self._requests:
            if self._draining.is_set():
                continue  # Read, but not taken: see _LINGER_S.
            workspace = _workspace_of(request, workspace)
            if len(request.items) > ITEMS_MAX:
                raise InvalidField("items", f"must be at most {ITEMS_MAX} in one message; got {len(request.items)}")
            slice_ = CpuSlice()
            for taken, item in enumerate(request.items):
                # What is left without a result is sent again.
                if not self._draining.is_set():
                    await self._take(workspace, item)
                # Many streams may have many items: everybody else has a turn in between.
                if taken % _ITEMS_PER_TURN == 0 or slice_.is_used_up:
                    await slice_.give_way()

    async def _take(self, workspace: Workspace, item: pb.StreamPublishItem) -> None:
        size = item.ByteSize()
        while self._is_full(size):
            self._room.clear()
            await self._room.wait()
        await self._rates.wait(workspace, size=size + weight(item.event))
        if self._draining.is_set():
            return
        self._unanswered += 1
        await self._limits.take(workspace, size)
        is_publishing = False
        try:
            is_publishing = self._start_publishing(workspace, item, size)
        finally:
            if not is_publishing:
                self._limits.give_back(workspace, size)

    def _start_publishing(self, workspace: Workspace, item: pb.StreamPublishItem, size: int) -> bool:
        """Publish an item in a task of its own; return False if it is bad and has its answer already."""
        # Drafted here and not in its task: an item keeps the whole message that it came in alive, a draft does not.
        try:
            draft = self._drafts.draft_of(item, request_id=item.request_id)
        except Exception as error:
            self._answer(self._refusal(item.sequence, error))
            return False
        self._bytes += size
        task = self._start(self._publish(workspace, item.sequence, draft, size))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
        # However it ends: a task that is cancelled before it began has no `finally`.
        task.add_done_callback(lambda _: self._limits.give_back(workspace, size))
        return True

    def _is_full(self, size: int) -> bool:
        is_over = self._bytes > 0 and self._bytes + size > WINDOW_BYTES_MAX
        return is_over or self._unanswered >= WINDOW_ITEMS_MAX

    async def _publish(self, workspace: Workspace, sequence: int, draft: EventDraft, size: int) -> None:
        try:
            [published] = await self._publisher.publish(workspace, [draft])
            result = _acceptance(sequence, published)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            result = self._refusal(sequence, error)
        except Exception as error:
            result = self._refusal(sequence, error)
        self._bytes -= size
        self._room.set()
        self._answer(result)

    def _answer(self, result: pb.StreamPublishResult) -> None:
        self._results.append(result)
        self._news.set()

    def _refusal(self, sequence: int, error: BaseException) -> pb.StreamPublishResult:
        if isinstance(error, CallerError):
            status = status_of(error)
        else:
            call_id = self._ids.new()
            _log.error("rpc.item_failed", method=_METHOD, call_id=call_id, exc_info=error)
            status = internal_status(call_id)
        self._on_item_refused(status.reason)
        number, _ = status.code.value
        refused = pb.StreamPublishError(code=number, reason=status.reason or "", message=status.message)
        return pb.StreamPublishResult(sequence=sequence, error=refused)

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(lambda _: self._news.set())
        return task


def _workspace_of(request: pb.StreamPublishRequest, first: Workspace | None) -> Workspace:
    if first is None:
        return parse_workspace("parent", request.parent)
    if request.parent not in ("", first.name):
        raise InvalidField(
            "parent", f"must be empty or equal to the first message's parent; got {quoted(request.parent)}"
        )
    return first


def _acceptance(sequence: int, published: Published) -> pb.StreamPublishResult:
    return pb.StreamPublishResult(
        sequence=sequence,
        event=published.event.name,
        matched_count=published.event.matched_count,
        deduplicated=published.deduplicated,
        schema_violations=map(violation, published.schema_violations),
    )


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
