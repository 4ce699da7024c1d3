"""Puts the stubs into the wheel. An editable install reads those of the checkout, which a copy would hide."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StubsHook(BuildHookInterface[Any]):
    """Called by hatchling for every build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add generated/tidings as the package `tidings`."""
        if version != "editable":
            build_data["force_include"][str(Path(self.root, "../../generated/tidings").resolve())] = "tidings"
