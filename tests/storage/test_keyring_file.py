"""The file that a keyring is kept in."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from service.domain.keyring import KeyringInvalid
from service.storage.keyring_file import KeyringFile, KeyringText, default_path, keyring_source
from tests.keys import KEYS
from tests.storage.works import REPOSITORY


@pytest.fixture
def file(tmp_path: Path, rng: Random) -> KeyringFile:
    """A keyring file that is not there yet, and may be made."""
    return KeyringFile(tmp_path / "a.keyring", rng=rng, may_be_made=True)


def mode_of(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_first_keyring_is_made_for_its_owner_alone(file: KeyringFile) -> None:
    """With one key, and once only: the second time it is there."""
    made = file.begin()

    assert (True, 0o600, False) == (file.was_made, mode_of(file.path), file.is_open_to_others)
    assert list(made) == list(file.begin()) == list(file.read())
    assert 1 == len(list(made))


def test_keyring_that_was_named_is_not_made(tmp_path: Path, rng: Random) -> None:
    """A name that is misspelt must not begin a new one."""
    file = KeyringFile(tmp_path / "a.keyring", rng=rng)

    with pytest.raises(
        KeyringInvalid, match=r"there is no keyring .*a\.keyring: make one with `tidings-server key new --keyring"
    ):
        file.begin()

    assert [] == os.listdir(tmp_path)


def test_added_key_is_the_last_one_and_the_others_stay(file: KeyringFile) -> None:
    """Comments too, and whether or not the last line was ended; the first one makes the file."""
    first = file.add_key()
    file.path.write_text(f"# mine\n{file.path.read_text().rstrip()}")
    os.chmod(file.path, 0o640)

    second = file.add_key()

    assert [first, second] == list(file.read())
    assert file.path.read_text().startswith("# mine\n")
    assert (0o640, True) == (mode_of(file.path), file.is_open_to_others)
    assert [file.path.name] == os.listdir(file.path.parent)


def test_key_is_added_to_the_file_that_a_link_leads_to(file: KeyringFile, tmp_path: Path) -> None:
    """The link stays one."""
    file.add_key()
    link = tmp_path / "link"
    link.symlink_to(file.path)

    KeyringFile(link, rng=Random(2)).add_key()

    assert link.is_symlink()
    assert 2 == len(list(file.read()))


def empty(path: Path) -> None:
    """Leave nothing of a keyring."""
    path.write_text("")


def truncated(path: Path) -> None:
    """Cut a keyring off, as a full disk may."""
    path.write_text(path.read_text()[:-9])


def binary(path: Path) -> None:
    """Put something else in the place of a keyring."""
    path.write_bytes(os.urandom(64) + b"\xff")


def large(path: Path) -> None:
    """Put a large file in the place of a keyring."""
    path.write_text("#" * (1024 * 1024 + 1))


def folder(path: Path) -> None:
    """Put a folder in the place of a keyring."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty, "holds no key"),
        (truncated, ", line 3: the key k"),
        (binary, "is not a keyring"),
        (large, "is not a keyring"),
        (folder, "cannot be read: Is a directory"),
    ],
)
def test_file_that_makes_no_sense_is_refused_and_stays_as_it_is(
    file: KeyringFile, damage: Callable[[Path], None], words: str
) -> None:
    """Nothing is added to it either."""
    file.add_key()
    damage(file.path)
    before = file.path.is_file() and file.path.read_bytes()

    for use in (file.read, file.begin, file.add_key):
        with pytest.raises(KeyringInvalid, match=words):
            use()

    assert before == (file.path.is_file() and file.path.read_bytes())


ADD_KEYS: Final = """
import sys
from pathlib import Path
from random import SystemRandom
from service.domain.keyring import KeyringInvalid
from service.storage.keyring_file import KeyringFile

file = KeyringFile(Path(sys.argv[1]), rng=SystemRandom())
sys.stdin.readline()
for _ in range(60):
    try:
        print(file.add_key())
    except KeyringInvalid as error:
        assert "another command is writing it" in str(error), error
"""


def test_two_that_add_keys_at_once_do_not_lose_one(file: KeyringFile) -> None:
    """Each of several processes is refused or its key is there; also the one that makes the file."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADD_KEYS, file.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    said = [process.communicate()[0].split() for process in processes]

    added = [key_id for each in said for key_id in each]
    assert [0] * len(processes) == [process.returncode for process in processes]
    assert added
    assert sorted(added) == sorted(file.read())
    assert [file.path.name] == os.listdir(file.path.parent)


def test_key_is_not_added_while_another_command_adds_one(file: KeyringFile) -> None:
    """Nor after one was killed: what it left is for the operator to remove. Reading is no matter."""
    first = file.add_key()
    partial = file.path.with_name("a.keyring.partial")
    partial.touch()

    with pytest.raises(KeyringInvalid, match=r"a\.keyring\.partial is there: another command is writing it"):
        file.add_key()

    assert [first] == list(file.begin())
    partial.unlink()
    file.add_key()
    assert 2 == len(list(file.read()))


KILLED: Final = """
import os, signal, sys
from pathlib import Path
from random import SystemRandom
from service.storage.keyring_file import KeyringFile

def kill(event, arguments):
    # What is opened by its descriptor was created already, and is empty.
    if event == sys.argv[2] and (event != "open" or isinstance(arguments[0], int)):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
KeyringFile(Path(sys.argv[1]), rng=SystemRandom(), may_be_made=True).begin()
"""


@pytest.mark.parametrize("event", ["open", "os.link"], ids=["empty", "written"])
def test_first_start_that_was_killed_is_in_nobodys_way(file: KeyringFile, event: str) -> None:
    """A keyring gets its name once it is complete."""
    killed = subprocess.run([sys.executable, "-c", KILLED, file.path, event], check=False, cwd=REPOSITORY)
    assert -signal.SIGKILL == killed.returncode

    made = file.begin()

    assert file.was_made
    assert list(made) == list(file.read())


def test_first_keyring_does_not_replace_one_that_was_made_meanwhile(tmp_path: Path) -> None:
    """Whoever comes second uses that one, or adds to it."""
    path = tmp_path / "a.keyring"

    class Meanwhile(Random):
        """Has another process make the keyring just before this one does."""

        def getrandbits(self, k: int) -> int:
            if not path.exists():
                path.write_text(KEYS)
            return super().getrandbits(k)

    second = KeyringFile(path, rng=Meanwhile(2), may_be_made=True)
    begun = list(second.begin())
    path.unlink()

    added = second.add_key()

    assert (["first"], False) == (begun, second.was_made)
    assert ["first", added] == list(second.read())
    assert [path.name] == os.listdir(tmp_path)


def test_folder_that_is_not_there_is_named(tmp_path: Path, rng: Random) -> None:
    """With what the file system says."""
    with pytest.raises(KeyringInvalid, match=r"missing/a\.keyring cannot be written: No such file"):
        KeyringFile(tmp_path / "missing" / "a.keyring", rng=rng).add_key()


def test_keys_come_from_what_was_given_or_from_beside_the_database(tmp_path: Path, rng: Random) -> None:
    """A link to a database has the keyring of that database."""
    database, link = tmp_path / "a.db", tmp_path / "link.db"
    link.symlink_to(database)

    beside = keyring_source(link, path=None, keys=None, rng=rng)
    named = keyring_source(database, path=tmp_path / "named", keys=None, rng=rng)
    given = keyring_source(database, path=None, keys=KEYS, rng=rng)

    assert isinstance(beside, KeyringFile)
    assert default_path(database) == beside.path == tmp_path / "a.db.keyring"
    assert isinstance(named, KeyringFile)
    assert tmp_path / "named" == named.path
    assert isinstance(given, KeyringText)
    assert ["first"] == list(given.read()) == list(given.begin())


@pytest.mark.parametrize(
    "given",
    [KEYS.strip(), KEYS, f"# mine\n{KEYS}{KEYS}", KEYS.strip()[:-1], KEYS[:-9], KEYS.strip().removeprefix("first:")],
    ids=["line", "ended line", "lines", "no padding", "cut off", "without its id"],
)
def test_key_that_is_given_as_a_file_is_not_shown(tmp_path: Path, rng: Random, given: str) -> None:
    """Whoever mistakes one variable for the other must not find their key in the log."""
    with pytest.raises(KeyringInvalid) as caught:
        keyring_source(tmp_path / "a.db", path=Path(given), keys=None, rng=rng)

    assert "--keyring: that is a key, not a file: give it as TIDINGS_KEYRING_KEYS" == str(caught.value)


@pytest.mark.parametrize("name", ["k1", "run/secrets/k1:keyring", "C:keys/tidings.db.keyring", "a" * 44])
def test_path_is_not_taken_for_a_key(tmp_path: Path, rng: Random, name: str) -> None:
    """Also an odd one."""
    source = keyring_source(tmp_path / "a.db", path=Path(name), keys=None, rng=rng)

    assert isinstance(source, KeyringFile)
    assert Path(name) == source.path


def test_two_keyrings_are_refused(tmp_path: Path, rng: Random) -> None:
    """Nobody can know which one was meant."""
    with pytest.raises(KeyringInvalid, match=r"--keyring names .*, and TIDINGS_KEYRING_KEYS has keys too"):
        keyring_source(tmp_path / "a.db", path=tmp_path / "named", keys=KEYS, rng=rng)


def test_keys_from_the_environment_are_not_shown(rng: Random) -> None:
    """In whatever is logged or raised."""
    assert "AAEC" not in repr(KeyringText(KEYS))
