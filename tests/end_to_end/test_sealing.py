"""Secrets at rest, seen from outside: whole servers, their files, the commands beside them, and what receivers get."""

import asyncio
import base64
import signal
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from service.domain.clock import SystemClock
from service.domain.model import ApiKey
from service.storage import sealing, subscriptions, workspaces
from service.storage.database import Transaction
from service.storage.keyring_file import KeyringText, default_path
from service.storage.sqlite import run_beside
from tests.damage import SEALED, VALUES, Column, columns
from tests.fakes import NOW_MS, SECRET, WORKSPACE, subscription_of
from tests.harness import (
    EVENT_TYPE,
    PARENT,
    STARTED_WITHIN_S,
    Client,
    ServerProcess,
    eventually,
    read_rows,
    retry_policy,
    running_process,
    running_receiver,
    running_server,
)
from tests.keys import KEYS, last_key
from tests.schemas.dumps import DUMPS, load
from tests.tools import DEAD_URL, Tenant, call, refusal_of
from tidings.v1.subscriptions_pb2 import Subscription

API_KEY: Final = "api-key-4711-of-the-receiver"
HEADER: Final = "header-4711-of-the-receiver"
PATH: Final = "path-4711-of-the-receiver"
QUERY: Final = "query-4711-of-the-receiver"
WORKSPACE_ID: Final = PARENT.rpartition("/")[2]
KEY_IDS: Final = "SELECT key_id FROM sealing_keys"
SEALED_WITH: Final = """
    SELECT sealed_with FROM subscriptions WHERE delete_time IS NULL UNION SELECT sealed_with FROM signing_keys
    UNION SELECT sealed_with FROM database_secrets
"""
AUDIT: Final = "SELECT actor, resource, before, after FROM audit_log WHERE action = 'key rotate'"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said before it ended."""

    code: int
    out: str
    err: str


async def run(*arguments: str | Path, **environment: str) -> Said:
    """Run `tidings-server` until it ends."""
    process = await begun(*arguments, **environment)
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def begun(*arguments: str | Path, **environment: str) -> asyncio.subprocess.Process:
    """Begin to run `tidings-server`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    )


async def subscribe(client: Client, base: str, *, id: str = "receiver", **fields: Any) -> None:
    """Create a subscription with every kind of secret."""
    await client.subscribe(
        f"{base}/{PATH}?token={QUERY}",
        subscription_id=id,
        signing_key=SECRET,
        api_key={"value": API_KEY},
        headers={"x-team": HEADER},
        **fields,
    )


def forms_of(secret: str) -> list[bytes]:
    """Return a secret in every form in which it might stand somewhere. Base64 at each of its three offsets.

    The first and the last four characters of base64 depend on what stands beside it, so a secret has ten or more.
    """
    data = secret.encode()
    shifted = [base64.b64encode(b"x" * offset + data)[4:-4] for offset in range(3)]
    return [data, data.hex().encode(), data.hex().upper().encode(), quote(secret, safe="").encode(), *shifted]


def plain_in(folder: Path, *secrets: str) -> list[tuple[str, str]]:
    """Return the secrets that stand in a file of a folder in any form, each with the name of the file."""
    return [
        (path.name, secret)
        for path in folder.iterdir()
        if path.is_file()
        for secret in secrets
        if any(form in path.read_bytes() for form in forms_of(secret))
    ]


def change(database: Path, sql: str, *values: str) -> None:
    """Change a database behind the server's back."""
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.execute(sql, values)


async def test_secret_stands_in_no_file_of_a_server_that_was_killed(tmp_path: Path) -> None:
    """Not in the database, the log beside it, or a backup, in whatever form; the receiver gets all of them."""
    database = tmp_path / "tidings.db"
    async with running_receiver() as receiver, running_process(database, "--log-level", "debug") as server:
        await server.client.create_event_type()
        await subscribe(server.client, receiver.url.removesuffix("/hooks"))
        await server.client.publish()
        [request] = await receiver.wait_for(1)
        said = await run("backup", tmp_path / "backup.db", "--database", database)
        await server.kill()

    secrets = (SECRET, SECRET.removeprefix("whsec_"), API_KEY, HEADER, PATH, QUERY)
    assert 0 == said.code, said.err
    assert (tmp_path / "tidings.db-wal").stat().st_size > 0
    assert [] == plain_in(tmp_path, *secrets)
    assert [] == [secret for secret in secrets if secret in str(server.log) + "".join(server.other_output)]
    assert (API_KEY, HEADER) == (request.headers["x-api-key"], request.headers["x-team"])
    assert request.path.startswith(f"/{PATH}")


async def test_database_of_the_last_version_is_sealed_while_it_serves(tmp_path: Path) -> None:
    """All that is secret in it was plain before. After a VACUUM no old copy is left either."""
    database = tmp_path / "tidings.db"
    load(DUMPS / "0003.sql", database, receiver="http://127.0.0.1:9", now_ms=SystemClock().now_ms())
    secrets = ("an-api-key", SECRET.removeprefix("whsec_"), "127.0.0.1:9/fails")
    assert {("tidings.db", secret) for secret in secrets} == set(plain_in(tmp_path, *secrets))

    async with running_server(tmp_path) as client:
        await eventually(lambda: {"first"} == {row["sealed_with"] for row in read_rows(database, SEALED_WITH)})
        found = await Tenant(client, WORKSPACE_ID).subscriptions()
    change(database, "VACUUM")

    assert "http://127.0.0.1:9/fails" in {each.url for each in found}
    assert [] == plain_in(tmp_path, *secrets)


async def test_rotated_out_key_is_not_needed_any_more(tmp_path: Path) -> None:
    """A rotation beside a server that publishes and delivers loses nothing; then the old key is deleted for good."""
    database, keyring = tmp_path / "tidings.db", default_path(tmp_path / "tidings.db")
    async with running_receiver() as receiver, running_process(database) as server:
        base = receiver.url.removesuffix("/hooks")
        await server.client.create_event_type()
        for number in range(300):
            await subscribe(server.client, base, id=f"s-{number}", event_types=["unwanted.*"])
        await subscribe(server.client, base)
        old = last_key(keyring).id
        stopping, published = asyncio.Event(), list[str]()
        publishing = asyncio.create_task(publish_until(stopping, server.client, published))
        await eventually(lambda: len(published) > 50)

        said = await run("key", "rotate", "--database", database)

        during = len(published)
        await subscribe(server.client, base, id="after")
        await eventually(lambda: len(published) > during + 50)
        stopping.set()
        await publishing
        new = last_key(keyring).id
        await eventually(lambda: len({each.headers["webhook-id"] for each in receiver.received}) >= len(published))
        assert 0 == await server.stop()
        delivered = {each.headers["webhook-id"] for each in receiver.received}
        lines = keyring.read_text().splitlines(keepends=True)
        keyring.write_text("".join(line for line in lines if not line.startswith(f"{old}:")))

        await server.start()
        await server.client.publish()
        await eventually(lambda: len({each.headers["webhook-id"] for each in receiver.received}) > len(delivered))
        listed = await run("key", "list", "--database", database)

    assert 0 == said.code, said.err
    assert said.out.startswith(f"{new}: seals from now on\n")
    assert f"{old}: needed no more by this database" in said.out
    assert set(published) <= delivered
    assert {API_KEY} == {each.headers["x-api-key"] for each in receiver.received}
    assert {new} == {row["sealed_with"] for row in read_rows(database, SEALED_WITH)}
    assert Said(0, f"{new} active\n", "") == listed
    [audited] = read_rows(database, AUDIT)
    assert f"keys/{new}" == audited["resource"]
    assert audited["actor"].startswith("command-line:")
    assert (f'{{"active_key":"{old}"}}', f'{{"active_key":"{new}"}}') == (audited["before"], audited["after"])


async def publish_until(stopping: asyncio.Event, client: Client, published: list[str]) -> None:
    """Publish one event after the other. An error ends the test."""
    while not stopping.is_set():
        response = await client.publish()
        published.append(response.event.name.rpartition("/")[2])


def fill(database: Path) -> None:
    """Make a database with the tests' keyring and a thousand subscriptions."""
    default_path(database).write_text(KEYS)

    def work(tx: Transaction) -> None:
        sealing.prepare(tx, now_ms=NOW_MS)
        revision = workspaces.bump_revision(tx, WORKSPACE.key)
        for number in range(1_000):
            uid = f"s-{number:03}"
            subscriptions.insert(tx, subscription_of(uid, url=f"{DEAD_URL}?{uid}", revision=revision))

    run_beside(database, work, keyring=KeyringText(KEYS))


async def kill_a_rotation(database: Path) -> str:
    """Begin to rotate, kill the command after its first slice, and return the id of the new key."""
    rotating = await begun("key", "rotate", "--database", database)
    assert rotating.stderr is not None
    # The first slice is committed, and many more are to come.
    async with asyncio.timeout(STARTED_WITHIN_S):
        while not (said := await rotating.stderr.readline()).endswith(b"so far\n"):
            assert said, "it has ended"
    rotating.send_signal(signal.SIGKILL)
    await rotating.communicate()
    assert b"100 sealed anew so far\n" == said
    new = last_key(default_path(database)).id
    assert {"first", new} == {row["sealed_with"] for row in read_rows(database, SEALED_WITH)}
    return new


def check_all_readable(found: Sequence[Subscription]) -> None:
    """Check that each of the thousand is what it was."""
    assert [f"{DEAD_URL}?s-{number:03}" for number in range(1_000)] == [each.url for each in found]
    assert {""} == {each.state_reason for each in found}


async def test_rotation_that_was_killed_is_gone_on_with_by_repeating_it(tmp_path: Path) -> None:
    """With the key that seals by then. Until then both keys are needed, and everything can be read."""
    database = tmp_path / "tidings.db"
    fill(database)
    new = await kill_a_rotation(database)
    states = await run("key", "list", "--database", database)

    repeated = await run("key", "rotate", "--to", new, "--database", database)

    async with running_server(tmp_path) as client:
        check_all_readable(await Tenant(client, WORKSPACE_ID).subscriptions())
    assert Said(0, f"first retiring\n{new} active\n", "") == states
    assert repeated.out.startswith(f"{new}: seals already\n")
    assert "first: needed no more by this database" in repeated.out
    assert {new} == {row["sealed_with"] for row in read_rows(database, SEALED_WITH)}


async def test_rotation_that_was_killed_is_gone_on_with_by_the_server(tmp_path: Path) -> None:
    """Without anybody who asks for it, once it starts."""
    database = tmp_path / "tidings.db"
    fill(database)
    new = await kill_a_rotation(database)

    async with running_server(tmp_path) as client:
        check_all_readable(await Tenant(client, WORKSPACE_ID).subscriptions())
        await eventually(lambda: [{"key_id": new}] == read_rows(database, KEY_IDS))
        check_all_readable(await Tenant(client, WORKSPACE_ID).subscriptions())

    assert {new} == {row["sealed_with"] for row in read_rows(database, SEALED_WITH)}


async def test_keys_from_the_environment_rotate_too(tmp_path: Path) -> None:
    """Every process is given the new key first; a server that has not got it would stop."""
    database = tmp_path / "tidings.db"
    keys = {"TIDINGS_KEYRING_KEYS": f"{KEYS}next:CCECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
    server = ServerProcess(database)
    try:
        await server.start(TIDINGS_KEYRING_KEYS=KEYS)
        await server.client.create_event_type()
        await subscribe(server.client, "http://127.0.0.1:9")
        await server.stop()
        await server.start(**keys)

        no_name = await run("key", "rotate", "--database", database, **keys)
        no_such = await run("key", "rotate", "--to", "other", "--database", database, **keys)
        rotated = await run("key", "rotate", "--to", "next", "--database", database, **keys)
        [found] = await Tenant(server.client, WORKSPACE_ID).subscriptions()
        await server.stop()
    finally:
        await server.end()

    refused = "tidings-server: the keys come from TIDINGS_KEYRING_KEYS: add one there and name it with --to\n"
    assert Said(1, "", refused) == no_name
    assert Said(1, "", "tidings-server: TIDINGS_KEYRING_KEYS has no key other; it has first, next\n") == no_such
    assert 0 == rotated.code
    assert "next: seals from now on\n" in rotated.out
    assert "" == found.state_reason
    assert [{"key_id": "next"}] == read_rows(database, KEY_IDS)
    assert not default_path(database).exists()


async def test_keys_are_made_and_listed_without_being_shown(tmp_path: Path) -> None:
    """New ones are unused until a rotation; one that is gone from the keyring is MISSING."""
    database, keyring, other = tmp_path / "tidings.db", tmp_path / "keyring", tmp_path / "other"
    first = await run("key", "new", "--keyring", keyring)
    async with running_server(tmp_path, keyring=keyring):
        second = await run("key", "new", "--keyring", keyring)
        listed = await run("key", "list", "--keyring", keyring, "--database", database)
        keyring.write_text("".join(keyring.read_text().splitlines(keepends=True)[-1:]))
        missing = await run("key", "list", "--keyring", keyring, "--database", database)
        refused = await run("key", "rotate", "--keyring", keyring, "--database", database)
        other.write_text(f"{first.out.strip()}:{keyring.read_text().strip().rpartition(':')[2]}\n")
        wrong = await run("key", "list", "--keyring", other, "--database", database)
    nowhere = await run("key", "list", "--database", tmp_path / "other.db")

    a, b = first.out.strip(), second.out.strip()
    assert Said(0, f"{a} active\n{b} unused\n", "") == listed
    assert Said(1, f"{a} active MISSING\n{b} unused\n", "") == missing
    assert Said(1, f"{a} active WRONG\n", "") == wrong
    assert (1, "") == (refused.code, refused.out)
    assert f"the database needs the key {a}, and the keyring {keyring} does not hold it" in refused.err
    assert [b] == [line.partition(":")[0] for line in keyring.read_text().splitlines()]
    assert Said(1, "", f"tidings-server: there is no database {tmp_path}/other.db\n") == nowhere


async def test_server_does_not_start_without_its_key(tmp_path: Path) -> None:
    """One sentence, which names the key and where it was looked for."""
    database, keyring = tmp_path / "tidings.db", default_path(tmp_path / "tidings.db")
    async with running_process(database) as server:
        events = [line["event"] for line in server.log]
        await server.stop()
    key_id = last_key(keyring).id
    keyring.rename(tmp_path / "elsewhere")

    said = await run("serve", "--database", database, "--listen", "127.0.0.1:0")
    (tmp_path / "elsewhere").chmod(0o644)
    async with running_process(database, "--keyring", str(tmp_path / "elsewhere")) as server:
        warnings = [line["event"] for line in server.log if line["level"] == "warning"]

    assert ["keyring.created", "server.started"] == events
    words = f"tidings-server: the database needs the key {key_id}, and no keyring can be read: the keyring {keyring} "
    assert (1, "") == (said.code, said.out)
    assert said.err.startswith(words)
    assert 1 == said.err.count("\n")
    assert ["keyring.open_to_others"] == warnings


async def test_key_that_is_given_as_a_file_is_not_printed(tmp_path: Path) -> None:
    """By none of the commands: what they say ends up in a log."""
    database, given = ("--database", tmp_path / "tidings.db"), {"TIDINGS_KEYRING": KEYS.strip()}

    said = [
        await run("serve", "--listen", "127.0.0.1:0", *database, **given),
        await run("key", "new", *database, **given),
    ]

    refused = "tidings-server: --keyring: that is a key, not a file: give it as TIDINGS_KEYRING_KEYS\n"
    assert [Said(1, "", refused)] * 2 == said


def cases() -> dict[str, tuple[Column, str]]:
    """Return what is to be written where, by the uid of the subscription that it is done to."""
    every = [(column, value) for column in columns() for value in VALUES]
    return {f"s-{number:03}": each for number, each in enumerate(every)}


# Whoever gives a row another name beside a running server takes it away from what that server is about to add to it.
NAMED_ANEW: Final = [uid for uid, (column, _) in cases().items() if column == ("subscriptions", "uid")]


def damage(database: Path, uids: Iterable[str]) -> None:
    """Do to each of these subscriptions what is to be done to it."""
    for uid in uids:
        column, value = cases()[uid]
        column.set(database, value, uid=uid, other="other")


def subscribe_all(database: Path, uids: Sequence[str], base: str) -> None:
    """Make a database with the tests' keyring and subscriptions, each with secrets and a path of its own."""
    default_path(database).write_text(KEYS)

    def work(tx: Transaction) -> None:
        sealing.prepare(tx, now_ms=NOW_MS)
        for uid in uids:
            revision = workspaces.bump_revision(tx, WORKSPACE.key)
            secrets = {"url": f"{base}/{uid}", "headers": {"X-Team": HEADER}, "api_key": ApiKey("X-API-Key", API_KEY)}
            subscriptions.insert(tx, subscription_of(uid, revision=revision, **secrets))

    run_beside(database, work, keyring=KeyringText(KEYS))


async def test_server_serves_on_whatever_is_written_into_rows(tmp_path: Path) -> None:
    """Those beside them are sent to, before and after a start; all are listed; the damaged ones can be deleted."""
    database = tmp_path / "tidings.db"
    async with running_receiver() as receiver:
        subscribe_all(database, ("other", "sound", *cases()), receiver.url.removesuffix("/hooks"))

        def sound_count() -> int:
            return len({each.headers["webhook-id"] for each in receiver.received if each.path == "/sound"})

        async with running_process(database) as server:
            await server.client.create_event_type()
            await server.client.publish()
            await eventually(lambda: 1 == sound_count())
            damage(database, [uid for uid in cases() if uid not in NAMED_ANEW])

            await server.client.publish()
            await eventually(lambda: 2 == sound_count())
            assert 0 == await server.stop()
            damage(database, NAMED_ANEW)
            await server.start()
            await server.client.publish()
            await eventually(lambda: 3 == sound_count())
            found = {each.uid: each for each in await Tenant(server.client, WORKSPACE_ID).subscriptions()}
            damaged = [each for each in found.values() if each.state_reason == "SECRETS_UNREADABLE"]
            for each in damaged:
                if each.name.rpartition("/")[2] == each.uid:
                    await call(server.client, "DeleteSubscription", name=each.name)
            await server.client.publish()
            await eventually(lambda: 4 == sound_count())
            assert 0 == await server.stop()

    assert {"SECRETS_UNREADABLE"} == {
        found[uid].state_reason for uid, (column, value) in cases().items() if value == "garbage" and column in SEALED
    }
    assert "" == found["sound"].state_reason
    assert [] == [line["event"] for line in server.log if line["event"] == "server.failed"]


def swap_headers(database: Path, one: str, two: str) -> None:
    """Put what is sealed for each of two subscriptions into the row of the other."""
    kept = {row["id"]: row["headers"] for row in read_rows(database, "SELECT id, headers FROM subscriptions")}
    for id, other in ((one, two), (two, one)):
        change(database, "UPDATE subscriptions SET headers = ? WHERE id = ?", kept[other], id)


async def test_secrets_moved_between_subscriptions_are_not_used(tmp_path: Path) -> None:
    """Nothing is sent for either, the others go on, and the owner is told what to do."""
    database = tmp_path / "tidings.db"
    async with running_receiver() as receiver, running_server(tmp_path) as client:
        await client.create_event_type()
        base = receiver.url.removesuffix("/hooks")
        for id in ("one", "two"):
            await subscribe(client, base, id=id, retry_policy=retry_policy(3_600))
        await client.subscribe(receiver.url, subscription_id="sound")
        swap_headers(database, "one", "two")

        await client.publish()
        one, event = f"{PARENT}/subscriptions/one", {"event_type": EVENT_TYPE, "json": "{}"}

        async def is_interrupted() -> bool:
            [owed] = await client.list_notifications(subscription=one)
            return 1 == owed.attempt_count

        await eventually(is_interrupted)
        [owed] = await client.list_notifications(subscription=one)
        [attempt] = await client.list_attempts(owed.name)
        received = await receiver.wait_for(1)
        found = (await call(client, "GetSubscription", name=one)).subscription
        refusals = [
            await refusal_of(call(client, "UpdateSubscription", subscription={"name": one, "filter": "true"})),
            await refusal_of(call(client, "RotateSigningKey", name=one)),
            await refusal_of(call(client, "ResumeSubscription", name=one)),
            await refusal_of(call(client, "TestSubscription", name=one)),
            await refusal_of(call(client, "ExplainPublish", parent=PARENT, event=event, preview_subscription=one)),
        ]
        await call(client, "DeleteSubscription", name=one)
        remaining = await Tenant(client, WORKSPACE_ID).subscriptions()

    assert ["/hooks"] == [request.path for request in received]
    assert (8, "the subscription's secrets cannot be read; delete it and create it anew") == (
        attempt.outcome,
        attempt.error,
    )
    assert owed.HasField("next_attempt_time")
    assert ("SECRETS_UNREADABLE", base, {}) == (found.state_reason, found.url, dict(found.headers))
    assert {("FAILED_PRECONDITION", "STATE_CONFLICT")} == {(each.code, each.reason) for each in refusals}
    assert all("delete the subscription and create it anew" in each.message for each in refusals)
    assert ["sound", "two"] == [each.name.rpartition("/")[2] for each in remaining]


async def test_empty_variable_for_keys_is_no_reason_to_make_some(tmp_path: Path) -> None:
    """A secret that was not mounted must not end in a key beside the database."""
    said = await run("serve", "--database", tmp_path / "tidings.db", TIDINGS_KEYRING_KEYS="")

    assert 1 == said.code
    assert "TIDINGS_KEYRING_KEYS holds no key" in said.err
    assert not default_path(tmp_path / "tidings.db").exists()
