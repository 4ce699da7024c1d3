"""Encryption: with which certificate, for whom, what a change of the files does, and who a client is by its own."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from service.api.peers import identities_of
from service.api.tls import Tls, TlsError, TlsFiles
from service.domain.clock import SystemClock
from tests.certificates import (
    Authority,
    Pair,
    encrypted,
    loopback,
    pair,
    with_unknown_version,
    with_unsupported_curve,
)
from tests.fakes import FakeClock
from tests.harness import Client, running_server

PATIENCE_S = 10
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The one that clients trust, and the server too where it wants certificates."""
    return trustme.CA()


def pem_of(authority: trustme.CA) -> bytes:
    """Return an authority's own certificate."""
    return authority.cert_pem.bytes()


@asynccontextmanager
async def encrypted_to(address: str, roots: bytes, client: Pair | None = None) -> AsyncIterator[grpc.aio.Channel]:
    """Connect to a server with TLS, over a connection of its own."""
    credentials = grpc.ssl_channel_credentials(roots, *((client.key, client.certificate) if client else ()))
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        yield channel


async def health_of(channel: grpc.aio.Channel) -> int:
    """Ask for the health of the server."""
    health: Any = HealthStub(channel)
    response: HealthCheckResponse = await health.Check(HealthCheckRequest(), timeout=PATIENCE_S)
    return response.status


async def shown_by(address: str, authority: trustme.CA) -> str:
    """Return the common name in the certificate that a server shows in a new handshake."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    port = int(address.rpartition(":")[2])
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
        certificate = writer.get_extra_info("peercert")
        # Its first frame: the handshake is then over for the server too.
        await reader.read(9)
    writer.transport.abort()
    names = {name: value for ((name, value),) in certificate["subject"]}
    return str(names["commonName"])


@asynccontextmanager
async def running_tls(folder: Path, first: Pair, **settings: Any) -> AsyncIterator[Client]:
    """Run a server that shows a certificate."""
    certificate, key = first.write(folder)
    async with running_server(folder, tls_cert=certificate, tls_key=key, **settings) as client:
        yield client


async def test_connections_to_a_port_are_encrypted_and_those_to_a_unix_socket_are_not(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """With TLS 1.2 or 1.3. Whoever speaks plaintext to the port gets nothing."""
    path = f"unix:{tmp_path}/tidings.sock"
    async with running_tls(tmp_path, pair(authority, HOST), listen=(f"{HOST}:0", path)) as plain:
        async with encrypted_to(plain.address, pem_of(authority)) as channel:
            over_tls = await health_of(channel)
        async with grpc.aio.insecure_channel(path) as channel:
            over_socket = await health_of(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_of(plain.channel)

    assert HealthCheckResponse.SERVING == over_tls == over_socket
    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_versions_of_tls_before_1_2_are_refused(tmp_path: Path, authority: trustme.CA) -> None:
    """RFC 8996. The same client gets in with 1.2, so it is the version that counts."""

    async def negotiated(address: str, version: ssl.TLSVersion) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(context)
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_alpn_protocols(["h2"])
        try:
            _, writer = await asyncio.open_connection(HOST, int(address.rpartition(":")[2]), ssl=context)
        except OSError:
            return None
        writer.transport.abort()
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return found.version()

    async with running_tls(tmp_path, pair(authority, HOST)) as server:
        versions = [
            await negotiated(server.address, version)
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2)
        ]

    assert [None, None, "TLSv1.2"] == versions


async def test_new_certificate_is_shown_in_the_next_handshake_and_old_connections_go_on(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """Without a restart, and logged once."""
    async with (
        running_tls(tmp_path, pair(authority, HOST, common_name="old")) as server,
        encrypted_to(server.address, pem_of(authority)) as channel,
    ):
        await health_of(channel)
        before = await shown_by(server.address, authority)
        with capture_logs() as log:
            pair(authority, HOST, common_name="new").write(tmp_path)
            after = [await shown_by(server.address, authority) for _ in range(3)]
        still = await health_of(channel)

    assert ("old", ["new"] * 3, HealthCheckResponse.SERVING) == (before, after, still)
    assert [
        {
            "event": "tls.reloaded",
            "log_level": "info",
            "certificate": f"{tmp_path}/server.pem",
            "expires": "2120-01-01T00:00:00.000Z",
        }
    ] == [line for line in log if line["event"].startswith("tls.")]


async def test_every_port_shows_the_new_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    """The second to be asked too, though the first has read it already; it is logged once."""
    certificate, key = pair(authority, HOST, common_name="old").write(tmp_path)
    tls = Tls(TlsFiles(certificate, key), clock=SystemClock())
    server = grpc.aio.server()
    addresses = [f"{HOST}:{server.add_secure_port(f'{HOST}:0', tls.credentials())}" for _ in range(2)]
    await server.start()

    before = [await shown_by(address, authority) for address in addresses]
    with capture_logs() as log:
        pair(authority, HOST, common_name="new").write(tmp_path)
        after = [await shown_by(address, authority) for address in addresses * 2]
    await server.stop(0)

    assert (["old"] * 2, ["new"] * 4) == (before, after)
    assert ["tls.reloaded"] == [line["event"] for line in log]


async def test_files_that_are_swapped_as_kubernetes_does_are_read_anew(tmp_path: Path, authority: trustme.CA) -> None:
    """A symbolic link to the folder of both, moved at once: the paths stay, with older times even."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        pair(authority, HOST, common_name=name).write(tmp_path / name)
    link, next_link = tmp_path / "data", tmp_path / "next"
    link.symlink_to(tmp_path / "old")
    settings = {"tls_cert": link / "server.pem", "tls_key": link / "server.key"}

    async with running_server(tmp_path, **settings) as server:
        before = await shown_by(server.address, authority)
        next_link.symlink_to(tmp_path / "new")
        next_link.rename(link)
        after = await shown_by(server.address, authority)

    assert ("old", "new") == (before, after)


async def test_pair_that_cannot_be_used_leaves_the_old_one_and_is_reported_once(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """One whose key has not been written yet, one half written, gone, or of an unknown kind; then the rest comes."""
    new = pair(authority, HOST, common_name="new")
    unsupported = with_unsupported_curve(Authority().issue(["new"], [loopback()]).certificate)
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    async with running_tls(tmp_path, pair(authority, HOST, common_name="old")) as server:
        with capture_logs() as log:
            shown = []
            for change in (
                lambda: certificate.write_bytes(new.certificate[:300]),
                lambda: certificate.write_bytes(new.certificate),
                lambda: certificate.unlink(),
                lambda: certificate.write_bytes(unsupported),
                lambda: new.write(tmp_path),
            ):
                change()
                shown += [await shown_by(server.address, authority) for _ in range(2)]

    assert ["old"] * 8 + ["new"] * 2 == shown
    assert [
        ("tls.not_reloaded", f"{certificate} holds no certificate in PEM, or one that is damaged"),
        ("tls.not_reloaded", f"the key in {key} is not that of the first certificate in {certificate}"),
        ("tls.not_reloaded", f"cannot read {certificate}: no such file or directory"),
        (
            "tls.not_reloaded",
            f"the first certificate in {certificate} must be that of an RSA key or of one of an elliptic curve (ECDSA)",
        ),
        ("tls.reloaded", None),
    ] == [(line["event"], line.get("error")) for line in log if line["event"].startswith("tls.")]


async def test_only_clients_with_a_certificate_of_the_authorities_get_in(tmp_path: Path, authority: trustme.CA) -> None:
    """Neither those without one, nor those of another authority, nor with one that is no longer valid."""
    authorities = tmp_path / "clients.pem"
    authorities.write_bytes(pem_of(authority))
    end = datetime(2021, 1, 1, tzinfo=UTC)
    clients = {
        "good": pair(authority, common_name="publisher"),
        "none": None,
        "another authority's": pair(trustme.CA(), common_name="publisher"),
        "expired": pair(authority, common_name="publisher", not_after=end),
    }

    async def outcome(address: str, client: Pair | None) -> str:
        async with encrypted_to(address, pem_of(authority), client) as channel:
            try:
                return HealthCheckResponse.ServingStatus.Name(await health_of(channel))
            except grpc.aio.AioRpcError as error:
                return error.code().name

    async with running_tls(tmp_path, pair(authority, HOST), tls_client_ca=authorities) as server:
        outcomes = {name: await outcome(server.address, client) for name, client in clients.items()}

    assert {
        "good": "SERVING",
        "none": "UNAVAILABLE",
        "another authority's": "UNAVAILABLE",
        "expired": "UNAVAILABLE",
    } == outcomes


async def test_authorities_of_clients_are_read_anew_too(tmp_path: Path, authority: trustme.CA) -> None:
    """Whoever was taken off the list is not let in again."""
    authorities, client = tmp_path / "clients.pem", pair(authority, common_name="publisher")
    authorities.write_bytes(pem_of(authority))

    async with running_tls(tmp_path, pair(authority, HOST), tls_client_ca=authorities) as server:
        async with encrypted_to(server.address, pem_of(authority), client) as channel:
            before = await health_of(channel)
        authorities.write_bytes(pem_of(trustme.CA()))
        async with encrypted_to(server.address, pem_of(authority), client) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health_of(channel)

    assert HealthCheckResponse.SERVING == before
    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()


async def test_certificate_that_has_expired_is_used_with_a_warning(tmp_path: Path, authority: trustme.CA) -> None:
    """Clients decide what to make of it. By the server's clock."""
    clock = FakeClock()
    end = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(microsecond=0)
    certificate, key = pair(authority, HOST, not_after=end).write(tmp_path)

    with capture_logs() as log:
        Tls(TlsFiles(certificate, key), clock=clock)

    assert [("tls.expired", "warning", str(certificate))] == [
        (line["event"], line["log_level"], line["certificate"]) for line in log
    ]


async def test_end_of_a_certificate_is_told_a_week_before_and_when_it_has_come(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """Once each, however many handshakes there are; and one that has expired takes no valid one's place."""
    clock = FakeClock()
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(microsecond=0)
    certificate, key = pair(authority, HOST, common_name="old", not_after=now + timedelta(days=10)).write(tmp_path)
    tls = Tls(TlsFiles(certificate, key), clock=clock)
    server = grpc.aio.server()
    port = server.add_secure_port(f"{HOST}:0", tls.credentials())
    await server.start()

    shown = []
    with capture_logs() as log:
        for days in (0, 4, 4, 4):
            clock.advance(days * 24 * 3_600_000)
            shown += [await shown_by(f"{HOST}:{port}", authority) for _ in range(2)]
        pair(authority, HOST, common_name="new").write(tmp_path)
        shown.append(await shown_by(f"{HOST}:{port}", authority))
        pair(authority, HOST, common_name="expired", not_after=now).write(tmp_path)
        shown.append(await shown_by(f"{HOST}:{port}", authority))
    await server.stop(0)

    assert ["old"] * 8 + ["new"] * 2 == shown
    assert ["tls.expires_soon", "tls.expired", "tls.reloaded", "tls.not_reloaded"] == [line["event"] for line in log]
    assert f"the certificate in {certificate} has expired, and the one in use has not" == log[-1]["error"]


def ed25519() -> bytes:
    """Make a key of a kind that gRPC's clients do not take."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("server.pem", None, "cannot read {path}: no such file or directory"),
        ("server.pem", b"", "{path} holds no certificate in PEM, or one that is damaged"),
        ("server.pem", b"\x30\x82\x01", "{path} holds no certificate in PEM, or one that is damaged"),
        (
            "server.pem",
            "SM2",
            "the first certificate in {path} must be that of an RSA key or of one of an elliptic curve (ECDSA)",
        ),
        ("server.pem", "version 10", "{path} holds no certificate in PEM, or one that is damaged"),
        ("server.key", None, "cannot read {path}: no such file or directory"),
        ("server.key", b"secret", "{path} holds no private key in PEM, or one that is damaged"),
        ("server.key", "another's", "the key in {path} is not that of the first certificate in {folder}/server.pem"),
        ("server.key", "encrypted", "the key in {path} is encrypted; it must be there without a passphrase"),
        ("server.key", "Ed25519", "the key in {path} must be an RSA key or one of an elliptic curve (ECDSA)"),
        ("clients.pem", None, "cannot read {path}: no such file or directory"),
        ("clients.pem", b"nobody", "{path} holds no certificate in PEM, or one that is damaged"),
    ],
)
async def test_files_that_cannot_be_used_are_refused_with_what_is_wrong(
    tmp_path: Path, authority: trustme.CA, clock: FakeClock, name: str, content: bytes | str | None, problem: str
) -> None:
    """One sentence, without a byte of what should be a key."""
    right = pair(authority, HOST)
    certificate, key = right.write(tmp_path)
    clients = tmp_path / "clients.pem"
    clients.write_bytes(pem_of(authority))
    issued = Authority().issue(["server"], [loopback()]).certificate
    wrong = {
        "another's": pair(authority, HOST).key,
        "encrypted": encrypted(right.key),
        "Ed25519": ed25519(),
        "SM2": with_unsupported_curve(issued),
        "version 10": with_unknown_version(issued),
    }
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else wrong[content])

    with pytest.raises(TlsError) as caught:
        Tls(TlsFiles(certificate, key, clients), clock=clock)

    assert problem.format(path=tmp_path / name, folder=tmp_path) == str(caught.value)


# Who a client is


URI = x509.UniformResourceIdentifier
IDENTITIES: dict[str, tuple[list[str], list[x509.GeneralName], list[str]]] = {
    "a common name": (["publisher"], [], ["cn:publisher"]),
    "a URI": (["publisher"], [URI("spiffe://acme/publisher")], ["uri:spiffe://acme/publisher", "cn:publisher"]),
    "URIs among others": (
        ["publisher"],
        [x509.DNSName("a.example"), URI("spiffe://acme/b"), x509.RFC822Name("a@a.example"), URI("https://acme/a")],
        ["uri:spiffe://acme/b", "uri:https://acme/a", "cn:publisher"],
    ),
    "other alphabets": (["Zoë ☃"], [], ["cn:Zoë ☃"]),
    "a prefix in the name": (["uri:spiffe://acme/b"], [], ["cn:uri:spiffe://acme/b"]),
    "no name": ([], [], []),
    "only a URI": ([], [URI("spiffe://acme/b")], ["uri:spiffe://acme/b"]),
    "two common names": (["publisher", "admin"], [], []),
    "a zero byte after another's name": (["admin\0.example"], [], []),
    "a zero byte after another's URI": ([], [URI("spiffe://acme/b\0.example")], []),
    "a line break": (["publisher\n"], [], []),
}


async def test_identities_are_those_of_the_certificate_by_its_letter() -> None:
    """From real handshakes. What could be mistaken for another's name is no name."""
    authority = Authority()
    server = grpc.aio.server()

    async def answer(request: bytes, context: Any) -> bytes:
        return "|".join(identities_of(context)).encode()

    handlers: dict[str, Any] = {"Ask": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Who", handlers),))
    shown = authority.issue(["server"], [loopback()])
    port = server.add_secure_port(
        f"{HOST}:0", grpc.ssl_server_credentials([(shown.key, shown.certificate)], authority.pem, True)
    )
    plain_port = server.add_insecure_port(f"{HOST}:0")
    await server.start()

    async def ask(channel: grpc.aio.Channel) -> list[str]:
        call: Any = channel.unary_unary("/Who/Ask")
        answer = (await call(b"", timeout=PATIENCE_S)).decode()
        return answer.split("|") if answer else []

    found = {}
    for name, (common_names, alternatives, _) in IDENTITIES.items():
        client = authority.issue(common_names, alternatives)
        async with encrypted_to(f"{HOST}:{port}", authority.pem, client) as channel:
            found[name] = await ask(channel)
    async with grpc.aio.insecure_channel(f"{HOST}:{plain_port}") as channel:
        without = await ask(channel)
    await server.stop(0)

    assert {name: identities for name, (_, _, identities) in IDENTITIES.items()} == found
    assert [] == without


async def test_garbage_on_the_port_leaves_it_open_to_others(tmp_path: Path, authority: trustme.CA) -> None:
    """Plaintext, and half of a hello: neither gets an answer that tells anything, nor stops the next handshake."""
    async with running_tls(tmp_path, pair(authority, HOST)) as server:
        port = int(server.address.rpartition(":")[2])
        for said in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            with closing(socket.create_connection((HOST, port), PATIENCE_S)) as stranger:
                stranger.sendall(said)
        async with encrypted_to(server.address, pem_of(authority)) as channel:
            status = await health_of(channel)

    assert HealthCheckResponse.SERVING == status
