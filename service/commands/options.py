"""What the commands' options share: their types, and the database that nearly all of them name."""

import math
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

# Every option says in --help which environment variable it has.
option = partial(click.option, show_envvar=True, show_default=True)


class DatabasePath(click.ParamType[Path]):
    """The path of an SQLite file."""

    name = "PATH"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the value of what was given, or end the command with what is allowed."""
        if str(value).startswith(("postgresql://", "postgres://")):
            self.fail("PostgreSQL is not supported by this version; give the path of a SQLite file", param, ctx)
        return Path(value)


class Seconds(click.FloatRange):
    """A number of seconds; NaN, which is in no range and outside of none, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the value of what was given, or end the command with what is allowed."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return float(seconds)


class Age(click.ParamType[timedelta]):
    """A length of time such as 30d, 72h, 90m or 45s, with a minimum."""

    name = "AGE"
    _UNITS: Final = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}

    def __init__(self, minimum: str) -> None:
        self._minimum = minimum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the value of what was given, or end the command with what is allowed."""
        if isinstance(value, timedelta):
            return value
        age = self._parsed(value)
        if age is None:
            self.fail(f"{value!r} is not a number up to 99999 and its unit, such as 30d, 72h, 90m or 45s", param, ctx)
        minimum = self._parsed(self._minimum)
        if minimum is not None and age < minimum:
            self.fail(f"{value} is less than {self._minimum}, which is the least", param, ctx)
        return age

    def _parsed(self, text: str) -> timedelta | None:
        found = re.fullmatch(r"([0-9]{1,5})([dhms])", text)
        return None if found is None else timedelta(**{self._UNITS[found[2]]: int(found[1])})


keyring_option = partial(option, "--keyring", envvar="TIDINGS_KEYRING", type=click.Path(path_type=Path), metavar="FILE")

database_option = partial(
    option, "--database", envvar="TIDINGS_DATABASE", type=DatabasePath(), default=Path("tidings.db")
)
