"""What a subscription keeps secret of its receiver, each sealed by itself: where exactly to send, and what to add.

The URL is sealed from its path on; the part before is plain, for people who look after the database, but the seal
holds for that one only: where it was changed, the rest does not open. That is no fence against whoever may write the
database: a row that is plain as a whole, as earlier versions have left it, is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, LiteralString

from service.domain.keyring import Label, SealBroken
from service.storage import sealing
from service.storage.database import Row, Transaction, Value
from service.storage.encoding import text, text_map, to_text

COLUMNS: Final[LiteralString] = "uid, url, url_rest, headers, api_key_value, sealed_with"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where requests go, with which headers, and the value of the API key if there is one."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    api_key_value: str | None = field(repr=False)


def seal(tx: Transaction, uid: str, receiver: Receiver) -> dict[str, Value]:
    """Return the columns of a subscription that say this, sealed by the active key."""
    key, rng = sealing.active_key(tx), tx.sealer.rng
    origin, rest = divided(receiver.url)
    api_key_value = receiver.api_key_value
    return {
        "url": origin,
        "url_rest": key.seal(rest, _label("url", uid, origin), rng=rng),
        "headers": key.seal(to_text(receiver.headers), _label("headers", uid, origin), rng=rng),
        "api_key_value": None
        if api_key_value is None
        else key.seal(api_key_value, _label("api_key", uid, origin), rng=rng),
        "sealed_with": key.id,
    }


def open_(tx: Transaction, row: Row) -> Receiver:
    """Return what the columns of a living subscription say, also one of an earlier version, which is not sealed.

    Raises:
        SealBroken: one of them is damaged, or was moved there from another row.
    """
    if row["sealed_with"] is None:
        return _plain(row)
    key, uid = sealing.key_of(tx, row["sealed_with"]), row["uid"]
    api_key_value = row["api_key_value"]
    return Receiver(
        row["url"] + key.open(row["url_rest"] or "", _label("url", uid, row["url"])),
        text_map(key.open(row["headers"], _label("headers", uid, row["url"]))),
        None if api_key_value is None else key.open(api_key_value, _label("api_key", uid, row["url"])),
    )


def open_url(tx: Transaction, row: Row) -> str:
    """Return the URL alone, from `uid`, `url`, `url_rest` and `sealed_with`.

    Raises:
        SealBroken: as `open_`.
    """
    if row["sealed_with"] is None:
        return _plain_url(row)
    key = sealing.key_of(tx, row["sealed_with"])
    return str(row["url"]) + key.open(row["url_rest"] or "", _label("url", row["uid"], row["url"]))


def _plain(row: Row) -> Receiver:
    api_key_value = row["api_key_value"]
    try:
        return Receiver(
            _plain_url(row), text_map(row["headers"]), None if api_key_value is None else text(api_key_value)
        )
    except (ValueError, TypeError) as error:
        raise SealBroken("what is kept plain is not what an earlier version has written") from error


def _plain_url(row: Row) -> str:
    if row["url_rest"] is not None:
        raise SealBroken("the URL is said to be plain, and a part of it is sealed")
    return str(row["url"])


def divided(url: str) -> tuple[str, str]:
    """Return a URL in two parts: up to the port, and from the path or the query on."""
    _, _, after = url.partition("//")
    host = min(after.partition("/")[0], after.partition("?")[0], key=len)
    end = len(url) - len(after) + len(host)
    return url[:end], url[end:]


def origin(url: str) -> str:
    """Return the part of a URL that is no secret."""
    return divided(url)[0]


def _label(kind: str, uid: str, origin: str) -> Label:
    # All three are for one host: none of them opens beside another one, also not what an older copy of the row has.
    return Label(kind, uid, origin)
