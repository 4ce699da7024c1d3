"""The command line takes no secret by value: arguments of a process can be read by every user of the machine."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import click
import pytest

from service.__main__ import main

NAMES_A_SECRET: Final = re.compile(r"(^|_)(keys?|keyring|secrets?|tokens?|passwords?|credentials?|authorization)(_|$)")
# The rest of a name that says that it is about one, or where one is.
ABOUT_IT: Final = re.compile(r"_(ids?|max|file|path)$")
BASE64: Final = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def parameters(command: click.Command) -> Iterator[click.Parameter]:
    """Yield the options and arguments of a command and of those below it."""
    yield from command.params
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from parameters(each)


def takes_a_secret(parameter: click.Parameter) -> bool:
    """Say whether a parameter would have a secret among the process's arguments."""
    name = parameter.name or ""
    is_text = isinstance(parameter.type, click.types.StringParamType | click.types.UnprocessedParamType)
    return is_text and bool(NAMES_A_SECRET.search(name)) and not ABOUT_IT.search(name)


def test_no_option_takes_a_secret_by_value() -> None:
    """Files and the environment are for that."""
    everything = list(parameters(main))

    assert [] == [each.name for each in everything if takes_a_secret(each)]
    assert len(everything) > 10


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (click.Option(["--token"]), True),
        (click.Argument(["signing_key"]), True),
        (click.Option(["--keyring"], type=click.Path()), False),
        (click.Option(["--workspace-tokens-max"], type=int), False),
        (click.Argument(["token_id"]), False),
    ],
)
def test_option_that_takes_a_secret_is_found(parameter: click.Parameter, expected: bool) -> None:
    """The control: what the test above would fail for."""
    assert expected == takes_a_secret(parameter)


def said_by(*arguments: str, **environment: str) -> str:
    """Run the server's command, which must fail, and return everything it says."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert 0 != done.returncode
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("serve",), {"TIDINGS_BACKLOG_MAX": f"whsec_{BASE64}"}),
        (("serve", "--backlog-max", f"tdg_1_{BASE64}"), {}),
        (("serve", f"whsec_{BASE64}"), {}),
        (("serve", "--allow-destination", f"https://user:{BASE64}@example.com"), {}),
        (("serve", "--listen", f"tdg_1_{BASE64}"), {}),
        (("migrate", "--database", f"postgresql://tidings:{BASE64}@db/tidings"), {}),
        ((f"whsec_{BASE64}",), {}),
    ],
)
def test_command_does_not_repeat_a_secret_that_was_given_by_mistake(
    arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    """Its stderr goes into logs."""
    assert BASE64 not in said_by(*arguments, **environment)
