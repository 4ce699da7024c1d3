"""Filters, formats, signature schemes and API keys of subscriptions, as their owners set and see them."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.harness import Client, Received, eventually, read_rows, running_receiver, running_server
from tests.tools import Refusal, Tenant, refusal_of
from tidings.v1.subscriptions_pb2 import ApiKey, CreateSubscriptionResponse, Format, SignatureScheme, Subscription

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED: Final = bytes(range(32))
PUBLIC: Final = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
SCHEMES: Final = [number for number in SignatureScheme.values() if number != 0]
FORMATS: Final = [number for number in Format.values() if number != 0]
UNSIGNED: Final = SignatureScheme.SIGNATURE_SCHEME_UNSIGNED
ED25519: Final = SignatureScheme.SIGNATURE_SCHEME_STANDARD_WEBHOOKS_ED25519
MESSAGEBIRD: Final = SignatureScheme.SIGNATURE_SCHEME_MESSAGEBIRD
GITHUB: Final = SignatureScheme.SIGNATURE_SCHEME_GITHUB
STRIPE: Final = SignatureScheme.SIGNATURE_SCHEME_STRIPE
SECRET_VALUE: Final = "a-value-that-nobody-may-see-again"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PRIVATE: Final = f"whsk_{_base64(SEED)}"
WHPK: Final = f"whpk_{_base64(PUBLIC)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database."""
    return tmp_path_factory.mktemp("subscription_fields")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(folder: Path) -> AsyncIterator[Client]:
    """A server that the tests of this module share: each has a workspace of its own."""
    async with running_server(folder, allow_unknown_event_types=True) as client:
        yield client


async def create(tenant: Tenant, *, signing_key: str = "", **fields: Any) -> CreateSubscriptionResponse:
    """Create the subscription board."""
    fields = {"display_name": "Board", "url": "https://receiver.example/", "event_types": ["*"], **fields}
    response: CreateSubscriptionResponse = await tenant.call(
        "CreateSubscription",
        parent=tenant.parent,
        subscription_id="board",
        subscription=fields,
        signing_key=signing_key,
    )
    return response


async def get(tenant: Tenant) -> Subscription:
    """Return the subscription board."""
    found: Subscription = (
        await tenant.call("GetSubscription", name=f"{tenant.parent}/subscriptions/board")
    ).subscription
    return found


async def update(tenant: Tenant, mask: list[str] | None = None, **changes: Any) -> Subscription:
    """Change the subscription board."""
    response = await tenant.call(
        "UpdateSubscription",
        subscription={"name": f"{tenant.parent}/subscriptions/board", **changes},
        update_mask={"paths": mask or []},
    )
    changed: Subscription = response.subscription
    return changed


# --- keys of each scheme


@pytest.mark.parametrize(
    ("scheme", "key", "shown"),
    [
        (0, f"whsec_{_base64(SEED)}", f"whsec_{_base64(SEED)}"),
        (SignatureScheme.SIGNATURE_SCHEME_STANDARD_WEBHOOKS, f"whsec_{_base64(SEED)}", f"whsec_{_base64(SEED)}"),
        (ED25519, PRIVATE, WHPK),
        (ED25519, f"whsk_{_base64(SEED + PUBLIC)}", WHPK),
        (SignatureScheme.SIGNATURE_SCHEME_VONAGE_JWT, _base64(SEED), _base64(SEED)),
        (MESSAGEBIRD, " any text ", " any text "),
        (GITHUB, "x" * 256, "x" * 256),
        (STRIPE, "whsec_any", "whsec_any"),
    ],
)
async def test_given_key_is_shown_once_as_its_receiver_needs_it(
    tenant: Tenant, folder: Path, scheme: int, key: str, shown: str
) -> None:
    """The shared secret, or the public key: a private key never leaves, and afterwards there is a hint only.

    What is kept is sealed.
    """
    response = await create(tenant, signature_scheme=scheme, signing_key=key)
    found = await get(tenant)

    assert shown == response.signing_key
    assert response.subscription == found
    [signing_key] = found.signing_keys
    assert shown[-4:] == signing_key.hint
    assert (WHPK if scheme == ED25519 else "") == signing_key.public_key
    assert key not in str(found)
    [stored] = read_rows(
        folder / "tidings.db", "SELECT secret FROM signing_keys WHERE key_id = :id", id=signing_key.key_id
    )
    assert key not in stored["secret"]


@pytest.mark.parametrize("scheme", [each for each in SCHEMES if each != UNSIGNED])
async def test_key_that_is_made_can_be_given_to_the_next_subscription(tenant: Tenant, scheme: int) -> None:
    """It has its scheme's form, and no other subscription has it. A made private key is known to nobody."""
    first = await create(tenant, signature_scheme=scheme)
    await tenant.call("DeleteSubscription", name=first.subscription.name)
    other = await create(tenant, signature_scheme=scheme)

    assert first.signing_key != other.signing_key
    assert [scheme, scheme] == [each.subscription.signature_scheme for each in (first, other)]
    assert [other.signing_key[-4:]] == [key.hint for key in other.subscription.signing_keys]
    if scheme != ED25519:
        await tenant.call("DeleteSubscription", name=other.subscription.name)
        again = await create(tenant, signature_scheme=scheme, signing_key=first.signing_key)
        assert first.signing_key == again.signing_key


async def test_unsigned_subscription_has_no_key(tenant: Tenant) -> None:
    """None is made, and none may be given."""
    refusal = await refusal_of(create(tenant, signature_scheme=UNSIGNED, signing_key="not-for-unsigned"))
    response = await create(tenant, signature_scheme=UNSIGNED)

    assert ("INVALID_FIELD", "signing_key") == (refusal.reason, refusal.field)
    assert ("", []) == (response.signing_key, list(response.subscription.signing_keys))


async def test_scheme_of_another_key_form_needs_a_rotation(tenant: Tenant) -> None:
    """The three that take any text as their key may be changed for one another."""
    await create(tenant, signature_scheme=GITHUB, signing_key="any text")

    refusal = await refusal_of(update(tenant, signature_scheme=ED25519))
    default = await refusal_of(update(tenant, ["signature_scheme"]))
    changed = await update(tenant, signature_scheme=STRIPE)

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT", "subscription.signature_scheme") == (
        refusal.code,
        refusal.reason,
        refusal.field,
    )
    assert "RotateSigningKey" in refusal.message
    assert "STATE_CONFLICT" == default.reason
    assert (STRIPE, "text") == (changed.signature_scheme, changed.signing_keys[0].hint)


# --- formats and filters


@pytest.mark.parametrize("format", FORMATS)
async def test_format_can_be_chosen_and_changed(tenant: Tenant, format: int) -> None:
    """A mask that names it without a value means the default."""
    assert format == (await create(tenant, format=format)).subscription.format
    assert Format.FORMAT_STANDARD_WEBHOOKS == (await update(tenant, ["format"])).format
    assert format == (await update(tenant, format=format)).format
    assert format == (await update(tenant, ["annotations"], format=1)).format
    assert format == (await get(tenant)).format


async def test_changed_format_applies_to_what_is_pending(tenant: Tenant) -> None:
    """The next attempt has the new body."""
    codes = iter([500])

    def answer(_: Received) -> web.Response:
        return web.Response(status=next(codes, 204))

    async with running_receiver(answer) as receiver:
        # Long enough for the update to come first, short enough to wait for.
        await create(tenant, url=receiver.url, retry_policy={"schedule": [{"seconds": 1}]})
        await tenant.publish("a", json='{"a":1}')
        await receiver.wait_for(1)
        await update(tenant, format=Format.FORMAT_RAW)
        _, second = await receiver.wait_for(2)

    assert b'{"a":1}' == second.body


async def test_filter_decides_what_matches_and_can_be_changed_and_removed(tenant: Tenant) -> None:
    """At once, like every other change."""
    await create(tenant, filter="event.data.n > 1")
    steps: list[dict[str, Any]] = [{}, {"filter": "event.data.n < 1"}, {"filter": "event.data.n == 1"}, {"filter": ""}]

    counts = []
    for changes in steps:
        changed = await update(tenant, ["filter"] if changes else ["annotations"], **changes)
        counts.append([(await tenant.publish("a", json=f'{{"n":{n}}}')).matched_count for n in range(3)])
        assert changes.get("filter", "event.data.n > 1") == changed.filter == (await get(tenant)).filter

    assert [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1]] == counts


async def test_filter_that_does_not_compile_changes_nothing(tenant: Tenant) -> None:
    """At create and at update, with the reason of its own."""
    create_refusal = await refusal_of(create(tenant, filter="event.typo == 'a'"))
    await create(tenant, filter="event.type == 'a'")
    update_refusal = await refusal_of(update(tenant, filter="event.typo == 'a'"))

    assert create_refusal == update_refusal
    assert ("INVALID_ARGUMENT", "INVALID_FILTER", "subscription.filter") == (
        update_refusal.code,
        update_refusal.reason,
        update_refusal.field,
    )
    assert "event.type == 'a'" == (await get(tenant)).filter


# --- API keys


@pytest.mark.parametrize(
    ("api_key", "header"),
    [
        ({"value": SECRET_VALUE}, "X-API-Key"),
        ({"header": "authorization", "value": f"Bearer {SECRET_VALUE}"}, "authorization"),
        ({"header": "X-Own", "value": SECRET_VALUE.ljust(4096, "x")}, "X-Own"),
    ],
)
async def test_api_key_is_sent_with_every_request_and_never_returned(
    tenant: Tenant, api_key: dict[str, str], header: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not by any method, and not in the log."""
    async with running_receiver() as receiver:
        created = await create(tenant, url=receiver.url, api_key=api_key, headers={"x-other": "1"})
        await tenant.publish("a")
        [request] = await receiver.wait_for(1)
    shown = [
        created.subscription,
        await get(tenant),
        await update(tenant, enabled=False),
        *await tenant.subscriptions(),
    ]

    assert (api_key["value"], "1") == (request.headers[header.lower()], request.headers["x-other"])
    assert 4 * [ApiKey(header=header)] == [each.api_key for each in shown]
    assert SECRET_VALUE not in "".join((*map(str, shown), *capfd.readouterr()))


async def test_what_get_returns_can_be_sent_back_with_a_stored_api_key(tenant: Tenant) -> None:
    """The value, which is not returned, stays as it is; so it does under another header."""
    async with running_receiver() as receiver:
        await create(tenant, url=receiver.url, api_key={"header": "X-One", "value": SECRET_VALUE})
        found = await get(tenant)
        found.display_name = "Changed"
        await tenant.call("UpdateSubscription", subscription=found)
        await tenant.publish("a")
        await update(tenant, api_key={"header": "X-Two"})

        async def is_idle() -> bool:
            return all(each.attempt_count for each in await tenant.notifications())

        await eventually(is_idle)
        await tenant.publish("a")
        one, two = await receiver.wait_for(2)

    assert SECRET_VALUE == one.headers["x-one"] == two.headers["x-two"]
    assert "x-one" not in two.headers


async def test_mask_that_names_an_absent_api_key_removes_it(tenant: Tenant) -> None:
    """Then there is no value to keep any more."""
    await create(tenant, api_key={"value": SECRET_VALUE})

    removed = await update(tenant, ["api_key"])
    refusal = await refusal_of(update(tenant, api_key={"header": "X-Key"}))

    assert not removed.HasField("api_key")
    assert ("INVALID_FIELD", "subscription.api_key.value") == (refusal.reason, refusal.field)


async def test_header_and_api_key_may_not_be_the_same(tenant: Tenant) -> None:
    """Whichever comes second, and whatever the case."""
    await create(tenant, api_key={"value": SECRET_VALUE})

    header = await refusal_of(update(tenant, headers={"x-api-KEY": "1"}))
    await update(tenant, ["headers"], headers={"X-Own": "1"})
    api_key = await refusal_of(update(tenant, api_key={"header": "x-own", "value": "2"}))
    both = await update(tenant, headers={"X-Api-Key": "1"}, api_key={"header": "X-Own", "value": "2"})

    assert ['subscription.headers["x-api-KEY"]', 'subscription.headers["X-Own"]'] == [header.field, api_key.field]
    assert ("X-Own", {"X-Api-Key": "1"}) == (both.api_key.header, dict(both.headers))


# --- resuming


async def test_resuming_what_is_not_suspended_changes_nothing(tenant: Tenant) -> None:
    """A client may ask twice."""
    created = (await create(tenant)).subscription

    resumed = (await tenant.call("ResumeSubscription", name=created.name)).subscription
    missing = await refusal_of(tenant.call("ResumeSubscription", name=f"{created.name}x"))

    assert created == resumed
    assert Refusal("NOT_FOUND", "RESOURCE_NOT_FOUND", "", f'no subscription named "{created.name}x"') == missing
