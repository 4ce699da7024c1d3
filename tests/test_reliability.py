"""docs/reliability.md names the tests that hold each promise: they must be there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_the_document_names_exists() -> None:
    """And there are many, or the document has lost them."""
    document = (ROOT / "docs" / "reliability.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", document))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    assert len(named) > 40
    assert [] == re.findall(r"^[A-Z]+_[A-Z]+$", document, re.MULTILINE), "a placeholder"
    assert set() == named - written
