"""tidings.v1.PublishService over the use case in `service.publishing`."""

from service.api.calls import Context
from service.api.convert import required, time_ns, unbuilt
from service.api.notifications import event_receipt, event_summary
from service.domain.attributes import (
    SOURCE_CHARACTERS_MAX,
    check_attributes,
    check_content_type,
    check_text,
    is_json_content_type,
)
from service.domain.errors import InvalidField, PayloadTooLarge, quoted
from service.domain.ids import check_request_id, check_uuid
from service.domain.json_text import check_json
from service.domain.names import Workspace, check_event_type_id, check_event_type_not_reserved, parse_workspace
from service.publishing import EventDraft, Published, Publisher
from tidings.v1 import notifications_pb2, publishing_pb2_grpc
from tidings.v1 import publishing_pb2 as pb

_BATCH_REQUESTS_MAX = 1_000
_JSON = "application/json"
_OCTETS = "application/octet-stream"


class PublishService(publishing_pb2_grpc.PublishServiceServicer):
    """Accepts events."""

    def __init__(self, publisher: Publisher, *, payload_bytes_max: int) -> None:
        self._publisher = publisher
        self._payload_bytes_max = payload_bytes_max

    async def Publish(self, request: pb.PublishRequest, context: Context) -> pb.PublishResponse:
        """Accept one event."""
        workspace = parse_workspace("parent", request.parent)
        draft = self._draft(request, path="")
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
        drafts = [
            self._batch_draft(workspace, each, path=f"requests[{index}].")
            for index, each in enumerate(request.requests)
        ]
        published = await self._publisher.publish(workspace, drafts)
        # With attributes, the answer to a batch that was accepted could be larger than clients take.
        return pb.BatchPublishResponse(responses=[_response(each, event_receipt(each.event)) for each in published])

    def _batch_draft(self, workspace: Workspace, request: pb.PublishRequest, *, path: str) -> EventDraft:
        if request.parent not in ("", workspace.name):
            raise InvalidField(
                f"{path}parent", f"must be empty or equal to the batch's parent; got {quoted(request.parent)}"
            )
        if request.validate_only:
            raise InvalidField(f"{path}validate_only", "is not allowed in a batch")
        return self._draft(request, path=path)

    def _draft(self, request: pb.PublishRequest, *, path: str) -> EventDraft:
        required(request, "event", prefix=path)
        if request.event_id:
            check_uuid(f"{path}event_id", request.event_id)
        if request.request_id:
            check_request_id(f"{path}request_id", request.request_id)
        event = request.event
        at = f"{path}event."
        check_event_type_id(f"{at}event_type", event.event_type)
        check_event_type_not_reserved(f"{at}event_type", event.event_type)
        check_text(f"{at}source", event.source, SOURCE_CHARACTERS_MAX)
        check_text(f"{at}subject", event.subject, SOURCE_CHARACTERS_MAX)
        attributes = dict(event.attributes)
        check_attributes(f"{at}attributes", attributes)
        payload, content_type, payload_is_json = self._payload(event, at=at)
        self._check_context(event, len(payload), at=at)
        return EventDraft(
            event_type=event.event_type,
            source=event.source,
            subject=event.subject,
            attributes=attributes,
            payload=payload,
            payload_is_json=payload_is_json,
            content_type=content_type,
            context_json=event.context_json,
            occur_time_ns=time_ns(f"{at}occur_time", event, "occur_time"),
            event_id=request.event_id or None,
            request_id=request.request_id or None,
            path=path,
        )

    def _payload(self, event: notifications_pb2.Event, *, at: str) -> tuple[bytes, str, bool]:
        """Return the payload's bytes, its media type, and whether it is JSON."""
        if event.content_type:
            check_content_type(f"{at}content_type", event.content_type)
        match event.WhichOneof("payload"):
            case "json":
                payload, content_type = event.json.encode(), event.content_type or _JSON
                if not is_json_content_type(content_type):
                    raise InvalidField(
                        f"{at}content_type",
                        f"must be {_JSON} or a type that ends in +json when the payload is `json`; "
                        f"got {quoted(content_type)}",
                    )
            case "data":
                payload, content_type = event.data, event.content_type or _OCTETS
            case "json_object":
                raise unbuilt(f"{at}json_object")
            case _:
                raise InvalidField(f"{at}json", "a payload is required: set `json`, or `data` with content_type")
        field = f"{at}{event.WhichOneof('payload')}"
        self._check_size(field, len(payload))
        payload_is_json = is_json_content_type(content_type)
        if payload_is_json:
            check_json(field, payload)
        return payload, content_type, payload_is_json

    def _check_context(self, event: notifications_pb2.Event, payload_size: int, *, at: str) -> None:
        if event.context_json:
            context = event.context_json.encode()
            self._check_size(f"{at}context_json", payload_size + len(context))
            check_json(f"{at}context_json", context)

    def _check_size(self, field: str, size: int) -> None:
        if size > self._payload_bytes_max:
            raise PayloadTooLarge(
                field, f"payload and context together must be at most {self._payload_bytes_max} bytes; got {size}"
            )


def _response(published: Published, event: notifications_pb2.Event) -> pb.PublishResponse:
    return pb.PublishResponse(
        event=event,
        matched_count=published.event.matched_count,
        deduplicated=published.deduplicated,
    )
