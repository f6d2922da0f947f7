"""Receipts -> what their story shows: finds what else a story is about, and hands it to the one that renders it.

What is shown beside the receipts (the gates at present of a request that waits, details that somebody asked for) lives here
and only here: after a restart it is looked up anew. Excluded: rendering, and bringing it to Slack (bot/slack/outbox.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from bot.blockkit.blocks import context
from bot.blockkit.post import Post, of_router
from bot.stories import card, notices
from bot.stories.alerts import alert_story
from bot.stories.called import Callers
from bot.stories.card import Beside
from bot.stories.daily import ReportedDay, daily_report
from bot.stories.preflight import announced, skipped
from core.actors import SCHEDULER
from core.errors import JournalCorrupt
from core.ledger.window import moment_of
from core.operations.requests import Reexamined
from core.receipts.cause import Daily, Missed, Preflight, Skip, day_of
from core.receipts.chain import LIFTS, Sealed
from core.receipts.observation import Observation
from core.receipts.receipt import Action, Receipt
from core.rollout.schedule import begin_of, coming_run
from core.rollout.timeline import spells
from core.target.target import Target

_MOST_LINKS = 8
_HOLDS_FOLLOWED = 20
"""Stories of how many holds in force are shown anew when something is seen of the running router."""


class StoryComposer:
    """Tells the stories of one target; `seen` is what was seen of its running router a second ago."""

    def __init__(
        self,
        target: Target,
        seen: Callable[[], Observation | None] = lambda: None,
        *,
        callers: Callers | None = None,
        link: Callable[[str], str] = lambda _: "",
        named: bool = False,
    ) -> None:
        """Take what stories are told of.

        Args:
            target: the router.
            seen: what was seen of the running router a second ago.
            callers: whom messages call.
            link: the permalink of a story's message, by its operation; "" if it has none yet.
            named: whether messages name the router, because there are several.
        """
        self._target = target
        self._callers = callers or Callers(access=target.access, zone=target.settings.schedule.zone)
        self._link = link
        self._named = named
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
        post = self._told(sealed)
        linked = {url: words for words, other in self._links(sealed) if (url := self._link(other))}
        if linked:
            text = " · ".join(f"<{url}|{words}>" for url, words in list(linked.items())[:_MOST_LINKS])
            post = replace(post, blocks=(*post.blocks, context(f"See also: {text}")))
        return of_router(post, self._target.settings.name) if self._named else post

    def related(self, operation: str) -> tuple[str, ...]:
        """Return the stories whose messages link to this one's.

        Raises:
            JournalError: its receipts cannot be read.
        """
        sealed = self._target.journal.of_operation(operation)
        return tuple(dict.fromkeys(other for _, other in self._links(sealed))) if sealed else ()

    def _told(self, sealed: Sequence[Sealed]) -> Post:
        if any(sealed_receipt.receipt.alert for sealed_receipt in sealed):
            silences = bool(self._target.settings.alertmanager_url)
            beside = self._lifted(sealed), self._seen_since(sealed)
            return alert_story(sealed, beside[0], silences=silences, seen=beside[1], callers=self._callers)
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
                    return notices.notice(sealed, self._callers)
                return card.story(sealed, approval, self._beside(sealed[0].receipt.operation, sealed))

    def _beside(self, operation: str, sealed: Sequence[Sealed]) -> Beside:
        put = {hold.id for one in sealed for hold in one.receipt.holds_added}
        lifted = {lifting.receipt.seq: lifting.receipt for lifting in self._lifted(sealed).values()}
        return Beside(
            look=self._looks.get(operation),
            seen=self._seen_since(sealed),
            lifted=tuple(lifted.values()),
            holds=bool(put) and any(hold.id in put for hold in self._target.journal.state().holds),
            callers=self._callers,
        )

    def _links(self, sealed: Sequence[Sealed]) -> Iterator[tuple[str, str]]:
        """Return words and permalink of the messages that this one is about, or that are about it."""
        journal, first = self._target.journal, sealed[0].receipt
        for hold in {hold: None for one in sealed for hold in one.receipt.holds_lifted}:
            if (frozen := journal.operation_of(hold)) is not None:
                yield "what was unfrozen", frozen
        for lifting in self._lifted(sealed).values():
            yield "the unfreeze", lifting.receipt.operation
        if first.action in {Action.DAILY, Action.PREFLIGHT, Action.SKIP} and (day := day_of(first.cause)) is not None:
            of_day: dict[str, Preflight | Skip | Daily] = {
                "the pre-flight": Preflight(day),
                "the veto": Skip(day),
                "the daily report": Daily(day),
            }
            for words, cause in of_day.items():
                if (found := journal.by_cause(cause)) is not None and found.receipt.operation != first.operation:
                    yield words, found.receipt.operation
        yield from self._asked_by_run(first)

    def _asked_by_run(self, first: Receipt) -> Iterator[tuple[str, str]]:
        """Return the request that a daily run made beside its report, or the report beside which a request was made.

        Both receipts follow one another, and have one moment and one actor.
        """
        if first.actor != SCHEDULER or first.action not in {Action.DAILY, Action.REQUEST}:
            return
        near = self._target.journal.receipts(after=first.seq - 2, first=3)
        wanted, words = (Action.REQUEST, "the request") if first.action is Action.DAILY else (Action.DAILY, "the daily report")
        for one in (one.receipt for one in near):
            if one.action is wanted and one.actor == SCHEDULER and abs(one.seq - first.seq) == 1 and one.ts == first.ts:
                yield words, one.operation

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
            next_run=coming_run(run.ts, target.schedule, run.due_at or run.ts).begins,
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
