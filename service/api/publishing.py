"""tidings.v1.PublishService over the use case in `service.publishing`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from service.api.drafts import Drafts
from service.api.event_types import violation
from service.api.explaining import Explanations
from service.api.methods import Context
from service.api.notifications import event_receipt, event_summary
from service.api.payloads import weight
from service.api.stream_limits import StreamLimits
from service.api.streaming import PublishStream
from service.domain.errors import InvalidField, quoted
from service.domain.ids import Ids
from service.domain.names import Workspace, parse_workspace
from service.publishing import EventDraft, Published, Publisher
from service.quotas import PublishRates
from service.turns import CpuSlice
from tidings.v1 import notifications_pb2, publishing_pb2_grpc
from tidings.v1 import publishing_pb2 as pb

_BATCH_REQUESTS_MAX = 1_000
_BATCH_VIOLATIONS_MAX = 1_000


class PublishService(publishing_pb2_grpc.PublishServiceServicer):
    """Accepts events.

    Args:
        rates: how fast workspaces may publish. A call beyond that is refused, as is a dry run, which costs as much but
            for the commit; a stream is read more slowly. ExplainPublish has limits of its own.
        payload_bytes_max: how large a payload and its context may be together, in bytes.
        draining: set when the server shuts down, so that streams end.
        ids: makes the call ids that an INTERNAL result of a stream shares with the log.
        on_item_refused: called for each item of a stream that is refused, with the reason; None for a fault of ours.
    """

    def __init__(
        self,
        publisher: Publisher,
        explanations: Explanations,
        *,
        rates: PublishRates,
        payload_bytes_max: int,
        draining: asyncio.Event,
        ids: Ids,
        on_item_refused: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._publisher = publisher
        self._explanations = explanations
        self._rates = rates
        self._drafts = Drafts(payload_bytes_max)
        self._draining = draining
        self._limits = StreamLimits()
        self._ids = ids
        self._on_item_refused = on_item_refused

    async def Publish(self, request: pb.PublishRequest, context: Context) -> pb.PublishResponse:
        """Accept one event."""
        workspace = parse_workspace("parent", request.parent)
        self._rates.take(workspace, events=1, size=request.ByteSize() + weight(request.event))
        draft = self._drafts.draft_of(request, event_id=request.event_id, request_id=request.request_id)
        if request.validate_only:
            preview = await self._publisher.preview(workspace, draft)
            response = _response(preview, event_summary(preview.event))
            response.event.ClearField("name")
            return response
        (published,) = await self._publisher.publish(workspace, [draft])
        return _response(published, event_summary(published.event))

    async def BatchPublish(self, request: pb.BatchPublishRequest, context: Context) -> pb.BatchPublishResponse:
        """Accept many events, or none."""
        workspace = parse_workspace("parent", request.parent)
        if not 1 <= len(request.requests) <= _BATCH_REQUESTS_MAX:
            raise InvalidField("requests", f"must be 1 to {_BATCH_REQUESTS_MAX}; got {len(request.requests)}")
        size = request.ByteSize() + sum(weight(each.event) for each in request.requests)
        self._rates.take(workspace, events=len(request.requests), size=size)
        drafts = await self._batch_drafts(workspace, request)
        published = await self._publisher.publish(workspace, drafts)
        # With attributes or more violations, the answer to a batch that was accepted could be larger than clients take.
        left = _BATCH_VIOLATIONS_MAX
        response = pb.BatchPublishResponse()
        for each in published:
            response.responses.append(_response(each, event_receipt(each.event), violations_max=left))
            left -= len(response.responses[-1].schema_violations)
        return response

    async def StreamPublish(
        self, request_iterator: AsyncIterator[pb.StreamPublishRequest], context: Context
    ) -> AsyncIterator[pb.StreamPublishResponse]:
        """Accept events one by one, many at a time."""
        stream = PublishStream(
            request_iterator,
            publisher=self._publisher,
            drafts=self._drafts,
            draining=self._draining,
            rates=self._rates,
            limits=self._limits,
            ids=self._ids,
            on_item_refused=self._on_item_refused,
        )
        async with aclosing(stream.responses()) as responses:
            async for response in responses:
                yield response

    async def ExplainPublish(self, request: pb.ExplainPublishRequest, context: Context) -> pb.ExplainPublishResponse:
        """Say what publishing an event would do."""
        workspace = parse_workspace("parent", request.parent)
        draft = self._drafts.draft_of(request, may_be_operational=True)
        return await self._explanations.explain(workspace, draft, request)

    async def _batch_drafts(self, workspace: Workspace, batch: pb.BatchPublishRequest) -> list[EventDraft]:
        """Draft the events of a batch, which takes long for some; others have a turn in between."""
        drafts: list[EventDraft] = []
        slice_ = CpuSlice()
        for index, request in enumerate(batch.requests):
            if slice_.is_used_up:
                await slice_.give_way()
            drafts.append(self._batch_draft(workspace, request, path=f"requests[{index}]."))
        return drafts

    def _batch_draft(self, workspace: Workspace, request: pb.PublishRequest, *, path: str) -> EventDraft:
        if request.parent not in ("", workspace.name):
            raise InvalidField(
                f"{path}parent", f"must be empty or equal to the batch's parent; got {quoted(request.parent)}"
            )
        if request.validate_only:
            raise InvalidField(f"{path}validate_only", "is not allowed in a batch")
        return self._drafts.draft_of(request, event_id=request.event_id, request_id=request.request_id, path=path)


def _response(
    published: Published, event: notifications_pb2.Event, *, violations_max: int | None = None
) -> pb.PublishResponse:
    return pb.PublishResponse(
        event=event,
        matched_count=published.event.matched_count,
        deduplicated=published.deduplicated,
        schema_violations=map(violation, published.schema_violations[:violations_max]),
    )
