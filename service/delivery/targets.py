"""Where a request goes and how its head is written: RFC 9112, sections 3 and 5. It knows no sockets."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from yarl import URL

from service.delivery.pool import Origin

_TARGETS_KEPT = 1024
_NOT_VISIBLE = re.compile(r"[^\x21-\x7e]")


class Target(NamedTuple):
    """What a URL says: whom to connect to, what to ask there, and what to call it in `Host`."""

    origin: Origin
    path_and_query: str
    authority: str


@lru_cache(_TARGETS_KEPT)
def read_target(url: str) -> Target:
    """Return what a URL says. Path and query are its bytes: they were signed, and receivers route by them.

    Raises:
        ValueError: the URL cannot be requested.
    """
    read = URL(url, encoded=True)
    if read.scheme not in ("http", "https") or not read.raw_host or not read.port or not read.host_port_subcomponent:
        raise ValueError("the URL is not one of http or https with a host")
    if _NOT_VISIBLE.search(read.raw_path_qs + read.host_port_subcomponent):
        raise ValueError("the URL has characters that are not visible ASCII")
    return Target(Origin(read.scheme, read.raw_host, read.port), read.raw_path_qs, read.host_port_subcomponent)


class HeadWriter:
    """Writes the heads of requests. What it has to say itself, nothing in a request replaces.

    Args:
        user_agent: the `User-Agent` of every request.
    """

    def __init__(self, user_agent: str) -> None:
        # Responses are read as they come, so receivers are asked not to compress them.
        self._own = (("Accept-Encoding", "identity"), ("User-Agent", user_agent), ("Accept", "*/*"))
        self._own_names = frozenset({"host", "content-length", *(name.lower() for name, _ in self._own)})

    def write(self, target: Target, headers: Iterable[tuple[str, str]], *, body_bytes: int) -> bytes:
        """Return the head of a POST.

        Raises:
            ValueError: a header has a character in it that would end it.
        """
        lines = [f"POST {target.path_and_query} HTTP/1.1", f"Host: {target.authority}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in self._own_names]
        lines += [f"{name}: {value}" for name, value in self._own]
        lines += [f"Content-Length: {body_bytes}", "", ""]
        text = "\n".join(lines)
        if text.count("\n") != len(lines) - 1 or "\r" in text or "\0" in text:
            raise ValueError("a header has a line break or a null in it")
        return text.replace("\n", "\r\n").encode()
