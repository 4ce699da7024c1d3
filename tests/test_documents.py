"""The documents that name a test for each promise and each threat: the tests must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["reliability.md", "security.md"])
def test_every_test_that_a_document_names_exists(name: str) -> None:
    """And there are many, or the document has lost them."""
    document = (ROOT / "docs" / name).read_text()
    named = set(re.findall(r"`(test_\w+)`", document))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    assert len(named) > 40
    assert [] == re.findall(r"^[A-Z]+_[A-Z]+$", document, re.MULTILINE), "a placeholder"
    assert set() == named - written


def test_every_threat_has_a_test() -> None:
    """One row each, but for the head of each table."""
    rows = re.findall(r"^\| (?!threat).+\|$", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)

    assert len(rows) > 40
    assert [] == [row for row in rows if "`test_" not in row]
