"""How long a stream goes on: no longer than its caller's credential counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from service.api.authentication import Authentication
from service.api.callers import Caller

# How often it is asked. With the time for which a credential is kept, and that of a read, less than the 5 s in which a
# revocation is effective.
_CHECKED_EVERY_S = 2.0


@asynccontextmanager
async def while_valid(
    caller: Caller, authentication: Authentication, *, on_invalid: Callable[[], None]
) -> AsyncIterator[None]:
    """Break off what goes on inside once the caller's credential does not count any more.

    Raises:
        CredentialInvalid, StorageUnavailable: it does not count, or nobody can say whether it does. `on_invalid` was
            called before.
    """
    limit = asyncio.timeout(None)
    checking = asyncio.create_task(_until_invalid(caller, authentication, limit))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        on_invalid()
        raise await checking from None
    finally:
        checking.cancel()


async def _until_invalid(caller: Caller, authentication: Authentication, limit: asyncio.Timeout) -> Exception:
    """Wait until a credential does not count, or nobody can say whether it does; then end the limit."""
    while True:
        await asyncio.sleep(_CHECKED_EVERY_S)
        try:
            await authentication.check_again(caller)
        except Exception as error:
            limit.reschedule(asyncio.get_running_loop().time())
            return error
