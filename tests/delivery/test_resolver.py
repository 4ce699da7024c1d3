"""The resolver with a system whose dead names answer when the test says so, on the loops it may have to run on."""

import asyncio
import errno
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uvloop

from service.delivery.resolver import AddressInfo, SystemResolver

LIMIT_S = 10.0


class System:
    """A getaddrinfo that knows `live…`, and is silent about `dead…` until `gives_up` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gives_up = threading.Event()

    def getaddrinfo(
        self, host: str, port: None, family: int, kind: int, protocol: int, flags: int
    ) -> Sequence[AddressInfo]:
        assert (socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG) == (kind, protocol, flags)
        self.asked.append(host)
        if host.startswith("dead"):
            self.gives_up.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if not host.startswith("live"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1111", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
        ]


@pytest.fixture
def system() -> Iterator[System]:
    system = System()
    yield system
    system.gives_up.set()
    for thread in threading.enumerate():
        if thread.name == "tidings-lookup":
            thread.join()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest, system: System) -> Iterator[asyncio.Runner]:
    """A runner that is closed before the system gives up, and whose loop may have nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=request.param) as runner:
        runner.get_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        yield runner
        gc.collect()
    assert [] == complaints


async def asked(system: System, count: int) -> None:
    """Wait until so many names were asked for, in threads that tell nobody."""
    async with asyncio.timeout(LIMIT_S):
        while len(system.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_addresses_come_with_the_port_in_the_systems_order(runner: asyncio.Runner, system: System) -> None:
    """As numbers, so that they are connected to and nothing is resolved again."""

    async def scenario() -> None:
        results = await SystemResolver(getaddrinfo=system.getaddrinfo).resolve("live.example", 443)

        assert [
            ("live.example", "2606:4700::1111", 443, socket.AF_INET6, 6),
            ("live.example", "192.0.2.1", 443, socket.AF_INET, 6),
        ] == [(each["hostname"], each["host"], each["port"], each["family"], each["proto"]) for each in results]
        assert {socket.AI_NUMERICHOST | socket.AI_NUMERICSERV} == {each["flags"] for each in results}

    runner.run(scenario())


def test_the_system_knows_localhost(runner: asyncio.Runner) -> None:
    """From /etc/hosts, through the real getaddrinfo."""

    async def scenario() -> None:
        results = await SystemResolver().resolve("localhost", 80, socket.AF_INET)

        assert ["127.0.0.1"] == [each["host"] for each in results]

    runner.run(scenario())


@pytest.mark.parametrize(("host", "error"), [("unknown.example", socket.gaierror), ("a" * 64 + ".example", ValueError)])
def test_failure_is_raised_as_the_system_says_it(runner: asyncio.Runner, host: str, error: type[Exception]) -> None:
    """Whoever asks again asks the system again."""
    system = System()

    def getaddrinfo(host: str, *rest: Any) -> Sequence[AddressInfo]:
        host.encode("idna")
        return system.getaddrinfo(host, *rest)

    async def scenario() -> None:
        resolver = SystemResolver(getaddrinfo=getaddrinfo)
        for _ in range(2):
            with pytest.raises(error):
                await resolver.resolve(host)

    runner.run(scenario())


def test_dead_names_do_not_delay_a_live_one(runner: asyncio.Runner, system: System) -> None:
    """63 subscribers' name servers are down; the 64th's is not."""

    async def scenario() -> None:
        resolver = SystemResolver(getaddrinfo=system.getaddrinfo)
        dead = [asyncio.create_task(resolver.resolve(f"dead{number}.example")) for number in range(63)]
        await asked(system, 63)

        results = await asyncio.wait_for(resolver.resolve("live.example"), LIMIT_S)

        assert 2 == len(results)
        assert not any(task.done() for task in dead)
        system.gives_up.set()
        for task in dead:
            with pytest.raises(socket.gaierror):
                await task

    runner.run(scenario())


def test_name_is_looked_up_once_for_all_who_ask(runner: asyncio.Runner, system: System) -> None:
    """Whatever their ports, so that a dead name costs one thread however often it is tried."""

    async def scenario() -> None:
        resolver = SystemResolver(lookups_max=2, getaddrinfo=system.getaddrinfo)
        dead = [asyncio.create_task(resolver.resolve("dead.example", port)) for port in range(10)]
        await asked(system, 1)

        live = await asyncio.gather(*(resolver.resolve("live.example", port) for port in (80, 443)))

        assert [{80}, {443}] == [{each["port"] for each in results} for results in live]
        system.gives_up.set()
        await asyncio.wait(dead)
        assert ["dead.example", "live.example"] == system.asked
        assert all(isinstance(task.exception(), socket.gaierror) for task in dead)

    runner.run(scenario())


def test_cancelled_request_leaves_the_look_up_to_the_others(runner: asyncio.Runner, system: System) -> None:
    """And to those who come later."""

    async def scenario() -> None:
        resolver = SystemResolver(getaddrinfo=system.getaddrinfo)
        first, second = (asyncio.create_task(resolver.resolve("dead.example")) for _ in range(2))
        await asked(system, 1)

        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        third = asyncio.create_task(resolver.resolve("dead.example"))
        await asyncio.sleep(0)

        system.gives_up.set()
        for task in (second, third):
            with pytest.raises(socket.gaierror):
                await task
        assert ["dead.example"] == system.asked

    runner.run(scenario())


def test_failure_that_nobody_waits_for_is_no_complaint(runner: asyncio.Runner, system: System) -> None:
    """The request gave up long before the system did."""

    async def scenario() -> None:
        resolver = SystemResolver(lookups_max=1, getaddrinfo=system.getaddrinfo)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolver.resolve("dead.example"), 0.01)

        system.gives_up.set()

        # There is one turn, so this one comes after it.
        assert 2 == len(await resolver.resolve("live.example"))

    runner.run(scenario())


def test_name_waits_for_its_turn_and_not_for_ever(runner: asyncio.Runner, system: System) -> None:
    """More dead names than threads delay the others, and leave nothing behind."""

    async def scenario() -> None:
        resolver = SystemResolver(lookups_max=1, wait_s=0.05, getaddrinfo=system.getaddrinfo)
        dead = asyncio.create_task(resolver.resolve("dead.example"))
        await asked(system, 1)

        with pytest.raises(socket.gaierror, match="too many other names"):
            await resolver.resolve("live.example")

        assert ["dead.example"] == system.asked
        system.gives_up.set()
        with pytest.raises(socket.gaierror):
            await dead
        assert 2 == len(await resolver.resolve("live.example"))

    runner.run(scenario())


def test_closing_fails_what_is_under_way(runner: asyncio.Runner, system: System) -> None:
    """By an error, not by a cancellation that nobody asked for; the system's answer comes to a closed loop."""

    async def scenario() -> None:
        resolver = SystemResolver(lookups_max=1, getaddrinfo=system.getaddrinfo)
        waiting = [asyncio.create_task(resolver.resolve(host)) for host in ("dead.example", "live.example")]
        await asked(system, 1)

        await resolver.close()

        for task in waiting:
            with pytest.raises(OSError, match="closed") as failed:
                await task
            assert errno.ECANCELED == failed.value.errno

    runner.run(scenario())


HANGING = """
import asyncio, threading
from service.delivery.resolver import SystemResolver

async def main():
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(*question):
        loop.call_soon_threadsafe(asked.set)
        threading.Event().wait()

    resolver = SystemResolver(getaddrinfo=hang)
    request = asyncio.create_task(resolver.resolve("dead.example"))
    await asked.wait()
    request.cancel()
    await resolver.close()

asyncio.run(main())
"""


def test_hanging_look_up_does_not_delay_the_exit() -> None:
    """A stopped server is gone, whatever its name servers do."""
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=30.0, check=False)

    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)
