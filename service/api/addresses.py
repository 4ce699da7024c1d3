"""Addresses to listen on: their grammar, whether they are loopback, whether they are free."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import re
import socket
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from service.domain.errors import quoted

_TCP = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s\[\]:/]+)):(?P<port>[0-9]{1,5})")
_PORT_MAX = 65535
# What Linux has room for, without the closing zero byte.
_SOCKET_PATH_BYTES_MAX = 107


class ListenError(Exception):
    """An address that cannot be listened on. The message is one sentence for the operator; no traceback is needed."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, by name or IP, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def with_port(self, port: int) -> TcpAddress:
        """Return the address with the port that it was given."""
        return replace(self, port=port)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def with_port(self, port: int) -> UnixAddress:
        """Return itself: there are no ports here."""
        return self


ListenAddress: TypeAlias = TcpAddress | UnixAddress


def parse_address(text: str) -> ListenAddress:
    """Return what `host:port`, `[ipv6]:port`, `unix:path` or `unix:///path` names.

    Raises:
        ListenError: it is none of these.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if path:
            return UnixAddress(path)
    elif (parts := _TCP.fullmatch(text)) and int(parts["port"]) <= _PORT_MAX and _is_ipv6_or_none(parts["ipv6"]):
        return TcpAddress(parts["ipv6"] or parts["host"], int(parts["port"]))
    raise ListenError(
        f"cannot listen on {quoted(text)}: an address is host:port, [ipv6]:port or unix:path, such as 127.0.0.1:50051"
    )


def is_loopback(text: str) -> bool:
    """Say whether only this machine can reach an address: unix sockets, `localhost`, 127.0.0.0/8 and ::1.

    Raises:
        ListenError: it is no address.
    """
    match parse_address(text):
        case UnixAddress():
            return True
        case TcpAddress(host=host):
            return host.lower() == "localhost" or _is_loopback_ip(host)


async def check_free(address: ListenAddress) -> None:
    """Refuse an address that cannot be had, with the reason that grpc does not tell.

    It also refuses what grpc would do without a word: to take over the socket file of a running server, and to listen
    on just one of a name's IP addresses because another server has the others.

    Raises:
        ListenError: it is in use, not permitted, or not of this machine.
    """
    if isinstance(address, UnixAddress):
        problem = _problem_with_path(address.path)
    else:
        problem = await _problem_with_port(address)
    if problem is not None:
        raise ListenError(f"cannot listen on {address}: {problem}")


def _is_ipv6_or_none(text: str | None) -> bool:
    try:
        return text is None or bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _is_loopback_ip(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


async def _problem_with_port(address: TcpAddress) -> str | None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return "there is no such host"
    problems = [_bind_error(family, sockaddr) for family, _, _, _, sockaddr in found]
    real = [problem for problem in problems if problem is not None]
    # `localhost` may resolve to ::1 where there is no IPv6.
    absent = [problem for problem in real if problem.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)]
    if not real or (len(absent) == len(real) < len(problems)):
        return None
    worst = next((problem for problem in real if problem not in absent), real[0])
    return os.strerror(worst.errno or 0).lower()


def _bind_error(family: int, sockaddr: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(sockaddr)
    except OSError as error:
        return error
    return None


def _problem_with_path(path: str) -> str | None:
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
        return f"the path of a socket has at most {_SOCKET_PATH_BYTES_MAX} bytes"
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return _problem_with_folder(Path(path).parent)
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return _problem_with_socket(path) if stat.S_ISSOCK(mode) else "there is a file that is no socket"


def _problem_with_folder(folder: Path) -> str | None:
    if not folder.is_dir():
        return "its folder does not exist"
    return None if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES).lower()


def _problem_with_socket(path: str) -> str | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return None  # Left behind by a server that is gone; grpc replaces it.
        except OSError as error:
            return os.strerror(error.errno or 0).lower()
    return os.strerror(errno.EADDRINUSE).lower()
