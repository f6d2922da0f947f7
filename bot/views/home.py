"""What the app's home shows of each router: open requests first, then state, gates, health, and what was done last.

Pure. Slack takes 100 blocks. Excluded: who sees it and when it is drawn anew (bot/surfaces/home.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.blockkit.blocks import (
    actions,
    because,
    bounded,
    button,
    calendar_day,
    context,
    escape,
    evidence,
    gate_count,
    gate_table,
    header,
    hold_line,
    noted,
    percent,
    prose,
    section,
    sight,
    verdict,
    when,
    who,
)
from bot.blockkit.post import Block, blocks_of_router
from bot.blockkit.signs import State, titled
from bot.slack.deliveries import Parked, Waiting
from bot.stories.card import answer_buttons, what
from bot.views import answers
from bot.views.outlook import diagnosis
from core.doctor.check import Check
from core.receipts.chain import Sealed
from core.rollout.approvals import Approval
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
        checks: what the doctor found lately; empty if nobody has looked yet.
    """

    seen: Overview
    receipts: tuple[Sealed, ...]
    spells: tuple[Stretch, ...]
    next_run: datetime
    schedule: Schedule
    stages: tuple[int, ...]
    parked: tuple[Parked, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    checks: tuple[Check, ...] = ()


def home(glances: Sequence[Glance], now: datetime) -> dict[str, Any]:
    """Return the home of somebody who may use anr."""
    blocks = [block for glance in glances for block in _router(glance, named=len(glances) > 1)]
    blocks = blocks[: _MAX_BLOCKS - 2]
    blocks.append(context(f"As of {when(now)}. It is drawn anew when something is recorded."))
    blocks.append(actions(button("Refresh", "home_refresh")))
    return {"type": "home", "blocks": blocks}


def closed(blocks: Sequence[Block]) -> dict[str, Any]:
    """Return the home of somebody who may not use anr, or of whom nobody knows who they are."""
    return {"type": "home", "blocks": list(blocks)}


def _router(glance: Glance, *, named: bool) -> list[Block]:
    """Return one router: what waits for somebody first, then how it stands, then what there is to know."""
    seen = glance.seen
    blocks = [header(_headline(glance))]
    for number, approval in enumerate(seen.pending[:MAX_REQUESTS]):
        blocks.append(section(_asked(approval)))
        blocks.append(answer_buttons(approval) if not number else _plain(answer_buttons(approval)))
    blocks.append(section("\n".join(_state_lines(glance))))
    if seen.state is not None and (does_not_count := not_counted(learning_of(seen.state), seen.now)):
        blocks.append(section(f":information_source: {prose(does_not_count)}"))
    blocks.extend(section(f":warning: {prose(problem)}") for problem in seen.problems[:5])
    blocks.extend(_undelivered(glance))
    frozen = seen.state is not None and seen.state.frozen
    blocks.append(
        actions(
            button("Promote…", "ask_promote", value=seen.target, style="" if seen.pending or frozen else "primary"),
            button("Freeze…", "ask_freeze", value=seen.target, style="danger"),
            button("Unfreeze…", "ask_unfreeze", value=seen.target),
        )
    )
    if seen.report is not None:
        gates = seen.report.gates.gates
        blocks.append(section(f"*Gates now:* {verdict(seen.report)}, {gate_count(gates)}"))
        blocks.extend(gate_table(gate for gate in gates if not gate.passes))
        blocks.append(evidence(seen.report.metrics))
    if glance.checks:
        blocks.append(section(f"*Doctor:* {diagnosis(glance.checks)}"))
    blocks.append(section(f"*Stage over the last {DAYS} days*\n{stretches(glance.spells, glance.schedule.zone)}"))
    if glance.receipts:
        said = "\n".join(answers.receipt_line(one) for one in reversed(glance.receipts))
        blocks.append(section(f"*Done last*\n{said}"))
    # its headline names it anyway
    return [blocks[0], *blocks_of_router(blocks[1:], seen.target)] if named else blocks


def _headline(glance: Glance) -> str:
    """Return how the router stands, as a title with its sign."""
    seen, state = glance.seen, glance.seen.state
    at = "nobody knows its stage" if state is None else f"{percent(state.stage)} of live traffic"
    if seen.observation is not None and seen.observation.sight.contradicts:
        return titled(State.DANGER, f"{seen.target}: the router does not do what was written")
    if state is not None and state.drift is not None:
        return titled(State.DIFFERS, f"{seen.target}: router and journal differ")
    if state is not None and state.frozen:
        return titled(State.BRAKED if state.stage == 0 else State.HELD, f"{seen.target}: frozen at {percent(state.stage)}")
    go = seen.report is not None and seen.report.gates.go
    return titled(State.GO if go else State.NO_GO, f"{seen.target}: {at}")


def _asked(approval: Approval) -> str:
    by = f"Asked by {who(approval.requester)}{because(approval.reason)}"
    return f"{State.ASKED.value} *Approval needed: {what(approval)}*\n{by}\nExpires {when(approval.expires_at)}"


def _plain(row: Block) -> Block:
    """Return a row of buttons without a primary one: a home has one, which is what somebody most likely came for."""
    return {
        **row,
        "elements": [{name: value for name, value in element.items() if name != "style"} for element in row["elements"]],
    }


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
    if seen.observation is not None:
        lines.append(f"*Running router:* {sight(seen.observation)}")
    elif seen.sighting is not None:
        shown = f"{round(seen.sighting.pilot * 100)}% of live traffic, {when(seen.sighting.at)}"
        lines.append(f"*Running router last showed:* {shown}")
    else:
        lines.append("*Running router:* nothing that can be read")
    if state is not None:
        lines.extend(hold_line(hold) for hold in state.holds[:5])
        if state.drift:
            lines.append(f"*Drift:* {noted(state.drift.text)}")
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


def stretches(spells: Sequence[Stretch], zone: str) -> str:
    """Say which stage was served on which days, the newest last: Slack's own charts have no place in a home.

    Args:
        spells: in order of time, without a gap.
        zone: IANA name of the zone in which days begin.
    """
    known = [spell for spell in spells if spell.stage is not None]
    if not known:
        return "Nothing is known yet."
    lines = []
    for spell in known[-_MOST_SPELLS:]:
        first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (spell.begins, spell.ends))
        days = calendar_day(first) if first == last else f"{calendar_day(first)} to {calendar_day(last)}"
        bar = "▰" * round((spell.stage or 0) / 10) + "▱" * (10 - round((spell.stage or 0) / 10))
        lines.append(f"{bar} *{percent(spell.stage)}* {days}{', frozen' if spell.frozen else ''}")
    return "\n".join(lines)


_MOST_SPELLS = 8
