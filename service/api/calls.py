"""What happens around every RPC: access, parsing, errors, cancellation, the log line, and waiting for the last one.

Handlers are methods of generated servicers. They take parsed messages, return or yield messages, and raise
`CallerError`; a response stream is an async generator. Everything that grpc.aio gets wrong on the way is dealt with
here, once, so that handlers need not know:

- A unary method's message is read as a whole before its handler is called, whoever sends it. So to grpc.aio all methods
  are streams of requests, and the message is read once it is known who calls: see `arrivals`.
- Messages that do not parse and responses that do not serialise fail as UNKNOWN with the exception's text, outside of
  any handler. So grpc.aio is handed bytes both ways, and both steps happen in `methods`.
- A CancelledError that escapes a handler leaves the client waiting for ever, unless this call is what was cancelled.
- A call that is cancelled while its response is written leaves an async generator suspended. So the generator is
  consumed and closed in `methods`, too.

A client's deadline or cancellation cancels its handler, and nothing here prevents it: a commit needs no shield, for
`Database.write` completes whether or not somebody still waits for it. What must follow a commit belongs into a
`finally`, or into something that does not depend on the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from service.api.arrivals import draining
from service.api.authentication import Authentication
from service.api.call_records import Call
from service.api.callers import current_holder, set_caller
from service.api.errors import status_of
from service.api.limits import CallLimits
from service.api.methods import Context, Handler, Method, RefusedMethod, method_of, unknown_method
from service.api.validity import while_valid
from service.domain.clock import Clock
from service.domain.errors import CallerError, CredentialInvalid
from service.domain.ids import Ids

OnFinished: TypeAlias = "Callable[[str, str, str | None, float], None]"
"""Takes a call's method, code, reason if it has one, and seconds. UNKNOWN_METHOD stands for what the client made up."""

# How long a stream's client may leave a message unread once the server shuts down.
_LAST_MESSAGE_S = 1.0

UNKNOWN_METHOD = "unknown"


class Calls(grpc.aio.ServerInterceptor):
    """The interceptor that every RPC goes through. It must be the first, or only, one of its server.

    Args:
        clock: measures how long calls take.
        ids: makes the call ids that an INTERNAL error shares with the log.
        authentication: says who calls.
        limits: refuses what would be too much at once, before it is read or, for its size, parsed.
        request_bytes_max: the largest request message, in bytes; a larger one is refused as PAYLOAD_TOO_LARGE. The
            server's own limit must be above it, for grpc answers RESOURCE_EXHAUSTED.
        on_finished: told of every call, once its response has left.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ids: Ids,
        authentication: Authentication,
        limits: CallLimits,
        request_bytes_max: int,
        on_finished: OnFinished = lambda *_: None,
    ) -> None:
        #: Set by `drain`. Endless streams wait for it beside what they stream, and end.
        self.draining = asyncio.Event()
        self._clock = clock
        self._ids = ids
        self._authentication = authentication
        self._limits = limits
        self._on_finished = on_finished
        self._request_bytes_max = request_bytes_max
        self._guarded: dict[str, tuple[Handler, Handler]] = {}
        self._writing: set[asyncio.Timeout] = set()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def drain(self) -> None:
        """Answer new calls with UNAVAILABLE, reason DRAINING, from now on. Health and reflection still answer.

        A stream whose client does not read is given up, for it could never be told; and so is a request that does not
        come.
        """
        if not self.draining.is_set():
            self.draining.set()
            self._limits.arrivals.drain()
            for writing in self._writing:
                writing.reschedule(self._last_message_due_s())

    async def drained(self) -> None:
        """Wait until no call runs, its response handed to the transport included. Health and reflection do not count.

        Without `drain` before it there is no end to wait for on a busy server.
        """
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the method's handler with everything around it. Called by grpc.aio for every RPC."""
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if handler is None:
            # Not kept: clients choose these names.
            return self._guard(unknown_method(path))
        known = self._guarded.get(path)
        if known is None or known[0] is not handler:
            known = handler, self._guard(method_of(path, handler, self._request_bytes_max))
            self._guarded[path] = known
        return known[1]

    def _guard(self, method: Method | RefusedMethod) -> Handler:
        async def guarded(messages: AsyncIterator[bytes], context: Context) -> bytes | None:
            return await self._run(method, messages, context)

        if method.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guarded)
        return grpc.stream_unary_rpc_method_handler(guarded)

    async def _run(
        self, method: Method | RefusedMethod, messages: AsyncIterator[bytes], context: Context
    ) -> bytes | None:
        call = self._begin(method, context)
        try:
            if self.draining.is_set() and not method.is_infrastructure:
                raise draining()
            await self._authorize(call, context)
            response = await self._respond(call, await self._request(call, messages, context), context)
        except CallerError as error:
            status = status_of(error)
        except _NotRead:
            status = status_of(draining())
            # Its client would have to read what came before, so nobody waits for the end of this call.
            self._leave(call)
        except grpc.aio.BaseError:
            # Either the handler has aborted, so the client has its answer, or the client is gone.
            aborted_with: grpc.StatusCode | None = context.code()
            call.code = aborted_with or call.code
            raise
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            status = call.fail(error)
        except Exception as error:
            status = call.fail(error)
        else:
            call.code = grpc.StatusCode.OK
            return response
        try:
            return await context.abort(status.code, status.message, status.trailing_metadata)
        except grpc.aio.AbortError:
            # Told to the client. One that is gone was told nothing, and perhaps made no mistake: a message that was
            # broken off looks like none.
            call.code, call.reason = status.code, status.reason
            raise

    async def _authorize(self, call: Call, context: Context) -> None:
        """Find out who calls, and refuse who may not call this method.

        Raises:
            CredentialInvalid, PermissionMissing, StorageUnavailable: nobody known calls, or nobody who may.
        """
        if call.method.is_open:
            return
        try:
            call.caller = await self._authentication.caller(context, call.id)
        except CredentialInvalid as error:
            call.former_holder = error.holder
            raise
        set_caller(call.caller)
        call.method.check_access(call.caller.grant)

    async def _request(self, call: Call, messages: AsyncIterator[bytes], context: Context) -> Any:
        """Return the one message of a call, or those of its stream as they come.

        Raises:
            QuotaExceeded, InvalidField, Draining: the call is not admitted, or its message does not come.
        """
        method, arrivals = call.method, self._limits.arrivals
        if isinstance(method, RefusedMethod):
            return messages
        if method.is_infrastructure:
            if method.request_streaming:
                return arrivals.questions(context, call.peer)
            return await arrivals.question(context, call.peer)
        holder = current_holder()
        call.admission = self._limits.admit(method.name, is_stream=method.is_stream, holder=holder)
        if method.request_streaming:
            return messages
        message = await arrivals.request(context, holder)
        self._limits.weigh(call.admission, len(message))
        return message

    async def _respond(self, call: Call, request: Any, context: Context) -> bytes | None:
        if call.caller is None or call.caller.credential is None or not call.method.is_stream:
            response = await call.method.respond(request, context, self._write, call.caller)
            if call.admission is not None and response is not None:
                self._limits.hold(call.admission, len(response))
            return response
        # Its client may not read what came before, so nobody waits for the end of a call whose credential has ended.
        async with while_valid(call.caller, self._authentication, on_invalid=lambda: self._leave(call)):
            return await call.method.respond(request, context, self._write, call.caller)

    async def _write(self, context: Context, message: bytes) -> None:
        """Write a message of a stream, which takes as long as the client does not read.

        Raises:
            _NotRead: the server shuts down.
        """
        writing = asyncio.timeout_at(self._last_message_due_s() if self.draining.is_set() else None)
        try:
            async with writing:
                self._writing.add(writing)
                await context.write(message)
        except TimeoutError as error:
            raise _NotRead from error
        finally:
            self._writing.discard(writing)

    def _last_message_due_s(self) -> float:
        return asyncio.get_running_loop().time() + _LAST_MESSAGE_S

    def _begin(self, method: Method | RefusedMethod, context: Context) -> Call:
        is_counted = not method.is_infrastructure
        call = Call(self._ids.new(), method, context.peer(), self._clock.monotonic_s(), is_counted)
        if call.is_counted:
            self._running += 1
            self._idle.clear()
        # Later than the end of the handler: by then the response has left, or the client has.
        context.add_done_callback(lambda _: self._end(call))  # type: ignore[arg-type]  # typeshed forgot `Protocol`
        return call

    def _end(self, call: Call) -> None:
        if call.admission is not None:
            self._limits.release(call.admission)
        self._leave(call)
        duration_s = self._clock.monotonic_s() - call.started_s
        call.log(duration_s=duration_s)
        method = call.method.name if call.method.is_known else UNKNOWN_METHOD
        self._on_finished(method, call.code.name, call.reason, duration_s)

    def _leave(self, call: Call) -> None:
        """Count a call no more, if it still is."""
        if not call.is_counted:
            return
        call.is_counted = False
        self._running -= 1
        if self._running == 0:
            self._idle.set()


class _NotRead(Exception):
    """A stream's client does not read, and the server shuts down."""


def is_being_cancelled() -> bool:
    """Say whether the task that runs was cancelled itself. If not, a CancelledError is that of something it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
