"""Tokens and identities: their text, what is kept of them, when they count, and what may be granted."""

import hashlib
import string
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.access import EVERYTHING, Binding, Grant, Scope
from service.domain.credentials import (
    Credential,
    CredentialKind,
    CredentialState,
    Token,
    check_grantable,
    check_identity,
    check_secret,
    grantable,
    make_token,
    parse_token,
)
from service.domain.errors import CredentialInvalid, InvalidField, PermissionMissing, ResourceNotFound
from service.domain.names import Workspace, parse_child, parse_replay, parse_workspace, workspace_of
from tests.fakes import NOW_MS

WORKSPACE = Binding("acme", "main")


def credential_of(token: Token, *, expire_time_ms: int | None = None, revoke_time_ms: int | None = None) -> Credential:
    """Return what is kept of a token."""
    return Credential(
        id=token.id,
        kind=CredentialKind.TOKEN,
        grant=Grant(frozenset({Scope.PUBLISH}), WORKSPACE),
        description="",
        create_time_ms=NOW_MS,
        expire_time_ms=expire_time_ms,
        revoke_time_ms=revoke_time_ms,
        secret_sha256=token.secret_sha256,
    )


@given(st.randoms(use_true_random=False))
def test_token_survives_its_text(rng: Random) -> None:
    """Whatever the dice say."""
    token = make_token(rng)

    assert token == parse_token(token.text)
    assert token.text.startswith(f"tdg_{token.id}_")


def test_secret_has_256_bits_and_what_is_kept_is_its_digest(rng: Random) -> None:
    """62 characters to choose from, 43 times."""
    token = make_token(rng)

    assert len(string.ascii_letters + string.digits) ** len(token.secret) > 2**256
    assert token.secret.isalnum()
    assert hashlib.sha256(token.secret.encode()).digest() == token.secret_sha256


def test_secret_and_digest_are_in_no_repr(rng: Random) -> None:
    """What ends up in a traceback ends up in a log."""
    token = make_token(rng)

    shown = repr(token) + repr(credential_of(token))

    assert token.id in shown
    assert token.secret not in shown
    assert repr(token.secret_sha256) not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tdg_",
        "tdg_abcdefghijkl_",
        f"tdg_abcdefghijkl_{'s' * 42}",
        f"tdg_abcdefghijkl_{'s' * 44}",
        f"tdg_abcdefghijkl_{'s' * 42}-",
        f"tdg_abcdefghijk_{'s' * 43}",
        f"tdg_ABCDEFGHIJKL_{'s' * 43}",
        f"xyz_abcdefghijkl_{'s' * 43}",
        f"tdg_abcdefghijkl_{'s' * 43}\n",
        f"tdg_abcdefghijk\u00e9_{'s' * 43}",
    ],
)
def test_what_is_no_token_is_refused_like_one_that_is_not_known(text: str) -> None:
    """And is not shown."""
    with pytest.raises(CredentialInvalid) as refusal:
        parse_token(text)

    assert "the token is not known here, or is not whole" == str(refusal.value)


def test_wrong_secret_and_unknown_id_are_refused_in_the_same_words(rng: Random) -> None:
    """Nobody learns which ids there are."""
    right, wrong = make_token(rng), make_token(rng)
    refusals = []
    for stored in (credential_of(wrong), None):
        with pytest.raises(CredentialInvalid) as refusal:
            check_secret(right, stored)
        refusals.append(str(refusal.value))

    assert 1 == len(set(refusals))
    assert credential_of(right) == check_secret(right, credential_of(right))


def test_credential_without_a_digest_is_no_token(rng: Random) -> None:
    """A grant to certificates has none, so that no secret fits it."""
    token = make_token(rng)
    certificate = Credential(token.id, CredentialKind.CERTIFICATE, Grant(frozenset(), EVERYTHING), "", NOW_MS)

    with pytest.raises(CredentialInvalid):
        check_secret(token, certificate)


@pytest.mark.parametrize(
    ("expire_time_ms", "revoke_time_ms", "state", "words"),
    [
        (None, None, CredentialState.ACTIVE, None),
        (NOW_MS + 1, None, CredentialState.ACTIVE, None),
        (NOW_MS, None, CredentialState.EXPIRED, "the token expired at 2026-11-20T09:30:00.000Z"),
        (NOW_MS - 1, None, CredentialState.EXPIRED, "the token expired at 2026-11-20T09:29:59.999Z"),
        (None, NOW_MS, CredentialState.REVOKED, "the token was revoked at 2026-11-20T09:30:00.000Z"),
        (NOW_MS - 1, NOW_MS, CredentialState.REVOKED, "the token was revoked at 2026-11-20T09:30:00.000Z"),
    ],
)
def test_credential_counts_until_it_expires_or_is_revoked(
    rng: Random, expire_time_ms: int | None, revoke_time_ms: int | None, state: CredentialState, words: str | None
) -> None:
    """The message says which, for it is for whoever has the secret."""
    credential = credential_of(make_token(rng), expire_time_ms=expire_time_ms, revoke_time_ms=revoke_time_ms)

    said = None
    try:
        credential.check_active(NOW_MS)
    except CredentialInvalid as refusal:
        said = str(refusal)

    assert (state, words) == (credential.state(NOW_MS), said)


@pytest.mark.parametrize("identity", ["uri:spiffe://acme/orders", "cn:orders", "cn:Orders & Söhne", f"cn:{'x' * 509}"])
def test_identities_of_certificates_are_taken(identity: str) -> None:
    """Either kind."""
    check_identity("identity", identity)


@pytest.mark.parametrize(
    "identity", ["", "orders", "cn:", "CN:orders", "dns:orders", "cn: x", "cn:x ", "uri:a\nb", "cn:a\x1bb", "x cn:y"]
)
def test_what_is_no_identity_is_refused(identity: str) -> None:
    """With what would be one."""
    with pytest.raises(InvalidField, match='identity: must be "uri:" and a URI') as refusal:
        check_identity("identity", identity)

    assert "\n" not in str(refusal.value)


def test_identity_has_a_limit() -> None:
    """Of 512 characters."""
    with pytest.raises(InvalidField, match="at most 512 characters; got 513"):
        check_identity("identity", f"cn:{'x' * 510}")


@pytest.mark.parametrize("binding", [Binding("acme"), WORKSPACE])
def test_event_types_are_changed_only_by_who_may_do_so_everywhere(binding: Binding) -> None:
    """They are shared by all organizations."""
    assert frozenset(Scope) == grantable(EVERYTHING)
    assert frozenset(Scope) - {Scope.EVENT_TYPES_WRITE} == grantable(binding)
    check_grantable("--scope", Grant(frozenset(Scope), EVERYTHING))
    check_grantable("--scope", Grant(grantable(binding), binding))

    with pytest.raises(InvalidField, match=r'--scope: "event_types.write" can be granted only for everything'):
        check_grantable("--scope", Grant(frozenset({Scope.EVENT_TYPES_WRITE}), binding))


@pytest.mark.parametrize(
    ("binding", "covered"),
    [
        (EVERYTHING, {"acme/main", "acme/other", "umbrella/main"}),
        (Binding("acme"), {"acme/main", "acme/other"}),
        (WORKSPACE, {"acme/main"}),
    ],
)
def test_binding_covers_its_workspaces_and_no_other(binding: Binding, covered: set[str]) -> None:
    """A workspace of the same name elsewhere is another one."""
    workspaces = [Workspace("acme", "main"), Workspace("acme", "other"), Workspace("umbrella", "main")]
    grant = Grant(frozenset(), binding)

    assert covered == {workspace.key for workspace in workspaces if binding.covers(workspace)}
    for workspace in workspaces:
        if workspace.key in covered:
            grant.check_name(workspace.name)
            grant.check_name(workspace.subscription("billing"))
            continue
        with pytest.raises(PermissionMissing) as refusal:
            grant.check_name(workspace.name)
        assert f"{workspace.name} is not covered: what was granted is for {binding}" == str(refusal.value)


@pytest.mark.parametrize(
    ("path", "resource_type"),
    [
        ("subscriptions/billing", "subscription"),
        ("subscriptions/billing/replays/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10", "replay"),
        ("events/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10", "event"),
        ("notifications/0199c3e2-8f3a-7cc1-b7a5-2f6f7e1b9d10", "notification"),
    ],
)
def test_resource_of_a_workspace_that_is_not_covered_is_not_there(path: str, resource_type: str) -> None:
    """In the words for one that is not there."""
    name = f"organizations/umbrella/workspaces/main/{path}"

    with pytest.raises(ResourceNotFound) as refusal:
        Grant(frozenset(), WORKSPACE).check_name(name)

    assert str(ResourceNotFound(resource_type, name)) == str(refusal.value)


@pytest.mark.parametrize(
    "path", ["subscriptions", "subscriptions/", "things/one", "subscriptions/a/things/b", "/", "a"]
)
def test_name_of_nothing_in_a_workspace_that_is_not_covered_is_refused(path: str) -> None:
    """Its parser would refuse it too, but nobody has to rely on that."""
    name = f"organizations/umbrella/workspaces/main/{path}"

    with pytest.raises((PermissionMissing, ResourceNotFound)):
        Grant(frozenset(), WORKSPACE).check_name(name)


PARSERS: tuple[Callable[[str], Workspace], ...] = (
    lambda name: parse_workspace("name", name),
    lambda name: parse_child("name", "subscriptions", name).workspace,
    lambda name: parse_child("name", "events", name).workspace,
    lambda name: parse_replay("name", name).workspace,
)
IDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
SEGMENTS = st.sampled_from(
    ["organizations", "workspaces", "subscriptions", "events", "replays", "acme", "main", "X", "", "-"]
)


@given(IDS, IDS, IDS, IDS)
def test_every_name_lies_in_the_workspace_that_its_parser_finds(org: str, workspace: str, id: str, other: str) -> None:
    """Of all lengths: what decides about access agrees with what the handlers do."""
    name = f"organizations/{org}/workspaces/{workspace}"
    child = f"{name}/subscriptions/{id}"

    assert Workspace(org, workspace) == workspace_of(name) == parse_workspace("parent", name)
    assert workspace_of(child) == parse_child("name", "subscriptions", child).workspace
    assert workspace_of(f"{child}/replays/{other}") == parse_replay("name", f"{child}/replays/{other}").workspace


@given(st.lists(SEGMENTS, max_size=9).map("/".join) | st.text(max_size=300))
def test_name_without_a_workspace_is_accepted_by_no_parser(name: str) -> None:
    """So what passes the check of access without one is refused by its handler, before anything is looked up."""
    accepted = set()
    for parse in PARSERS:
        with suppress(InvalidField):
            accepted.add(parse(name))

    assert accepted <= {workspace_of(name)}
