"""The demo keeps its promises, and says so."""

import asyncio
import os
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "docs" / "demo.py"


async def test_demo_verifies_everything_and_exits_with_zero(tmp_path: Path) -> None:
    """It runs from any folder, whatever TIDINGS_* says, and leaves nothing behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        DEMO,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "TIDINGS_LISTEN": "nowhere"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        stdout, stderr = await process.communicate()

    lines = stdout.decode().splitlines()
    assert (0, "") == (process.returncode, stderr.decode())
    assert [] == list(tmp_path.iterdir())
    assert ["500", "204", "204"] == sorted(
        (answer(line) for line in lines if "signature verified" in line), reverse=True
    )
    assert "  notification  SUCCEEDED after 2 attempts" in lines
    assert "  deduplicated  yes: the same event, and still one notification" in lines
    assert any(line.startswith("Everything was verified") for line in lines)
    assert any(line.startswith("grpcurl -plaintext 127.0.0.1:50051 list") for line in lines)
    assert "\033" not in stdout.decode()


def answer(line: str) -> str:
    """Return the status at the end of an arrival's line, which must be about an identical payload."""
    assert "payload identical" in line
    return line.rpartition("answered ")[2]
