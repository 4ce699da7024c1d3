"""Rows in which somebody wrote by hand: what makes no sense is damaged, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from service.domain.keyring import parse_keyring
from service.domain.model import (
    ApiKey,
    ExponentialBackoff,
    Format,
    RetryPolicy,
    SignatureScheme,
    SigningKey,
    Subscription,
)
from service.storage import lanes, resealing, subscriptions, sweeps
from service.storage.database import Transaction
from service.storage.keyring_file import KeyringText
from service.storage.lanes import Lane
from service.storage.resealing import Progress
from service.storage.subscriptions import Rule
from tests.damage import SEALED, VALUES, Column, columns
from tests.fakes import NOW_MS, WORKSPACE, subscribe, subscription_of
from tests.keys import KEYS
from tests.storage.works import Open

SECOND: Final = "second:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
OTHER: Final = subscription_of(
    "other",
    annotations={"team": "b"},
    api_key=ApiKey("X-Key", "api-key-b"),
    attribute_filters={"region": "eu"},
    create_time_ms=NOW_MS + 1,
    event_types=("agent.*",),
    filter="true",
    format=Format.CLOUDEVENTS_BINARY,
    headers={"X-Team": "b"},
    max_concurrency=3,
    max_rate_per_second=2.5,
    retry_policy=RetryPolicy(ExponentialBackoff(3, 1.0, 2.0, 2.0)),
    signature_scheme=SignatureScheme.STANDARD_WEBHOOKS_ED25519,
    signing_keys=(
        SigningKey(
            "key-other",
            "whsk_BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            NOW_MS + 1,
            scheme=SignatureScheme.STANDARD_WEBHOOKS_ED25519,
        ),
    ),
    url="https://b.example/b?token=b",
)
UIDS: Final = (*VALUES, "other", "sound")


@dataclass(frozen=True, slots=True)
class Found:
    """All that loops and requests read of many subscriptions at once."""

    subscriptions: Mapping[str, Subscription]
    lanes: Mapping[str, Lane]
    rules: Mapping[str, Rule]

    def of(self, uid: str) -> tuple[Subscription, Lane, Rule]:
        """Return all that was read of one of them."""
        return self.subscriptions[uid], self.lanes[uid], self.rules[uid]


def everything(tx: Transaction) -> Found:
    """Read."""
    rules = subscriptions.rules_since(tx, WORKSPACE, 0, limit=9)
    return Found(subscriptions.find_by_uid(tx, UIDS), lanes.find(tx, UIDS), {rule.uid: rule for rule in rules})


def seal_all(tx: Transaction) -> Progress:
    """Let another key seal, and seal everything anew."""
    resealing.activate(tx, parse_keyring(SECOND, source="test").last, now_ms=NOW_MS)
    progress = Progress()
    while not progress.is_over:
        progress = resealing.reseal_slice(tx, progress, limit=2)
    return progress


@pytest.mark.parametrize("column", columns(), ids=str)
async def test_any_value_in_any_column_damages_its_subscription_alone(
    open_database: Open, path: Path, column: Column
) -> None:
    """All that reads many rows reads on; those beside them are as they were, before and after they are sealed anew."""
    database = open_database(keyring=KeyringText(SECOND + KEYS))
    credentialed = {"api_key": ApiKey("X-API-Key", "api-key-a"), "headers": {"X-Team": "a"}}
    await subscribe(database, OTHER, *(subscription_of(uid, **credentialed) for uid in (*VALUES, "sound")))
    before = await database.read(everything)

    changed = {value for value in VALUES if column.set(path, value, uid=value, other="other")}
    damaged = await database.read(everything)
    swept = await database.write(sweeps.next_sweep)
    await database.write(seal_all)
    after = await database.read(everything)

    # The other one is given a key of somebody else's where keys are given away.
    gained = {"other"} if column == ("signing_keys", "subscription_uid") else set()
    untouched = set(UIDS) - changed - gained
    assert {uid: before.of(uid) for uid in untouched} == {uid: damaged.of(uid) for uid in untouched}
    assert {uid: before.of(uid) for uid in untouched} == {uid: after.of(uid) for uid in untouched}
    assert swept is None
    found = [each.subscriptions.get(uid, before.subscriptions[uid]) for uid in changed for each in (damaged, after)]
    if column in SEALED:
        assert changed
        assert [] == [each.uid for each in found if not each.is_damaged]
    unreadable = [each for each in found if each.is_damaged]
    assert [] == [each.uid for each in unreadable if each.api_key or each.headers or each.signing_keys]
    assert [] == [each.uid for each in unreadable if "/hooks" in each.url]
