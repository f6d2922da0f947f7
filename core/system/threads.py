"""Pools of threads that run from the start: what brakes must not need a thread that the machine no longer has.

An account may have so many threads (RLIMIT_NPROC, a container's pids limit); `ThreadPoolExecutor` alone begins each when it is
first needed.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def running(count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of so many threads, all of which run by then.

    Raises:
        RuntimeError: they are not to be had.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    all_run = Barrier(count + 1)
    try:
        for _ in range(count):
            pool.submit(all_run.wait)
        all_run.wait()
    except RuntimeError:
        all_run.abort()
        pool.shutdown(wait=False)
        raise
    return pool
