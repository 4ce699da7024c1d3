"""Puts the stubs into the wheel. An editable install reads those of the checkout, which a copy would hide."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StubsHook(BuildHookInterface[Any]):
    """Called by hatchling for every build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add generated/tidings as the package `tidings`."""
        if version == "editable":
            return
        # In an unpacked sdist they stand beside this file.
        unpacked = Path(self.root, "tidings")
        stubs = unpacked if unpacked.is_dir() else Path(self.root, "../../generated/tidings")
        build_data["force_include"][str(stubs.resolve())] = "tidings"
