"""The gRPC health service: whether this server wants to be sent calls.

Not the servicer of grpcio-health-checking, which is SERVING before its server has started, forgets every watcher of a
service when one of them leaves, and lets one client that does not read its stream hold up the shutdown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from service.api.methods import Context
from service.domain.errors import Draining, ResourceNotFound

OVERALL = ""


class Health(HealthServicer):
    """Says SERVING or NOT_SERVING for the server as a whole, named "", and for each of its services."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset((OVERALL, *services))
        self._status: int = HealthCheckResponse.NOT_SERVING
        self._ended = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:
        """Change the answer for every service, and tell all watchers."""
        self._status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        self._tell_watchers()

    def end_watches(self) -> None:
        """End the streams of all watchers, which are endless by themselves."""
        self._ended = True
        self._tell_watchers()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """Return the status of a service now.

        Raises:
            ResourceNotFound: the server has no such service.
        """
        if request.service not in self._services:
            raise ResourceNotFound("service", request.service)
        return HealthCheckResponse(status=self._status)

    async def Watch(self, request: HealthCheckRequest, context: Context) -> AsyncIterator[HealthCheckResponse]:
        """Yield the status of a service now and whenever it changes.

        Raises:
            Draining: the server stops.
        """
        told = None
        while not self._ended:
            # Taken before the status is read, so that no change in between gets lost.
            changed = self._changed
            status = self._status_of(request.service)
            if status != told:
                told = status
                yield HealthCheckResponse(status=status)
            await changed.wait()
        raise Draining("the server is shutting down; connect again")

    def _status_of(self, service: str) -> int:
        # As the protocol has it: a watch of an unknown service is no error, for the service may come.
        return self._status if service in self._services else HealthCheckResponse.SERVICE_UNKNOWN

    def _tell_watchers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
