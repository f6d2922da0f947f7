"""The drill of the alert path: an alert goes to the real Alertmanager, and has to come back at the webhook.

It freezes nothing, whatever the rules say: the webhook knows it by what was announced (core/target/announced_drills.py).
Prometheus has no part in it; that Prometheus lives is what the Watchdog alert shows.

Excluded: when a drill is due (the bot's jobs), hearing it (bot/http/lane.py), and what follows from an old proof
(core/gates/evaluate.py).
"""

import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.actors import Actor, Role
from core.errors import AnrError, CauseAlreadyRecorded
from core.receipts.chain import Sealed
from core.receipts.drafts.alerts import alert_drill_held
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import AlertDrill
from core.rollout.refusals import Code, Refuse, not_allowed
from core.target.announced_drills import announce, labels_of, was_heard
from core.target.refusals import RefusalsUnreadable, refusals
from core.target.target import Target

WAIT_SECONDS = 60.0
"""How long an alert may take from Alertmanager to the webhook: above the 30 s that Alertmanager waits for company by default."""
_LOOK_SECONDS = 0.05
_FIRES_LONGER = timedelta(minutes=1)
"""How much longer than the wait the alert fires: one that has ended before it was sent is never sent."""


class AlertDrillStopped(AnrError):
    """The process ends before the drill did."""


@dataclass(frozen=True, slots=True)
class AlertDrilled:
    """What a drill of the alert path found; the receipt says it, too.

    Attributes:
        legs: how long the alert took, as far as it came.
        recorded_s: seconds from the end of the last leg until the receipt was in the journal.
        problem: where the path ends and what to look at, a sentence; empty if the alert arrived.
    """

    sealed: Sealed
    legs: AlertDrill
    recorded_s: float
    problem: str = ""

    @property
    def told(self) -> str:
        """The legs for people, with the one that the receipt cannot hold: its own recording."""
        return f"{self.legs} → recorded {self.recorded_s:.2f} s"


def drill_alerts(
    target: Target,
    actor: Actor,
    *,
    cause: str | None = None,
    wait_s: float = WAIT_SECONDS,
    stopping: threading.Event | None = None,
) -> AlertDrilled | Refuse:
    """Post a drill alert to Alertmanager, wait until the bot's webhook has heard it, and record how long each leg took.

    Args:
        target: the router that is meant.
        actor: who holds the drill.
        cause: key of the scheduled drill, if it is one.
        wait_s: for how many seconds at most the webhook is waited for.
        stopping: once it is set, nobody waits any more.

    Raises:
        DrillUnwritable: it could not be announced; nothing was posted.
        AlertDrillStopped: the process ends; nothing was recorded.
        JournalError: it could not be recorded.
    """
    if actor.is_person and Role.OPERATE not in actor.roles:
        return not_allowed(actor, "hold a drill", "operators")
    if not (url := target.settings.drill_url):
        text = "No `alertmanager_url` and no `drill_alertmanager_url` is set. Nothing was posted."
        return Refuse(Code.NOT_CONFIGURED, text)
    if cause is not None and (seq := target.journal.find_cause(cause)) is not None:
        return _already_done(seq)
    now = target.clock()
    drill = announce(target.settings.run_dir, now)
    legs, problem = _travel(target, url, drill, now, wait_s, stopping or threading.Event())
    begun = time.monotonic()
    draft = target.draft(alert_drill_held(Origin(uuid.uuid4().hex, now, actor, cause=cause), legs, problem))
    try:
        sealed = target.journal.append(draft)
    except CauseAlreadyRecorded as error:
        return _already_done(error.seq)
    return AlertDrilled(sealed, legs, round(time.monotonic() - begun, 3), problem)


def _travel(
    target: Target, url: str, drill: str, now: datetime, wait_s: float, stopping: threading.Event
) -> tuple[AlertDrill, str]:
    """Return how far the alert came, and why it came no further."""
    from core.brake.alertmanager import AlertmanagerFailed, post_alert  # noqa: PLC0415 - urllib3 is slow to import

    run_dir, posted = target.settings.run_dir, time.monotonic()
    ends = now + timedelta(seconds=wait_s) + _FIRES_LONGER
    summary = "A drill of the alert path: it freezes nothing."
    try:
        post_alert(url, labels_of(drill, target.settings.name), now, ends, summary=summary)
    except AlertmanagerFailed as error:
        return AlertDrill(), f"{error} The drill alert was not taken, so nobody knows whether a real one would arrive."
    accepted = time.monotonic()
    took = AlertDrill(accepted_s=_seconds(posted, accepted))
    while not was_heard(run_dir, drill):
        if time.monotonic() - accepted >= wait_s:
            return took, _never_heard(target, now, wait_s)
        if stopping.wait(_LOOK_SECONDS):
            raise AlertDrillStopped(
                "The drill of the alert path was stopped before it had ended. Nothing was recorded; hold it again."
            )
    return took.model_copy(update={"heard_s": _seconds(accepted, time.monotonic())}), ""


def _never_heard(target: Target, since: datetime, wait_s: float) -> str:
    problem = (
        f"Alertmanager took it, the webhook never heard of it within {wait_s:g} s: look at the route "
        "(ops/alertmanager.yml), at Alertmanager's log, and whether the bot runs"
    )
    try:
        refused = next((refusal for refusal in refusals(target.settings.run_dir, target.clock()) if refusal.at >= since), None)
    except RefusalsUnreadable:
        refused = None
    return f"{problem}." if refused is None else f"{problem}. Meanwhile the webhook refused somebody: {refused.told}"


def _seconds(begin: float, end: float) -> float:
    return round(end - begin, 3)


def _already_done(seq: int) -> Refuse:
    return Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again.")
