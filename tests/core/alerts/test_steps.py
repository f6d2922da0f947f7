from itertools import product

import pytest

from core.alerts.payload import AlertStatus
from core.alerts.rules import Effect
from core.alerts.steps import Handled, Step, next_step
from tests.core.alerts.test_payload import FIRING

STEPS = {
    # effect, status, standing, last: freeze, keep, show
    ("freeze", "firing", "new", None): (True, False, False),
    ("freeze", "firing", "shown", "resolved"): (True, False, False),
    ("freeze", "firing", "shown", "firing"): (True, False, False),
    ("freeze", "firing", "held", "firing"): (False, True, False),
    ("freeze", "firing", "held", "resolved"): (False, True, True),
    ("freeze", "firing", "lifted", "firing"): (False, False, False),
    ("freeze", "firing", "lifted", "resolved"): (False, False, True),
    ("freeze", "resolved", "new", None): (False, False, True),
    ("freeze", "resolved", "held", "firing"): (False, False, True),
    ("freeze", "resolved", "held", "resolved"): (False, False, False),
    ("freeze", "resolved", "lifted", "firing"): (False, False, True),
    ("would_freeze", "firing", "new", None): (False, False, True),
    ("would_freeze", "firing", "shown", "firing"): (False, False, False),
    ("would_freeze", "firing", "held", "firing"): (False, True, False),
    ("notify", "firing", "new", None): (False, False, True),
    ("notify", "firing", "shown", "firing"): (False, False, False),
    ("notify", "resolved", "shown", "firing"): (False, False, True),
    ("notify", "resolved", "shown", "resolved"): (False, False, False),
    ("ignore", "firing", "new", None): (False, False, False),
    ("watchdog", "firing", "new", None): (False, False, False),
}


@pytest.mark.parametrize("case", STEPS, ids=lambda case: "-".join(str(part) for part in case))
def test_every_alert_has_its_step(case: tuple[str, str, str, str | None]) -> None:
    """Repeats keep, what was lifted stays lifted, what resolves is shown."""
    effect, status, standing, last = case
    step = next_step(Effect(effect), AlertStatus(status), Handled(standing), AlertStatus(last) if last else None)
    assert step == Step(*STEPS[case])


@pytest.mark.parametrize("case", tuple(product(Effect, AlertStatus, Handled, (None, *AlertStatus))))
def test_nothing_but_a_firing_alert_that_never_froze_freezes(
    case: tuple[Effect, AlertStatus, Handled, AlertStatus | None],
) -> None:
    """Over every combination: resolved never freezes, held and lifted never freeze again, observe and notify never freeze."""
    effect, status, standing, last = case
    freezes = effect is Effect.FREEZE and status is FIRING and standing in {Handled.NEW, Handled.SHOWN}
    step = next_step(effect, status, standing, last)
    assert step.freeze == freezes
    assert step.keep == (status is FIRING and standing is Handled.HELD)
