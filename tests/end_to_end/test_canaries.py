"""Unique secrets through every path, then a search for them in everything that came out: found only where they belong.

A server process at DEBUG as in production, receivers that repeat all that they get, every method of the contract,
refusals of secrets in every text field, a crash, a restart, a backup, and the commands of operators beside it. What
came out is kept as it came: log, responses, errors with their trailers, metrics, arguments, database files, what
commands say, and every byte that each receiver got.
"""

import asyncio
import base64
import json
import re
import socket
import sys
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from service.api.calls import UNKNOWN_METHOD
from service.domain.errors import ErrorReason, Quota
from service.domain.model import AttemptOutcome, Format, SignatureScheme
from service.domain.signing import decoded_key, new_key
from tests.canaries import Canary, findings, forms_of, misplaced, missing, new_canary
from tests.harness import PARENT, Client, ServerProcess, eventually
from tests.raw_receivers import Receiver, Serve, read_request, receiving
from tests.tools import CONTRACT, DEAD_URL, DETAILS_KEY, Method, metrics_of

STORED: Final = frozenset({"database", "database log", "backup"})
SCRATCH: Final = "organizations/acme/workspaces/scratch"
EVENT_TYPE: Final = "canary.sung"
STRICT_TYPE: Final = "canary.strict"
SIGNATURE_HEADER: Final = re.compile(rb"(?im)^(?:[a-z]+-signature|x-hub-signature-256): (.*)\r$")
SUBSCRIPTION_MESSAGES: Final = (
    "CreateSubscription",
    "GetSubscription",
    "UpdateSubscription",
    "ResumeSubscription",
    "RotateSigningKey",
)
# They carry attempts, in which the echoing receivers have repeated the body that they got.
ATTEMPT_MESSAGES: Final = frozenset(
    f"response {method}*"
    for method in ("ListAttempts", "GetNotification", "ListNotifications", "RetryNotification", "WatchNotifications")
)
EVENT_MESSAGES: Final = frozenset(f"response {method}*" for method in ("GetEvent", "ListEvents", "Publish"))


@dataclass
class Places:
    """Everything that came out, by where."""

    contents: defaultdict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    def keep(self, place: str, content: bytes) -> None:
        """Add what came out."""
        self.contents[place] += content + b"\n"

    def all(self) -> Mapping[str, bytes]:
        """Return what came out."""
        return {place: bytes(content) for place, content in self.contents.items()}


class Caller:
    """Calls methods as a client does, and keeps all that is answered."""

    def __init__(self, client: Client, places: Places) -> None:
        self._channel = client.channel
        self._places = places
        self.called: set[str] = set()

    async def call(self, name: str, /, label: str = "", **fields: Any) -> Any:
        """Call a unary method. The label tells its answers from others, where secrets belong to some only."""
        method = CONTRACT[name]
        answer = await self.send(method, method.request(**fields).SerializeToString(), label)
        response: Any = method.response
        return response.FromString(answer)

    async def refused(self, name: str, /, **fields: Any) -> None:
        """Call a unary method that must not succeed."""
        with pytest.raises(grpc.aio.AioRpcError):
            await self.call(name, **fields)

    async def send(self, method: Method, message: bytes, label: str = "") -> bytes:
        """Call a unary method with bytes, and return bytes."""
        self.called.add(method.name)
        unary: Any = self._channel.unary_unary(method.path)
        try:
            answer: bytes = await unary(message, timeout=30)
        except grpc.aio.AioRpcError as error:
            trailer = dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b"")
            assert isinstance(trailer, bytes)
            self._places.keep(f"error {method.name}", f"{error.details()} {error!r}".encode() + trailer)
            raise
        self._places.keep(f"response {method.name} {label}", answer)
        return answer

    async def code_of(self, method: Method, message: bytes) -> grpc.StatusCode:
        """Call a unary method that may succeed or be refused, and say which."""
        try:
            await self.send(method, message)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    async def send_unknown(self, path: str) -> None:
        """Call what is no method."""
        unary: Any = self._channel.unary_unary(path)
        with pytest.raises(grpc.aio.AioRpcError):
            await unary(b"", timeout=30)

    async def publish_stream(self, *items: Mapping[str, Any]) -> None:
        """Send items over StreamPublish, and wait for a result of each."""
        method: Any = CONTRACT["StreamPublish"]
        self.called.add(method.name)
        streaming: Any = self._channel.stream_stream(method.path)
        stream = streaming()
        numbered = [{"sequence": number, **item} for number, item in enumerate(items, 1)]
        await stream.write(method.request(parent=PARENT, items=numbered).SerializeToString())
        results = 0
        while results < len(items):
            answer: Any = await stream.read()
            self._places.keep("response StreamPublish", answer)
            results += len(method.response.FromString(answer).results)
        await stream.done_writing()

    async def watch(self) -> None:
        """Keep what WatchNotifications says until the server is gone."""
        method: Any = CONTRACT["WatchNotifications"]
        self.called.add(method.name)
        streaming: Any = self._channel.unary_stream(method.path)
        stream = streaming(method.request(parent=PARENT).SerializeToString())
        try:
            async for answer in stream:
                self._places.keep("response WatchNotifications", answer)
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            return


@dataclass
class Owner:
    """A subscription with secrets of its own, and the receiver that is told them."""

    id: str
    scheme: SignatureScheme
    format: Format
    status: int
    receiver: Receiver
    path: str = field(default_factory=new_canary)
    query: str = field(default_factory=new_canary)
    api_key: str = field(default_factory=new_canary)
    header: str = field(default_factory=new_canary)
    annotation: str = field(default_factory=new_canary)
    keys: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The resource name."""
        return f"{PARENT}/subscriptions/{self.id}"

    def fields(self) -> dict[str, Any]:
        """Return the fields of the subscription."""
        api_key_header = "Authorization" if self.status == 200 else ""
        return {
            "display_name": f"Owner {self.id}",
            "url": self.receiver.url(f"/{self.path}/hook?token={self.query}"),
            "event_types": [EVENT_TYPE],
            "format": f"FORMAT_{self.format}",
            "signature_scheme": f"SIGNATURE_SCHEME_{self.scheme}",
            "api_key": {"header": api_key_header, "value": f'Bearer {self.api_key}/+"&x'},
            "headers": {"X-Tenant-Secret": f'/{self.header}+"'},
            "annotations": {"note": self.annotation},
            "retry_policy": {"schedule": [{"nanos": 200_000_000}]},
        }

    def canaries(self) -> Iterator[Canary]:
        """Yield its secrets, with the places where each belongs."""
        receiver, shown = f"receiver {self.id}", {f"response {method} {self.id}" for method in SUBSCRIPTION_MESSAGES}
        shown |= {"response ListSubscriptions *"}
        previewed = {f"response ExplainPublish {self.id}"}
        yield _canary(f"{self.id}: path", self.path, {receiver, *shown, *previewed})
        yield _canary(f"{self.id}: query", self.query, {receiver, *shown, *previewed})
        yield _canary(f"{self.id}: API key", self.api_key, {receiver})
        yield _canary(f"{self.id}: header", self.header, {receiver, *shown})
        yield _canary(f"{self.id}: annotation", self.annotation, {*shown, "said audit *", *STORED})
        once = {f"response {method} {self.id}" for method in ("CreateSubscription", "RotateSigningKey")}
        is_private = self.scheme is SignatureScheme.STANDARD_WEBHOOKS_ED25519
        for number, key in enumerate(self.keys):
            belongs: set[str] = set() if is_private else once
            yield _canary(f"{self.id}: key {number}", key.rpartition("_")[2], belongs)
            if decoded := decoded_key(key):
                # Its text in base64 is what belongs there, and that is a form of its bytes.
                yield Canary(f"{self.id}: bytes of key {number}", decoded, frozenset(belongs))

    def signatures(self, received: bytes) -> Iterator[Canary]:
        """Yield the signatures that the receiver got: with one, somebody else could send the same again."""
        values = sorted({match[1] for match in SIGNATURE_HEADER.finditer(received)})
        for value in values[:SIGNATURES_EACH]:
            for part in re.split(rb"[ ,=]", value):
                if len(part) > 20:
                    yield Canary(f"{self.id}: signature", part, frozenset({f"receiver {self.id}"}))


def _canary(name: str, secret: str, belongs: set[str] | frozenset[str]) -> Canary:
    return Canary(name, secret.encode(), frozenset(belongs))


def repeating(places: Places, id: str, status: int) -> Serve:
    """Return a receiver that answers with everything it got: in its body, in headers of the same and of other names."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await read_request(reader)
            places.keep(f"receiver {id}", head + body)
            writer.write(_repetition(status, head, body))
            await writer.drain()

    return serve


def _repetition(status: int, head: bytes, body: bytes) -> bytes:
    request_line, *lines = head.decode("latin-1").strip().split("\r\n")
    said = json.dumps({"line": request_line, "headers": lines, "body": body.decode("latin-1")}).replace("/", "\\/")
    headers = [line for line in lines if not line.lower().startswith(("content-", "connection", "host"))]
    others = [f"X-Got-{line}" for line in headers]
    target = request_line.split()[1]
    answer = [f"HTTP/1.1 {status} Said", *headers, *others, f"Location: https://127.0.0.1{target}"]
    return "\r\n".join((*answer, f"Content-Length: {len(said)}", "", said)).encode("latin-1")


@dataclass
class Song:
    """What a publisher says: payload, and all that comes with it."""

    payload: str = field(default_factory=new_canary)
    context: str = field(default_factory=new_canary)
    source: str = field(default_factory=new_canary)
    subject: str = field(default_factory=new_canary)
    attribute: str = field(default_factory=new_canary)

    def event(self) -> dict[str, Any]:
        """Return the event."""
        return {
            "event_type": EVENT_TYPE,
            "source": self.source,
            "subject": self.subject,
            "attributes": {"k": self.attribute},
            "json": json.dumps({"note": self.payload}),
            "context_json": json.dumps({"note": self.context}),
        }

    def canaries(self) -> Iterator[Canary]:
        """Yield what it says, with the places where each belongs."""
        told = {"receiver *", "response ExplainPublish *", "response GetEvent *", *ATTEMPT_MESSAGES, *STORED}
        yield _canary("payload", self.payload, told)
        yield _canary("context", self.context, told)
        yield _canary("source", self.source, {*told, *EVENT_MESSAGES})
        yield _canary("subject", self.subject, {*told, *EVENT_MESSAGES})
        yield _canary("attribute", self.attribute, {*EVENT_MESSAGES, *STORED})


# Of each receiver's, which is enough for every way that one can take.
SIGNATURES_EACH: Final = 4

# The refusals: a secret in a field that cannot be as it is.

BAD_URLS: Final = (
    "{}",
    "{}://example.com/hooks",
    "//example.com/{}",
    "http://user:{}@example.com/hooks",
    "http://{}@example.com/hooks",
    "http://example.com:{}/hooks",
    "http://example.com/{}#fragment",
    "http://example.com/hooks?token={}#fragment",
    "http://example.com/{} hooks",
    "http://example.com/{}\\hooks",
    'http://example.com/{}"',
    "http://example.com/hooks?token={}|",
    "http://example.com/%zz?token={}",
    "http://10.0.0.1/hooks?token={}",
    "http://router.local/{}",
    "http://[::ffff:1%25eth0]/{}",
    "http://exa_mple.com/{}",
    "http://example.com:99999/{}",
    "HTTP://example.com/{}",
)
BAD_KEYS: Final = {
    SignatureScheme.STANDARD_WEBHOOKS: "whsec_{}",
    SignatureScheme.STANDARD_WEBHOOKS_ED25519: "whsk_{}",
    SignatureScheme.VONAGE_JWT: "{}!",
    SignatureScheme.MESSAGEBIRD: "{}\n",
    SignatureScheme.GITHUB: "{}\u00e9",
    SignatureScheme.STRIPE: "whsec_{}\x7f",
    SignatureScheme.UNSIGNED: "whsec_{}",
}
BAD_VALUES: Final = ("{}\n", " {}", "{}\u00e9", "{}" * 200)
BAD_PAYLOADS: Final[Sequence[Mapping[str, Any]]] = (
    {"json": '{{"{}": tru'},
    {"json": '"{}" "more"'},
    {"json": "{}"},
    {"json": '{{"number": "{}"}}', "event_type": STRICT_TYPE},
    {"json": '"{}"', "event_type": STRICT_TYPE},
    {"data": b'"{}', "content_type": "application/json"},
    {"json": "{{}}", "context_json": "{}"},
)


def filled_in(template: Mapping[str, Any], secret: str) -> dict[str, Any]:
    """Return fields of an event with a secret in them."""
    return {
        name: value.format(secret) if isinstance(value, str) else value.replace(b"{}", secret.encode())
        for name, value in template.items()
    }


async def refuse_secrets(caller: Caller) -> AsyncIterator[Canary]:
    """Send secrets that cannot be taken, and yield them: they belong nowhere."""
    good = {"display_name": "Refused", "url": DEAD_URL, "event_types": [EVENT_TYPE]}
    for template in BAD_URLS:
        yield Canary(f"refused URL {template}", (secret := new_canary()).encode())
        bad = {**good, "url": template.format(secret)}
        await caller.refused("CreateSubscription", parent=SCRATCH, subscription=bad)
        await caller.refused("ExplainPublish", parent=SCRATCH, event=Song().event(), subscription=bad)
    for scheme, template in BAD_KEYS.items():
        yield Canary(f"refused key of {scheme}", (secret := new_canary()).encode())
        key, name = template.format(secret), f"SIGNATURE_SCHEME_{scheme}"
        bad = {**good, "signature_scheme": name}
        await caller.refused("CreateSubscription", parent=SCRATCH, subscription=bad, signing_key=key)
        scratch = f"{SCRATCH}/subscriptions/scratch"
        await caller.refused("RotateSigningKey", name=scratch, signature_scheme=name, signing_key=key)
    for template in BAD_VALUES:
        yield Canary("refused header", (secret := new_canary()).encode())
        value = template.replace("{}", secret)
        for header in ({"api_key": {"value": value}}, {"headers": {"X-Own": value}}):
            await caller.refused("CreateSubscription", parent=SCRATCH, subscription={**good, **header})
    for payload in BAD_PAYLOADS:
        yield Canary(f"refused payload {payload}", (secret := new_canary()).encode())
        event = {"event_type": EVENT_TYPE, **filled_in(payload, secret)}
        await caller.refused("Publish", parent=PARENT, event=event)
        await caller.refused("BatchPublish", parent=PARENT, requests=[{"event": event}])
        await caller.publish_stream({"event": event})
    for method in CONTRACT.values():
        yield Canary(f"garbage for {method.name}", (secret := new_canary()).encode())
        if method.is_unary:
            with pytest.raises(grpc.aio.AioRpcError):
                await caller.send(method, b"\xff" + secret.encode())
    yield Canary("path", (secret := new_canary()).encode())
    await caller.send_unknown(f"/tidings.v1.SubscriptionService/tdg_1_{secret}")


FAULTS: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)

# The walk: a canary in every text field of every request.

IDENTIFIERS: Final = frozenset(
    {"subscription_id", "event_type_id", "event_id", "name", "parent", "subscription", "event_type"}
)
SECRET_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "url": frozenset(),
    "signing_key": frozenset(),
    "value": frozenset(),
    "headers": frozenset({"response *Subscription *", "response RotateSigningKey *"}),
    "json": frozenset(),
    "context_json": frozenset(),
    "data": STORED | {"response ExplainPublish *"},
}


def bases() -> Mapping[str, Mapping[str, Any]]:
    """Return a request of each unary method that comes as far as its fields are looked at."""
    subscription = {"display_name": "Scratch", "url": DEAD_URL, "event_types": [STRICT_TYPE]}
    event = {"event_type": EVENT_TYPE, "json": "{}"}
    name = f"{SCRATCH}/subscriptions/scratch"
    return {
        "CreateSubscription": {"parent": SCRATCH, "subscription": subscription},
        "GetSubscription": {"name": name},
        "UpdateSubscription": {"subscription": {"name": name}},
        "DeleteSubscription": {"name": f"{name}-not"},
        "ResumeSubscription": {"name": name},
        "RotateSigningKey": {"name": name},
        "TestSubscription": {"name": name},
        "CreateEventType": {"event_type_id": "scratch", "event_type": {"display_name": "Scratch"}},
        "UpdateEventType": {"event_type": {"name": f"eventTypes/{STRICT_TYPE}"}},
        "ValidatePayload": {"event_type": STRICT_TYPE, "json": "{}"},
        "Publish": {"parent": SCRATCH, "event": event},
        "BatchPublish": {"parent": SCRATCH, "requests": [{"event": event}]},
        "ExplainPublish": {"parent": SCRATCH, "event": event, "subscription": subscription},
        "CreateReplay": {"parent": name, "replay": {"start_time": {"seconds": 1}}},
        **{each: {"parent": SCRATCH} for each in ("ListSubscriptions", "ListEvents", "ListNotifications")},
    }


async def fill_every_field(caller: Caller) -> AsyncIterator[Canary]:
    """Put canaries into each text field of each request, one that may pass and one that cannot, and yield them."""
    for method in CONTRACT.values():
        if not method.is_unary:
            continue
        by_kind: dict[str, str] = {}
        base: Any = method.request(**bases().get(method.name, {}))
        for path in text_fields(base.DESCRIPTOR):
            kind = next(
                (part for part in reversed(path) if part in SECRET_FIELDS),
                "identifier" if path[-1] in IDENTIFIERS else "text",
            )
            secret = by_kind.setdefault(kind, new_canary())
            for text in (secret, f"{secret}\x00", secret * 100):
                request = type(base)()
                request.CopyFrom(base)
                put(request, path, text)
                assert await caller.code_of(method, request.SerializeToString()) not in FAULTS, (method.name, path)
        for kind, secret in by_kind.items():
            open_places = frozenset({"response *", "error *", "said audit *", *STORED}) | (
                {"log"} if kind == "identifier" else set()
            )
            yield Canary(f"{method.name}: {kind}", secret.encode(), SECRET_FIELDS.get(kind, open_places))


def text_fields(descriptor: Descriptor) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all fields that hold text or bytes, but for those of protobuf's own types."""
    for each in descriptor.fields:
        inner = each.message_type
        if each.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES) or (
            inner is not None and inner.GetOptions().map_entry
        ):
            yield (each.name,)
        elif inner is not None and inner.file.package == descriptor.file.package:
            yield from ((each.name, *rest) for rest in text_fields(inner))


def put(message: Message, path: Sequence[str], text: str) -> None:
    """Put a text into a field, however it is held."""
    first, *rest = path
    described = message.DESCRIPTOR.fields_by_name[first]
    held: Any = getattr(message, first)
    if rest:
        is_repeated = not isinstance(held, Message)
        put((held[0] if held else held.add()) if is_repeated else held, rest, text)
    elif described.message_type is not None:
        held["X-Key"] = text
    elif isinstance(held, str | bytes):
        setattr(message, first, text.encode() if isinstance(held, bytes) else text)
    else:
        held.append(text)


async def create(caller: Caller, owner: Owner) -> None:
    """Create an owner's subscription, with a key that was given or made, and read it."""
    if owner.status == 200 and owner.scheme is not SignatureScheme.UNSIGNED:
        owner.keys.append(new_key(owner.scheme, SystemRandom()))
    given = owner.keys[0] if owner.keys else ""
    created = await caller.call(
        "CreateSubscription",
        owner.id,
        parent=PARENT,
        subscription_id=owner.id,
        subscription=owner.fields(),
        signing_key=given,
    )
    keep_key(owner, created.signing_key)
    await caller.call("GetSubscription", owner.id, name=owner.name)
    changed = {"name": owner.name, "display_name": f"Owner {owner.id}, renamed"}
    await caller.call("UpdateSubscription", owner.id, subscription=changed)
    await caller.call("TestSubscription", owner.id, name=owner.name, event_type=EVENT_TYPE)


def keep_key(owner: Owner, shown: str) -> None:
    """Remember a key that was made, if it is shown and is one that must be kept secret."""
    if shown and not shown.startswith("whpk_") and shown not in owner.keys:
        owner.keys.append(shown)


async def read_everything(caller: Caller, song: Song) -> None:
    """Ask for all that can be read of a workspace."""
    await caller.call("ListSubscriptions", parent=PARENT)
    events = await caller.call("ListEvents", parent=PARENT)
    for event in events.events:
        await caller.call("GetEvent", name=event.name)
    notifications = await caller.call("ListNotifications", parent=PARENT, page_size=1000)
    for notification in notifications.notifications:
        await caller.call("GetNotification", name=notification.name)
        await caller.call("ListAttempts", parent=notification.name)
    await caller.call("ListEventTypes")
    await caller.call("GetEventType", name=f"eventTypes/{EVENT_TYPE}")
    await caller.call("ValidatePayload", event_type=STRICT_TYPE, json=json.dumps({"number": song.payload}))


async def intervene(caller: Caller, owners: Sequence[Owner]) -> None:
    """Rotate, replay, retry, cancel and resume."""
    for owner in owners:
        if owner.scheme is not SignatureScheme.UNSIGNED:
            given = new_key(owner.scheme, SystemRandom()) if owner.status != 200 else ""
            owner.keys += [given] if given else []
            rotated = await caller.call("RotateSigningKey", owner.id, name=owner.name, signing_key=given)
            keep_key(owner, rotated.signing_key)
    replay = await caller.call("CreateReplay", parent=owners[0].name, replay={"start_time": {"seconds": 1}})
    await caller.call("GetReplay", name=replay.replay.name)
    await caller.call("ListReplays", parent=owners[0].name)
    # By now it may have come to its end.
    cancel: Any = CONTRACT["CancelReplay"]
    await caller.code_of(cancel, cancel.request(name=replay.replay.name).SerializeToString())
    failed = await caller.call("ListNotifications", parent=PARENT, states=["NOTIFICATION_STATE_FAILED"])
    await caller.call("RetryNotification", name=failed.notifications[0].name)
    await caller.refused("CancelNotification", name=failed.notifications[1].name)
    await caller.call("ResumeSubscription", owners[0].id, name=owners[0].name)


async def all_complete(caller: Caller) -> bool:
    """Say whether nothing is owed any more."""
    pending = await caller.call("ListNotifications", parent=PARENT, states=["NOTIFICATION_STATE_PENDING"])
    return not pending.notifications


async def tidings(places: Places, database: Path, *command: str) -> bytes:
    """Run a command, keep what it says, and return it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *command, "--database", str(database)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert 0 == process.returncode, said
    places.keep(f"said {' '.join(command)}", said)
    return said


async def operate(places: Places, database: Path) -> None:
    """Run the commands of an operator beside the server."""
    for command in (
        ("key", "rotate"),
        ("key", "list"),
        ("token", "list"),
        ("token", "list", "--json"),
        ("audit", "--json", "--limit", "100000"),
    ):
        await tidings(places, database, *command)
    await tidings(places, database, "backup", str(database.with_name("backup.db")))
    places.keep("backup", database.with_name("backup.db").read_bytes())


def keys_of(places: Places, database: Path) -> Iterator[Canary]:
    """Keep the keyring, and yield its keys: they belong nowhere else."""
    keyring = Path(f"{database}.keyring").read_text()
    places.keep("keyring", keyring.encode())
    for line in keyring.splitlines():
        if not line.startswith("#"):
            key_id, _, key = line.partition(":")
            yield Canary(f"sealing key {key_id}", key.encode(), frozenset({"keyring"}))
            yield Canary(f"bytes of sealing key {key_id}", base64.b64decode(key), frozenset({"keyring"}))


async def refuse_tokens(server: ServerProcess, places: Places) -> AsyncIterator[Canary]:
    """Show tokens that do not count, and yield their secrets: they belong nowhere."""
    for template in ("tdg_abcdefghijkl_{}ABCDEFGHIJKLMNO", "tdg_1_{}", "{}"):
        yield Canary(f"refused token {template}", (secret := new_canary()).encode())
        stranger = Client(server.address, template.format(secret))
        await Caller(stranger, places).refused("ListEventTypes")
        await stranger.channel.close()


def secret_of(token: str) -> str:
    """Return the part of a token that is its secret."""
    return token.rpartition("_")[2]


def keep_files(places: Places, database: Path) -> None:
    """Keep the bytes of the database as they are on the disk."""
    places.keep("database", database.read_bytes())
    if (log := database.with_name(f"{database.name}-wal")).exists():
        places.keep("database log", log.read_bytes())


def scrape(places: Places, port: int) -> str:
    """Keep the metrics page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        page: bytes = response.read()
    places.keep("metrics", page)
    return page.decode()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def label_values(page: str) -> set[str]:
    """Return the values that the labels of Tidings' own metrics have, but for numbers and the version."""
    return {
        value
        for name, labels in metrics_of(page)
        if name.startswith("tidings_") and name != "tidings_build_info"
        for label, value in labels
        if label != "le"
    }


BOUNDED: Final = (
    {f"{method.service}/{method.name}" for method in CONTRACT.values()}
    | {code.name for code in grpc.StatusCode}
    | {*ErrorReason, *AttemptOutcome, *Quota, UNKNOWN_METHOD, "ready", "under_way", "waiting"}
)


async def test_secrets_are_found_only_where_they_belong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All that a server says, to whomever: nothing of it holds a secret that is not for them."""
    places, song = Places(), Song()
    description, example = new_canary(), new_canary()
    database, metrics_port = tmp_path / "tidings.db", free_port()
    shown = {"response *EventType*", "said audit *", *STORED}
    canaries = [
        *song.canaries(),
        _canary("description", description, shown),
        _canary("example", example, {*shown, "response TestSubscription *", "receiver *"}),
    ]
    made = (await tidings(places, database, "token", "create", "--scope", "*", "--all")).split()[0].decode()
    canaries.append(_canary("token that was made", secret_of(made), {"said token create *"}))
    async with AsyncExitStack() as stack:
        owners = []
        for number, (scheme, format) in enumerate(zip(SignatureScheme, [*Format, Format.RAW], strict=True)):
            for status in (200, 500):
                id = f"owner-{number}-{status}"
                receiver = await stack.enter_async_context(receiving(repeating(places, id, status)))
                owners.append(Owner(id, scheme, format, status, receiver))
        watcher = await stack.enter_async_context(receiving(repeating(places, "watcher", 200)))
        ports = [urlsplit(DEAD_URL).port, watcher.port, *(owner.receiver.port for owner in owners)]
        server = ServerProcess(
            database,
            *("--log-level", "debug", "--metrics-listen", f"127.0.0.1:{metrics_port}"),
            *("--allow-destination", "127.0.0.0/8", *(f"--allow-port={port}" for port in ports)),
            dev=False,
        )
        stack.push_async_callback(server.end)
        await server.start()
        caller = Caller(server.client, places)
        canaries.append(_canary("first token", secret_of(server.client.token), set()))
        canaries += [each async for each in refuse_tokens(server, places)]
        await caller.call(
            "CreateEventType",
            event_type_id=EVENT_TYPE,
            event_type={
                "display_name": "Sung",
                "description": description,
                "category": 1,
                "code": 2,
                "examples": [json.dumps({"example": example})],
            },
        )
        schema = json.dumps({"type": "object", "properties": {"number": {"type": "integer"}}})
        strict = {"display_name": "Strict", "json_schema": schema}
        await caller.call("CreateEventType", event_type_id=STRICT_TYPE, event_type=strict)
        operational = {"display_name": "Watcher", "url": watcher.url("/watch"), "event_types": ["tidings.*"]}
        await caller.call("CreateSubscription", parent=PARENT, subscription_id="watcher", subscription=operational)
        scratch = {"display_name": "Scratch itself", "url": DEAD_URL, "event_types": [STRICT_TYPE]}
        await caller.call("CreateSubscription", parent=SCRATCH, subscription_id="scratch", subscription=scratch)
        for owner in owners:
            await create(caller, owner)
            await caller.call(
                "ExplainPublish",
                owner.id,
                parent=PARENT,
                event=song.event(),
                preview_subscription=owner.name,
                subscription=owner.fields(),
            )
        watching = asyncio.create_task(caller.watch())
        await caller.call("Publish", parent=PARENT, event=song.event(), request_id="request-1")
        await caller.call("BatchPublish", parent=PARENT, requests=[{"event": song.event()}])
        await caller.publish_stream({"event": song.event()})
        await eventually(lambda: all_complete(caller), within_s=60)
        await read_everything(caller, song)
        await intervene(caller, owners)
        canaries += [each async for each in refuse_secrets(caller)]
        walked = [each async for each in fill_every_field(caller)]

        await caller.call("Publish", parent=PARENT, event=song.event())
        arguments = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        places.keep("arguments", arguments)
        page = scrape(places, metrics_port)
        await server.kill()
        await watching
        keep_files(places, database)
        await server.start()
        caller_after = Caller(server.client, places)
        canaries.append(_canary("second token", secret_of(server.client.token), set()))
        await eventually(lambda: all_complete(caller_after), within_s=60)
        await read_everything(caller_after, song)
        await operate(places, database)
        await caller_after.call("DeleteSubscription", name=owners[0].name)
        await caller_after.call(
            "UpdateEventType", event_type={"name": f"eventTypes/{EVENT_TYPE}", "display_name": "Hummed"}
        )
        await caller_after.call("CreateEventType", event_type_id="unsung", event_type={"display_name": "Unsung"})
        await caller_after.call("DeleteEventType", name="eventTypes/unsung")
        scrape(places, metrics_port)
        # What is logged at DEBUG only.
        health: Any = HealthStub(server.client.channel)
        await health.Check(HealthCheckRequest())
        assert 0 == await server.stop()
    for line in server.log:
        places.keep("log", json.dumps(line, ensure_ascii=False).encode())
    places.keep("log", "".join(server.other_output).encode())
    places.keep("output", "".join(capfd.readouterr()).encode())
    canaries += keys_of(places, database)
    for owner in owners:
        canaries += [*owner.canaries(), *owner.signatures(bytes(places.contents[f"receiver {owner.id}"]))]

    found = findings([*canaries, *walked], places.all())
    leaks = misplaced([*canaries, *walked], found)
    assert [] == leaks, "\n".join(map(str, leaks))
    assert set(CONTRACT) == caller.called | caller_after.called
    assert b"serve" in arguments
    assert any(line["level"] == "debug" for line in server.log)
    assert sum("signature" in canary.name for canary in canaries) > len(owners)
    # What is kept of a repetition is all but the secrets.
    assert b'{"line": "POST \\/[redacted] HTTP' in places.contents["response ListAttempts "]
    assert [] == missing(canaries, found)
    assert made.split("_")[1].encode() in places.contents["said token list"]
    assert b"RotateSigningKey" in places.contents["said audit --json --limit 100000"]
    assert set() == label_values(page) - BOUNDED


def test_every_form_of_a_leak_is_found() -> None:
    """The control: a place that leaks on purpose, in each form and behind bytes of each length, is found out."""
    canary = Canary("leak", f'{new_canary()}/+"\u007f'.encode(), frozenset({"response here"}))
    for form, pattern in forms_of(canary.secret):
        for before in (b"", b"x", b"xx"):
            leaky = before + pattern + b"after"
            found = findings([canary], {"log": leaky, "response here": leaky, "clean": b"nothing"})
            assert {"log", "response here"} == {each.place for each in found}, form
            assert {"log"} == {each.place for each in misplaced([canary], found)}, form


@pytest.mark.parametrize("alignment", range(3))
def test_leak_within_base64_of_something_larger_is_found(alignment: int) -> None:
    """As a receiver, or a tool of ours, would write a whole body."""
    canary = Canary("leak", new_canary().encode())
    body = b"x" * alignment + canary.secret + b"more"

    for leaky in (
        base64.b64encode(body),
        base64.urlsafe_b64encode(body),
        body.hex().encode(),
        body.hex().upper().encode(),
    ):
        assert ["leak"] == sorted({each.canary for each in findings([canary], {"log": b"data: " + leaky})})


def test_canary_that_was_never_used_is_told() -> None:
    """Otherwise a search that looks through nothing would pass."""
    canary = Canary("unused", new_canary().encode(), frozenset({"log"}))

    assert ["unused"] == missing([canary], findings([canary], {"log": b"nothing"}))
