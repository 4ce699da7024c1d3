"""Masking what looks like a secret in text that people will read: error messages, log lines, what a command says.

The last line of defence, behind not writing secrets at all: it knows the secrets that have a form of their own, and
nothing of where they come from.
"""

import re
from typing import Final

MASK: Final = "[redacted]"

# A token, a shared secret, a private key; and what stands behind "Bearer" (RFC 6750, section 2.1) if it is no word.
_SECRET: Final = re.compile(
    r"(tdg_|whsec_|whsk_|(?i:bearer) +(?=[A-Za-z0-9._~+/=-]{16}))[A-Za-z0-9._~+/=-]+"
    # A user and a password in a URL.
    r"|(://)[^\s/?#@\"'\\]+@"
    # A line of a keyring: the base64 of 32 bytes behind an id.
    r"|(?<=[A-Za-z0-9._-])(:)[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])"
)


def masked(text: str) -> str:
    """Return a text with `[redacted]` in the place of tokens, keys, bearer tokens and passwords in URLs.

    What they begin with stays, to tell what it was: `whsec_[redacted]`. So does the id of a key that seals the database
    and is written as in a keyring.
    """
    if not _has_a_sign(text):
        return text
    return _SECRET.sub(_replacement, text)


def _has_a_sign(text: str) -> bool:
    # This is done for every line of the log: 0.5 µs, where the pattern takes twenty.
    return (
        "tdg_" in text
        or "whs" in text
        or "=" in text
        or ("@" in text and "://" in text)
        # Last, for it takes as long as all the others.
        or "bearer " in text.lower()
    )


def _replacement(found: re.Match[str]) -> str:
    return f"{found[2]}{MASK}@" if found[2] else f"{found[1] or found[3]}{MASK}"
