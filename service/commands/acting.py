"""On whose behalf a command acts, for the audit log."""

import os
import pwd

from service.domain.access import Actor


def operator() -> Actor:
    """Return who runs this command, by the name that the system knows, not the one that the environment gives."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        # In a container there may be no name for it.
        name = str(uid)
    return Actor(f"command-line:{name}")
