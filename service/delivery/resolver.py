"""Asking the system for the addresses of a name, so that a dead name keeps nobody else waiting.

It knows threads and getaddrinfo. It judges no address; `service.delivery.egress` does.

Event loops look names up in a pool that they share with everything else, and uvloop's, which is libuv's, lets half of
its four threads do so: two names whose servers do not answer would stop the look-ups of all.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
GetAddressInfo = Callable[[str, None, int, int, int, int], Sequence[AddressInfo]]

_Question = tuple[str, socket.AddressFamily]


class SystemResolver(AbstractResolver):
    """Runs getaddrinfo in daemon threads of its own, one for each name that is being looked up.

    It is getaddrinfo and not aiodns because it reads /etc/hosts and the search domains, which is how containers and
    Kubernetes name the receivers that operators allow.

    A look-up cannot be stopped. It goes on when nobody waits for it any more, and whoever asks for that name meanwhile
    joins it; so a dead name costs one thread, however often it is tried. The threads do not delay the exit.

    Args:
        lookups_max: how many names are looked up at a time.
        wait_s: how long a name waits for its turn; whoever asked has given up by then.
        getaddrinfo: answers in place of the system. Called in a thread, with positional arguments.
    """

    def __init__(
        self, *, lookups_max: int = 64, wait_s: float = 5.0, getaddrinfo: GetAddressInfo = socket.getaddrinfo
    ) -> None:
        self._getaddrinfo = getaddrinfo
        self._wait_s = wait_s
        self._turns = asyncio.Semaphore(lookups_max)
        self._lookups: dict[_Question, asyncio.Task[Sequence[AddressInfo]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name, in the system's order.

        Raises:
            OSError: the name does not resolve, had to wait too long for its turn, or the resolver was closed.
            ValueError: what cannot be a name.
        """
        lookup = self._lookups.get((host, family)) or self._begin((host, family))
        # Awaiting the task itself would cancel it, and so the others' look-up, when this request is cancelled.
        await asyncio.wait((lookup,))
        if lookup.cancelled():
            raise OSError(errno.ECANCELED, "the resolver was closed")
        return [_result(host, port, info) for info in lookup.result()]

    async def close(self) -> None:
        """Fail the look-ups under way. Their threads end by themselves, unheard. Nothing may be resolved afterwards."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _begin(self, question: _Question) -> asyncio.Task[Sequence[AddressInfo]]:
        lookup = asyncio.create_task(self._look_up(*question))
        self._lookups[question] = lookup
        lookup.add_done_callback(partial(self._end, question))
        return lookup

    def _end(self, question: _Question, lookup: asyncio.Task[Sequence[AddressInfo]]) -> None:
        del self._lookups[question]
        if not lookup.cancelled():
            # Looked at, so that asyncio does not complain of a failure that nobody waited for.
            lookup.exception()

    async def _look_up(self, host: str, family: socket.AddressFamily) -> Sequence[AddressInfo]:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "too many other names are being looked up") from None
        try:
            ask = partial(self._getaddrinfo, host, None, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            return await asyncio.wrap_future(_in_daemon_thread(ask))
        finally:
            self._turns.release()


def _in_daemon_thread(ask: Callable[[], Sequence[AddressInfo]]) -> Future[Sequence[AddressInfo]]:
    """Call a function in a new thread. The threads of a ThreadPoolExecutor would be waited for at exit."""
    answer = Future[Sequence[AddressInfo]]()
    # It cannot be cancelled from here on, so the thread can always set it.
    answer.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=run, name="tidings-lookup", daemon=True).start()
    return answer


def _result(host: str, port: int, info: AddressInfo) -> ResolveResult:
    family, _, protocol, _, (address, *_) = info
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
