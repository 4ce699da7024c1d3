"""Where Tidings may send: the grammar of URLs, and the addresses, hosts and ports that are allowed.

Pure. A URL is judged as text when a subscription is written, without DNS; every address is judged again at every
connect (`service.delivery.egress`), so a name that resolves to a forbidden address gets no further. Nothing is
repaired: what two parsers could read in two ways is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from service.domain.errors import DestinationForbidden, InvalidField, quoted

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_CHARACTERS_MAX = 2048
DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})

_HOST_CHARACTERS_MAX = 253
_PORT_MAX = 65535
_DEV_DESTINATIONS = ("127.0.0.0/8", "::1/128", "localhost")
# Names that resolvers answer from the machine or the local network: RFC 6761, RFC 6762 and ICANN's private-use TLD.
_LOCAL_LABELS = frozenset({"localhost", "local", "internal"})

# `ipaddress.is_global` is not enough: it lets NAT64, 6to4, multicast and Azure's 168.63.129.16 through.
FORBIDDEN_IPV4_NETWORKS = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
GLOBAL_IPV6_NETWORK = IPv6Network("2000::/3")
FORBIDDEN_IPV6_NETWORKS = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

_NOT_VISIBLE = re.compile(r"[^\x21-\x7e]")
_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>.*))?")
# RFC 3986, section 3.3 and 3.4, and the square brackets that `?filter[]=` has made common.
_TARGET_CHARACTER = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]|%[0-9A-Fa-f]{2})"
_TARGET = re.compile(rf"(?:/{_TARGET_CHARACTER}*)?(?:\?(?:{_TARGET_CHARACTER}|\?)+)?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """Which destinations are allowed beyond, and short of, the public internet.

    Attributes:
        allowed_networks: addresses that are allowed although they are not public.
        allowed_hosts: lower-case names that may be single labels and resolve to any address: exact, or `*.suffix` for
            every name below the suffix.
        allowed_ports: the ports, or None for any.
        https_only: refuse http at create and update.
    """

    allowed_networks: tuple[Network, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_ports: frozenset[int] | None = DEFAULT_PORTS
    https_only: bool = False

    def check_url(self, field: str, url: str) -> None:
        """Refuse a URL that is malformed, or that names a destination which is not allowed. No DNS.

        Absolute http or https, at most 2048 visible ASCII characters, without userinfo, fragment, backslash, empty
        query or empty port; a host that is a name of at least two labels or a canonical IP address.

        Raises:
            InvalidField: the URL is malformed.
            DestinationForbidden: it is well formed; its scheme, host, address or port is not allowed here.
        """
        _check_characters(field, url)
        parts = _URL.fullmatch(url)
        if parts is None:
            raise _malformed(field, 'must be absolute and begin with "http://" or "https://" in lower case', url)
        _check_target(field, url, parts["target"])
        host, port = _split_authority(field, url, parts["authority"])
        self._check_host(field, url, host)
        if port is not None:
            self._check_port(field, url, port)
        if self.https_only and parts["scheme"] != "https":
            raise DestinationForbidden(field, f"must be an https URL{_shown(url)}")

    def allows_address(self, host: str, address: Address) -> bool:
        """Say whether a request to `host` may connect to `address`. For an IP literal, host is the literal."""
        if self._allows_host(host):
            return True
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # An IPv4 address in disguise: no IPv6 network of the operator's is meant to let it in.
            return False
        return _is_public(address) or any(address in network for network in self.allowed_networks)

    def _allows_host(self, host: str) -> bool:
        name = host.lower()
        return any(
            name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed
            for allowed in self.allowed_hosts
        )

    def _check_host(self, field: str, url: str, host: str) -> None:
        address = _literal(field, url, host)
        if address is not None:
            self._check_address(field, url, address)
            return
        labels = host.split(".")
        if len(host) > _HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
            raise _malformed(
                field,
                "must have a host of labels joined by dots, each 1 to 63 letters, digits and inner hyphens, "
                f"at most {_HOST_CHARACTERS_MAX} characters, without a dot at the end",
                url,
            )
        if not labels[-1][0].isalpha():
            raise _malformed(
                field,
                "must have a host whose last label begins with a letter, or a canonical IP address: "
                "four decimal numbers without leading zeros, or IPv6 in square brackets",
                url,
            )
        if not self._allows_host(host) and (len(labels) < 2 or labels[-1].lower() in _LOCAL_LABELS):
            raise DestinationForbidden(
                field,
                "must not name a host of the local machine or network: a single label, or one below localhost, local "
                f"or internal, unless the operator allows it; got host {quoted(host)}",
            )

    def _check_address(self, field: str, url: str, address: Address) -> None:
        if not self.allows_address(str(address), address):
            raise DestinationForbidden(
                field,
                "must not name a private, local, reserved or special address unless the operator allows it; "
                f"got address {quoted(address)}",
            )

    def _check_port(self, field: str, url: str, port: str) -> None:
        if not _PORT.fullmatch(port) or int(port) > _PORT_MAX:
            raise _malformed(field, f"must have a port from 1 to {_PORT_MAX}, without leading zeros", url)
        if self.allowed_ports is not None and int(port) not in self.allowed_ports:
            allowed = ", ".join(str(number) for number in sorted(self.allowed_ports))
            raise DestinationForbidden(field, f"must have one of the allowed ports, {allowed}; got port {port}")


def parse_destination_policy(
    destinations: Iterable[str] = (), ports: Iterable[int] = (), *, https_only: bool = False, dev: bool = False
) -> DestinationPolicy:
    """Return the policy of an operator's settings.

    A destination is a CIDR (`10.1.0.0/16`), an IP address, or a host (`receiver`, `*.svc.cluster.local`). Ports are
    added to 80, 443, 8080 and 8443. `dev` adds loopback, `localhost` and every port.

    Raises:
        ValueError: a destination or port is none; one sentence says which, and what is allowed.
    """
    networks: list[Network] = []
    hosts: list[str] = []
    for value in (*destinations, *(_DEV_DESTINATIONS if dev else ())):
        network = _parse_network(value)
        if network is None:
            hosts.append(_parse_allowed_host(value))
        else:
            networks.append(network)
    allowed_ports = DEFAULT_PORTS | {_parse_port(port) for port in ports}
    return DestinationPolicy(tuple(networks), tuple(hosts), None if dev else allowed_ports, https_only)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in FORBIDDEN_IPV4_NETWORKS)
    return address in GLOBAL_IPV6_NETWORK and not any(address in network for network in FORBIDDEN_IPV6_NETWORKS)


def _check_characters(field: str, url: str) -> None:
    if len(url) > URL_CHARACTERS_MAX:
        raise InvalidField(field, f"must be at most {URL_CHARACTERS_MAX} characters; got {len(url)}")
    fault = _NOT_VISIBLE.search(url)
    if fault is not None:
        raise InvalidField(
            field,
            "must be visible ASCII characters, others percent-encoded or as an xn-- name; "
            f"got {quoted(fault.group())} at character {fault.start() + 1}",
        )


def _check_target(field: str, url: str, target: str) -> None:
    if "#" in target:
        raise _malformed(field, "must not have a fragment", url)
    well_formed = _TARGET.match(target)
    if well_formed is None or well_formed.end() < len(target):
        fault = len(url) - len(target) + (well_formed.end() if well_formed else 0)
        raise _malformed(
            field,
            "must have a path and a query as in RFC 3986: others than letters, digits and -._~!$&'()*+,;=:@/?[] "
            f'percent-encoded, and no "?" without a query; it has not at character {fault + 1}',
            url,
        )


def _split_authority(field: str, url: str, authority: str) -> tuple[str, str | None]:
    if "@" in authority:
        raise InvalidField(field, "must not have a user or a password")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or not parts["host"]:
        raise _malformed(field, "must have a host, with an IPv6 address in square brackets, and at most one port", url)
    return parts["host"], parts["port"]


def _literal(field: str, url: str, host: str) -> Address | None:
    """Return the address that a host is, None for a name. Only the one canonical spelling is an address."""
    bracketed = host.startswith("[")
    try:
        address: Address = IPv6Address(host[1:-1]) if bracketed else IPv4Address(host)
    except ValueError:
        if not bracketed:
            return None
        raise _malformed(field, "must have an IPv6 address between the square brackets", url) from None
    if bracketed and (str(address) != host[1:-1] or "%" in host):
        raise _malformed(
            field, f"must have its IPv6 address in canonical form (RFC 5952), without a zone, as in [{address}]", url
        )
    return address


def _malformed(field: str, rule: str, url: str) -> InvalidField:
    return InvalidField(field, f"{rule}{_shown(url)}")


def _shown(url: str) -> str:
    """Return what may be said of a URL at the end of a message: scheme and host, or nothing if that may be a password.

    All else may be a secret: people put tokens into paths and queries, and users and passwords before hosts.
    """
    parts = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(parts["authority"]) if parts and "@" not in url else None
    if parts is None or authority is None or not authority["host"]:
        return ""
    return f"; got {quoted(parts['scheme'] + '://' + authority['host'])}"


def _parse_network(value: str) -> Network | None:
    if "/" not in value and not _is_address(value):
        return None
    try:
        network = ip_network(value)
    except ValueError as error:
        raise ValueError(f"{quoted(value)} is not a network such as 10.1.0.0/16: {error}") from error
    if "%" in value or (isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None):
        raise ValueError(f"{quoted(value)} must be a plain IPv4 or IPv6 network, neither IPv4-mapped nor with a zone")
    return network


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _parse_allowed_host(value: str) -> str:
    name = value.removeprefix("*.")
    labels = name.split(".")
    well_formed = len(name) <= _HOST_CHARACTERS_MAX and all(_LABEL.fullmatch(label) for label in labels)
    if not well_formed or not labels[-1][0].isalpha():
        raise ValueError(
            f"{quoted(value)} is not a destination: it must be a network such as 10.1.0.0/16, an IP address, "
            'or a host without scheme and port, such as "receiver" or "*.svc.cluster.local"'
        )
    return value.lower()


def _parse_port(port: int) -> int:
    if not 1 <= port <= _PORT_MAX:
        raise ValueError(f"{port} is not a port: it must be from 1 to {_PORT_MAX}")
    return port
