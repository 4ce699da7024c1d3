"""Destinations: the grammar of URLs, and the addresses, hosts and ports that are allowed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.destinations import (
    FORBIDDEN_IPV4_NETWORKS,
    FORBIDDEN_IPV6_NETWORKS,
    GLOBAL_IPV6_NETWORK,
    DestinationPolicy,
    Network,
    parse_destination_policy,
)
from service.domain.errors import DestinationForbidden, InvalidField

FIELD = "subscription.url"
PUBLIC = DestinationPolicy()
CORPUS = Path(__file__).parent.parent / "corpora" / "destinations.txt"
_ESCAPE = re.compile(r"\\(t|r|n|u[0-9a-f]{4})")


def _unescape(line: str) -> str:
    named = {"t": "\t", "r": "\r", "n": "\n"}
    return _ESCAPE.sub(lambda found: named.get(found[1]) or chr(int(found[1][1:], 16)), line)


def refused_at_create() -> list[str]:
    """The lines of the corpus that need no resolver, unescaped."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    return [_unescape(line) for line in lines if line and not line.startswith("# ") and not line.endswith(" (R)")]


def refusal(url: str, policy: DestinationPolicy = PUBLIC) -> InvalidField:
    with pytest.raises(InvalidField) as refused:
        policy.check_url(FIELD, url)
    return refused.value


@pytest.mark.parametrize("url", refused_at_create())
def test_every_url_of_the_corpus_is_refused(url: str) -> None:
    """Tricks collected from other senders' incidents."""
    assert FIELD == refusal(url).field


@pytest.mark.parametrize(
    "url",
    [
        "http://ok.example",
        "https://ok.example/",
        "https://OK.Example:8443/Hooks",
        "https://ok.example?x=1",
        "https://xn--bcher-kva.example/",
        "https://1.a.b-c.example/",
        "https://localhost.example/",
        "https://ok.example//a/./../b;c=d/%2e%2E/?a[]=1&b=http://127.0.0.1/?#"[:-1],
        "https://8.8.8.8:443/",
        "http://[2606:4700:4700::1111]:8080/",
        "https://ok.example/@team",
        f"https://{'a' * 63}.example/",
        "https://ok.example/".ljust(2048, "a"),
    ],
)
def test_public_url_is_accepted(url: str) -> None:
    """What is legal and leads to the internet is not narrowed further."""
    PUBLIC.check_url(FIELD, url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ok.example",
        "//ok.example/",
        "HTTP://ok.example/",
        "ftp://ok.example/",
        "http:ok.example",
        "http://",
        "http://?x",
        "http://:80/",
        "http://ok.example:/",
        "http://ok.example:080/",
        "http://ok.example:65536/",
        "http://ok.example:+80/",
        "http://ok.example:80:80/",
        "http://ok.example./",
        "http://.ok.example/",
        "http://-ok.example/",
        "http://ok-.example/",
        "http://o_k.example/",
        "http://o%6b.example/",
        "http://ok.1example/",
        "http://1.2.3/",
        "http://1.2.3.4.5/",
        "http://08.8.8.8/",
        "http://[2606:4700:4700::1111/",
        "http://2606:4700:4700::1111/",
        "http://[2606:4700:4700:0::1111]/",
        "http://[2606:4700:4700::ABCD]/",
        "http://[8.8.8.8]/",
        "http://[]/",
        "http://[2606:4700:4700::1111]x/",
        "http://[2606:4700:4700::1111%1]/",
        "http://ok.example/#",
        "http://ok.example/a b",
        "http://ok.example/?",
        "http://ok.example/%",
        "http://ok.example/%zz",
        "http://ok.example/<a>",
        "http://ok.example\\a",
        "http://ok.example/\x7f",
        "http://ok.example/é",
        "http://@ok.example/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 124}example/",
        "https://ok.example/".ljust(2049, "a"),
    ],
)
def test_malformed_url_is_an_invalid_field(url: str) -> None:
    """The grammar rejects; it repairs nothing."""
    assert type(refusal(url)) is InvalidField


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver/",
        "http://Foo.LOCALHOST/",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://10.0.0.1/",
        "http://168.63.129.16/",
        "http://[::1]/",
        "http://[2002:7f00:1::]/",
        "http://ok.example:8000/",
    ],
)
def test_well_formed_url_to_a_forbidden_place_is_a_forbidden_destination(url: str) -> None:
    """The caller's URL is right and the operator's policy says no: another reason, another remedy."""
    assert type(refusal(url)) is DestinationForbidden


@pytest.mark.parametrize(
    "url",
    [
        "http://user:p4ss@ok.example/",
        "http://user:p4ss@ok.example/\\",
        "https://user:p4ss@[::1/",
        "ftp://user:p4ss@ok.example/",
        "http://user:p4ss@ok.example/ ",
    ],
)
def test_message_does_not_repeat_userinfo(url: str) -> None:
    """Whatever else is wrong with a URL, a password in it stays out of the message."""
    assert "p4ss" not in refusal(url).message


@pytest.mark.parametrize(
    "url",
    [
        "hush",
        "hush://ok.example/",
        "//ok.example/hush",
        "http://ok.example:hush/",
        "http://ok.example:99999/hush",
        "http://ok.example:22/hush",
        "http://ok.example/hush#",
        "http://ok.example/#hush",
        "http://ok.example/hush?",
        "http://ok.example/hush|",
        "http://ok.example/?hush=hush|",
        "http://ok_example/hush?hush=hush",
        "http://10.0.0.1/hush?hush=hush",
        "http://router.local/hush",
        "http://[::1%25lo]/hush",
        "http://[fe80:0::1]/hush",
        "http://1.2.3/hush",
    ],
)
def test_message_repeats_scheme_and_host_and_no_more(url: str) -> None:
    """Tokens stand in paths and queries, and somewhere else by mistake."""
    assert "hush" not in refusal(url).message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://ok.example/a|b", 'it has not at character 20; got "http://ok.example"'),
        ("http://ok.example/?a=b|", 'it has not at character 23; got "http://ok.example"'),
        ("http://ok.example/a?", 'it has not at character 20; got "http://ok.example"'),
        ("http://ok.example/%zz", 'it has not at character 19; got "http://ok.example"'),
        ("http://ok.example:x/", 'without leading zeros; got "http://ok.example"'),
    ],
)
def test_message_says_where_a_url_is_wrong(url: str, expected: str) -> None:
    """Without showing it."""
    assert refusal(url).message.endswith(expected)


def test_message_says_what_is_allowed_and_what_was_given() -> None:
    """A caller can mend the URL from the message alone."""
    error = refusal("http://ok.example:22/")

    assert "subscription.url: must have one of the allowed ports, 80, 443, 8080, 8443; got port 22" == error.message


def addresses_in(networks: Sequence[Network]) -> st.SearchStrategy[str]:
    return st.sampled_from(networks).flatmap(lambda network: st.ip_addresses(network=network)).map(str)


@given(addresses_in(FORBIDDEN_IPV4_NETWORKS))
def test_address_in_a_forbidden_ipv4_network_is_refused(address: str) -> None:
    """In a URL and after resolving alike."""
    assert not PUBLIC.allows_address("ok.example", ip_address(address))
    assert type(refusal(f"http://{address}/")) is DestinationForbidden


@given(addresses_in(FORBIDDEN_IPV6_NETWORKS))
def test_address_in_a_forbidden_ipv6_network_is_refused(address: str) -> None:
    """Islands inside 2000::/3: Teredo, documentation, 6to4, AS112."""
    assert not PUBLIC.allows_address("ok.example", ip_address(address))
    assert type(refusal(f"http://[{address}]/")) is DestinationForbidden


@given(st.ip_addresses(v=6).filter(lambda address: address not in GLOBAL_IPV6_NETWORK))
@example(IPv6Address("::ffff:8.8.8.8"))
@example(IPv6Address("64:ff9b::808:808"))
@example(IPv6Address("4000::"))
def test_ipv6_outside_global_unicast_is_refused(address: IPv6Address) -> None:
    """Only 2000::/3 is handed out; everything else is local, mapped, translated or unassigned."""
    assert not PUBLIC.allows_address("ok.example", address)


@pytest.mark.parametrize("address", ["1.1.1.1", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111"])
def test_public_address_is_allowed(address: str) -> None:
    """Also right beside a forbidden network."""
    assert PUBLIC.allows_address("ok.example", ip_address(address))


@given(st.text(alphabet="htps:/@[]#?\\%. \t\naz09-é", max_size=40).map(lambda rest: f"http://a.example{rest}"))
@example("http://a.example/@b")
def test_accepted_url_has_one_reading(url: str) -> None:
    """Nothing that parsers disagree about is ever accepted."""
    try:
        PUBLIC.check_url(FIELD, url)
    except InvalidField:
        return

    authority = re.split("[/?]", url.removeprefix("http://"))[0]
    assert re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?", authority)
    assert not set(url) & set("#\\ \t\n")
    assert url.isascii()


@pytest.mark.parametrize(
    ("destination", "url"),
    [
        ("10.1.0.0/16", "http://10.1.2.3/"),
        ("10.1.2.3", "http://10.1.2.3/"),
        ("fd00::/8", "http://[fd00::1]/"),
        ("::1", "http://[::1]/"),
        ("receiver", "http://receiver/"),
        ("Receiver", "http://rECEIVER/"),
        ("*.svc.cluster.local", "http://hooks.team.svc.cluster.local/"),
        ("x.internal", "http://x.internal/"),
    ],
)
def test_operator_can_allow_a_destination(destination: str, url: str) -> None:
    """Networks, addresses, hosts and suffixes; without the setting the same URL is refused."""
    parse_destination_policy([destination]).check_url(FIELD, url)

    assert type(refusal(url)) is DestinationForbidden


def test_allowed_network_lets_in_nothing_beside_it() -> None:
    """Neither a neighbour, nor a name, nor the same address mapped into IPv6."""
    policy = parse_destination_policy(["10.1.0.0/16", "::/0"])

    assert policy.allows_address("", IPv4Address("10.1.0.1"))
    assert not policy.allows_address("", IPv4Address("10.2.0.1"))
    assert not policy.allows_address("", IPv6Address("::ffff:10.1.0.1"))
    assert type(refusal("http://receiver/", policy)) is DestinationForbidden


def test_allowed_host_may_resolve_to_any_address() -> None:
    """The operator vouches for the name; others at the same address stay forbidden."""
    policy = parse_destination_policy(["receiver", "*.svc.cluster.local"])

    assert policy.allows_address("Receiver", IPv4Address("10.0.0.1"))
    assert policy.allows_address("a.svc.cluster.local", IPv4Address("10.0.0.1"))
    assert not policy.allows_address("svc.cluster.local", IPv4Address("10.0.0.1"))
    assert not policy.allows_address("evilsvc.cluster.local", IPv4Address("10.0.0.1"))
    assert not policy.allows_address("ok.example", IPv4Address("10.0.0.1"))


def test_dev_allows_loopback_and_every_port() -> None:
    """What a developer's own machine needs, and nothing of its network."""
    policy = parse_destination_policy(dev=True)

    for url in ("http://localhost:3000/", "http://127.0.0.1:1/", "http://127.9.9.9/", "http://[::1]:65535/"):
        policy.check_url(FIELD, url)
    assert type(refusal("http://192.168.0.1/", policy)) is DestinationForbidden
    assert type(refusal("http://receiver/", policy)) is DestinationForbidden


def test_allowed_port_is_added_to_the_defaults() -> None:
    """The list is widened, not replaced."""
    policy = parse_destination_policy(ports=[9000])

    policy.check_url(FIELD, "http://ok.example:9000/")
    policy.check_url(FIELD, "http://ok.example:8443/")
    assert type(refusal("http://ok.example:9001/", policy)) is DestinationForbidden


def test_https_only_refuses_http() -> None:
    """Well formed, but not here."""
    policy = parse_destination_policy(https_only=True)

    policy.check_url(FIELD, "https://ok.example/")
    assert type(refusal("http://ok.example/", policy)) is DestinationForbidden


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "*",
        "*.",
        "a.*.example",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0",
        "256.1.1.1",
        "[::1]",
        "fe80::1%eth0",
        "::ffff:10.0.0.0/104",
        "http://receiver/",
        "receiver:80",
        "receiver.",
        "my_receiver",
    ],
)
def test_bad_destination_setting_is_refused_with_its_value(destination: str) -> None:
    """A mistyped setting stops the start instead of allowing something else."""
    with pytest.raises(ValueError, match=re.escape(f'"{destination}"')):
        parse_destination_policy([destination])


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_bad_port_setting_is_refused_with_its_value(port: int) -> None:
    """Ports are 1 to 65535."""
    with pytest.raises(ValueError, match=f"{port} is not a port"):
        parse_destination_policy(ports=[port])
