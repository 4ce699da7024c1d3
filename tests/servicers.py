"""Servicers that tests put behind a real server in place of the service's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tidings.v1.notifications_pb2 import WatchNotificationsRequest, WatchNotificationsResponse
from tidings.v1.notifications_pb2_grpc import NotificationServiceServicer


class EndlessWatch(NotificationServiceServicer):
    """A WatchNotifications that never ends by itself, and tells when it was closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def WatchNotifications(
        self, request: WatchNotificationsRequest, context: Any
    ) -> AsyncIterator[WatchNotificationsResponse]:
        """Yield more than the transport's buffers hold."""
        try:
            while True:
                yield WatchNotificationsResponse(resume_token="t" * 1_000_000)
        finally:
            self.closed.set()
