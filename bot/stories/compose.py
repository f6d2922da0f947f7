"""Receipts -> what their story shows: finds what else a story is about, and hands it to the one that renders it.

What is shown beside the receipts (the gates at present of a request that waits, details that somebody asked for) lives here
and only here: after a restart it is looked up anew. Excluded: rendering, and bringing it to Slack (bot/slack/outbox.py).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from bot.blockkit.post import Post
from bot.stories import card, notices
from bot.stories.alerts import alert_story
from bot.stories.daily import ReportedDay, daily_report
from bot.stories.preflight import announced, skipped
from core.errors import JournalCorrupt
from core.ledger.window import moment_of
from core.operations.requests import Reexamined
from core.receipts.cause import Daily, Missed, Preflight, Skip, day_of
from core.receipts.chain import LIFTS, Sealed
from core.receipts.observation import Observation
from core.receipts.receipt import Action, Receipt
from core.rollout.schedule import begin_of, next_run
from core.rollout.timeline import spells
from core.target.target import Target

_HOLDS_FOLLOWED = 20
"""Stories of how many holds in force are shown anew when something is seen of the running router."""


class StoryComposer:
    """Tells the stories of one target; `seen` is what was seen of its running router a second ago."""

    def __init__(self, target: Target, seen: Callable[[], Observation | None] = lambda: None) -> None:
        self._target = target
        self._seen = seen
        self._looks: dict[str, Reexamined] = {}
        self._opened: set[str] = set()

    def looked(self, found: Reexamined) -> None:
        """Remember what the gates said about a request that waits."""
        self._looks[found.approval.id] = found

    def open(self, operation: str) -> None:
        """Remember that somebody asked for the details of a story."""
        self._opened.add(operation)

    def post_of(self, sealed: Sequence[Sealed]) -> Post | None:
        """Return what a story shows at present, of its receipts; None if it has none.

        Raises:
            JournalError: what else it shows cannot be read.
        """
        if not sealed:
            return None
        if any(sealed_receipt.receipt.alert for sealed_receipt in sealed):
            silences = bool(self._target.settings.alertmanager_url)
            return alert_story(sealed, self._lifted(sealed), silences=silences, seen=self._seen_since(sealed))
        match sealed[0].receipt.action:
            case Action.DAILY:
                return daily_report(self._day(sealed))
            case Action.PREFLIGHT:
                day = _date_of(sealed[0].receipt)
                run, veto, missed = (self._target.journal.by_cause(key) for key in (Daily(day), Skip(day), Missed(day)))
                return announced(sealed[0], begin_of(day, self._target.settings.schedule), run, missed or veto)
            case Action.SKIP:
                return skipped(sealed[0], begin_of(_date_of(sealed[0].receipt), self._target.settings.schedule))
            case _:
                approval_id = next(
                    (sealed_receipt.receipt.approval_id for sealed_receipt in sealed if sealed_receipt.receipt.approval_id), None
                )
                approval = self._target.journal.approval(approval_id) if approval_id else None
                if notices.is_notice(sealed):
                    return notices.notice(sealed)
                return card.story(sealed, approval, self._looks.get(sealed[0].receipt.operation), self._seen_since(sealed))

    def touched(self, news: Sequence[Sealed]) -> tuple[str, ...]:
        """Return the stories that new receipts change, each once: their own, and those that they bring to an end.

        Raises:
            JournalError: the receipts of those cannot be read.
        """
        return tuple(dict.fromkeys(operation for message in news for operation in self._touched(message.receipt)))

    def _touched(self, receipt: Receipt) -> Iterator[str]:
        yield receipt.operation
        for hold in receipt.holds_lifted:
            if (frozen := self._target.journal.operation_of(hold)) is not None:
                yield frozen
        if receipt.action is Action.OBSERVED and receipt.stage_after == 0:
            holds = self._target.journal.state().holds[-_HOLDS_FOLLOWED:]
            yield from filter(None, (self._target.journal.operation_of(hold.id) for hold in holds if not hold.keeps_stage))
        scheduled = receipt.action in {Action.DAILY, Action.SKIP}
        if scheduled and (announcement := self._target.journal.by_cause(Preflight(_date_of(receipt)))):
            yield announcement.receipt.operation
        if receipt.action is Action.DAILY and (before := _newest(self._runs(), receipt.seq)):
            yield before.operation

    def _seen_since(self, sealed: Sequence[Sealed]) -> Observation | None:
        """Return what is newer than the story's receipts: counts that have grown, and what was seen after a later brake.

        That is about both brakes, while a hold of this story is in force.
        """
        now = self._seen()
        own = next(
            (sealed_receipt.receipt.observation for sealed_receipt in reversed(sealed) if sealed_receipt.receipt.observation),
            None,
        )
        if own is not None and now is not None and (now.since, now.sight) == (own.since, own.sight):
            return now
        holds = {hold.id for sealed_receipt in sealed for hold in sealed_receipt.receipt.holds_added if not hold.keeps_stage}
        if not holds:
            return None
        state = self._target.journal.state()
        later = state.stage == 0 and state.acted > sealed[-1].receipt.seq and state.acted_in != sealed[0].receipt.operation
        return state.observation if later and holds & {hold.id for hold in state.holds} else None

    def _lifted(self, sealed: Sequence[Sealed]) -> dict[str, Sealed]:
        """Return, by hold, the receipt that lifted it, of the holds of a story."""
        holds = {hold.id for sealed_receipt in sealed for hold in sealed_receipt.receipt.holds_added}
        holds = {hold for hold in holds if not self._target.brake.has(hold)}  # a mark is there as long as its hold
        after = self._target.journal.saying(LIFTS, after=sealed[0].receipt.seq) if holds else ()
        return {hold: lifting for lifting in after for hold in lifting.receipt.holds_lifted if hold in holds}

    def _day(self, sealed: Sequence[Sealed]) -> ReportedDay:
        run, target, journal = sealed[0].receipt, self._target.settings, self._target.journal
        hours = run.figures.hours if run.figures is not None else ()
        runs = self._runs()
        return ReportedDay(
            sealed=sealed,
            yesterday=_newest(runs, run.seq),
            spells=spells(journal.state(), moment_of(hours[0].start_us), run.ts) if hours else (),
            zone=target.schedule.zone,
            next_run=next_run(run.ts, target.schedule),
            runbook_url=target.runbook_url,
            drill=_newest(journal.of_action(Action.DRILL), run.seq),
            alert_drill=_newest(journal.of_action(Action.ALERT_DRILL), run.seq),
            superseded=any(later.receipt.seq > run.seq for later in runs),
            details=run.operation in self._opened,
        )

    def _runs(self) -> tuple[Sealed, ...]:
        """Return the receipts of the scheduled runs: each has the date's key as its cause."""
        found = self._target.journal.caused_by(f"{Daily.word}:")
        return tuple(sealed for sealed in found if sealed.receipt.action is Action.DAILY)


def _newest(sealed: Sequence[Sealed], before: int) -> Receipt | None:
    return next((kept.receipt for kept in reversed(sealed) if kept.receipt.seq < before), None)


def _date_of(receipt: Receipt) -> date:
    """The local date that the cause of a scheduled run, its pre-flight or its veto names."""
    day = day_of(receipt.cause)
    if day is None:
        raise JournalCorrupt(f"Receipt #{receipt.seq} names no date, and its story is a date's. Run `anr verify`.")
    return day
