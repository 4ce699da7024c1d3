"""The tables and indexes, in SQL that SQLite and PostgreSQL both run.

Times and durations are integers in milliseconds, flags are 0 or 1, maps and lists are JSON text. A released version's
statements never change: later ones are added as V2 and so on.
"""

from typing import Final, LiteralString

V1: Final[tuple[LiteralString, ...]] = (
    # Bumped in the transaction of every change to the workspace's subscriptions, so that a match made outside the
    # accepting transaction can be checked inside it with one read.
    """
    CREATE TABLE workspaces (
        workspace TEXT NOT NULL PRIMARY KEY,
        revision BIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE event_types (
        id TEXT NOT NULL PRIMARY KEY,
        display_name TEXT NOT NULL,
        description TEXT NOT NULL,
        service TEXT NOT NULL,
        category BIGINT,
        code BIGINT,
        examples TEXT NOT NULL,
        attribute_keys TEXT NOT NULL,
        deprecated BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        revision BIGINT NOT NULL
    )
    """,
    # A deleted subscription stays as a tombstone: matchers learn of it by its revision, and history refers to its uid.
    # sweep is CANCEL or RELEASE while its pending notifications have yet to be cancelled, or brought back from a hold.
    """
    CREATE TABLE subscriptions (
        uid TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        display_name TEXT NOT NULL,
        url TEXT NOT NULL,
        event_types TEXT NOT NULL,
        attribute_filters TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        format TEXT NOT NULL,
        signature_scheme TEXT NOT NULL,
        headers TEXT NOT NULL,
        retry_policy TEXT,
        max_concurrency BIGINT,
        annotations TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        update_time BIGINT NOT NULL,
        delete_time BIGINT,
        revision BIGINT NOT NULL,
        sweep TEXT,
        sweep_after TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX subscriptions_by_id ON subscriptions (workspace, id) WHERE delete_time IS NULL",
    """
    CREATE UNIQUE INDEX subscriptions_by_display_name ON subscriptions (workspace, display_name)
    WHERE delete_time IS NULL
    """,
    "CREATE INDEX subscriptions_by_revision ON subscriptions (workspace, revision)",
    "CREATE INDEX subscriptions_to_sweep ON subscriptions (uid) WHERE sweep IS NOT NULL",
    """
    CREATE TABLE signing_keys (
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        key_id TEXT NOT NULL,
        secret TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        PRIMARY KEY (subscription_uid, key_id)
    )
    """,
    # The payload comes last: reading the other columns of a row then never touches its overflow pages.
    """
    CREATE TABLE events (
        workspace TEXT NOT NULL,
        id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        source TEXT NOT NULL,
        subject TEXT NOT NULL,
        attributes TEXT NOT NULL,
        content_type TEXT NOT NULL,
        payload_is_json BIGINT NOT NULL,
        occur_time BIGINT,
        create_time BIGINT NOT NULL,
        payload_sha256 BYTEA NOT NULL,
        payload_size BIGINT NOT NULL,
        matched_count BIGINT NOT NULL,
        context_json TEXT NOT NULL,
        payload BYTEA NOT NULL,
        PRIMARY KEY (workspace, id)
    )
    """,
    "CREATE INDEX events_by_time ON events (workspace, create_time, id)",
    """
    CREATE TABLE publish_requests (
        workspace TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        event_id TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, request_id)
    )
    """,
    # state is READY (may go now), WAITING (not before due_at: a retry, a lease, a hold) or an end state. lease_owner is
    # set while an attempt is under way, also of one that was CANCELLED meanwhile. claim is the fencing token: only the
    # holder of the current number may change the state.
    """
    CREATE TABLE notifications (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        state TEXT NOT NULL,
        due_at BIGINT NOT NULL,
        held BIGINT NOT NULL,
        claim BIGINT NOT NULL,
        lease_owner TEXT,
        claim_time BIGINT,
        attempt_count BIGINT NOT NULL,
        schedule_step BIGINT NOT NULL,
        interruptions BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT,
        failure_reason TEXT,
        FOREIGN KEY (workspace, event_id) REFERENCES events (workspace, id)
    )
    """,
    "CREATE INDEX notifications_lane ON notifications (subscription_uid, due_at) WHERE state = 'READY'",
    "CREATE INDEX notifications_timer ON notifications (due_at) WHERE state = 'WAITING' AND lease_owner IS NULL",
    "CREATE INDEX notifications_leases ON notifications (due_at) WHERE lease_owner IS NOT NULL",
    # complete_time is always null in it, but without that column SQLite may choose notifications_by_subscription, and a
    # sweep would read the subscription's whole history.
    """
    CREATE INDEX notifications_pending ON notifications (subscription_uid, complete_time, id)
    WHERE complete_time IS NULL
    """,
    "CREATE INDEX notifications_by_workspace ON notifications (workspace, id)",
    "CREATE INDEX notifications_by_event ON notifications (workspace, event_id, id)",
    "CREATE INDEX notifications_by_subscription ON notifications (subscription_uid, id)",
    """
    CREATE TABLE attempts (
        notification_id TEXT NOT NULL REFERENCES notifications (id),
        attempt_number BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        duration BIGINT NOT NULL,
        http_status BIGINT,
        response_headers TEXT NOT NULL,
        response_body BYTEA NOT NULL,
        response_truncated BIGINT NOT NULL,
        error TEXT NOT NULL,
        remote_address TEXT NOT NULL,
        signing_key_ids TEXT NOT NULL,
        PRIMARY KEY (notification_id, attempt_number)
    )
    """,
)

V2: Final[tuple[LiteralString, ...]] = (
    "ALTER TABLE event_types ADD COLUMN json_schema TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE event_types ADD COLUMN schema_enforcement TEXT NOT NULL DEFAULT 'REJECT'",
    "ALTER TABLE subscriptions ADD COLUMN filter TEXT NOT NULL DEFAULT ''",
    # 1 once the filter took too long: it matches nothing until the subscription is updated.
    "ALTER TABLE subscriptions ADD COLUMN filter_is_shut BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE subscriptions ADD COLUMN api_key_header TEXT",
    "ALTER TABLE subscriptions ADD COLUMN api_key_value TEXT",
    "ALTER TABLE subscriptions ADD COLUMN suspend_time BIGINT",
    "ALTER TABLE subscriptions ADD COLUMN suspend_reason TEXT",
    # Whether one of its patterns could match an operational event, so that none is announced where nobody wants it.
    "ALTER TABLE subscriptions ADD COLUMN wants_operational_events BIGINT NOT NULL DEFAULT 0",
    # Of earlier rows, all with a pattern below "tidings": some match no operational event (tidings.nothing.*, and in
    # SQLite, where LIKE folds case, Tidings.*). That only costs them announcements of which no event is made.
    """UPDATE subscriptions SET wants_operational_events = 1 WHERE event_types LIKE '%"tidings.%'""",
    # Its last two columns never vary in it, but without them SQLite may choose subscriptions_by_revision after ANALYZE,
    # and each announcement would read every subscription of its workspace.
    """
    CREATE INDEX subscriptions_to_tell ON subscriptions (workspace, wants_operational_events, delete_time)
    WHERE wants_operational_events = 1 AND delete_time IS NULL
    """,
    "ALTER TABLE signing_keys ADD COLUMN scheme TEXT NOT NULL DEFAULT 'STANDARD_WEBHOOKS'",
    "CREATE INDEX signing_keys_to_expire ON signing_keys (expire_time) WHERE expire_time IS NOT NULL",
    # What the event's type said when the event was accepted, so that its body is the same at every attempt and replay.
    "ALTER TABLE events ADD COLUMN category BIGINT",
    "ALTER TABLE events ADD COLUMN code BIGINT",
    "ALTER TABLE notifications ADD COLUMN replay_id TEXT",
    # When its retry schedule began, if that was later than the notification: with RetryNotification.
    "ALTER TABLE notifications ADD COLUMN schedule_time BIGINT",
    "CREATE UNIQUE INDEX notifications_by_replay ON notifications (replay_id, event_id) WHERE replay_id IS NOT NULL",
    # The request_ids of everything but publishing. result is what came of the first request, in the method's own words.
    """
    CREATE TABLE management_requests (
        workspace TEXT NOT NULL,
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        result TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        PRIMARY KEY (workspace, method, request_id)
    )
    """,
    # One row for each attempt recorded and each change of a notification's state as the API shows it, numbered in the
    # order of commits: what watches read. It says what changes later; the rest is in the notification's row.
    """
    CREATE TABLE changes (
        number {commit_number},
        workspace TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        subscription_uid TEXT NOT NULL,
        state TEXT NOT NULL,
        attempt_count BIGINT NOT NULL,
        next_attempt_time BIGINT,
        complete_time BIGINT,
        failure_reason TEXT,
        attempt_number BIGINT,
        create_time BIGINT NOT NULL
    )
    """,
    # number + 0 and not number, which is the primary key: after ANALYZE, SQLite may walk that key instead, and a watch
    # of a quiet workspace would read everybody's changes. Queries must say number + 0 too.
    "CREATE INDEX changes_by_workspace ON changes (workspace, (number + 0))",
    # Up to which number changes were pruned: a watch that wants to go on before it has missed some.
    "CREATE TABLE change_horizon (id BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL)",
    "INSERT INTO change_horizon (id, number) VALUES (1, 0)",
    # position_time and position_id are those of the event that was looked at last; next_time is when it may go on.
    """
    CREATE TABLE replays (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        subscription_uid TEXT NOT NULL REFERENCES subscriptions (uid),
        subscription_id TEXT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        states TEXT NOT NULL,
        include_unmatched BIGINT NOT NULL,
        max_rate_per_second DOUBLE PRECISION,
        state TEXT NOT NULL,
        examined_count BIGINT NOT NULL,
        created_count BIGINT NOT NULL,
        position_time BIGINT NOT NULL,
        position_id TEXT NOT NULL,
        next_time BIGINT NOT NULL,
        create_time BIGINT NOT NULL,
        complete_time BIGINT
    )
    """,
    "CREATE INDEX replays_by_subscription ON replays (subscription_uid, id)",
    "CREATE INDEX replays_running ON replays (next_time) WHERE state = 'RUNNING'",
    "CREATE INDEX replays_running_of ON replays (subscription_uid) WHERE state = 'RUNNING'",
    # Operational events that are still to be published: written with the change that they tell of, so none is lost.
    """
    CREATE TABLE announcements (
        id TEXT NOT NULL PRIMARY KEY,
        workspace TEXT NOT NULL,
        event_type TEXT NOT NULL,
        subject TEXT NOT NULL,
        payload TEXT NOT NULL,
        create_time BIGINT NOT NULL
    )
    """,
)

V3: Final[tuple[LiteralString, ...]] = (
    "ALTER TABLE subscriptions ADD COLUMN max_rate_per_second DOUBLE PRECISION",
    # 0 for the first attempt of a new event and for what a person asked to be sent now; 1 for what has waited before:
    # retries, replays, what was held. A lane takes from both, so that neither waits for all of the other.
    "ALTER TABLE notifications ADD COLUMN tier BIGINT NOT NULL DEFAULT 0",
    # Of the event, with its context: what an attempt takes of memory is known before it is claimed. 0 in earlier rows.
    "ALTER TABLE notifications ADD COLUMN payload_size BIGINT NOT NULL DEFAULT 0",
    "DROP INDEX notifications_lane",
    "CREATE INDEX notifications_lane ON notifications (subscription_uid, tier, due_at) WHERE state = 'READY'",
    # How each subscription's receiver does. concurrency is how many requests it may have under way, 0 while the lane is
    # open: then one is sent as a probe once open_until has come. Without a row it has never had an outcome.
    """
    CREATE TABLE lanes (
        subscription_uid TEXT NOT NULL PRIMARY KEY REFERENCES subscriptions (uid),
        concurrency BIGINT NOT NULL,
        successes BIGINT NOT NULL,
        narrowed_at BIGINT NOT NULL,
        failed_probes BIGINT NOT NULL,
        open_until BIGINT,
        failing_since BIGINT,
        failures BIGINT NOT NULL,
        last_success_time BIGINT
    )
    """,
    # What retention reads, oldest first.
    # Their order tells events of the same time apart, so that a slice can go on behind any of them.
    "CREATE INDEX events_by_age ON events (create_time, workspace, id)",
    "CREATE INDEX publish_requests_by_age ON publish_requests (create_time)",
    "CREATE INDEX management_requests_by_age ON management_requests (create_time)",
    "CREATE INDEX replays_by_age ON replays (complete_time, id) WHERE complete_time IS NOT NULL",
    "CREATE INDEX replays_running_in ON replays (workspace, position_time) WHERE state = 'RUNNING'",
    "CREATE INDEX subscriptions_by_deletion ON subscriptions (delete_time, uid) WHERE delete_time IS NOT NULL",
    # Whether a watch could still be told of a notification that has ended. Publishing, which tells of new ones, adds
    # nothing to it.
    "CREATE INDEX changes_of_ended ON changes (notification_id) WHERE complete_time IS NOT NULL",
    # Up to which revision tombstones may be gone: whoever knows the rules as of an earlier one must read all of them.
    "ALTER TABLE workspaces ADD COLUMN forgotten_revision BIGINT NOT NULL DEFAULT 0",
)

V4: Final[tuple[LiteralString, ...]] = (
    # Who may call: tokens, of which only a digest is kept, and identities that client certificates carry, such as
    # "uri:spiffe://example/publisher" or "cn:publisher". Without a workspace a grant is for all of its organization,
    # without an organization for everything.
    """
    CREATE TABLE credentials (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        identity TEXT,
        secret_sha256 BYTEA,
        organization TEXT,
        workspace TEXT,
        scopes TEXT NOT NULL,
        description TEXT NOT NULL,
        create_time BIGINT NOT NULL,
        expire_time BIGINT,
        revoke_time BIGINT,
        last_used_time BIGINT
    )
    """,
    """
    CREATE UNIQUE INDEX credentials_by_identity ON credentials (identity)
    WHERE identity IS NOT NULL AND revoke_time IS NULL
    """,
    "CREATE INDEX credentials_by_binding ON credentials (organization, workspace) WHERE revoke_time IS NULL",
    # The keys of the keyring that this database needs; ACTIVE is the one that seals, the others are RETIRING until all
    # that they have sealed is sealed anew. proof is a text that each has sealed, so a wrong key is found at the start.
    """
    CREATE TABLE sealing_keys (
        key_id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        proof TEXT NOT NULL,
        create_time BIGINT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX sealing_keys_active ON sealing_keys (state) WHERE state = 'ACTIVE'",
    # Which key has sealed url_rest, headers and api_key_value, all of them; NULL in rows of earlier versions, whose url
    # is whole and whose headers and api_key_value are plain. Otherwise url ends before the path.
    "ALTER TABLE subscriptions ADD COLUMN sealed_with TEXT",
    "ALTER TABLE subscriptions ADD COLUMN url_rest TEXT",
    # What earlier versions have left of deleted ones: they were told to go somewhere, perhaps with a secret in it.
    "UPDATE subscriptions SET url = '', headers = '{}' WHERE delete_time IS NOT NULL",
    "CREATE INDEX subscriptions_by_seal ON subscriptions (sealed_with, uid) WHERE delete_time IS NULL",
    "ALTER TABLE signing_keys ADD COLUMN sealed_with TEXT",
    "CREATE INDEX signing_keys_by_seal ON signing_keys (sealed_with, subscription_uid, key_id)",
    # Secrets of the database as a whole, such as the one that fingerprints of requests are made with.
    """
    CREATE TABLE database_secrets (
        name TEXT NOT NULL PRIMARY KEY,
        secret TEXT NOT NULL,
        sealed_with TEXT NOT NULL
    )
    """,
    # 1 where the fingerprint was made with that secret, so that nobody can try out what the request said.
    "ALTER TABLE management_requests ADD COLUMN fingerprint_is_keyed BIGINT NOT NULL DEFAULT 0",
    # One row per change that somebody has made, written with the change and never changed. before and after are JSON,
    # secrets masked; NULL where there was or is nothing.
    """
    CREATE TABLE audit_log (
        number {commit_number},
        time BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        workspace TEXT NOT NULL,
        resource TEXT NOT NULL,
        request_id TEXT NOT NULL,
        call_id TEXT NOT NULL,
        before TEXT,
        after TEXT
    )
    """,
    "CREATE INDEX audit_log_by_time ON audit_log (time, number)",
    "CREATE INDEX audit_log_by_workspace ON audit_log (workspace, time, number)",
    "CREATE INDEX audit_log_by_resource ON audit_log (resource, time, number)",
    # How many subscriptions there are is counted whenever one is created, from this index alone.
    "CREATE INDEX subscriptions_living ON subscriptions (workspace, delete_time)",
    # Filters cost every event of their workspace, so there is a limit to their number. The last column never varies in
    # it, but without it SQLite chooses the index above, and reads every subscription.
    """
    CREATE INDEX subscriptions_with_filter ON subscriptions (workspace, delete_time)
    WHERE filter <> '' AND delete_time IS NULL
    """,
)
