"""Whether the router is down, as far as can be observed from outside without its own commands.

Excluded: what may be done with a router that is down (core/operations/restore.py).
"""

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from core.settings.target import TargetSettings

QUIET_SECONDS = 60.0
"""How long neither ledger nor state may have been written to: a router that serves writes several times a second."""


def signs_of_life(target: TargetSettings, rotated: Sequence[Path] = ()) -> str | None:
    """Say what speaks against it that the router is down; None if nothing does.

    It is down if nobody listens where its health is told (the connection is refused, which a timeout is not), and if neither
    its ledger nor its state was written to for a minute. A router without traffic that tells its health elsewhere looks the
    same; who relies on this must not say that a router has read anything.

    Args:
        target: the router.
        rotated: what was its ledger: a router that keeps it open goes on writing there after a rotation.
    """
    address = urlsplit(target.health_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=min(1.0, target.health_timeout_s)):
            return f"something answers at {target.health_url}"
    except ConnectionRefusedError:
        pass
    except OSError as error:
        return f"nobody can tell whether something answers at {target.health_url} ({error.strerror or error})"
    if target.ledger_is_a_table:
        return "its ledger is a table, which does not say when it was written to"
    for path in (target.ledger, *rotated, target.state_file):
        try:
            quiet = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            if path != target.ledger:
                continue  # of the state that may be why somebody is here; what was rotated may just have been compressed
            return f"there is no ledger {path} to look at"
        except OSError as error:
            return f"{path} cannot be looked at ({error.strerror or error})"
        if quiet < QUIET_SECONDS:
            return f"{path} was written to within the last minute"
    return None
