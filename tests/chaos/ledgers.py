"""What publishers and receivers write down, in files that are only appended to, line by line, as it happens.

A publisher writes before it sends, and again only after an OK. A receiver writes before it answers.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.invariants import Publication, Receipt

WORKSPACE = "acme/main"


class Ledger:
    """A file of JSON lines. Each is handed to the system before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, **facts: Any) -> None:
        """Append a line."""
        self._file.write(json.dumps(facts).encode() + b"\n")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read all lines back."""
        with self._path.open("rb") as file:
            for line in file:
                yield json.loads(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PublisherLedger(Ledger):
    """What was sent under which request_id, and which event that became."""

    def sending(self, request_id: str, payload: str, lane: str) -> None:
        """Write down what is about to be published."""
        self.write(sending=request_id, payload=payload, lane=lane)

    def acknowledged(self, request_id: str, event_id: str) -> None:
        """Write down that the server said OK."""
        self.write(acknowledged=request_id, event_id=event_id)

    def publications(self) -> list[Publication]:
        """Return everything that was sent, acknowledged or not; one for each different answer."""
        sent: dict[str, Publication] = {}
        told: dict[tuple[str, str], Publication] = {}
        for line in self.lines():
            if "sending" in line:
                matched = frozenset((line["lane"],))
                sent[line["sending"]] = Publication(
                    WORKSPACE, line["sending"], line["payload"].encode(), matched=matched
                )
            else:
                key = line["acknowledged"], line["event_id"]
                told[key] = replace(sent[key[0]], event_id=key[1])
        answered = {request_id for request_id, _ in told}
        return [*told.values(), *(each for request_id, each in sent.items() if request_id not in answered)]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request as a receiver has it, and whether it was answered with a 2xx."""

    receipt: Receipt
    is_accepted: bool


class ReceiverLedger(Ledger):
    """Every request that came, and how it was answered."""

    def received(self, lane: str, headers: dict[str, str], body: bytes, *, at_s: float, is_accepted: bool) -> None:
        """Write down a request that is about to be answered."""
        self.write(lane=lane, headers=headers, body=base64.b64encode(body).decode(), at_s=at_s, is_accepted=is_accepted)

    def receipts(self) -> list[Answered]:
        """Return all requests in the order in which they came."""
        return [
            Answered(
                Receipt(line["lane"], line["headers"], base64.b64decode(line["body"]), line["at_s"]),
                line["is_accepted"],
            )
            for line in self.lines()
        ]
