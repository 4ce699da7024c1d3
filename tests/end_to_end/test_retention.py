"""Retention in a real server: what is old is gone, from the API and from the disk, and what is owed is not."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
import pytest
from aiohttp import web

from service.__main__ import main
from tests.harness import EVENT_TYPE, PARENT, eventually, read_rows, retry_policy, running_receiver, running_server

NONE_KEPT: Final[dict[str, Any]] = {
    "retain_events": timedelta(0),
    "retain_request_ids": timedelta(0),
    "retain_changes": timedelta(0),
}
SECRET_PAYLOAD: Final = "a secret that was told once"
EVENTS: Final = "SELECT event_type FROM events ORDER BY event_type"


async def test_old_events_are_gone_from_the_api_and_from_the_disk(tmp_path: Path) -> None:
    """Payload, notifications and attempts; an event that is still to be retried stays, and so does its subscription."""
    async with running_receiver(
        lambda request: web.Response(status=500 if "fails" in request.path else 204)
    ) as receiver:
        async with running_server(tmp_path) as client:
            for name in (EVENT_TYPE, "other"):
                await client.create_event_type(name)
            await client.subscribe(receiver.url)
            await client.subscribe(
                f"{receiver.url}/fails",
                subscription_id="failing",
                event_types=["other"],
                retry_policy=retry_policy(3_600),
            )
            await client.publish(f'"{SECRET_PAYLOAD}"', request_id="once")
            await client.publish(event_type="other")
            await receiver.wait_for(2)
        assert contains(tmp_path, SECRET_PAYLOAD)

        async with running_server(tmp_path, **NONE_KEPT) as client:
            await eventually(lambda: [{"event_type": "other"}] == read_rows(tmp_path / "tidings.db", EVENTS))
            listed = await client.list_notifications()
            again = await client.publish('"once more"', request_id="once")

    assert [f"{PARENT}/subscriptions/failing"] == [each.subscription for each in listed]
    assert not again.deduplicated
    assert not contains(tmp_path, SECRET_PAYLOAD)


def contains(folder: Path, text: str) -> bool:
    """Say whether a text stands in the database or in a file beside it."""
    return any(text.encode() in path.read_bytes() for path in folder.glob("tidings.db*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--retain-events", "23h"], "23h is less than 1d"),
        (["--retain-events", "0d"], "0d is less than 1d"),
        (["--retain-request-ids", "2d"], "2d is less than 72h"),
        (["--retain-events", "30"], "'30' is not a number up to 99999 and its unit"),
        (["--retain-events", "-1d"], "'-1d' is not a number up to 99999 and its unit"),
        (["--retain-events", "1e9d"], "'1e9d' is not a number up to 99999 and its unit"),
    ],
)
def test_ages_below_the_minimum_are_refused(arguments: list[str], message: str) -> None:
    """With a sentence that says what is allowed."""
    with pytest.raises(click.BadParameter, match=message):
        main.commands["serve"].make_context("serve", arguments)


@pytest.mark.parametrize(
    ("text", "age"),
    [("90d", timedelta(days=90)), ("36h", timedelta(hours=36)), ("2880m", timedelta(days=2)), ("86400s", timedelta(1))],
)
def test_ages_are_read_with_their_unit(text: str, age: timedelta) -> None:
    """Days, hours, minutes and seconds."""
    assert age == main.commands["serve"].make_context("serve", ["--retain-events", text]).params["retain_events"]
