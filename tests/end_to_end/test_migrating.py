"""docs/migrating.md: its commands are pasted, and what they send is checked as each receiver would check it."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
import stripe
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from tests.harness import Received, Receiver, running_process, running_receiver
from tests.tools import grpcurl_path

GUIDE: Final = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text()
ADDRESS: Final = "127.0.0.1:50051"
RECEIVER: Final = "127.0.0.1:8080"
SECTION: Final = re.compile(r"^## (?P<title>[^\n]+)\n(?P<text>.*?)(?=^## |\Z)", re.M | re.S)
SHELL: Final = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
COMMANDS: Final = {found["title"]: "".join(SHELL.findall(found["text"])) for found in SECTION.finditer(GUIDE)}
PATIENCE_S: Final = 30


def check_vonage(request: Received) -> None:
    scheme, token = request.headers["vonage-signature"].split(" ")
    claims = jwt.decode(token, base64.b64decode("R2hJ3mVx0Yk8sQ7dLw5tFz1nPbC6uAeXoK9iHqSgUvM="), algorithms=["HS256"])
    event = cloud_event_in(request)

    assert ("Bearer", 300) == (scheme, claims["exp"] - claims["iat"])
    assert hashlib.sha256(request.body).hexdigest() == claims["payload_hash"]
    assert ("channel.status.changed", "channels/c-7") == (event.get_type(), event.get_source())
    assert {"channel": "c-7", "status": "CONNECTED"} == event.get_data()


def check_vonage_older(request: Received) -> None:
    expected = {
        "Id": "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d21",
        "CreationDateUtc": "20260301093015",
        "Category": 4,
        "Code": 1012,
        "AgentId": "a-17",
        "Presence": "Away",
    }

    assert expected == json.loads(request.body)
    assert "webhook-signature" not in request.headers


def check_bird(request: Received, url: str) -> None:
    timestamp = request.headers["messagebird-request-timestamp"]
    signed = b"\n".join((timestamp.encode(), url.encode(), hashlib.sha256(request.body).digest()))
    expected = base64.b64encode(hmac.digest(b"secureSigningKey", signed, "sha256")).decode()

    assert expected == request.headers["messagebird-signature"]
    assert {"service", "event", "payload"} == json.loads(request.body).keys()


def check_console(request: Received) -> None:
    expected = {
        "event_time": "2026-03-01T09:30:15Z",
        "event_type": "user.role.changed",
        "current_context": {"account": 12},
        "data": {"user": "u-1", "role": "admin"},
    }
    body = json.loads(request.body)

    assert expected == {**body, "event_time": body["event_time"].replace(".000", "")}
    assert "k-4711" == request.headers["x-console-key"]


def check_github(request: Received) -> None:
    expected = "sha256=" + hmac.new(b"a secret of your own", request.body, "sha256").hexdigest()

    assert expected == request.headers["x-hub-signature-256"]
    assert "push" == request.headers["x-github-event"]
    assert "0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d22" == request.headers["x-github-delivery"]
    assert b'{"ref":"refs/heads/main","commits":[]}' == request.body


def check_stripe(request: Received) -> None:
    signature = request.headers["stripe-signature"]
    event = stripe.Webhook.construct_event(request.body, signature, "whsec_dGlkaW5ncy1zdHJpcGUtdmVjdG9yLWtleS0wMDAx")

    assert "invoice.paid" == event["type"]


def check_cloudevents(request: Received) -> None:
    event = cloud_event_in(request)

    assert ("order.shipped", "shops/12", "orders/4711") == (event.get_type(), event.get_source(), event.get_subject())
    assert {"order": 4711, "to": "Zürich"} == event.get_data()


def check_standard(request: Received) -> None:
    sent: dict[str, Any] = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(request.body, request.headers)

    assert ("contact.created", {"contact": "c-1"}) == (sent["type"], sent["data"])


CHECKS: Final[dict[str, Callable[..., None]]] = {
    "Vonage Contact Center": check_vonage,
    "Vonage Contact Center: the older events": check_vonage_older,
    "Bird": check_bird,
    "An admin console's REST webhooks": check_console,
    "A receiver made for GitHub": check_github,
    "A receiver made for Stripe": check_stripe,
    "A CloudEvents consumer": check_cloudevents,
    "A Standard Webhooks consumer": check_standard,
}


def test_every_section_of_the_guide_has_commands_and_a_check() -> None:
    """And the other way round."""
    assert list(CHECKS) == list(COMMANDS)
    assert all(COMMANDS.values())


async def test_what_the_guide_sets_up_sends_what_the_receivers_are_used_to(tmp_path: Path) -> None:
    """All sections on one server, as somebody would paste them; the receiver's and the server's ports are others."""
    grpcurl = shlex.quote(grpcurl_path())
    async with running_receiver() as receiver, running_process(tmp_path / "tidings.db") as server:
        there = receiver.url.removeprefix("http://").partition("/")[0]
        for title, commands in COMMANDS.items():
            script = commands.replace("grpcurl ", f"{grpcurl} ", 1).replace("\ngrpcurl ", f"\n{grpcurl} ")
            await run(f"set -e\n{script.replace(ADDRESS, server.address).replace(RECEIVER, there)}")

            request = await newest(receiver, count=list(COMMANDS).index(title) + 1)
            CHECKS[title](request, *((f"http://{there}{request.path}",) if title == "Bird" else ()))


def cloud_event_in(request: Received) -> BaseCloudEvent:
    """Parse a request as a consumer of CloudEvents does, in either mode."""
    return from_http_event(HTTPMessage(request.headers, request.body))


async def newest(receiver: Receiver, *, count: int) -> Received:
    """Return the request that came last of so many."""
    return (await receiver.wait_for(count))[-1]


async def run(script: str) -> None:
    """Run a shell script; what it says goes into the failure."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    if process.returncode != 0:
        pytest.fail(f"{script}\n{said.decode()}")
