"""What receipts state about the running router: what was seen of it, and a difference between it and the journal.

Pure. Excluded: what a sight means (core/receipts/observation.py), and ending a drift (core/receipts/drafts/moves.py).
"""

from collections.abc import Mapping
from dataclasses import replace

from core.receipts.cause import Observed
from core.receipts.drafts.origin import Origin, unmoved
from core.receipts.evidence import RouterSighting
from core.receipts.observation import Observation, told
from core.receipts.receipt import Action, Phase, Statement
from core.text import clean_text


def stage_seen(
    origin: Origin, stage: int, turn: Observed, seen: RouterSighting | None, observation: Observation | None = None
) -> Statement:
    """The running router was first seen to serve its stage.

    Args:
        origin: who looked; the story with which the stage began.
        stage: percent of live traffic.
        turn: the key of the sighting.
        seen: what the running router showed.
        observation: what was expected of it and seen; None where a router is not followed.
    """
    return _seen(Action.SEEN, replace(origin, cause=turn), stage, seen, observation)


def router_observed(
    origin: Origin, stage: int, turn: Observed, seen: RouterSighting | None, observation: Observation
) -> Statement:
    """What is seen of the running router has changed.

    Args:
        origin: who looked; the story with which the settings were written that are looked for.
        stage: percent of live traffic.
        turn: the key of the change.
        seen: what the running router showed.
        observation: what was expected of it and seen.
    """
    return _seen(Action.OBSERVED, replace(origin, cause=turn), stage, seen, observation)


def drift_found(
    origin: Origin,
    stage: int,
    difference: str,
    settings: Mapping[str, str],
    *,
    seen: RouterSighting | None,
    observation: Observation | None,
) -> Statement:
    """Router and journal differ.

    Args:
        origin: who looked.
        stage: percent of live traffic, as the journal says.
        difference: the drift, a sentence.
        settings: the router's settings, by name.
        seen: what the running router last showed.
        observation: what was seen, if it is the running router that differs.
    """
    return Statement(
        action=Action.DRIFT,
        phase=Phase.EVENT,
        note=clean_text(difference),
        settings_observed=dict(settings),
        router_seen=seen,
        observation=observation,
        **unmoved(stage),
        **origin.facts,
    )


def drift_over(origin: Origin, stage: int) -> Statement:
    """Router and journal agree again, at this percentage; the story is the drift's."""
    return Statement(action=Action.AGREED, phase=Phase.EVENT, **unmoved(stage), **origin.facts)


def _seen(action: Action, origin: Origin, stage: int, seen: RouterSighting | None, observation: Observation | None) -> Statement:
    return Statement(
        action=action,
        phase=Phase.EVENT,
        note=clean_text(told(observation)) if observation is not None else "",
        router_seen=seen,
        observation=observation,
        **unmoved(stage),
        **origin.facts,
    )
