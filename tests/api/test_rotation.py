"""RotateSigningKey as an owner calls it and as a receiver notices it: no request in between fails to verify."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError

from service.domain.model import SignatureScheme as Scheme
from service.domain.signing import new_key
from tests.harness import Client, Received, Receiver, eventually, running_receiver
from tests.tools import Refusal, Tenant, new_id, refusal_of
from tidings.v1.subscriptions_pb2 import RotateSigningKeyResponse, SignatureScheme

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD: Final = f"whsec_{base64.b64encode(b'o' * 32).decode()}"
NEW: Final = f"whsec_{base64.b64encode(b'n' * 32).decode()}"
UNSIGNED: Final = SignatureScheme.SIGNATURE_SCHEME_UNSIGNED
GITHUB: Final = SignatureScheme.SIGNATURE_SCHEME_GITHUB


class Owner(Tenant):
    """A workspace with one subscription, signed by OLD, and its receiver."""

    def __init__(self, client: Client, receiver: Receiver) -> None:
        super().__init__(client)
        self.receiver = receiver
        self.name = f"{self.parent}/subscriptions/rotated"

    async def create(self, signing_key: str = OLD, **fields: Any) -> str:
        """Create the subscription and return the key as it is shown."""
        fields = {"display_name": "Rotated", "url": self.receiver.url, "event_types": ["*"], **fields}
        created = await self.call(
            "CreateSubscription",
            parent=self.parent,
            subscription_id="rotated",
            subscription=fields,
            signing_key=signing_key,
        )
        return str(created.signing_key)

    async def rotate(self, **request: Any) -> RotateSigningKeyResponse:
        """Rotate its key."""
        response: RotateSigningKeyResponse = await self.call("RotateSigningKey", name=self.name, **request)
        return response

    async def next_request(self) -> Received:
        """Publish an event and return what the receiver got."""
        before = len(self.receiver.received)
        await self.publish(new_id("t"))
        return (await self.receiver.wait_for(before + 1))[-1]


@pytest_asyncio.fixture(loop_scope="module")
async def owner(client: Client) -> AsyncIterator[Owner]:
    """A workspace with a receiver, and no subscription yet."""
    async with running_receiver() as receiver:
        yield Owner(client, receiver)


def verifies(received: Received, key: str) -> bool:
    """Ask a library that knows nothing of Tidings."""
    try:
        Webhook(key).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_both_keys_verify_while_they_overlap(owner: Owner) -> None:
    """So a receiver changes over when it likes; the new key's signature comes first."""
    await owner.create()
    rotated = await owner.rotate(signing_key=NEW, overlap={"seconds": 3600})

    received = await owner.next_request()

    assert NEW == rotated.signing_key
    assert [True, True] == [verifies(received, key) for key in (OLD, NEW)]
    first, _ = received.headers["webhook-signature"].split(" ")
    assert Webhook(NEW).sign(received.headers["webhook-id"], _timestamp(received), received.body.decode()) == first


async def test_only_the_new_key_verifies_after_the_overlap(owner: Owner) -> None:
    """And the subscription shows the old one no more."""
    await owner.create()
    await owner.rotate(signing_key=NEW, overlap={"nanos": 300_000_000})

    async def is_over() -> bool:
        return not verifies(await owner.next_request(), OLD)

    await eventually(is_over)
    assert verifies(await owner.next_request(), NEW)

    async def is_erased() -> bool:
        return 1 == len((await owner.call("GetSubscription", name=owner.name)).subscription.signing_keys)

    await eventually(is_erased)


async def test_without_overlap_the_old_key_signs_no_more(owner: Owner) -> None:
    """For a key that somebody else may know."""
    await owner.create()
    await owner.rotate(signing_key=NEW, overlap={})

    received = await owner.next_request()

    assert [False, True] == [verifies(received, key) for key in (OLD, NEW)]


async def test_rotation_without_any_wish_makes_a_key_and_overlaps_for_a_day(owner: Owner) -> None:
    """The response shows the new key; the list shows when the old one ends, and no secrets."""
    await owner.create()

    rotated = await owner.rotate()

    new, old = rotated.subscription.signing_keys
    assert 86_400 == old.expire_time.seconds - new.create_time.seconds
    assert (False, OLD[-4:], rotated.signing_key[-4:]) == (new.HasField("expire_time"), old.hint, new.hint)
    assert rotated.subscription == (await owner.call("GetSubscription", name=owner.name)).subscription
    assert verifies(await owner.next_request(), rotated.signing_key)


async def test_attempt_names_the_keys_that_signed(owner: Owner) -> None:
    """Newest first, so that somebody can tell which key a receiver should have used."""
    await owner.create()
    rotated = await owner.rotate()
    await owner.next_request()

    async def is_recorded() -> bool:
        return all(each.attempt_count for each in await owner.notifications())

    await eventually(is_recorded)
    [notification] = await owner.notifications()
    assert [key.key_id for key in rotated.subscription.signing_keys] == notification.last_attempt.signing_key_ids


@pytest.mark.parametrize("scheme", [each for each in Scheme if each is not Scheme.UNSIGNED])
async def test_scheme_changes_with_the_key(owner: Owner, scheme: Scheme) -> None:
    """While they overlap, the old key goes on signing by its own scheme; Ed25519 shows its public key alone."""
    await owner.create()

    rotated = await owner.rotate(signature_scheme=f"SIGNATURE_SCHEME_{scheme}", signing_key=new_key(scheme, Random(1)))

    received = await owner.next_request()
    assert verifies(received, OLD)
    assert f"SIGNATURE_SCHEME_{scheme}" == SignatureScheme.Name(rotated.subscription.signature_scheme)
    is_ed25519 = scheme is Scheme.STANDARD_WEBHOOKS_ED25519
    assert is_ed25519 == rotated.signing_key.startswith("whpk_")
    assert (rotated.signing_key if is_ed25519 else "") == rotated.subscription.signing_keys[0].public_key


async def test_github_key_takes_over_at_once(owner: Owner) -> None:
    """Its header holds one signature, so there is nothing for the old key to do."""
    await owner.create("the old secret", signature_scheme=GITHUB)

    rotated = await owner.rotate(signing_key="the new secret")

    assert 1 == len(rotated.subscription.signing_keys)


async def test_unsigned_has_no_key_to_show(owner: Owner) -> None:
    """A receiver that still verifies does so until the overlap ends."""
    await owner.create()

    rotated = await owner.rotate(signature_scheme=UNSIGNED)

    assert "" == rotated.signing_key
    assert verifies(await owner.next_request(), OLD)
    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == _kind(await refusal_of(owner.rotate()))


async def test_repeated_rotation_is_one_rotation(owner: Owner) -> None:
    """A caller that got no answer asks again and gets the same key."""
    await owner.create()

    first, again = [await owner.rotate(request_id="r-1", overlap={"seconds": 60}) for _ in range(2)]

    assert first == again
    reused = await refusal_of(owner.rotate(request_id="r-1", overlap={"seconds": 61}))
    assert ("ALREADY_EXISTS", "REQUEST_ID_REUSED", "request_id") == (reused.code, reused.reason, reused.field)


async def test_ten_keys_sign_at_most(owner: Owner) -> None:
    """The eleventh rotation in one overlap is refused, and says what helps."""
    await owner.create()
    for _ in range(9):
        await owner.rotate()

    refusal = await refusal_of(owner.rotate())

    assert ("FAILED_PRECONDITION", "STATE_CONFLICT") == _kind(refusal)
    assert "overlap of 0s" in refusal.message
    assert 10 == (await owner.next_request()).headers["webhook-signature"].count("v1,")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"overlap": {"seconds": -1}}, "overlap"),
        ({"overlap": {"seconds": 604_801}}, "overlap"),
        ({"overlap": {"seconds": 1, "nanos": -1}}, "overlap"),
        ({"overlap": {"seconds": 2**62}}, "overlap"),
        ({"signature_scheme": 99}, "signature_scheme"),
        ({"signing_key": OLD}, "signing_key"),
        ({"signing_key": "x"}, "signing_key"),
        ({"signing_key": "whsec_\u0000é" + "x" * 100_000}, "signing_key"),
        ({"signing_key": NEW, "signature_scheme": UNSIGNED}, "signing_key"),
        ({"request_id": "é"}, "request_id"),
        ({"request_id": "x" * 129}, "request_id"),
    ],
)
async def test_bad_rotation_is_refused_with_its_field(owner: Owner, request_: dict[str, Any], field: str) -> None:
    """And changes nothing; no message shows a key."""
    await owner.create()
    before = (await owner.call("GetSubscription", name=owner.name)).subscription

    refusal = await refusal_of(owner.rotate(**request_))

    assert ("INVALID_ARGUMENT", "INVALID_FIELD", field) == (refusal.code, refusal.reason, refusal.field)
    assert OLD not in refusal.message
    assert NEW not in refusal.message
    assert before == (await owner.call("GetSubscription", name=owner.name)).subscription


async def test_subscription_that_is_not_there_is_not_found(owner: Owner) -> None:
    """There is nothing to rotate."""
    refusal = await refusal_of(owner.rotate())

    assert ("NOT_FOUND", "RESOURCE_NOT_FOUND") == _kind(refusal)


def _kind(refusal: Refusal) -> tuple[str, str]:
    return refusal.code, refusal.reason


def _timestamp(received: Received) -> datetime:
    return datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), UTC)
