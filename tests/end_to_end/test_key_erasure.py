"""What is erased is gone: no byte of it is left in the database file or its log, not even sealed.

The keys of the keyring may become known one day. The log is copied into the database and cut off when the server stops,
so the files are searched then.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from service.delivery.eraser import Eraser
from service.domain.model import SignatureScheme, SigningKey
from service.domain.signing import new_key
from service.storage.database import Transaction
from service.storage.sqlite import SqliteDatabase
from tests.fakes import NOW_MS, FakeClock, subscribe, subscription_of
from tests.harness import eventually, read_rows, running_server
from tests.tools import DEAD_URL, Tenant

SIGNED: Final[list[SignatureScheme]] = [scheme for scheme in SignatureScheme if scheme is not SignatureScheme.UNSIGNED]
OLD: Final[dict[SignatureScheme, str]] = {scheme: new_key(scheme, Random(1)) for scheme in SIGNED}
API_KEY: Final = "an-api-key-that-nobody-else-has"
WORKSPACE_ID: Final = "erasure"


SEALED: Final = """
    SELECT secret, api_key_value FROM subscriptions JOIN signing_keys ON subscription_uid = uid
    WHERE id = 'secretive' ORDER BY signing_keys.create_time
"""


def sealed_in(folder: Path) -> tuple[str, str]:
    """Return the first signing key and the API key of the subscription that `create` made, as they are kept."""
    row = read_rows(folder / "tidings.db", SEALED)[0]
    return row["secret"], row["api_key_value"]


def left_in_files(folder: Path, *secrets: str) -> list[str]:
    """Return those of the secrets of which a part stands in the database or in a file beside it."""
    everything = b"".join(path.read_bytes() for path in folder.glob("tidings.db*"))
    # A part, for the beginning or the end of a freed cell is soon overwritten by accident.
    return [secret for secret in secrets if secret[8:24].encode() in everything]


async def in_server(folder: Path, act: Callable[[Tenant], Awaitable[object]]) -> None:
    """Start a server, do something, and stop it."""
    async with running_server(folder, allow_unknown_event_types=True) as client:
        await act(Tenant(client, WORKSPACE_ID))


async def create(tenant: Tenant, scheme: SignatureScheme = SignatureScheme.STANDARD_WEBHOOKS) -> None:
    """Create a subscription whose secrets are known, and others around it."""
    for name in ("before", "after"):
        await tenant.subscribe(f"{name}-{scheme.lower().replace('_', '-')}")
    await tenant.call(
        "CreateSubscription",
        parent=tenant.parent,
        subscription_id="secretive",
        signing_key=OLD[scheme],
        subscription={
            "display_name": "Secretive",
            "url": DEAD_URL,
            "event_types": ["*"],
            "signature_scheme": f"SIGNATURE_SCHEME_{scheme}",
            "api_key": {"value": API_KEY},
        },
    )


def name_of(tenant: Tenant) -> str:
    """Return the name of the subscription that `create` made."""
    return f"{tenant.parent}/subscriptions/secretive"


@pytest.mark.parametrize("scheme", SIGNED)
async def test_key_that_was_rotated_without_overlap_is_gone(tmp_path: Path, scheme: SignatureScheme) -> None:
    """Not only from the API: a stolen file does not have it either. Before the rotation it was there, sealed."""
    await in_server(tmp_path, lambda tenant: create(tenant, scheme))
    sealed, _ = sealed_in(tmp_path)
    assert [sealed] == left_in_files(tmp_path, sealed, OLD[scheme])

    await in_server(tmp_path, lambda tenant: tenant.call("RotateSigningKey", name=name_of(tenant), overlap={}))

    assert [] == left_in_files(tmp_path, sealed, OLD[scheme])


async def test_key_whose_overlap_has_ended_is_gone(tmp_path: Path) -> None:
    """Nobody has to ask for it: the server erases it within seconds."""

    async def rotate_and_wait(tenant: Tenant) -> None:
        await tenant.call("RotateSigningKey", name=name_of(tenant), overlap={"nanos": 1_000_000})

        async def is_erased() -> bool:
            found = (await tenant.call("GetSubscription", name=name_of(tenant))).subscription
            return 1 == len(found.signing_keys)

        await eventually(is_erased)

    await in_server(tmp_path, create)
    sealed, _ = sealed_in(tmp_path)
    await in_server(tmp_path, rotate_and_wait)

    assert [] == left_in_files(tmp_path, sealed, OLD[SignatureScheme.STANDARD_WEBHOOKS])


async def test_secrets_of_a_deleted_subscription_are_gone(tmp_path: Path) -> None:
    """Its keys, and its API key; the rest of it stays, for history refers to it."""
    await in_server(tmp_path, create)
    sealed = sealed_in(tmp_path)
    assert list(sealed) == left_in_files(tmp_path, *sealed)

    await in_server(tmp_path, lambda tenant: tenant.call("DeleteSubscription", name=name_of(tenant)))

    assert [] == left_in_files(tmp_path, *sealed, OLD[SignatureScheme.STANDARD_WEBHOOKS], API_KEY)


async def test_api_key_that_was_replaced_is_gone(tmp_path: Path) -> None:
    """It is the receiver's credential."""

    async def replace(tenant: Tenant) -> None:
        changed = {"name": name_of(tenant), "api_key": {"value": "another-one"}}
        await tenant.call("UpdateSubscription", subscription=changed)

    await in_server(tmp_path, create)
    _, sealed = sealed_in(tmp_path)
    await in_server(tmp_path, replace)

    assert [] == left_in_files(tmp_path, sealed, API_KEY)


async def test_key_is_gone_when_its_time_has_come_and_not_before(
    tmp_path: Path, database: SqliteDatabase, clock: FakeClock
) -> None:
    """Of many keys on the same pages, those that have run out, and no other."""
    secrets = [new_key(SignatureScheme.STANDARD_WEBHOOKS, Random(number)) for number in range(20)]
    keys = [SigningKey(f"key-{ends:02}", secret, NOW_MS, NOW_MS + ends) for ends, secret in enumerate(secrets)]
    await subscribe(database, subscription_of("a", signing_keys=tuple(keys)))
    sealed = await database.read(_sealed)
    clock.advance(9)

    assert 10 == await Eraser(database, clock=clock).erase_slice()
    await database.close()

    assert sealed[10:] == left_in_files(tmp_path, *sealed, *secrets)


def _sealed(tx: Transaction) -> list[str]:
    return [row["secret"] for row in tx.rows("SELECT secret FROM signing_keys ORDER BY key_id LIMIT 99")]
