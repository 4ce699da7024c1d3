"""The HTTP listener that metrics are scraped from: GET /metrics and nothing else."""

import asyncio
import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from service.telemetry.metrics import Metrics

PATH: Final = "/metrics"
# How long a connection may take for its one request, and then for reading the answer.
_REQUEST_S: Final = 10.0
_ANSWER_S: Final = 10.0
_STOP_S: Final = 1.0

_log = logging.getLogger(__name__)


class MetricsServer:
    """Serves metrics on one address. A connection is good for one request and lives 20 s at most, whoever made it."""

    def __init__(
        self, metrics: Metrics, host: str, port: int, *, request_s: float = _REQUEST_S, answer_s: float = _ANSWER_S
    ) -> None:
        self._metrics = metrics
        self._host = host
        self._port = port
        app = web.Application(middlewares=[_one_request(answer_s)])
        app.router.add_get(PATH, self._scrape)
        # aiohttp's keep-alive timeout is also what ends a connection on which no whole request has come yet.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_log,
            keepalive_timeout=request_s,
            # Nobody waits for the rest of a body that is not wanted.
            lingering_time=0,
            shutdown_timeout=_STOP_S,
        )
        _log.addFilter(_is_our_fault)

    async def start(self) -> int:
        """Begin to answer, and return the port.

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close the port and all connections. May be called although it was not started."""
        await self._runner.cleanup()

    async def _scrape(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Say whether a line is to be logged: not what clients send that is no HTTP, which aiohttp takes for an error."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _one_request(answer_s: float) -> Middleware:
    """Return a middleware that lets a connection end after its first answer, also where nobody reads that."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.transport is not None:
            asyncio.get_running_loop().call_later(answer_s, request.transport.abort)
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            refusal.force_close()
            raise
        response.force_close()
        return response

    return middleware
