"""A method of a service, with the steps around its handler that grpc.aio must not take by itself.

Parsing and serialising, whether the caller is allowed what the request is about, and reading from and writing to
streams. Knows nothing of who calls, of limits and of errors' statuses: see `calls`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from service.api.access import Rule, rule_of
from service.api.callers import Caller
from service.domain.access import Grant
from service.domain.errors import InvalidField, PayloadTooLarge, Unimplemented

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Write: TypeAlias = "Callable[[Context, bytes], Awaitable[None]]"
Behaviour: TypeAlias = "Callable[[Any, Context], Any]"

# Questions about the server itself: answered while draining, not waited for, logged at DEBUG.
_INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.")
# Those that need no credential: whatever watches over servers has none.
_OPEN = ("grpc.health.",)
_METHOD_NAME_CHARACTERS_MAX = 120


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service, with the steps that grpc.aio must not take by itself."""

    name: str
    request_streaming: bool
    response_streaming: bool
    behaviour: Behaviour
    deserialize: Callable[[bytes], Any]
    serialize: Callable[[Any], bytes]
    request_bytes_max: int
    # None for questions about the server itself, which are about no workspace.
    rule: Rule | None
    is_known: bool = True

    @property
    def is_infrastructure(self) -> bool:
        """Whether it is a question about the server itself."""
        return self.rule is None

    @property
    def is_open(self) -> bool:
        """Whether everybody may call it."""
        return self.name.startswith(_OPEN)

    @property
    def is_stream(self) -> bool:
        """Whether it may go on for long."""
        return self.request_streaming or self.response_streaming

    def check_access(self, grant: Grant) -> None:
        """Refuse who may not call it; see `Rule`."""
        if self.rule is not None:
            self.rule.check_method(grant)

    async def respond(self, request: Any, context: Context, write: Write, caller: Caller | None) -> bytes | None:
        """Run the handler on what grpc.aio has received: bytes, or an iterator of bytes. Streams are written here."""
        parsed = self._parse_each(request, caller) if self.request_streaming else self._parse(request, caller)
        if not self.response_streaming:
            return self.serialize(await self.behaviour(parsed, context))
        async with aclosing(self.behaviour(parsed, context)) as responses:
            async for response in responses:
                await write(context, self.serialize(response))
        return None

    def _parse(self, message: bytes, caller: Caller | None) -> Any:
        if len(message) > self.request_bytes_max:
            raise PayloadTooLarge("request", f"must be at most {self.request_bytes_max:,} bytes; got {len(message):,}")
        try:
            request = self.deserialize(message)
        except DecodeError as error:
            raise InvalidField(
                "request", f"must be a request of {self.name} in protobuf's encoding, its strings in UTF-8"
            ) from error
        if self.rule is not None and caller is not None:
            self.rule.check_request(caller.grant, request)
        return request

    async def _parse_each(self, messages: AsyncIterator[bytes], caller: Caller | None) -> AsyncIterator[Any]:
        async for message in messages:
            request = self._parse(message, caller)
            # Not kept beside what was made of it, for as long as a handler takes over it.
            del message
            yield request


@dataclass(frozen=True, slots=True)
class RefusedMethod:
    """A method that is not there. It streams both ways, whatever it should be, so it does not wait for a request."""

    name: str
    message: str
    request_streaming: bool = True
    response_streaming: bool = True
    is_stream: bool = False
    is_infrastructure: bool = False
    is_open: bool = False
    is_known: bool = True

    def check_access(self, _grant: Grant) -> None:
        """Let everybody who is known learn that it is not there."""

    async def respond(self, _request: Any, _context: Context, _write: Write, _caller: Caller | None) -> None:
        """Say that it is not there."""
        raise Unimplemented(self.message)


def method_of(path: str, handler: Handler, request_bytes_max: int) -> Method | RefusedMethod:
    """Describe a method as its servicer was registered."""
    name = path.removeprefix("/")
    behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    is_async = inspect.isasyncgenfunction if handler.response_streaming else inspect.iscoroutinefunction
    # What a servicer does not override is a plain function that the generator has made.
    if not is_async(behaviour):
        return RefusedMethod(name, f"{name} is not implemented by this version")
    assert handler.request_deserializer is not None
    assert handler.response_serializer is not None
    return Method(
        name,
        handler.request_streaming,
        handler.response_streaming,
        behaviour,
        handler.request_deserializer,
        handler.response_serializer,
        request_bytes_max,
        None if name.startswith(_INFRASTRUCTURE) else rule_of(name),
    )


def unknown_method(path: str) -> RefusedMethod:
    """Describe what a client calls that no servicer was registered for."""
    name = ascii(path.removeprefix("/")[:_METHOD_NAME_CHARACTERS_MAX])[1:-1]
    return RefusedMethod(name, f"{name} is no method of this server", is_known=False)
