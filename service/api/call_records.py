"""What is known of a call while it is under way, and the one line that the log gets of it."""

from dataclasses import dataclass

import grpc
import structlog

from service.api.callers import Caller
from service.api.errors import Status, internal_status
from service.api.limits import Admission
from service.api.methods import Method, RefusedMethod
from service.domain.errors import ErrorReason

_log = structlog.stdlib.get_logger()


@dataclass(slots=True)
class Call:
    """One RPC under way, and what came of it."""

    id: str
    method: Method | RefusedMethod
    peer: str
    started_s: float
    # Whether it is one of those that a shutdown waits for.
    is_counted: bool
    # Who makes it, once that is known; nobody is asked for what is open to all.
    caller: Caller | None = None
    # Whose credential it came with, if that was theirs and does not count any more.
    former_holder: str | None = None
    # What it is when the handler does not come to its end.
    code: grpc.StatusCode = grpc.StatusCode.CANCELLED
    reason: ErrorReason | None = None
    failure: BaseException | None = None
    # Once it is counted among those that are under way.
    admission: Admission | None = None

    def fail(self, failure: BaseException) -> Status:
        """Keep a bug's or an outage's exception for the log, and return what the client may know of it."""
        self.failure = failure
        return internal_status(self.id)

    def log(self, *, duration_s: float) -> None:
        """Write the one line about this call."""
        write = _log.debug if self.method.is_infrastructure else _log.info
        cause: dict[str, BaseException] = {}
        if self.failure is not None:
            write, cause = _log.error, {"exc_info": self.failure}
        write(
            "rpc.finished",
            method=self.method.name,
            code=self.code.name,
            reason=self.reason,
            duration_ms=round(duration_s * 1000, 3),
            call_id=self.id,
            peer=self.peer,
            caller=self.caller.actor.name if self.caller else self.former_holder,
            **cause,
        )
