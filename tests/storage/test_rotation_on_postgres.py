"""A rotation of the sealing key and works beside it, each in a transaction of its own, as only PostgreSQL has them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest

from service.domain.keyring import Keyring, parse_keyring
from service.storage import resealing, sealing
from tests.fakes import NOW_MS, WAIT_S
from tests.keys import KEYS, sealer
from tests.storage.conftest import Postgres
from tests.storage.psql import PsqlTransaction

SECOND: Final = "second:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
WAITING: Final = "SELECT count(*) AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
LOOKS_MAX: Final = 1_000


@pytest.fixture
def keyring() -> Keyring:
    """Two keys."""
    return parse_keyring(KEYS + SECOND, source="test")


@pytest.fixture
def transactions(prepared_schema: Postgres, keyring: Keyring) -> Iterator[tuple[PsqlTransaction, PsqlTransaction]]:
    """Two transactions at once on a database of which the first key seals."""
    with ExitStack() as stack:
        preparing, one, other = (stack.enter_context(prepared_schema.begin(sealer(KEYS + SECOND))) for _ in range(3))
        resealing.activate(preparing, keyring.last, now_ms=NOW_MS)
        first = keyring.find("first")
        assert first is not None
        resealing.activate(preparing, first, now_ms=NOW_MS)
        preparing.commit()
        yield one, other


def wait_until_one_waits(postgres: Postgres) -> None:
    """Return once a transaction waits for another one."""
    for _ in range(LOOKS_MAX):
        with postgres.begin(sealer()) as looking:
            if looking.rows(WAITING)[0]["count"] == "1":
                return
    raise AssertionError("nobody waits")


def test_work_that_seals_waits_for_a_rotation_and_seals_with_the_new_key(
    postgres: Postgres, transactions: tuple[PsqlTransaction, PsqlTransaction], keyring: Keyring
) -> None:
    """It does not find that no key seals, although that is what its first look says."""
    rotating, sealing_work = transactions
    resealing.activate(rotating, keyring.last, now_ms=NOW_MS)

    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(sealing.active_key, sealing_work)
        wait_until_one_waits(postgres)
        rotating.commit()

        assert "second" == found.result(WAIT_S).id


def test_key_that_is_given_up_just_before_it_becomes_the_active_one_is_there_again(
    postgres: Postgres, transactions: tuple[PsqlTransaction, PsqlTransaction], keyring: Keyring
) -> None:
    """The change back to it waits for the end of the one before, and then finds nothing to change."""
    giving_up, changing_back = transactions
    assert 1 == giving_up.execute(resealing.FORGET_RETIRED_KEY, key_id="second")

    with ThreadPoolExecutor(1) as beside:
        activated = beside.submit(resealing.activate, changing_back, keyring.last, now_ms=NOW_MS)
        wait_until_one_waits(postgres)
        giving_up.commit()

        assert activated.result(WAIT_S)
    assert {"first": "RETIRING", "second": "ACTIVE"} == sealing.states(changing_back)
