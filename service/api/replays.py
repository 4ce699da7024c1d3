"""The methods of tidings.v1.NotificationService about replays, over the use cases in `service.replaying`."""

import math

from service.api import paging
from service.api.callers import current_actor
from service.api.convert import bound_ms, enum_members, required, time_ns, timestamp
from service.api.methods import Context
from service.domain.errors import InvalidField
from service.domain.model import NotificationState
from service.domain.names import parse_child, parse_replay
from service.domain.replays import RATE_MIN, Replay, ReplayRequest
from service.replaying.replays import Replays
from tidings.v1 import notifications_pb2 as pb
from tidings.v1 import notifications_pb2_grpc as pb_grpc

_RATE_MAX = 10_000.0


class ReplayMethods(pb_grpc.NotificationServiceServicer):
    """Creates, reads and cancels replays."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    async def CreateReplay(self, request: pb.CreateReplayRequest, context: Context) -> pb.CreateReplayResponse:
        """Begin a replay, or only count what it would do."""
        parent = parse_child("parent", "subscriptions", request.parent)
        required(request, "replay")
        wanted = _replay_request(request.replay)
        if request.validate_only:
            counted = _message(await self._replays.count(parent.workspace, parent.id, wanted))
            for field in ("name", "state", "create_time"):
                counted.ClearField(field)
            return pb.CreateReplayResponse(replay=counted)
        replay = await self._replays.create(parent.workspace, parent.id, wanted, by=current_actor())
        return pb.CreateReplayResponse(replay=_message(replay))

    async def GetReplay(self, request: pb.GetReplayRequest, context: Context) -> pb.GetReplayResponse:
        """Return a replay."""
        replay = await self._replays.get(parse_replay("name", request.name))
        return pb.GetReplayResponse(replay=_message(replay))

    async def ListReplays(self, request: pb.ListReplaysRequest, context: Context) -> pb.ListReplaysResponse:
        """List the replays of a subscription, newest first."""
        parent = parse_child("parent", "subscriptions", request.parent)
        page_size = paging.page_size(request.page_size)
        scope = ("ListReplays", request.parent)
        before = paging.decode(request.page_token, scope=scope, shape=str)
        page = await self._replays.page(parent.workspace, parent.id, before=before, page_size=page_size)
        shown, next_page_token = paging.page_of(page, _message, position_of=lambda replay: replay.id, scope=scope)
        return pb.ListReplaysResponse(replays=shown, next_page_token=next_page_token)

    async def CancelReplay(self, request: pb.CancelReplayRequest, context: Context) -> pb.CancelReplayResponse:
        """End a replay."""
        replay = await self._replays.cancel(parse_replay("name", request.name), by=current_actor())
        return pb.CancelReplayResponse(replay=_message(replay))


def _replay_request(message: pb.Replay) -> ReplayRequest:
    required(message, "start_time", prefix="replay.")
    start_ns = time_ns("replay.start_time", message, "start_time") or 0
    end_ns = time_ns("replay.end_time", message, "end_time")
    if end_ns is not None and end_ns < start_ns:
        raise InvalidField("replay.end_time", "must not be before start_time")
    return ReplayRequest(
        start_time_ms=bound_ms(start_ns),
        end_time_ms=None if end_ns is None else bound_ms(end_ns),
        states=_states(message),
        include_unmatched=message.include_unmatched,
        max_rate_per_second=_rate(message),
    )


def _states(message: pb.Replay) -> frozenset[NotificationState]:
    states = enum_members("replay.states", pb.NotificationState, message.states, NotificationState)
    if NotificationState.PENDING in states:
        index = list(message.states).index(pb.NotificationState.NOTIFICATION_STATE_PENDING)
        raise InvalidField(
            f"replay.states[{index}]",
            "must be an end state, not NOTIFICATION_STATE_PENDING: those are on their way",
        )
    return states


def _rate(message: pb.Replay) -> float | None:
    if not message.HasField("max_rate_per_second"):
        return None
    rate = message.max_rate_per_second
    if not (math.isfinite(rate) and RATE_MIN <= rate <= _RATE_MAX):
        raise InvalidField("replay.max_rate_per_second", f"must be 0.01 to 10,000; got {rate}")
    return rate


def _message(replay: Replay) -> pb.Replay:
    return pb.Replay(
        name=replay.name,
        start_time=timestamp(replay.start_time_ms),
        end_time=timestamp(replay.end_time_ms),
        states=[pb.NotificationState.Value(f"NOTIFICATION_STATE_{state}") for state in sorted(replay.states)],
        include_unmatched=replay.include_unmatched,
        max_rate_per_second=replay.max_rate_per_second,
        state=pb.ReplayState.Value(f"REPLAY_STATE_{replay.state}"),
        examined_count=replay.examined_count,
        created_count=replay.created_count,
        create_time=timestamp(replay.create_time_ms),
        complete_time=timestamp(replay.complete_time_ms),
    )
