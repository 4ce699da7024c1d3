"""Credentials are made, listed and revoked, each change with its row in the audit log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from sqlite3 import IntegrityError
from typing import Any, LiteralString

import pytest

from service.domain.access import EVERYTHING, Actor, Binding, Grant, Scope
from service.domain.credentials import Credential, CredentialKind, Token, make_token
from service.domain.errors import InvalidField, QuotaExceeded, ResourceExists, ResourceNotFound
from service.granting import (
    Terms,
    all_of,
    create,
    identity_credential,
    revoke_identity,
    revoke_token,
    token_credential,
)
from service.storage import credentials, workspaces
from service.storage.database import Database, Row, Transaction, Value
from service.storage.encoding import from_text
from service.storage.sealer import Sealer
from tests.fakes import NOW_MS

ALICE = Actor("command-line:alice")
ORDERS = "uri:spiffe://acme/orders"
DAY_MS = 86_400_000
IN_MAIN = Terms(
    grant=Grant(frozenset({Scope.PUBLISH, Scope.NOTIFICATIONS_READ}), Binding("acme", "main")),
    lifetime=timedelta(days=90),
    description="orders",
)


@dataclass(frozen=True)
class Watched:
    """A transaction that tells of each statement before it runs it.

    On PostgreSQL, what other processes have committed by then is there for it.
    """

    tx: Transaction
    before: Callable[[str], object]

    @property
    def sealer(self) -> Sealer:
        return self.tx.sealer

    def rows(self, sql: LiteralString, **params: Value) -> list[Row]:
        self.before(sql)
        return self.tx.rows(sql, **params)

    def execute(self, sql: LiteralString, **params: Value) -> int:
        self.before(sql)
        return self.tx.execute(sql, **params)

    def each(self, sql: LiteralString, params_list: Sequence[Mapping[str, Value]]) -> list[list[Row]]:
        self.before(sql)
        return self.tx.each(sql, params_list)


def interrupted(tx: Transaction, statement: str, meanwhile: Callable[[Transaction], object]) -> Watched:
    """Return a transaction in which another process comes in between, before a statement."""
    return Watched(tx, lambda sql: meanwhile(tx) if sql == statement else None)


async def make(database: Database, token: Token, terms: Terms = IN_MAIN, *, now_ms: int = NOW_MS) -> Credential:
    """Make a token in a workspace that may have two."""
    credential = token_credential(token, terms, now_ms=now_ms)
    await database.write(lambda tx: create(tx, credential, actor=ALICE, workspace_tokens_max=2))
    return credential


async def audited(database: Database) -> list[dict[str, Any]]:
    """Return the rows of the audit log."""
    rows = await database.read(lambda tx: tx.rows("SELECT * FROM audit_log ORDER BY number"))
    return [dict(row) for row in rows]


@pytest.mark.parametrize("binding", [EVERYTHING, Binding("acme"), Binding("acme", "main")])
async def test_token_is_found_as_it_was_made(database: Database, rng: Random, binding: Binding) -> None:
    """With the digest of its secret, and nothing else of it."""
    token = make_token(rng)
    made = await make(database, token, Terms(grant=Grant(frozenset({Scope.PUBLISH}), binding)))

    found = await database.read(lambda tx: credentials.find_token(tx, token.id))
    rows = await database.read(lambda tx: [dict(row) for row in tx.rows("SELECT * FROM credentials")])

    assert made == found
    assert token.secret not in repr(rows)


async def test_token_expires_after_its_lifetime(database: Database, rng: Random) -> None:
    """Counted from when it was made."""
    made = await make(database, make_token(rng))

    assert NOW_MS + 90 * DAY_MS == made.expire_time_ms


async def test_creation_is_audited_without_the_secret(database: Database, rng: Random) -> None:
    """Who, what, where, and the terms."""
    token = make_token(rng)
    await make(database, token)

    [row] = await audited(database)

    assert ("command-line:alice", "token create", f"token:{token.id}", "acme/main", NOW_MS) == tuple(
        row[column] for column in ("actor", "action", "resource", "workspace", "time")
    )
    assert {
        "binding": "organizations/acme/workspaces/main",
        "scopes": ["notifications.read", "publish"],
        "description": "orders",
        "expire_time": "2027-02-18T09:30:00.000Z",
    } == from_text(row["after"])
    assert row["before"] is None
    assert token.secret not in repr(row)
    assert token.secret_sha256.hex() not in repr(row)


async def test_revoked_token_is_kept_with_the_time_of_its_revocation(database: Database, rng: Random) -> None:
    """The first one: to revoke it again is no error, and no change."""
    token = make_token(rng)
    await make(database, token)

    for later_ms in (1, 2):
        await database.write(
            lambda tx, at_ms=NOW_MS + later_ms: revoke_token(tx, token.id, actor=ALICE, now_ms=at_ms)  # type: ignore[misc]
        )
    found = await database.read(lambda tx: credentials.find_token(tx, token.id))

    assert found is not None
    assert NOW_MS + 1 == found.revoke_time_ms
    assert ["token create", "token revoke"] == [row["action"] for row in await audited(database)]


@pytest.mark.parametrize("form", ["{id}", "tdg_{id}", "{text}"])
async def test_token_is_revoked_by_its_id_or_by_itself(database: Database, rng: Random, form: str) -> None:
    """Whoever finds one somewhere has no time to take it apart."""
    token = make_token(rng)
    await make(database, token)

    revoked = await database.write(
        lambda tx: revoke_token(tx, form.format(id=token.id, text=token.text), actor=ALICE, now_ms=NOW_MS)
    )

    assert token.id == revoked.id


async def test_unknown_token_cannot_be_revoked_and_its_secret_is_not_shown(database: Database, rng: Random) -> None:
    """What is given by mistake may be somebody's."""
    token = make_token(rng)

    with pytest.raises(ResourceNotFound, match=f'no token named "{token.id}"') as refusal:
        await database.write(lambda tx: revoke_token(tx, token.text, actor=ALICE, now_ms=NOW_MS))

    assert token.secret not in str(refusal.value)
    assert [] == await audited(database)


async def test_workspace_has_no_more_tokens_than_it_may(database: Database, rng: Random) -> None:
    """Those that count: neither expired nor revoked, and of this workspace alone."""
    first, second = make_token(rng), make_token(rng)
    await make(database, first)
    await make(database, second)
    elsewhere = Terms(grant=Grant(IN_MAIN.grant.scopes, Binding("acme", "other")))
    await make(database, make_token(rng), elsewhere)
    await make(database, make_token(rng), Terms(grant=Grant(IN_MAIN.grant.scopes, Binding("acme"))))

    with pytest.raises(QuotaExceeded, match="organizations/acme/workspaces/main may have at most 2 tokens"):
        await make(database, make_token(rng))
    await database.write(lambda tx: revoke_token(tx, first.id, actor=ALICE, now_ms=NOW_MS))
    await make(database, make_token(rng))
    with pytest.raises(QuotaExceeded):
        await make(database, make_token(rng), now_ms=NOW_MS + 90 * DAY_MS - 1)
    await make(database, make_token(rng), now_ms=NOW_MS + 90 * DAY_MS)


async def test_tokens_are_counted_after_what_else_would_make_one_has_waited(database: Database, rng: Random) -> None:
    """Or two processes that count at once would both find room for one more."""
    statements: list[str] = []
    credential = token_credential(make_token(rng), IN_MAIN, now_ms=NOW_MS)

    await database.write(
        lambda tx: create(Watched(tx, statements.append), credential, actor=ALICE, workspace_tokens_max=2)
    )

    assert [workspaces.LOCK_WORKSPACE, credentials.COUNT_TOKENS_OF_WORKSPACE] == statements[:2]
    assert 0 == await database.read(lambda tx: workspaces.revision(tx, "acme/main"))


async def test_identity_that_is_granted_something_by_two_at_once_is_told_to_the_second(
    database: Database, rng: Random
) -> None:
    """In the same words as if it had come later."""
    first, second = [identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS) for _ in range(2)]

    def work(tx: Transaction) -> None:
        create(
            interrupted(tx, credentials.INSERT_CREDENTIAL, lambda tx: credentials.insert(tx, first)),
            second,
            actor=ALICE,
        )

    with pytest.raises(ResourceExists, match="was granted something already"):
        await database.write(work)


async def test_token_that_two_revoke_at_once_is_in_the_log_once(database: Database, rng: Random) -> None:
    """With the time of the first; the second has changed nothing."""
    token = make_token(rng)
    await make(database, token)

    def work(tx: Transaction) -> Credential:
        def first(tx: Transaction) -> None:
            revoke_token(tx, token.id, actor=ALICE, now_ms=NOW_MS + 1)

        return revoke_token(
            interrupted(tx, credentials.REVOKE_CREDENTIAL, first), token.id, actor=ALICE, now_ms=NOW_MS + 2
        )

    await database.write(work)

    assert [("token create", NOW_MS), ("token revoke", NOW_MS + 1)] == [
        (row["action"], row["time"]) for row in await audited(database)
    ]


async def test_identity_that_another_revokes_meanwhile_is_not_found(database: Database, rng: Random) -> None:
    """As if it had been revoked before."""
    credential = identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=ALICE))

    def work(tx: Transaction) -> None:
        def first(tx: Transaction) -> None:
            credentials.revoke(tx, credential.id, now_ms=NOW_MS)

        revoke_identity(interrupted(tx, credentials.REVOKE_CREDENTIAL, first), ORDERS, actor=ALICE, now_ms=NOW_MS)

    with pytest.raises(ResourceNotFound):
        await database.write(work)


async def test_token_with_an_id_that_is_taken_is_not_passed_over(database: Database, rng: Random) -> None:
    """Whoever makes one would hold a token that does not count."""
    credential = token_credential(make_token(rng), IN_MAIN, now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=ALICE))

    with pytest.raises(IntegrityError):
        await database.write(lambda tx: create(tx, credential, actor=ALICE))


async def test_identity_is_granted_something_once_at_a_time(database: Database, rng: Random) -> None:
    """Two grants would leave open which one counts; after a revocation there is room for another."""
    credential = identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=ALICE))
    again = identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS)

    with pytest.raises(ResourceExists, match="was granted something already"):
        await database.write(lambda tx: create(tx, again, actor=ALICE))
    await database.write(lambda tx: revoke_identity(tx, ORDERS, actor=ALICE, now_ms=NOW_MS))
    with pytest.raises(ResourceNotFound):
        await database.write(lambda tx: revoke_identity(tx, ORDERS, actor=ALICE, now_ms=NOW_MS))
    await database.write(lambda tx: create(tx, again, actor=ALICE))
    found = await database.read(lambda tx: credentials.find_identity(tx, ORDERS))

    assert again == found
    assert [("identity create", f"certificate:{ORDERS}"), ("identity revoke", f"certificate:{ORDERS}")] == [
        (row["action"], row["resource"]) for row in (await audited(database))[:2]
    ]


async def test_certificate_is_no_token(database: Database, rng: Random) -> None:
    """Its id is public, and it has no secret."""
    credential = identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=ALICE))

    assert await database.read(lambda tx: credentials.find_token(tx, credential.id)) is None


async def test_all_are_listed_page_by_page(database: Database, rng: Random) -> None:
    """More than one page of them, each once, of one kind."""
    made = [token_credential(make_token(rng), IN_MAIN, now_ms=NOW_MS) for _ in range(1_001)]
    other = identity_credential(ORDERS, IN_MAIN, rng=rng, now_ms=NOW_MS)

    def work(tx: Any) -> None:
        for each in (*made, other):
            credentials.insert(tx, each)

    await database.write(work)

    tokens = await database.read(lambda tx: all_of(tx, CredentialKind.TOKEN))
    identities = await database.read(lambda tx: all_of(tx, CredentialKind.CERTIFICATE))
    assert sorted(each.id for each in made) == [each.id for each in tokens]
    assert [other] == identities


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"description": "x" * 257}, "--description"),
        ({"description": "a\x1b[2Jb"}, "--description"),
        ({"grant": Grant(frozenset(Scope), Binding("acme"))}, "--scope"),
    ],
)
def test_terms_that_cannot_be_granted_are_refused(rng: Random, changes: dict[str, Any], field: str) -> None:
    """Named like the option that was wrong; a description is shown on terminals."""
    terms = Terms(**{"grant": IN_MAIN.grant, **changes})

    with pytest.raises(InvalidField) as refusal:
        token_credential(make_token(rng), terms, now_ms=NOW_MS)

    assert field == refusal.value.field
