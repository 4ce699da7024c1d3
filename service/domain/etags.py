"""Etags: a change may be asked for only if the resource is still as its caller read it."""

from service.domain.errors import EtagMismatch, quoted


def check_etag(name: str, current: str, *, given: str) -> None:
    """Raise EtagMismatch if an etag is given and is not the current one of the resource of this name."""
    if given not in ("", current):
        raise EtagMismatch(f"{name} has etag {quoted(current)}, not {quoted(given)}: it was changed; read it again")
