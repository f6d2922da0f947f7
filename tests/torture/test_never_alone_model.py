"""A model that tries everything at random: whoever does what, when and how often, no stage rises by one person alone.

Operations run in this process, on files in memory and a clock that the model moves; what the router serves is what its settings
file says. Processes die between receipts, reloads fail, rows are changed beside the chain, the file is edited by hand, roles come
and go. Whatever rises has to be justified by the chain: by a second person's signature, or by the schedule's own run with GO.
"""

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from core.actors import SCHEDULER, AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule
from core.brake import brake
from core.brake.hold import hold_promotions
from core.errors import AnrError
from core.journal.journal import Journal
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.window import Window
from core.operations import break_glass, daily, end_drift, propose, requests
from core.operations import shadow as shadowing
from core.operations.results import Asked, Moved
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Draft, Phase, Receipt
from core.rollout.approvals import Approval
from core.rollout.ladder import next_stage
from core.rollout.schedule import PromotionMode, begin_of, due, run_day
from core.router.control import Router
from core.settings.target import LADDER, TargetSettings
from core.system.progress import OnProgress
from core.target.order import Order
from core.target.target import Target
from core.watch.recover import recover
from tests.support.rig import NOW, Clock

pytestmark = pytest.mark.torture

SEQUENCES = 2000
STEPS = 7
PEOPLE = ("UOLIVIA", "UAARON", "UPRIYA", "UMAX", "os:olivia", "os:aaron")
"""An operator, two approvers, a member, and two of them at the terminal."""
POLICIES = (
    AccessPolicy(operators=frozenset({"UOLIVIA", "os:olivia"}), approvers=frozenset({"UAARON", "UPRIYA", "os:aaron"})),
    AccessPolicy(operators=frozenset({"UAARON"}), approvers=frozenset({"UPRIYA"})),
    AccessPolicy(
        operators=frozenset({"UOLIVIA"}),
        approvers=frozenset({"UAARON", "UPRIYA"}),
        people={"olivia": "UOLIVIA", "aaron": "UAARON"},
    ),
    AccessPolicy(
        operators=frozenset({"UOLIVIA"}),
        approvers=frozenset({"UOLIVIA", "UAARON", "UPRIYA"}),
        rules={Approvable.PROMOTE: ApprovalRule(needed=2), Approvable.UNFREEZE: ApprovalRule(needed=1)},
    ),
)
LIFTS = ("rollback", "freeze", "hold", "unfreeze", "shadow", "skip", "resume")
SPANS = (1, 20, 61, 8 * 60, 24 * 60, 25 * 60)
"""Minutes that pass."""
_GOOD = Counts(
    decisions=1000,
    live=1000,
    matching=1000,
    rollbacks=0,
    breaches=0,
    rollbacks_known=1000,
    anomalies_known=1000,
    engaged=0,
    r3_known=0,
    tri_known=1000,
)


class Died(BaseException):
    """The process is gone: nobody catches this."""


class MortalJournal(Journal):
    """A journal whose process dies before or after a receipt, once it is told to."""

    dies_at: int | None = None

    def append(self, draft: Draft, approval: Approval | None = None) -> Sealed:
        """Record, or die."""
        if self.dies_at is None:
            return super().append(draft, approval)
        self.dies_at -= 1
        if self.dies_at < 0:
            raise Died
        sealed = super().append(draft, approval)
        if self.dies_at == 0:
            raise Died
        return sealed


def target_in(folder: Path, health_url: str) -> TargetSettings:
    """The router of one sequence."""
    return TargetSettings(
        ledger=folder / "ledger.ndjson",
        settings_file=folder / "anr.env",
        health_url=health_url,
        journal=folder / "journal.sqlite",
        receipts_dir=folder / "logs",
        run_dir=folder / "run",
        state_file=folder / "anr_state.json",
        backups_dir=folder / "backups",
        archive_dir=folder / "archive",
        observe_timeout_s=0,
        soak_hours=0,
    )


def figures_in(window: Window, counts: Counts) -> WindowMetrics:
    """The figures of a ledger that reaches over the whole window."""
    return WindowMetrics(window, figures_of(counts, 0.1), window.start_us, window.end_us, {}, (), LedgerSpan(1, ""))


def by_hand(target: TargetSettings, stage: int) -> None:
    """Write the router's settings with an editor."""
    target.settings_file.write_text(f"NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={stage / 100:.2f}\nNOVA_ANR_KILL=0\n", encoding="utf-8")


class NobodyAlone(RuleBasedStateMachine):
    """Every command by anybody, in any order."""

    health_url = ""
    raised: ClassVar[Counter[str]]
    template: Path
    """A site whose journal has begun, of which each sequence gets a copy."""

    @initialize()
    def begin(self) -> None:
        """A router that two people have brought to 25%, so that the schedule may go on."""
        self.folder = Path(tempfile.mkdtemp(prefix="anr-alone-"))
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.clock, self.go, self.served, self.checked = Clock(), True, 25, 0
        self.settings = target_in(self.folder, self.health_url)
        self.access = POLICIES[0]
        self.start()
        self.checked = self.journal.receipts()[-1].receipt.seq

    def start(self) -> None:
        """A new process: it knows nothing but what is on disk."""
        target = Target.at(self.settings, self.access, self.clock, measured=self.measured)
        self.journal = MortalJournal(self.settings.journal, target=self.settings.name, receipts_dir=self.settings.receipts_dir)
        self.target = replace(target, journal=self.journal)

    @staticmethod
    def measured_on_a_good_day(target: TargetSettings, window: Window, on_progress: OnProgress) -> WindowMetrics:
        """Figures with which every gate passes."""
        del target, on_progress
        return figures_in(window, _GOOD)

    def measured(self, target: TargetSettings, window: Window, on_progress: OnProgress) -> WindowMetrics:
        """A good day, or one on which every other decision went wrong."""
        del target, on_progress
        return figures_in(window, _GOOD if self.go else replace(_GOOD, matching=500))

    def actor(self, name: str) -> Actor:
        """Somebody as a surface knows them now."""
        at_terminal = name.startswith("os:")
        known = Actor(kind=ActorKind.OS if at_terminal else ActorKind.SLACK, id=name.removeprefix("os:"))
        return self.access.as_now(known)

    def do(self, operation: Callable[[], object]) -> None:
        """Do something in a process that may die of it, and look at what it did."""
        try:
            with suppress(AnrError):
                operation()
        except Died:
            self.journal.close()
            self.start()
        finally:
            self.journal.dies_at = None
        self.nothing_rises_by_one_person_alone()

    # --- what people, processes and the world do ------------------------------------------------------------------------

    @rule(who=st.sampled_from(PEOPLE), stage=st.sampled_from((None, *LADDER)))
    def promote(self, who: str, stage: int | None) -> None:
        """Ask for a move."""
        self.do(lambda: propose.propose(self.target, Order(self.actor(who), "please"), wanted=stage))

    @rule(who=st.sampled_from(PEOPLE))
    def approve(self, who: str) -> None:
        """Approve the newest request that waits, or that ever was."""
        asked = [sealed.receipt for sealed in self.journal.receipts() if sealed.receipt.action is Action.REQUEST]
        if asked:
            self.do(lambda: requests.approve(self.target, self.actor(who), str(asked[-1].approval_id)))

    @rule(who=st.sampled_from(PEOPLE))
    def deny(self, who: str) -> None:
        """Deny what waits."""
        if waiting := self.journal.pending():
            self.do(lambda: requests.deny(self.target, self.actor(who), waiting[0].id))

    @rule(mode=st.sampled_from((PromotionMode.AUTO, *PromotionMode)), ours=st.booleans(), ahead=st.sampled_from((0, 0, 0, 1, -1)))
    def run_daily(self, mode: PromotionMode, *, ours: bool, ahead: int) -> None:
        """The schedule's run, by its account or by somebody else's process, of any date."""
        target = replace(self.target, not_its_run="" if ours else "This is not the account.")
        day = self.clock.now.date() + timedelta(days=ahead)
        self.do(lambda: daily.daily(target, day, mode))

    @rule(who=st.sampled_from(PEOPLE), what=st.sampled_from(LIFTS))
    def brake_or_lift(self, who: str, what: str) -> None:
        """Brake, and let go of it."""
        order = Order(self.actor(who), "errors")
        lifts: dict[str, Callable[[], object]] = {
            "rollback": lambda: brake.rollback(self.target, order.actor, "errors"),
            "freeze": lambda: brake.freeze(self.target, order.actor, "errors"),
            "hold": lambda: hold_promotions(self.target, order),
            "unfreeze": lambda: propose.unfreeze(self.target, order),
            "shadow": lambda: shadowing.shadow(self.target, order),
            "skip": lambda: daily.skip(self.target, order.actor, run_day(self.clock.now, self.settings.schedule), "no"),
            "resume": lambda: daily.resume(self.target, order),
        }
        self.do(lifts[what])

    @rule(stage=st.sampled_from(LADDER[:4]))
    def edit(self, stage: int) -> None:
        """Edit the router's settings by hand: that is a drift, and nobody's promotion."""
        by_hand(self.settings, stage)
        self.served = stage

    @rule(who=st.sampled_from(PEOPLE), end=st.sampled_from((end_drift.accept, end_drift.reapply)))
    def end(self, who: str, end: Callable[[Target, Order], object]) -> None:
        """End a drift."""
        self.do(lambda: end(self.target, Order(self.actor(who), "by hand")))

    @rule(who=st.sampled_from(PEOPLE), reviews=st.booleans())
    def emergency(self, who: str, *, reviews: bool) -> None:
        """Break the glass on a bad day, or look at it."""
        self.go = reviews
        actor = self.actor(who)
        glass = Order(actor, "the customer waits for it")
        self.do(lambda: break_glass.review(self.target, actor) if reviews else break_glass.break_glass(self.target, glass))

    @rule(
        field=st.sampled_from(("requester", "to_stage", "from_stage", "needed", "status", "signatures", "subject", "copied")),
        name=st.sampled_from(PEOPLE[:3]),
    )
    def tamper(self, field: str, name: str) -> None:
        """Change the row of the newest request beside the chain."""
        person = {"kind": "slack", "id": name}
        with closing(sqlite3.connect(self.settings.journal)) as database:
            row = database.execute("SELECT id, data FROM approvals ORDER BY rowid DESC LIMIT 1").fetchone()
            if row is None:
                return
            told: dict[str, Any] = json.loads(row[1])
            signed = [{"actor": person, "at": told["asked_at"], "decision": "approved"}]
            forged: dict[str, Any] = {"requester": person, "to_stage": 25, "from_stage": 10, "needed": 0, "status": "pending"}
            forged |= {"subject": ["accept", "25"], "signatures": signed}
            told |= {field: forged[field]} if field in forged else {"id": "forged", "status": "pending"}
            data = json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n"
            status = told["status"]
            if field == "copied":
                database.execute(
                    "INSERT OR REPLACE INTO approvals VALUES (?, 'forged', ?, ?)", (self.settings.name, status, data)
                )
            else:
                database.execute("UPDATE approvals SET data = ?, status = ? WHERE id = ?", (data, status, row[0]))
            database.commit()

    @rule(policy=st.sampled_from(POLICIES))
    def change_roles(self, policy: AccessPolicy) -> None:
        """Whoever keeps the options changes who may what."""
        self.access = policy
        self.target = replace(self.target, access=policy)

    @rule(likely=st.integers(0, 5))
    def restart(self, likely: int) -> None:
        """Stop, start, and settle what died; not as often as everything else happens."""
        if likely == 0:
            self.journal.close()
            self.start()
            self.do(lambda: recover(self.target))

    @rule(asks=st.sampled_from(PEOPLE), signs=st.sampled_from(PEOPLE), signs_too=st.sampled_from(PEOPLE))
    def climb(self, asks: str, signs: str, signs_too: str) -> None:
        """Ask, and let two people sign, who may be whoever asked."""
        self.promote(asks, None)
        for who in (signs, signs_too):
            if self.journal.pending():
                self.approve(who)

    @rule(at=st.integers(1, 3))
    def die_soon(self, at: int) -> None:
        """Let the next operation's process die at one of its receipts."""
        self.journal.dies_at = at

    @rule(broken=st.booleans())
    def break_reload(self, *, broken: bool) -> None:
        """Let the reload command fail, or mend it."""
        command = ("/nonexistent/reload",) if broken else ()
        self.settings = self.settings.model_copy(update={"reload_command": command})
        self.target = replace(self.target, settings=self.settings, router=Router(self.settings, self.target.brake))

    @rule(go=st.booleans())
    def turn_gates(self, *, go: bool) -> None:
        """Let the day be good or bad."""
        self.go = go

    @rule(minutes=st.sampled_from(SPANS))
    def pass_time(self, minutes: int) -> None:
        """Let time pass, and the bot sweep what nobody answered."""
        self.clock.pass_(minutes=minutes)
        self.do(lambda: requests.sweep(self.target))

    # --- what has to hold -----------------------------------------------------------------------------------------------

    def nothing_rises_by_one_person_alone(self) -> None:
        """What the file serves, and what the journal says, rose only with a receipt that justifies it."""
        new = [sealed.receipt for sealed in self.journal.receipts(after=self.checked)]
        self.checked = new[-1].seq if new else self.checked
        served = self.target.router.settings().stage
        assert served is not None
        if served > self.served:
            self.justify(new, served, {Action.PROMOTE, Action.REAPPLY})
        self.served = served
        for receipt in new:
            up = (receipt.stage_after or 0) > (receipt.stage_before or 0)
            if up and receipt.action in {Action.PROMOTE, Action.ACCEPT} and receipt.phase is not Phase.OUTCOME:
                self.justify([receipt], receipt.stage_after or 0, {receipt.action})

    def justify(self, receipts: list[Receipt], stage: int, actions: set[Action]) -> None:
        """Demand that one of these receipts says who beside its requester wanted the stage."""
        said = [receipt for receipt in receipts if receipt.action in actions and receipt.phase is not Phase.OUTCOME]
        intents = [message for message in said if message.stage_after == stage]
        assert intents, f"{stage}% came from nowhere: {[(str(receipt.action), str(receipt.phase)) for receipt in receipts]}"
        why = list(self.against(intents[-1]))
        how = "by break-glass" if intents[-1].break_glass else "approved" if intents[-1].approval_id else "by the schedule"
        self.raised[how] += 1
        assert not why, (why, intents[-1])

    def against(self, receipt: Receipt) -> Iterator[str]:
        """Say what is wrong with a receipt that raises."""
        if receipt.action is not Action.REAPPLY and next_stage(receipt.stage_before or 0, LADDER) != receipt.stage_after:
            yield "more than a stage"
        if receipt.break_glass is not None:
            if self.go or not self.access.may_approve(self.access.as_now(receipt.actor), Approvable.PROMOTE):
                yield "no glass to break"
            return
        if not self.go or not receipt.go:
            yield "no GO"
        if receipt.approval_id is None:
            yield from self.against_run(receipt)
            return
        story = [sealed_receipt.receipt for sealed_receipt in self.journal.of_request(receipt.approval_id)]
        requester = next(step.actor for step in story if step.action is Action.REQUEST)
        asked = self.access.as_now(requester)
        people = {person.names: person for person in (self.access.as_now(signature.actor) for signature in receipt.approvals)}
        signers = [person for person in people.values() if self.access.may_approve(person, Approvable.PROMOTE)]
        others = [signer for signer in signers if not signer.is_same_as(asked)]
        if len(others) < self.access.rule(Approvable.PROMOTE).needed:
            yield f"only {len(others)} beside {asked.id}"

    def against_run(self, receipt: Receipt) -> Iterator[str]:
        """Say what is wrong with a raise that nobody approved: only the schedule's own run may, at its time, once."""
        runs = [
            sealed.receipt for sealed in self.journal.of_operation(receipt.operation) if sealed.receipt.action is Action.DAILY
        ]
        if not receipt.actor.is_same_as(SCHEDULER) or not runs or runs[0].go is not True:
            yield "nobody else wanted it"
            return
        day = due(receipt.ts, self.settings.schedule)
        if day is None or runs[0].due_at != begin_of(day, self.settings.schedule):
            yield "it was not due"
        if self.target.veto(day or NOW.date()) is not None:
            yield "it was vetoed"

    def teardown(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.folder)


def test_no_stage_rises_without_a_second_person_or_the_schedules_own_run(
    slots: tuple[str, dict[str, str]], tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Over random sequences of every command by random people, processes, faults and clocks."""
    NobodyAlone.health_url, NobodyAlone.template, NobodyAlone.raised = slots[0], tmp_path, Counter()
    options = target_in(tmp_path, slots[0])
    by_hand(options, 10)
    target = Target.at(options, POLICIES[0], Clock())
    olivia, aaron = (POLICIES[0].as_now(Actor(kind=ActorKind.SLACK, id=name)) for name in ("UOLIVIA", "UAARON"))
    propose.init(target, olivia, "begin")
    target = replace(target, measured=NobodyAlone.measured_on_a_good_day)
    asked = propose.propose(target, Order(olivia))
    assert isinstance(asked, Asked)
    assert isinstance(requests.approve(target, aaron, asked.approval.id), Moved)
    target.journal.close()
    run_state_machine_as_test(
        NobodyAlone,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            deadline=None,
            database=None,
        ),
    )
    raised = NobodyAlone.raised
    assert set(raised) == {"approved", "by the schedule", "by break-glass"}, "the model never got there"
    told = ", ".join(f"{number} {how}" for how, number in sorted(raised.items()))
    figure(f"nobody alone: {SEQUENCES} random sequences of up to {STEPS} steps, 0 raises by one person; raised: {told}")
