"""Log lines of a process, as its operator gets them."""

import json
import subprocess
import sys
from datetime import UTC, datetime

PROGRAM = """
import logging, warnings
import structlog
from service.telemetry.logs import configure_logging

secret = "hunter2"
early = structlog.stdlib.get_logger()
configure_logging("info", {pretty})
early.debug("too.quiet")
early.info("rpc.finished", code="OK", reason=None, peer="ipv4:127.0.0.1:1")
logging.getLogger("asyncio").warning("slow callback: %s s", 7)
logging.getLogger("grpc").debug("too quiet")
warnings.warn("deprecated")
try:
    raise ValueError("wrong")
except ValueError as error:
    early.error("rpc.finished", exc_info=error)
    logging.getLogger("aiohttp").exception("failed")
"""


def lines(*, pretty: bool) -> list[str]:
    """Run a program that logs, and return its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(pretty=pretty)], capture_output=True, text=True, check=True
    )
    assert "" == done.stdout
    return done.stderr.splitlines()


def test_every_logger_writes_json_lines_with_level_and_time() -> None:
    """Ours, those of libraries, and Python's warnings."""
    logged = [json.loads(line) for line in lines(pretty=False)]

    assert [
        ("rpc.finished", "info"),
        ("slow callback: 7 s", "warning"),
        ("rpc.finished", "error"),
        ("failed", "error"),
    ] == [(line["event"], line["level"]) for line in logged if "deprecated" not in line["event"]]
    assert 5 == len(logged)
    assert ("OK", "ipv4:127.0.0.1:1") == (logged[0]["code"], logged[0]["peer"])
    assert "reason" not in logged[0], "what is None is left out"
    assert "asyncio" == logged[1]["logger"]
    for line in logged:
        assert UTC.utcoffset(None) == datetime.fromisoformat(line["timestamp"]).utcoffset()
        assert line["timestamp"].endswith("Z")


def test_traceback_is_one_field_without_local_variables() -> None:
    """A local variable may be a secret."""
    text = lines(pretty=False)
    exceptions = [json.loads(line).get("exception") for line in text]

    assert 2 == sum("ValueError: wrong" in exception for exception in exceptions if exception)
    assert not any("hunter2" in line for line in text)


LEAKY = """
import logging
import structlog
from service.telemetry.logs import configure_logging

configure_logging("debug", False)
log = structlog.get_logger()
token, key = "tdg_1_" + "hush" * 8, "whsec_" + "hush" * 8
log.info("leaky", fact=token, facts={"key": [key]}, url="https://user:hush@example.com/")
logging.getLogger("grpc").debug("authorization: Bearer %s", "hush" * 8)
try:
    raise ValueError(f"not a number: {key}")
except ValueError:
    log.exception("failed")
    logging.getLogger("asyncio").exception("failed")
"""


def test_what_looks_like_a_secret_is_masked_in_the_finished_line() -> None:
    """Wherever it stands: in a fact, in a fact of a fact, in what a library says, in the text of an exception."""
    done = subprocess.run([sys.executable, "-c", LEAKY], capture_output=True, text=True, check=True)
    logged = [json.loads(line) for line in done.stderr.splitlines()]

    assert "hush" not in done.stderr
    assert 4 == len(logged)
    assert ("tdg_[redacted]", ["whsec_[redacted]"]) == (logged[0]["fact"], logged[0]["facts"]["key"])
    assert "https://[redacted]@example.com/" == logged[0]["url"]
    assert "authorization: Bearer [redacted]" == logged[1]["event"]
    assert all("ValueError: not a number: whsec_[redacted]" in line["exception"] for line in logged[2:])


def test_pretty_lines_need_a_terminal() -> None:
    """What a program reads stays JSON."""
    assert all(json.loads(line) for line in lines(pretty=True))
