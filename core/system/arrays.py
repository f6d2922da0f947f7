"""numpy, loaded without the threads of its linear algebra, which nobody here calls.

OpenBLAS starts a thread on every processor when it is loaded. On two processors that takes a short command 50 ms of processor
time, and each process that helps to read a ledger as much. Only the environment can tell it.
"""

import os

_THREADS = "OPENBLAS_NUM_THREADS"
_unsaid = _THREADS not in os.environ
if _unsaid:
    os.putenv(_THREADS, "1")  # past os.environ: what another thread reloads the router with meanwhile must not inherit it

import numpy as np  # noqa: E402 - OpenBLAS reads the environment when it is loaded
from numpy.typing import NDArray  # noqa: E402 - as above

if _unsaid:
    os.unsetenv(_THREADS)

__all__ = ["NDArray", "np"]
