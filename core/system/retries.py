"""Trying again what may succeed a moment later: stamina's retries, bounded in tries and time, which speak to our log.

Excluded: what is worth another try, which only the caller knows.
"""

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from core.system.logs import logger

log = logger(__name__)


def _tell(details: RetryDetails) -> None:
    """Log a retry, without what was called: its arguments may hold secrets."""
    log.info("%s did not succeed yet and is tried again in %.1f s", details.name, details.wait_for)


set_on_retry_hooks([_tell])  # left to itself, stamina prints past our log


def caller(tries: int, first_pause_s: float, longest_pause_s: float) -> stamina.RetryingCaller:
    """Return what calls a function until it succeeds, so often at most; the pauses in between double."""
    return stamina.RetryingCaller(
        attempts=tries, timeout=None, wait_initial=first_pause_s, wait_max=longest_pause_s, wait_jitter=0.0
    )


def async_caller(tries: int, first_pause_s: float, longest_pause_s: float) -> stamina.AsyncRetryingCaller:
    """Return what awaits a function until it succeeds, as `caller` does."""
    return stamina.AsyncRetryingCaller(
        attempts=tries, timeout=None, wait_initial=first_pause_s, wait_max=longest_pause_s, wait_jitter=0.0
    )
