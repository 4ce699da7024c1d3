"""Named points on the way of an event, where a test may make the process end as if it were killed there."""

from collections.abc import Callable
from typing import TypeAlias

AtPoint: TypeAlias = Callable[[str], None]
"""Called with the name of a point whenever one is passed, on whichever thread passes it."""


def pass_by(point: str) -> None:
    """Do nothing at a point."""
