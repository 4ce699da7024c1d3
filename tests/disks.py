"""Real disks that tests may fill."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size (`8m`) at a new folder. Skips where that is not allowed, except in CI."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tidings-test", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        missing = f"a small file system cannot be mounted here: {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path, *, leave_bytes: int = 0) -> None:
    """Make a file as long as its disk allows, or shorter by so much."""
    with file.open("ab", buffering=0) as growing:
        for size in (64 * 1024, 4096, 1):
            with suppress(OSError):
                while growing.write(bytes(size)):
                    pass
        growing.truncate(max(0, file.stat().st_size - leave_bytes))
