"""What the app's home shows of each router: state, gates, open requests, last receipts, and the stage over 30 days.

Pure. Slack takes 100 blocks. Excluded: who sees it and when it is drawn anew (bot/surfaces/home.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.blockkit.blocks import (
    actions,
    bounded,
    button,
    context,
    escape,
    evidence,
    gate_table,
    header,
    hold_line,
    percent,
    prose,
    section,
    sight,
    verdict,
    when,
    who,
)
from bot.blockkit.post import Block
from bot.slack.deliveries import Parked, Waiting
from bot.stories.card import answer_buttons, what
from bot.views import answers
from core.receipts.chain import Sealed
from core.rollout.schedule import PromotionMode, Schedule
from core.rollout.state import learning_of, not_counted
from core.rollout.timeline import Stretch
from core.target.overview import Overview

DAYS = 30
MAX_REQUESTS = 5
_MAX_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything that the home shows of one router.

    Attributes:
        receipts: the last few, in order of number.
        spells: which stage was served when, over the last `DAYS` days.
        next_run: when the next scheduled run begins.
        stages: the ladder.
        parked: messages that Slack refuses for good.
        waiting: stories that the channel does not show as they stand, and that are tried again.
    """

    seen: Overview
    receipts: tuple[Sealed, ...]
    spells: tuple[Stretch, ...]
    next_run: datetime
    schedule: Schedule
    stages: tuple[int, ...]
    parked: tuple[Parked, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def home(glances: Sequence[Glance], now: datetime) -> dict[str, Any]:
    """Return the home of somebody who may use anr."""
    blocks = [block for glance in glances for block in _router(glance)]
    blocks = blocks[: _MAX_BLOCKS - 2]
    blocks.append(context(f"As of {when(now)}. It is drawn anew when something is recorded."))
    blocks.append(actions(button("Refresh", "home_refresh")))
    return {"type": "home", "blocks": blocks}


def closed(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return the home of somebody who may not use anr, or of whom nobody knows who they are."""
    return {"type": "home", "blocks": list(blocks)}


def _router(glance: Glance) -> list[Block]:
    seen = glance.seen
    blocks = [header(f"Router {seen.target}"), section("\n".join(_state_lines(glance)))]
    if seen.state is not None and (does_not_count := not_counted(learning_of(seen.state), seen.now)):
        blocks.append(section(f":information_source: {prose(does_not_count)}"))
    blocks.extend(section(f":warning: {prose(problem)}") for problem in seen.problems[:5])
    blocks.extend(_undelivered(glance))
    blocks.append(
        actions(
            button("Promote…", "ask_promote", value=seen.target, style="primary"),
            button("Freeze…", "ask_freeze", value=seen.target, style="danger"),
            button("Unfreeze…", "ask_unfreeze", value=seen.target),
        )
    )
    for approval in seen.pending[:MAX_REQUESTS]:
        by = f"asked by {who(approval.requester)}, expires {when(approval.expires_at)} · request `{approval.id}`"
        blocks.append(section(f":hourglass: *Approval wanted: {what(approval)}*\n{by}"))
        blocks.append(answer_buttons(approval))
    if seen.report is not None:
        blocks.append(section(f"*Gates now:* {verdict(seen.report)}"))
        blocks.extend(gate_table(seen.report.gates.gates))
        blocks.append(evidence(seen.report.metrics))
    blocks.append(
        section(f"*Stage over the last {DAYS} days*\n```{chart(glance.spells, glance.stages, glance.schedule.zone)}```")
    )
    blocks.append(context("One column a day, the stage at its end. `█` served, `▒` frozen, `▁` shadow only, `?` not known."))
    blocks.append(section("*Last receipts*"))
    blocks.extend(answers.receipts(glance.receipts))
    return blocks


def _undelivered(glance: Glance) -> list[Block]:
    """Say what the channel does not show, and offer to try it again."""
    lines = [
        f"• story {escape(refused.operation)}: Slack refuses its message ({escape(refused.error)})"
        for refused in glance.parked[:3]
    ]
    lines += [f"• story {escape(queued.operation)} waits ({escape(queued.error)})" for queued in glance.waiting[:3]]
    if not lines:
        return []
    count = len(glance.parked) + len(glance.waiting)
    headline = f":warning: *The channel does not show everything:* {count} to deliver."
    return [
        section("\n".join((headline, *lines))),
        actions(button("Try again", "deliver_again", value=glance.seen.target)),
    ]


def _state_lines(glance: Glance) -> list[str]:
    seen, state = glance.seen, glance.seen.state
    lines = []
    if state is not None:
        lines.append(f"*Stage:* {percent(state.stage)} of live traffic" + (f", since {when(state.since)}" if state.since else ""))
    if seen.settings is not None:
        lines.append(f"*Settings file:* `NOVA_ANR_PILOT={escape(seen.settings.pilot or 'not set')}`")
    if seen.observation is not None:
        lines.append(f"*Running router:* {sight(seen.observation)}")
    if seen.sighting is not None:
        shown = f"{round(seen.sighting.pilot * 100)}% of live traffic, {when(seen.sighting.at)}"
        lines.append(f"*Running router last showed:* {shown}")
    else:
        lines.append("*Running router last showed:* nothing that can be read")
    if state is not None:
        lines.append("*Frozen:* no" if not state.frozen else f"*Frozen:* {len(state.holds)} hold(s)")
        lines.extend(f"   {hold_line(hold)}" for hold in state.holds[:5])
        lines.append(f"*Drift:* {prose(state.drift.text)}" if state.drift else "*Drift:* none: router and journal agree")
        lines.append(f"*Schedule:* {_schedule(glance)}")
    return [bounded(line, 500) for line in lines]


def _schedule(glance: Glance) -> str:
    state = glance.seen.state
    if state is not None and state.paused:
        return f"paused by {who(state.paused.actor)}, since {when(state.paused.since)}"
    does = {
        PromotionMode.AUTO: "promotes when GO",
        PromotionMode.APPROVE: "asks for an approval when GO",
        PromotionMode.OFF: "only reports",
    }
    return f"next run {when(glance.next_run)}; it {does[glance.schedule.promotion]}"


def chart(spells: Sequence[Stretch], stages: Iterable[int], zone: str) -> str:
    """Draw the stage over the days in letters: readable on every theme, by a screen reader, and without a file.

    Args:
        spells: in order of time, without a gap.
        stages: the ladder.
        zone: IANA name of the zone in which days end.
    """
    if not spells:
        return "Nothing is known yet."
    days = _days(spells, zone)
    rows = [
        f"{stage:>4}%  " + "".join(_cell(spells_of_day, stage) for _, spells_of_day in days)
        for stage in sorted(stages, reverse=True)
    ]
    first, last = (f"{day.day} {day:%b}" for day in (days[0][0], days[-1][0]))
    return "\n".join([*rows, "       " + first + last.rjust(len(days) - len(first))])


def _days(spells: Sequence[Stretch], zone: str) -> list[tuple[datetime, Stretch | None]]:
    """Return each local day with the spell that was in force at its end."""
    begins, ends = spells[0].begins.astimezone(ZoneInfo(zone)), spells[-1].ends
    count = max(1, (ends.astimezone(ZoneInfo(zone)).date() - begins.date()).days)
    days = []
    for ahead in range(count + 1):
        day = begins.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=ahead)
        end = min(day + timedelta(days=1), ends)
        days.append((day, next((stretch for stretch in reversed(spells) if stretch.begins < end <= stretch.ends), None)))
    return days[-DAYS:]


def _cell(spell: Stretch | None, stage: int) -> str:
    if spell is None or spell.stage is None:
        return " " if stage else "?"
    if spell.stage < stage:
        return " "
    return "▒" if spell.frozen else "█" if stage else "▁"
