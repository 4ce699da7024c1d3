"""tidings.v1.EventTypeService over the use cases in `service.cataloguing`."""

from typing import cast

from service.api import masks, paging
from service.api.calls import Context
from service.api.convert import check_choice, required, timestamp, unbuilt
from service.cataloguing import SERVICE_CHARACTERS_MAX, EventTypeFields, EventTypes
from service.domain.attributes import check_text
from service.domain.model import EventType, SchemaEnforcement
from service.domain.names import parse_event_type
from tidings.v1 import event_types_pb2 as pb
from tidings.v1 import event_types_pb2_grpc as pb_grpc

_UPDATABLE = frozenset(EventTypeFields.__annotations__)
# A mask may name them too, for a message without a value that this version refuses leaves them as they are.
_FIXED: frozenset[str] = frozenset()


class EventTypeService(pb_grpc.EventTypeServiceServicer):
    """The catalogue of event types."""

    def __init__(self, event_types: EventTypes) -> None:
        self._event_types = event_types

    async def CreateEventType(self, request: pb.CreateEventTypeRequest, context: Context) -> pb.CreateEventTypeResponse:
        """Create an event type."""
        required(request, "event_type")
        _refuse_unbuilt(request.event_type)
        created = await self._event_types.create(request.event_type_id, _fields(request.event_type, _UPDATABLE))
        return pb.CreateEventTypeResponse(event_type=_message(created))

    async def GetEventType(self, request: pb.GetEventTypeRequest, context: Context) -> pb.GetEventTypeResponse:
        """Return an event type."""
        found = await self._event_types.get(parse_event_type("name", request.name))
        return pb.GetEventTypeResponse(event_type=_message(found))

    async def ListEventTypes(self, request: pb.ListEventTypesRequest, context: Context) -> pb.ListEventTypesResponse:
        """List event types by id."""
        check_text("service", request.service, SERVICE_CHARACTERS_MAX)
        page_size = paging.page_size(request.page_size)
        scope = ("ListEventTypes", request.service)
        after = paging.decode(request.page_token, scope=scope, shape=str)
        page = await self._event_types.list(after=after or "", page_size=page_size, service=request.service)
        shown, next_page_token = paging.page_of(
            page, _message, position_of=lambda event_type: event_type.id, scope=scope
        )
        return pb.ListEventTypesResponse(event_types=shown, next_page_token=next_page_token)

    async def UpdateEventType(self, request: pb.UpdateEventTypeRequest, context: Context) -> pb.UpdateEventTypeResponse:
        """Change an event type."""
        required(request, "event_type")
        event_type_id = parse_event_type("event_type.name", request.event_type.name)
        _refuse_unbuilt(request.event_type)
        paths = masks.paths(request.update_mask, request.event_type, updatable=_UPDATABLE | _FIXED, field="update_mask")
        fields = _fields(request.event_type, _UPDATABLE.intersection(paths))
        changed = await self._event_types.update(event_type_id, fields, etag=request.event_type.etag)
        return pb.UpdateEventTypeResponse(event_type=_message(changed))

    async def DeleteEventType(self, request: pb.DeleteEventTypeRequest, context: Context) -> pb.DeleteEventTypeResponse:
        """Delete an event type."""
        event_type_id = parse_event_type("name", request.name)
        await self._event_types.delete(event_type_id, etag=request.etag, allow_missing=request.allow_missing)
        return pb.DeleteEventTypeResponse()


def _refuse_unbuilt(message: pb.EventType) -> None:
    if message.json_schema:
        raise unbuilt("event_type.json_schema")
    check_choice("event_type.schema_enforcement", pb.SchemaEnforcement, message.schema_enforcement, built=(0,))


def _fields(message: pb.EventType, paths: frozenset[str]) -> EventTypeFields:
    values = EventTypeFields(
        display_name=message.display_name,
        description=message.description,
        service=message.service,
        category=message.category if message.HasField("category") else None,
        code=message.code if message.HasField("code") else None,
        json_schema="",
        schema_enforcement=SchemaEnforcement.REJECT,
        examples=tuple(message.examples),
        attribute_keys=tuple(message.attribute_keys),
        deprecated=message.deprecated,
    )
    return cast(EventTypeFields, {path: value for path, value in values.items() if path in paths})


def _message(event_type: EventType) -> pb.EventType:
    return pb.EventType(
        name=event_type.name,
        display_name=event_type.display_name,
        description=event_type.description,
        service=event_type.service,
        category=event_type.category,
        code=event_type.code,
        examples=event_type.examples,
        attribute_keys=event_type.attribute_keys,
        deprecated=event_type.deprecated,
        create_time=timestamp(event_type.create_time_ms),
        update_time=timestamp(event_type.update_time_ms),
        etag=event_type.etag,
    )
