"""A real process that kills itself with SIGKILL at each of its durable writes in turn."""

import signal
import subprocess
import sys

import pytest

from core import operations, outcomes, recovery
from core.actuation import Order
from core.receipts import Action
from core.router import SAFE_SETTINGS
from core.site import Site
from tests.core.conftest import House

CHILD = """
import os, signal, sys
from datetime import datetime
from core import approving, braking, operations
from core.actors import AccessPolicy, Actor, ActorKind
from core.site import Site
from core.target import Target

target, fatal = Target.model_validate_json(sys.argv[1]), int(sys.argv[5])
what, request, now = sys.argv[2:5]
writes = 0
def counted(call):
    def wrapper(*arguments, **options):
        global writes
        writes += 1
        if writes == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapper
os.fsync = counted(os.fsync)
os.replace = counted(os.replace)
os.rename = counted(os.rename)
os.unlink = counted(os.unlink)
access = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON", "UPRIYA"}))
site = Site.at(target, access, lambda: datetime.fromisoformat(now))
aaron = Actor(kind=ActorKind.SLACK, id="UAARON", roles=access.roles_of("UAARON", full_member=True))
if what == "approve":
    approving.approve(site, aaron, request)
else:
    getattr(braking, what)(site, aaron, "killed")
"""


def killed_at(house: House, what: str, request: str, write: int) -> bool:
    """Run the operation in a process of its own; return whether it was killed before it ended."""
    words = (house.target.model_dump_json(), what, request, house.clock.now.isoformat(), str(write))
    done = subprocess.run([sys.executable, "-c", CHILD, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def fresh(house: House) -> str:
    """Bring the house back to 10 % with an open request, and return the request's id."""
    for path in (house.target.run_dir, house.target.receipts_dir):
        for file in sorted(path.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    house.site.journal.close()
    for file in house.target.journal.parent.glob("journal.sqlite*"):
        file.unlink()
    house.target.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    house.site = Site.at(house.target, house.site.access, house.clock)
    operations.init(house.site, house.people["olivia"], "")
    asked = operations.propose(house.site, Order(house.people["olivia"]))
    assert isinstance(asked, outcomes.Asked)
    return asked.approval.id


@pytest.mark.parametrize("what", ["approve", "rollback", "freeze"])
def test_killed_at_any_durable_write_the_rest_is_settled(house: House, what: str) -> None:
    """Whatever write dies: the next start settles it, the chain verifies, journal and router agree, nothing happens twice."""
    deaths = 0
    for write in range(1, 100):
        request = fresh(house)
        killed = killed_at(house, what, request, write)
        deaths += killed
        marked = house.site.brake.read().token != ""
        recovery.recover(house.site)
        sealed, flaws = house.site.journal.verify()
        assert flaws == (), (write, flaws)
        state = house.site.journal.state()
        assert state.unsettled is None, write
        assert house.site.router.settings().stage == state.stage, write
        assert [one.receipt.action for one in sealed].count(Action.PROMOTE) in {0, 2}, write
        if marked and what != "approve":
            assert house.site.router.settings().carries(SAFE_SETTINGS), write
            assert state.frozen == (what == "freeze"), write
        if not killed:
            assert state.stage == (25 if what == "approve" else 0)
            break
    assert deaths > 5
