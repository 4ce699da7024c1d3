"""Events as publishers send them, turned into drafts: one set of rules for every method that takes an event."""

from dataclasses import dataclass
from typing import TypeAlias

from service.api.convert import required, time_ns
from service.api.payloads import payload_of
from service.domain.attributes import SOURCE_CHARACTERS_MAX, check_attributes, check_text
from service.domain.ids import check_request_id, check_uuid
from service.domain.names import OPERATIONAL_EVENT_TYPES, check_event_type_id, check_event_type_not_reserved
from service.publishing import EventDraft
from tidings.v1 import publishing_pb2 as pb

EventRequest: TypeAlias = pb.PublishRequest | pb.StreamPublishItem | pb.ExplainPublishRequest


@dataclass(frozen=True, slots=True)
class Drafts:
    """Makes drafts. `payload_bytes_max` is how large a payload and its context may be together, in bytes."""

    payload_bytes_max: int

    def draft_of(
        self,
        request: EventRequest,
        *,
        event_id: str = "",
        request_id: str = "",
        path: str = "",
        may_be_operational: bool = False,
    ) -> EventDraft:
        """Return the draft in a request, its fields checked; nothing in it refers to the message any more.

        Args:
            event_id: the request's event_id, where its kind has one. Empty means none.
            request_id: likewise.
            path: where the request stands in the caller's message, `requests[3].` or empty, for errors.
            may_be_operational: whether it may be of a type that Tidings itself publishes.

        Raises:
            InvalidField: a field is not allowed to be what it is.
            PayloadTooLarge: payload and context are over the limit.
        """
        required(request, "event", prefix=path)
        if event_id:
            check_uuid(f"{path}event_id", event_id)
        if request_id:
            check_request_id(f"{path}request_id", request_id)
        event = request.event
        at = f"{path}event."
        check_event_type_id(f"{at}event_type", event.event_type)
        if not (may_be_operational and event.event_type in OPERATIONAL_EVENT_TYPES):
            check_event_type_not_reserved(f"{at}event_type", event.event_type)
        check_text(f"{at}source", event.source, SOURCE_CHARACTERS_MAX)
        check_text(f"{at}subject", event.subject, SOURCE_CHARACTERS_MAX)
        attributes = dict(event.attributes)
        check_attributes(f"{at}attributes", attributes)
        payload = payload_of(event, at=at, bytes_max=self.payload_bytes_max)
        return EventDraft(
            event_type=event.event_type,
            source=event.source,
            subject=event.subject,
            attributes=attributes,
            payload=payload.data,
            payload_is_json=payload.is_json,
            content_type=payload.content_type,
            context_json=event.context_json,
            occur_time_ns=time_ns(f"{at}occur_time", event, "occur_time"),
            event_id=event_id or None,
            request_id=request_id or None,
            path=path,
            payload_field=event.WhichOneof("payload") or "json",
        )
