"""Attempts in SQL."""

from collections.abc import Sequence
from typing import Final, LiteralString

from service.domain.model import Attempt, AttemptOutcome
from service.storage.database import Row, Transaction
from service.storage.encoding import from_text, to_text

_COLUMNS: Final[LiteralString] = """
    attempt_number, outcome, start_time, duration, http_status, response_headers, response_body, response_truncated,
    error, remote_address, signing_key_ids
"""

INSERT_ATTEMPT: Final[LiteralString] = f"""
    INSERT INTO attempts (notification_id, {_COLUMNS}) VALUES (
        :notification_id, :attempt_number, :outcome, :start_time, :duration, :http_status, :response_headers,
        :response_body, :response_truncated, :error, :remote_address, :signing_key_ids
    )
"""

SELECT_ATTEMPT: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM attempts WHERE notification_id = :notification_id AND attempt_number = :attempt_number
"""

SELECT_ATTEMPTS_AFTER: Final[LiteralString] = f"""
    SELECT {_COLUMNS} FROM attempts
    WHERE notification_id = :notification_id AND attempt_number > :after
    ORDER BY attempt_number LIMIT :limit
"""


def insert(tx: Transaction, new: Sequence[tuple[str, Attempt]]) -> None:
    """Add attempts, each with the id of its notification."""
    tx.each(
        INSERT_ATTEMPT,
        [
            {
                "notification_id": notification_id,
                "attempt_number": attempt.attempt_number,
                "outcome": attempt.outcome.value,
                "start_time": attempt.start_time_ms,
                "duration": attempt.duration_ms,
                "http_status": attempt.http_status,
                "response_headers": to_text(attempt.response_headers),
                "response_body": attempt.response_body,
                "response_truncated": int(attempt.response_truncated),
                "error": attempt.error,
                "remote_address": attempt.remote_address,
                "signing_key_ids": to_text(attempt.signing_key_ids),
            }
            for notification_id, attempt in new
        ],
    )


def find(tx: Transaction, keys: Sequence[tuple[str, int]]) -> list[Attempt | None]:
    """Return attempts by (notification id, attempt number), in that order; None where there is none."""
    found = tx.each(
        SELECT_ATTEMPT,
        [{"notification_id": notification_id, "attempt_number": number} for notification_id, number in keys],
    )
    return [_attempt(rows[0]) if rows else None for rows in found]


def after(tx: Transaction, notification_id: str, attempt_number: int, *, limit: int) -> list[Attempt]:
    """Return a notification's attempts in order, from the one after `attempt_number` on."""
    rows = tx.rows(SELECT_ATTEMPTS_AFTER, notification_id=notification_id, after=attempt_number, limit=limit)
    return [_attempt(row) for row in rows]


def _attempt(row: Row) -> Attempt:
    return Attempt(
        attempt_number=row["attempt_number"],
        outcome=AttemptOutcome(row["outcome"]),
        start_time_ms=row["start_time"],
        duration_ms=row["duration"],
        http_status=row["http_status"],
        response_headers=tuple((name, value) for name, value in from_text(row["response_headers"])),
        response_body=bytes(row["response_body"]),
        response_truncated=bool(row["response_truncated"]),
        error=row["error"],
        remote_address=row["remote_address"],
        signing_key_ids=tuple(from_text(row["signing_key_ids"])),
    )
