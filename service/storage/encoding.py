"""How maps and lists are kept in TEXT columns: as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson


def to_text(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a map or list of plain values as JSON text."""
    return orjson.dumps(value).decode()


def from_text(text: str) -> Any:
    """Return the value of a JSON text that `to_text` made."""
    return orjson.loads(text)
