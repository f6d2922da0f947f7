"""Promotion against brake in two processes, and the same operations from everywhere at once."""

import multiprocessing
import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest

from core.brake import brake
from core.errors import AnrError
from core.operations import propose, requests
from core.operations import results as operation_results
from core.receipts.receipt import Action, Phase
from core.router.control import SAFE_SETTINGS
from core.router.marks import BrakeNote
from core.settings.target import TargetSettings
from core.target.order import Order
from core.watch import recover
from tests.support.rig import Rig
from tests.torture.test_killed import actor, approve, consistent, target_of, yard_for

pytestmark = pytest.mark.torture

RACES = 1000
WHOLE_RACES = 30
PROCESSES, THREADS = 2, 4
PATIENCE = 600.0
"""Seconds after which somebody who does not come to the barrier is a failure."""
processes = multiprocessing.get_context("forkserver")


def writes_a_stage_again_and_again(options: TargetSettings, now: datetime, barrier: Barrier, results: Any) -> None:
    """Look at the marks, meet the brake, write 25%: as a promotion does in the second in which it is applied."""
    target = target_of(options, now)
    for _ in range(RACES):
        barrier.wait(PATIENCE)
        before = target.brake.read()
        barrier.wait(PATIENCE)
        results.put(target.router.serve(25, before).overtaken)
        barrier.wait(PATIENCE)


def test_a_thousand_races_of_a_promotion_in_another_process_all_end_safe(rig: Rig, figure: Callable[[str], None]) -> None:
    """However a brake and the application of a promotion interleave, the router ends in its safe settings."""
    options = rig.settings
    target = target_of(options, rig.clock.now)
    text = options.settings_file.read_text(encoding="utf-8")
    barrier, results = processes.Barrier(2), processes.Queue()
    worker = processes.Process(target=writes_a_stage_again_and_again, args=(options, rig.clock.now, barrier, results))
    worker.start()
    dice, unsafe, overtaken = random.Random(1), 0, 0
    try:
        for number in range(RACES):
            options.settings_file.write_text(text, encoding="utf-8")
            note = BrakeNote(
                id=f"{number}", action=Action.ROLLBACK, actor=actor("UMAX"), reason="", cause=None, at=target.clock()
            )
            barrier.wait(PATIENCE)
            barrier.wait(PATIENCE)
            for _ in range(dice.randrange(3000)):  # meet it at every moment of its way
                pass
            target.brake.engage(note)
            assert target.router.make_safe() == ()
            barrier.wait(PATIENCE)
            overtaken += results.get(timeout=PATIENCE)
            unsafe += not target.router.settings().carries(SAFE_SETTINGS)
            target.brake.release((note.id,))
        worker.join(PATIENCE)
    finally:
        worker.kill()
    assert unsafe == 0
    figure(f"race of a brake with the writing of a promotion in another process: {RACES} times, {overtaken} overtaken, 0 unsafe")


def approves_again_and_again(target: TargetSettings, now: datetime, request: str, barrier: Barrier, results: Any) -> None:
    """Approve the same request, prepared anew each time."""
    for _ in range(WHOLE_RACES):
        barrier.wait(PATIENCE)
        try:
            came = requests.approve(target_of(target, now), actor("UAARON"), request)
            results.put(str(came.sealed.receipt.result) if isinstance(came, operation_results.Moved) else type(came).__name__)
        except AnrError as error:
            results.put(type(error).__name__)
        barrier.wait(PATIENCE)


@pytest.mark.parametrize("what", ["rollback", "freeze"])
def test_a_brake_in_the_second_in_which_a_promotion_is_approved_elsewhere(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory, what: str, figure: Callable[[str], None]
) -> None:
    """The whole operations, journal and all: the answer says safe, it is so in the end, and journal, router and marks agree."""
    yard = yard_for(approve, rig, tmp_path_factory.mktemp("kept") / "files")
    options, now = yard.target, rig.clock.now
    barrier, results = processes.Barrier(2), processes.Queue()
    worker = processes.Process(target=approves_again_and_again, args=(options, now, yard.request, barrier, results))
    worker.start()
    dice, fates = random.Random(what), Counter[str]()
    try:
        for number in range(WHOLE_RACES):
            yard.again()
            target = target_of(options, now)
            barrier.wait(PATIENCE)
            threading.Event().wait(dice.uniform(0, 0.08))  # meet it at every moment of its way
            done = getattr(brake, what)(target, actor("UMAX"), "race", f"slash:{number}")
            barrier.wait(PATIENCE)
            for thread in threading.enumerate():
                if thread.name == "anr-after-brake":
                    thread.join(PATIENCE)
            fates[results.get(timeout=PATIENCE)] += 1
            assert isinstance(done, brake.Braked)
            assert (done.safe, done.problems) == (True, ())
            assert target.router.settings().carries(SAFE_SETTINGS)
            recover.recover(target)
            consistent(target, f"{what} {number}")
            state = target.journal.state()
            assert (state.stage, state.frozen) == (0, what == "freeze")
            target.journal.close()
        worker.join(PATIENCE)
    finally:
        worker.kill()
    figure(f"race of {what} with an approval in another process: {WHOLE_RACES} times, 0 unsafe; the approval: {dict(fates)}")


# --- the same operations from everywhere at once ----------------------------------------------------------------------


def hammers(target: TargetSettings, now: datetime, who: int, barrier: Barrier, results: Any) -> None:
    """In several threads: ask, approve, roll back, freeze and lift, all at the same time as everybody else."""
    threads = [
        threading.Thread(target=_hammer, args=(target, now, who * THREADS + index, barrier, results)) for index in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _hammer(options: TargetSettings, now: datetime, who: int, barrier: Barrier, results: Any) -> None:
    target = target_of(options, now)
    olivia, aaron = actor("UOLIVIA"), actor("UAARON")
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("ask", lambda: propose.propose(target, Order(olivia, "", "slash:ask"))),
        ("approve", lambda: requests.approve(target, aaron, target.journal.receipts(last=20)[-1].receipt.approval_id or "")),
        ("rollback", lambda: brake.rollback(target, olivia, "", "slash:rollback")),
        ("freeze", lambda: brake.freeze(target, olivia, "", f"slash:freeze-{who}")),
        ("unfreeze", lambda: propose.unfreeze(target, Order(aaron, "", "slash:unfreeze"))),
    )
    for name, step in steps:
        barrier.wait(PATIENCE)
        try:
            results.put((name, type(step()).__name__))
        except AnrError as error:
            results.put((name, type(error).__name__))
    target.journal.close()


def test_two_processes_and_their_threads_hammer_the_same_operations(rig: Rig, figure: Callable[[str], None]) -> None:
    """One cause has one effect, different causes have one each, whoever comes first and however many come at once."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    options, everybody = rig.settings, PROCESSES * THREADS
    barrier, results = processes.Barrier(everybody), processes.Queue()
    workers = [
        processes.Process(target=hammers, args=(options, rig.clock.now, who, barrier, results)) for who in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    try:
        ended = Counter(results.get(timeout=2 * PATIENCE) for _ in range(5 * everybody))
        for worker in workers:
            worker.join(PATIENCE)
    finally:
        for worker in workers:
            worker.kill()
    target = target_of(options, rig.clock.now)
    # a brake gives the journal half a second: on a slow machine it may have to be recorded late
    late = {
        sealed_receipt.receipt.id
        for sealed_receipt in recover.recover(target).late
        if sealed_receipt.receipt.action is Action.FREEZE
    }
    consistent(target, "hammered")
    receipts = [sealed.receipt for sealed in target.journal.receipts()]
    count = Counter((receipt.action, receipt.phase) for receipt in receipts)
    assert (ended["ask", "Asked"], count[Action.REQUEST, Phase.EVENT]) == (1, 1)
    assert (ended["approve", "Moved"], count[Action.PROMOTE, Phase.INTENT], count[Action.PROMOTE, Phase.OUTCOME]) == (1, 1, 1)
    assert count[Action.ROLLBACK, Phase.OUTCOME] == 1
    assert (ended["freeze", "Braked"], count[Action.FREEZE, Phase.OUTCOME]) == (everybody, everybody)
    assert (ended["unfreeze", "Unfrozen"], count[Action.UNFREEZE, Phase.EVENT]) == (1, 1)
    causes = Counter(receipt.cause for receipt in receipts if receipt.cause is not None)
    assert causes == Counter(
        ["slash:ask", "slash:rollback", "slash:unfreeze", *(f"slash:freeze-{who}" for who in range(everybody))]
    )
    assert target.journal.state().stage == 0
    assert {hold.id for hold in target.journal.state().holds} == late
    told = ", ".join(f"{name} {kind} {number}" for (name, kind), number in sorted(ended.items()))
    figure(f"{PROCESSES} processes with {THREADS} threads each at the same operations, one effect for each cause: {told}")
