"""The version of the running router as a configured command tells it, where its endpoint does not.

The command is bounded in time and output and gets no token of ours, as every command of the settings (core/system/processes.py).
Excluded: the endpoint, which is asked first (core/router/endpoint.py), and the receipts that keep it (core/receipts/receipt.py).
"""

from core.errors import EndpointUnreadable
from core.settings.target import TargetSettings
from core.system.processes import run
from core.text import clean_text

MAX_VERSION = 60
"""Characters that are kept of a version: a digest, or a tag with its distance."""


def ask_version(target: TargetSettings) -> str | None:
    """Run `version_command` and return the last line that it wrote; None if the options name none.

    Raises:
        EndpointUnreadable: it could not be started, failed, wrote nothing, or took longer than `observe.timeout_s`.
    """
    if not target.version_command:
        return None
    limit = target.observe.timeout_s
    try:
        ended = run(target.version_command, settings={}, timeout_s=limit)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EndpointUnreadable(f"The version command cannot be started ({reason}).") from error
    if ended.code is None:
        raise EndpointUnreadable(f"The version command took longer than {limit:g} s and was stopped.")
    if ended.code != 0:
        raise EndpointUnreadable(f"The version command ended with {ended.code}.")
    said = [line.strip() for line in ended.said.splitlines() if line.strip()]
    if not said:
        raise EndpointUnreadable("The version command wrote nothing.")
    return clean_text(said[-1], MAX_VERSION)
