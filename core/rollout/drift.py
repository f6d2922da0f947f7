"""Drift: how what the router shows differs from what the journal says.

Pure. Excluded: reading settings file and ledger (core/target/target.py), the alarm and what is done about it
(core/operations/end_drift.py). Three things are compared, the worst first: the stage that the settings file serves, the
guardrails that stand in it, and the pilot that the running router shows in its ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from core.receipts.evidence import RouterSighting
from core.receipts.observation import Observation
from core.rollout.state import RolloutState

_SHOWN_CHARACTERS = 40
"""How much of a setting's value a sentence quotes."""
SETTLING = timedelta(minutes=5)
"""How long after a change the running router may still show the stage before: it reloads, and flushes its ledger late."""
GUARDRAILS = ("NOVA_ANR_ENABLED", "NOVA_ANR_KILL", "NOVA_ANR_MAX_FAST_PROB", "NOVA_ANR_STRICT_ON_ANOMALY")
"""Settings that anr writes beside the pilot."""


class DriftKind(StrEnum):
    """What differs."""

    STAGE = "stage"
    GUARDRAILS = "guardrails"
    RUNNING = "running"
    BRAKED = "braked"
    """The safe settings stand, which only a brake writes, and the journal has no receipt of it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference between router and journal.

    Attributes:
        kind: what differs.
        text: the difference, as a sentence.
        shown: the stage that the router shows, in percent; None if it cannot be understood or is not on a full percent.
        is_less: whether the running router shows less live traffic than it should serve, whatever its file says.
    """

    kind: DriftKind
    text: str
    shown: int | None
    is_less: bool = False


def find_drift(
    state: RolloutState,
    settings: Mapping[str, str],
    stage: int | None,
    seen: RouterSighting | None,
    observation: Observation | None = None,
) -> Drift | None:
    """Return how the router differs from the journal, or None if it does not or nobody can say.

    Args:
        state: what the receipts add up to; without a known stage nothing can be compared.
        settings: the `NOVA_…` settings in the file.
        stage: percent of live traffic that they serve, or None if they cannot be understood.
        seen: what the running router last showed; None if it showed nothing.
        observation: what was seen of it since its settings were written; None if nobody looked.
    """
    if state.stage is None:
        return None
    if stage != state.stage:
        if stage == 0 and (state.brake_failed or _is_safe(settings)):
            return _braked(state)
        shown = "a pilot that cannot be understood" if stage is None else f"{stage}%"
        return Drift(DriftKind.STAGE, f"The router's settings say {shown}, but the journal says {state.stage}%.", stage)
    before = state.settings or settings
    changed = [name for name in GUARDRAILS if settings.get(name) != before.get(name)]
    if changed and state.unsettled is None:
        differences = ", ".join(f"{name} is {_value(settings, name)} and was {_value(before, name)}" for name in changed)
        return Drift(DriftKind.GUARDRAILS, f"Somebody changed the router's settings: {differences}.", stage)
    return running_drift(state, seen, observation)


def running_drift(state: RolloutState, seen: RouterSighting | None, observation: Observation | None = None) -> Drift | None:
    """Return how the running router differs from the journal, whatever its settings file says; None if nobody can say.

    Args:
        state: what the receipts add up to.
        seen: what the running router last showed; None if it showed nothing.
        observation: what was seen of it since its settings were written; None if nobody looked.
    """
    if state.unsettled is not None or state.stage is None:
        return None
    if observation is not None and (running := _running(state, observation)) is not None:
        return running
    if seen is None or state.since is None or seen.shows(state.stage):
        return None
    if observation is not None and observation.sight.is_seen and observation.at is not None and observation.at >= seen.at:
        return None  # what it showed last was shown by the process before
    if seen.at <= state.since + SETTLING:
        return None
    percent = round(seen.pilot * 100)
    text = (
        f"The running router serves {seen.pilot:.2%} of live traffic, but its settings and the journal say {state.stage}%: "
        "it did not follow its settings."
    )
    return Drift(DriftKind.RUNNING, text, percent if seen.shows(percent) else None, is_less=percent < state.stage)


def _braked(state: RolloutState) -> Drift | None:
    if state.brake_failed:
        return None  # what the last brake wanted stands now; nothing is to be put back
    text = f"The router's settings are the safe ones, but the journal says {state.stage}%: it has no receipt of that brake."
    return Drift(DriftKind.BRAKED, text, 0)


def _is_safe(settings: Mapping[str, str]) -> bool:
    return settings.get("NOVA_ANR_KILL") == "1" and settings.get("NOVA_ANR_ENABLED") == "0"


def _running(state: RolloutState, seen: Observation) -> Drift | None:
    """Return how the running router was seen to differ. More live traffic than it should serve has no time to settle."""
    alarmed = state.drift is not None and state.drift.running
    settled = seen.at is not None and seen.at > seen.since + SETTLING
    if seen.serves_too_much or (seen.sight.contradicts and (settled or alarmed)):
        expected = "its safe settings" if seen.safe else f"{seen.stage}%"
        shows = "live traffic" if seen.pilot is None else f"{seen.pilot:.2%} of live traffic"
        text = (
            f"The running router serves {shows}, but its settings and the journal say {expected}: it did not follow its settings."
        )
        percent = None if seen.pilot is None else round(seen.pilot * 100)
        shown = percent if percent is not None and seen.shows(percent) else None
        return Drift(DriftKind.RUNNING, text, shown, is_less=not seen.serves_too_much)
    if alarmed and state.drift is not None and not seen.sight.is_seen:
        return Drift(DriftKind.RUNNING, state.drift.text, None)  # what was written since then is no answer
    return None


def _value(settings: Mapping[str, str], name: str) -> str:
    return settings[name][:_SHOWN_CHARACTERS] if name in settings else "not set"
