"""tidings.v1.EventTypeService over the use cases in `service.cataloguing`."""

from typing import cast

from service.api import masks, paging
from service.api.callers import current_actor
from service.api.convert import enum_member, required, timestamp
from service.api.methods import Context
from service.cataloguing import SERVICE_CHARACTERS_MAX, EventTypeFields, EventTypes
from service.domain.attributes import check_text
from service.domain.errors import InvalidField, PayloadTooLarge
from service.domain.json_text import check_json
from service.domain.model import EventType, SchemaEnforcement
from service.domain.names import check_event_type_id, parse_event_type
from service.domain.schemas import Violation
from tidings.v1 import event_types_pb2 as pb
from tidings.v1 import event_types_pb2_grpc as pb_grpc

_UPDATABLE = frozenset(EventTypeFields.__annotations__)


class EventTypeService(pb_grpc.EventTypeServiceServicer):
    """The catalogue of event types.

    Args:
        payload_bytes_max: how large a payload may be, in bytes.
    """

    def __init__(self, event_types: EventTypes, *, payload_bytes_max: int) -> None:
        self._event_types = event_types
        self._payload_bytes_max = payload_bytes_max

    async def CreateEventType(self, request: pb.CreateEventTypeRequest, context: Context) -> pb.CreateEventTypeResponse:
        """Create an event type."""
        required(request, "event_type")
        fields = _fields(request.event_type, _UPDATABLE)
        created = await self._event_types.create(request.event_type_id, fields, by=current_actor())
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
        paths = masks.paths(request.update_mask, request.event_type, updatable=_UPDATABLE, field="update_mask")
        fields = _fields(request.event_type, _UPDATABLE.intersection(paths))
        etag = request.event_type.etag
        changed = await self._event_types.update(event_type_id, fields, etag=etag, by=current_actor())
        return pb.UpdateEventTypeResponse(event_type=_message(changed))

    async def DeleteEventType(self, request: pb.DeleteEventTypeRequest, context: Context) -> pb.DeleteEventTypeResponse:
        """Delete an event type."""
        event_type_id = parse_event_type("name", request.name)
        await self._event_types.delete(
            event_type_id, etag=request.etag, allow_missing=request.allow_missing, by=current_actor()
        )
        return pb.DeleteEventTypeResponse()

    async def ValidatePayload(self, request: pb.ValidatePayloadRequest, context: Context) -> pb.ValidatePayloadResponse:
        """Check a payload against a schema."""
        kind = request.WhichOneof("schema")
        if kind is None:
            raise InvalidField("event_type", "is required, unless json_schema is given")
        if kind == "event_type":
            check_event_type_id("event_type", request.event_type)
        payload = self._payload(request)
        if kind == "event_type":
            violations = await self._event_types.violations_of_type(request.event_type, payload)
        else:
            violations = await self._event_types.violations_of_schema(request.json_schema, payload)
        return pb.ValidatePayloadResponse(violations=map(violation, violations))

    def _payload(self, request: pb.ValidatePayloadRequest) -> bytes:
        payload = request.json.encode()
        if len(payload) > self._payload_bytes_max:
            raise PayloadTooLarge("json", f"must be at most {self._payload_bytes_max} bytes; got {len(payload)}")
        check_json("json", payload)
        return payload


def violation(found: Violation) -> pb.SchemaViolation:
    """Return a violation as a message."""
    return pb.SchemaViolation(instance_path=found.instance_path, message=found.message)


def _enforcement_shown(event_type: EventType) -> pb.SchemaEnforcement.ValueType:
    """Return how a schema is enforced; the default is not made up where there is none."""
    if not event_type.json_schema and event_type.schema_enforcement is SchemaEnforcement.REJECT:
        return pb.SCHEMA_ENFORCEMENT_UNSPECIFIED
    return pb.SchemaEnforcement.Value(f"SCHEMA_ENFORCEMENT_{event_type.schema_enforcement}")


def _fields(message: pb.EventType, paths: frozenset[str]) -> EventTypeFields:
    values = EventTypeFields(
        display_name=message.display_name,
        description=message.description,
        service=message.service,
        category=message.category if message.HasField("category") else None,
        code=message.code if message.HasField("code") else None,
        json_schema=message.json_schema,
        schema_enforcement=enum_member(
            "event_type.schema_enforcement",
            pb.SchemaEnforcement,
            message.schema_enforcement,
            SchemaEnforcement,
            default=SchemaEnforcement.REJECT,
        ),
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
        json_schema=event_type.json_schema,
        schema_enforcement=_enforcement_shown(event_type),
        examples=event_type.examples,
        attribute_keys=event_type.attribute_keys,
        deprecated=event_type.deprecated,
        create_time=timestamp(event_type.create_time_ms),
        update_time=timestamp(event_type.update_time_ms),
        etag=event_type.etag,
    )
