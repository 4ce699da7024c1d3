"""Credentials are looked up, kept for a moment, and recorded as used; without the database nobody is let in."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from service.authenticating import KEPT_S, Credentials
from service.domain.access import Actor, Binding, Grant, Scope
from service.domain.credentials import Token, make_token
from service.domain.errors import CredentialInvalid, StorageUnavailable
from service.granting import Terms, create, identity_credential, revoke_identity, revoke_token, token_credential
from service.storage import credentials as stored
from service.storage.database import Database
from tests.fakes import NOW_MS, WAIT_S, FakeClock, HookedDatabase
from tests.harness import eventually

OPERATOR = Actor("command-line:alice")
GRANT = Grant(frozenset({Scope.PUBLISH}), Binding("acme", "main"))
ORDERS, BILLING = "uri:spiffe://acme/orders", "cn:billing"
KEPT_MS = int(KEPT_S * 1_000)


@pytest.fixture
def hooked(database: Database) -> HookedDatabase:
    """A database whose reads are counted."""
    return HookedDatabase(database)


@pytest.fixture
def known(hooked: HookedDatabase, clock: FakeClock) -> Credentials:
    """What one process knows."""
    return Credentials(hooked, clock=clock)


async def make(database: Database, rng: Random, *, lifetime: timedelta | None = None) -> Token:
    """Make a token, as another process does."""
    token = make_token(rng)
    credential = token_credential(token, Terms(grant=GRANT, lifetime=lifetime), now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=OPERATOR))
    return token


async def let_in(database: Database, rng: Random, identity: str, *, lifetime: timedelta | None = None) -> str:
    """Grant something to certificates of an identity, and return the id of the grant."""
    credential = identity_credential(identity, Terms(grant=GRANT, lifetime=lifetime), rng=rng, now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=OPERATOR))
    return credential.id


async def revoke(database: Database, token: Token) -> None:
    """Revoke a token, as another process does."""
    await database.write(lambda tx: revoke_token(tx, token.id, actor=OPERATOR, now_ms=NOW_MS))


async def last_used_ms(database: Database, id: str) -> int | None:
    """Return what is recorded of a token."""
    found = await database.read(lambda tx: stored.find_token(tx, id))
    assert found is not None
    return found.last_used_time_ms


async def test_token_gives_what_it_was_granted(database: Database, known: Credentials, rng: Random) -> None:
    """And the name under which its holder acts."""
    token = await make(database, rng)

    credential = await known.of_token(token.text)

    assert (GRANT, f"token:{token.id}") == (credential.grant, credential.actor_name)


async def test_known_token_costs_no_read_for_two_seconds(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Each call would cost one otherwise."""
    token = await make(database, rng)
    reads = []
    for later_ms in (0, KEPT_MS - 1, 1):
        clock.advance(later_ms)
        await known.of_token(token.text)
        reads.append(hooked.reads)

    assert [1, 1, 2] == reads


async def test_revocation_is_effective_two_seconds_later(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """On a process that knew the token. One that did not refuses it at once."""
    token = await make(database, rng)
    await known.of_token(token.text)
    await revoke(database, token)

    clock.advance(KEPT_MS - 1)
    await known.of_token(token.text)
    clock.advance(1)
    with pytest.raises(CredentialInvalid, match=r"the token was revoked at 2026-11-20T09:30:00\.000Z"):
        await known.of_token(token.text)
    with pytest.raises(CredentialInvalid, match="revoked"):
        await Credentials(database, clock=clock).of_token(token.text)


async def test_what_is_revoked_while_it_is_looked_up_is_kept_no_longer(
    hooked: HookedDatabase, known: Credentials, database: Database, clock: FakeClock, rng: Random
) -> None:
    """The two seconds are counted from the beginning of the look, for later changes may not be in it."""
    token = await make(database, rng)

    async def take_long() -> None:
        clock.advance(KEPT_MS - 1)

    hooked.after_read = take_long
    await known.of_token(token.text)
    await revoke(database, token)
    clock.advance(1)

    with pytest.raises(CredentialInvalid, match="revoked"):
        await known.of_token(token.text)


async def test_token_expires_to_the_millisecond_although_it_is_known(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Nobody needs to look that up."""
    token = await make(database, rng, lifetime=timedelta(seconds=1))
    await known.of_token(token.text)
    clock.advance(999)
    await known.of_token(token.text)
    clock.advance(1)

    with pytest.raises(CredentialInvalid, match="expired"):
        await known.of_token(token.text)


async def test_new_token_counts_at_once(database: Database, known: Credentials, rng: Random) -> None:
    """That it was unknown just now is not remembered."""
    token = make_token(rng)
    with pytest.raises(CredentialInvalid):
        await known.of_token(token.text)
    credential = token_credential(token, Terms(grant=GRANT), now_ms=NOW_MS)
    await database.write(lambda tx: create(tx, credential, actor=OPERATOR))

    assert credential == await known.of_token(token.text)


async def test_only_who_has_the_secret_learns_that_a_token_was_revoked(
    database: Database, known: Credentials, rng: Random
) -> None:
    """Everybody else is told the same as of a token that never was."""
    token, other = await make(database, rng), make_token(rng)
    await revoke(database, token)
    said = []
    for text in (f"tdg_{token.id}_{other.secret}", other.text, "nonsense"):
        with pytest.raises(CredentialInvalid) as refusal:
            await known.of_token(text)
        said.append(str(refusal.value))

    assert 1 == len(set(said))
    assert "revoked" not in said[0]


async def test_wrong_secret_is_refused_although_the_token_is_known(
    database: Database, known: Credentials, rng: Random
) -> None:
    """What is kept is what is stored, not who has shown it."""
    token = await make(database, rng)
    await known.of_token(token.text)

    with pytest.raises(CredentialInvalid):
        await known.of_token(f"tdg_{token.id}_{make_token(rng).secret}")


async def test_many_calls_at_once_share_one_look(
    database: Database, hooked: HookedDatabase, known: Credentials, rng: Random
) -> None:
    """And one of them that is cancelled leaves it to the others."""
    token = await make(database, rng)
    impatient = asyncio.create_task(known.of_token(token.text))
    others = [asyncio.create_task(known.of_token(token.text)) for _ in range(100)]
    await asyncio.sleep(0)
    impatient.cancel()

    found = await asyncio.gather(*others)

    assert 1 == hooked.reads
    assert {token.id} == {each.id for each in found}


async def test_guesses_keep_one_reader_busy(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """However many there are at once; who is known does not wait behind them, nor when that is looked up anew."""
    token = await make(database, rng)
    await let_in(database, rng, BILLING)
    await known.of_token(token.text)
    await known.of_identities([ORDERS, BILLING])
    hooked.reads = 0
    go_on = asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    hooked.after_read = wait
    guesses = [asyncio.create_task(known.of_token(make_token(rng).text)) for _ in range(200)]
    await eventually(lambda: hooked.reads >= 1)
    hooked.after_read = None
    clock.advance(KEPT_MS)
    async with asyncio.timeout(WAIT_S):
        await known.of_token(token.text)
        await known.of_identities([ORDERS, BILLING])
    reads = hooked.reads
    go_on.set()
    answers = await asyncio.gather(*guesses, return_exceptions=True)

    # The other three are of what was known.
    assert (1 + 3, 200 + 3) == (reads, hooked.reads)
    assert all(isinstance(each, CredentialInvalid) for each in answers)


async def test_nobody_is_let_in_while_the_database_does_not_answer(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Nor stays known; and the next one after the outage is let in."""
    token = await make(database, rng)
    await known.of_token(token.text)
    hooked.refused_reads = 1
    clock.advance(KEPT_MS)

    with pytest.raises(StorageUnavailable):
        await known.of_token(token.text)
    assert token.id == (await known.of_token(token.text)).id


async def test_outage_that_nobody_waits_for_any_more_is_no_complaint(
    database: Database, hooked: HookedDatabase, known: Credentials, rng: Random
) -> None:
    """A caller may leave while it is looked up."""
    token = await make(database, rng)
    hooked.refused_reads = 1
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    call = asyncio.create_task(known.of_token(token.text))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await known.of_token(token.text)

    assert [] == complaints


async def test_no_more_are_kept_than_may_be(
    database: Database, hooked: HookedDatabase, clock: FakeClock, rng: Random
) -> None:
    """The one that was used the longest ago goes."""
    known = Credentials(hooked, clock=clock, kept_max=2)
    first, second, third = [await make(database, rng) for _ in range(3)]
    for token in (first, second, first, third):
        await known.of_token(token.text)
    hooked.reads = 0
    for token in (first, third):
        await known.of_token(token.text)
    kept = hooked.reads
    await known.of_token(second.text)

    assert (0, 1) == (kept, hooked.reads)


# --- identities in certificates


async def test_first_identity_that_was_granted_something_counts(
    database: Database, known: Credentials, rng: Random
) -> None:
    """In the order in which they come; those that were granted nothing are passed over."""
    await let_in(database, rng, BILLING)
    await let_in(database, rng, ORDERS)

    for identities, name in (([ORDERS, BILLING], ORDERS), ([BILLING, ORDERS], BILLING), (["cn:x", ORDERS], ORDERS)):
        found = await known.of_identities(identities)
        assert found is not None
        assert f"certificate:{name}" == found.actor_name
    assert await known.of_identities(["cn:x", "cn:orders"]) is None
    assert await known.of_identities([]) is None


async def test_certificate_costs_no_read_for_two_seconds(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Also where its first identity was granted nothing, or none of them: that is remembered as well."""
    await let_in(database, rng, BILLING)
    reads = []
    for later_ms in (0, KEPT_MS - 1, 1):
        clock.advance(later_ms)
        for _ in range(100):
            await known.of_identities([ORDERS, BILLING])
            await known.of_identities([ORDERS])
        reads.append(hooked.reads)

    assert [2, 2, 4] == reads


async def test_new_grant_to_an_identity_counts_within_two_seconds(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """On a process that has just seen it refused; on others at once."""
    assert await known.of_identities([ORDERS]) is None
    id = await let_in(database, rng, ORDERS)

    clock.advance(KEPT_MS - 1)
    before = await known.of_identities([ORDERS])
    clock.advance(1)
    found = await known.of_identities([ORDERS])
    elsewhere = await Credentials(database, clock=clock).of_identities([ORDERS])

    assert before is None
    assert found is not None
    assert id == found.id
    assert found == elsewhere


async def test_identities_that_were_granted_nothing_are_not_kept_without_limit(
    database: Database, hooked: HookedDatabase, clock: FakeClock, rng: Random
) -> None:
    """A certificate may have many; nor do they push out who is known."""
    known = Credentials(hooked, clock=clock, kept_max=2)
    token = await make(database, rng)
    await known.of_token(token.text)
    await known.of_identities(["cn:a", "cn:b", "cn:c"])
    hooked.reads = 0
    await known.of_token(token.text)
    await known.of_identities(["cn:b", "cn:c"])
    kept = hooked.reads
    await known.of_identities(["cn:a"])

    assert (0, 1) == (kept, hooked.reads)


async def test_grant_to_an_identity_ends(database: Database, known: Credentials, clock: FakeClock, rng: Random) -> None:
    """By itself, or when it is revoked: then the certificate is one of those that are not known."""
    await let_in(database, rng, ORDERS, lifetime=timedelta(seconds=10))
    await let_in(database, rng, BILLING)
    await known.of_identities([ORDERS])
    await known.of_identities([BILLING])
    await database.write(lambda tx: revoke_identity(tx, BILLING, actor=OPERATOR, now_ms=NOW_MS))
    clock.advance(10_000)

    with pytest.raises(CredentialInvalid, match="the client certificate's grant expired"):
        await known.of_identities([ORDERS])
    assert await known.of_identities([BILLING]) is None


# --- calls that go on for long


async def test_token_of_a_long_call_is_checked_again(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """It was revoked, or has expired, since the call began."""
    revoked, expired = await make(database, rng), await make(database, rng, lifetime=timedelta(seconds=10))
    begun = [await known.of_token(token.text) for token in (revoked, expired)]
    for credential in begun:
        await known.check_again(credential)
    await revoke(database, revoked)
    clock.advance(10_000)

    for credential, word in zip(begun, ("revoked", "expired"), strict=True):
        with pytest.raises(CredentialInvalid, match=word):
            await known.check_again(credential)


async def test_long_call_does_not_go_on_with_the_next_grant_to_its_identity(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Which may be for something else."""
    await let_in(database, rng, ORDERS)
    begun = await known.of_identities([ORDERS])
    assert begun is not None
    await known.check_again(begun)
    await database.write(lambda tx: revoke_identity(tx, ORDERS, actor=OPERATOR, now_ms=NOW_MS))
    await let_in(database, rng, ORDERS)
    clock.advance(KEPT_MS)

    with pytest.raises(CredentialInvalid, match="revoked"):
        await known.check_again(begun)


# --- last uses


async def test_last_use_is_recorded_once_for_many_calls(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """All that were used since, in one transaction; and nothing when nothing was."""
    tokens = [await make(database, rng) for _ in range(3)]
    for _ in range(10):
        clock.advance(1_000)
        for token in tokens[:2]:
            await known.of_token(token.text)
    await known.store_uses()
    await known.store_uses()

    assert [NOW_MS + 10_000, NOW_MS + 10_000, None] == [await last_used_ms(database, each.id) for each in tokens]
    assert 1 == hooked.writes


async def test_use_while_the_last_one_is_recorded_is_recorded_the_next_time(
    database: Database, hooked: HookedDatabase, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """A token that is always in use costs one write a minute, and not one after the other."""
    token = await make(database, rng)
    await known.of_token(token.text)

    async def use_again() -> None:
        clock.advance(1_000)
        await known.of_token(token.text)

    hooked.after_write = use_again
    await known.store_uses()
    first = hooked.writes, await last_used_ms(database, token.id)
    hooked.after_write = None
    await known.store_uses()

    assert (1, NOW_MS) == first
    assert NOW_MS + 1_000 == await last_used_ms(database, token.id)


async def test_uses_of_many_are_recorded_in_transactions_of_a_few(
    database: Database, hooked: HookedDatabase, known: Credentials, rng: Random
) -> None:
    """So that publishes go on between."""
    tokens = [await make(database, rng) for _ in range(501)]
    for token in tokens:
        await known.of_token(token.text)
    await known.store_uses()

    assert 2 == hooked.writes
    assert {NOW_MS} == {await last_used_ms(database, token.id) for token in tokens}


async def test_uses_are_recorded_in_one_order_everywhere(database: Database, known: Credentials, rng: Random) -> None:
    """Two processes that record the same tokens the other way round would wait for each other for ever."""
    tokens = sorted([await make(database, rng) for _ in range(10)], key=lambda token: token.id, reverse=True)
    for token in tokens:
        await known.of_token(token.text)
    await database.write(lambda tx: tx.execute("CREATE TABLE recorded (number INTEGER PRIMARY KEY, id TEXT)"))
    await database.write(
        lambda tx: tx.execute(
            "CREATE TRIGGER recording AFTER UPDATE ON credentials BEGIN INSERT INTO recorded (id) VALUES (new.id); END"
        )
    )

    await known.store_uses()

    recorded = await database.read(lambda tx: tx.rows("SELECT id FROM recorded ORDER BY number"))
    assert sorted(token.id for token in tokens) == [row["id"] for row in recorded]


async def test_last_use_goes_only_forwards(
    database: Database, known: Credentials, clock: FakeClock, rng: Random
) -> None:
    """Another process may have recorded a later one."""
    token = await make(database, rng)
    await known.of_token(token.text)
    clock.advance(5_000)
    other = Credentials(database, clock=clock)
    await other.of_token(token.text)
    await other.store_uses()

    await known.store_uses()

    assert NOW_MS + 5_000 == await last_used_ms(database, token.id)


async def test_use_that_was_refused_is_none(database: Database, known: Credentials, rng: Random) -> None:
    """Whoever looks for tokens that nobody needs any more is not misled."""
    token = await make(database, rng)
    await revoke(database, token)
    for text in (token.text, f"tdg_{token.id}_{make_token(rng).secret}"):
        with pytest.raises(CredentialInvalid):
            await known.of_token(text)
    await known.store_uses()

    assert await last_used_ms(database, token.id) is None


async def test_last_use_is_recorded_after_an_outage(
    database: Database, hooked: HookedDatabase, known: Credentials, rng: Random
) -> None:
    """It is tried again the next time."""
    token = await make(database, rng)
    await known.of_token(token.text)
    hooked.refused_writes = 1
    with pytest.raises(StorageUnavailable):
        await known.store_uses()

    await known.store_uses()

    assert NOW_MS == await last_used_ms(database, token.id)


async def test_last_use_is_recorded_when_the_server_stops(database: Database, known: Credentials, rng: Random) -> None:
    """And not only after the minute in which it was."""
    token = await make(database, rng)
    running = asyncio.create_task(known.run())
    await known.of_token(token.text)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert NOW_MS == await last_used_ms(database, token.id)
