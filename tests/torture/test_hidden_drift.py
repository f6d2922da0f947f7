"""A settings file that somebody changed hides that nobody has loaded it: putting it back restarts the router.

An oracle that looks at the file sees nothing rise; here the running router is asked what it serves.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from core.operations import end_drift, requests
from core.operations.results import Asked, Moved, Refused
from core.rollout.refusals import Code
from core.target.order import Order
from core.watch import watch
from tests.support.rig import Rig, decision, written
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.ways_up import ALONE, PRIYA, Field, nobody_raises

pytestmark = pytest.mark.torture


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as them:
        yield them


@pytest.fixture
def lowered(rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A router at 25% that somebody has restarted by hand at 10%; its file says 25% again, and its ledger shows 10%."""
    field = Field.of(rig, routers, tmp_path_factory.mktemp("field") / "kept")
    file = field.settings.settings_file
    good = file.read_text(encoding="utf-8")
    file.write_text(good.replace("PILOT=0.25", "PILOT=0.10"), encoding="utf-8")
    routers.start(file)
    file.write_text(good, encoding="utf-8")
    field.clock.pass_(minutes=60)
    lines = []
    for number in range(300):
        at = field.clock.now - timedelta(minutes=4.75 * number)
        lines.append(
            json.dumps({**decision(at), "t": written(at), "live": {"route": "R2", "pilot": 0.10 if number < 11 else 0.25}})
        )
    field.settings.ledger.write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    assert field.serves == 0.10
    return field


def change(field: Field, changes: Mapping[str, str]) -> None:
    """Edit the settings file by hand, as anybody may who may write it."""
    file = field.settings.settings_file
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if line.partition("=")[0] not in changes]
    file.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in changes.items())]) + "\n", encoding="utf-8")


EDITS = [{"NOVA_ANR_MAX_FAST_PROB": "0.05"}, {"NOVA_ANR_STRICT_ON_ANOMALY": "0"}, {"NOVA_ANR_PILOT": "0.50"}]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: next(iter(edit)))
def test_every_way_up_after_an_edit(lowered: Field, edit: dict[str, str]) -> None:
    """Whatever one person tries then, the running router never serves more than before."""
    change(lowered, edit)
    nobody_raises(lowered, str(edit))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: next(iter(edit)))
def test_one_approver_puts_back_what_was_edited_and_the_router_serves_more(lowered: Field, edit: dict[str, str]) -> None:
    """The edit is the drift that is shown; that the running router serves less is what counts."""
    change(lowered, edit)
    target = lowered.target()
    watch.watch(target)
    asked = end_drift.reapply(target, Order(ALONE, "again"))
    assert isinstance(asked, Asked)
    assert asked.approval.subject == ("reapply", "10")
    alone = requests.approve(target, ALONE, asked.approval.id)
    assert isinstance(alone, Refused)
    assert alone.refusal.code is Code.SELF_APPROVAL
    assert lowered.serves == 0.10
    assert isinstance(requests.approve(target, PRIYA, asked.approval.id), Moved)
    assert lowered.serves == 0.25
    target.journal.close()
