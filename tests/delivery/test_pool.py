"""Which connections are kept, and how long; seen from the side of who is connected to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from service.delivery.connections import Connection
from service.delivery.egress import Call, GuardedConnector
from service.delivery.pool import NotConnected, Origin, Pool
from service.delivery.trust import trusting
from service.domain.destinations import parse_destination_policy
from tests.raw_receivers import OK, Receiver, answering, held_connections, receiving, stall

HEAD = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def pooling(**options: Any) -> AsyncIterator[Pool]:
    connector = GuardedConnector(parse_destination_policy(dev=True))
    given = {"tls": trusting(), "connect_timeout_s": 5.0, "body_bytes_max": 100, **options}
    pool = Pool(connector, **given)
    try:
        yield pool
    finally:
        await pool.close()


def origin_of(receiver: Receiver) -> Origin:
    return Origin("http", "127.0.0.1", receiver.port)


async def used(pool: Pool, origin: Origin, count: int = 1) -> list[Connection]:
    """Return new connections, each of which has carried one request."""
    connections = [await pool.connect(origin, Call()) for _ in range(count)]
    for connection in connections:
        response = await connection.exchange(HEAD, b"")
        await connection.read_body(response, deadline_s=asyncio.get_running_loop().time() + 5)
    return connections


async def until_held(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(5):
        while held_connections(receiver.port) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_connection_that_was_used_last_is_taken_first() -> None:
    """So the others grow old, and are closed when load falls."""
    async with receiving(answering(OK)) as receiver, pooling() as pool:
        first, last = await used(pool, origin_of(receiver), 2)
        pool.give_back(origin_of(receiver), first)
        pool.give_back(origin_of(receiver), last)

        assert [last, first, None] == [pool.take(origin_of(receiver)) for _ in range(3)]


async def test_connection_is_kept_for_its_own_origin() -> None:
    """Not for another port, nor for another scheme there."""
    async with receiving(answering(OK)) as receiver, pooling() as pool:
        origin = origin_of(receiver)
        (connection,) = await used(pool, origin)
        pool.give_back(origin, connection)

        others = (origin._replace(scheme="https"), origin._replace(port=1), origin._replace(host="localhost"))
        assert [None] * 3 == [pool.take(other) for other in others]
        assert connection is pool.take(origin)


async def test_idle_connection_is_closed_after_a_while() -> None:
    """And one that is in use is not, however long its request takes."""
    async with receiving(answering(OK)) as receiver, pooling(idle_s=0.02) as pool:
        idle, in_use = await used(pool, origin_of(receiver), 2)
        pool.give_back(origin_of(receiver), idle)

        await until_held(receiver, 1)

        assert in_use.is_open
        assert pool.take(origin_of(receiver)) is None


async def test_no_more_connections_are_kept_than_allowed() -> None:
    """They are files, and a thousand receivers may each have had one."""
    async with receiving(answering(OK)) as receiver, receiving(answering(OK)) as other, pooling(idle_max=2) as pool:
        for connection in await used(pool, origin_of(receiver), 3):
            pool.give_back(origin_of(receiver), connection)
        for connection in await used(pool, origin_of(other)):
            pool.give_back(origin_of(other), connection)

        await until_held(receiver, 2)
        await until_held(other, 0)


async def test_connections_that_receivers_closed_make_room() -> None:
    """Once the pool has looked again."""
    async with pooling(idle_max=1, idle_s=0.02) as pool:
        async with receiving(answering(OK)) as receiver:
            for connection in await used(pool, origin_of(receiver)):
                pool.give_back(origin_of(receiver), connection)
        async with receiving(answering(OK)) as receiver, asyncio.timeout(5):
            origin = origin_of(receiver)
            while pool.take(origin) is None:
                for connection in await used(pool, origin):
                    pool.give_back(origin, connection)


async def test_connection_without_a_whole_answer_is_not_kept() -> None:
    """Whatever comes of it later would be taken for the answer to the next request."""
    async with receiving(stall) as receiver, pooling() as pool:
        connection = await pool.connect(origin_of(receiver), Call())
        exchange = asyncio.create_task(connection.exchange(HEAD, b""))
        await asyncio.sleep(0)
        exchange.cancel()
        pool.give_back(origin_of(receiver), connection)

        assert pool.take(origin_of(receiver)) is None
        await until_held(receiver, 0)


async def test_closing_fails_the_requests_under_way() -> None:
    """And connects nobody afterwards."""
    async with receiving(stall) as receiver, pooling() as pool:
        connection = await pool.connect(origin_of(receiver), Call())
        exchange = asyncio.create_task(connection.exchange(HEAD, b""))
        await asyncio.sleep(0)

        await pool.close()

        with pytest.raises(ConnectionAbortedError):
            await asyncio.wait_for(exchange, timeout=5)
        with pytest.raises(ConnectionAbortedError):
            await pool.connect(origin_of(receiver), Call())


async def test_connection_that_takes_too_long_says_so() -> None:
    """The handshake is part of it."""
    async with receiving(stall) as receiver, pooling(connect_timeout_s=0.05) as pool:
        with pytest.raises(NotConnected, match=r"no connection within 0\.05 s"):
            await pool.connect(origin_of(receiver)._replace(scheme="https"), Call())

        await until_held(receiver, 0)
