"""What `why` and `next` look like in Slack: every blocker with its owner and its way out, and what lies ahead. Pure."""

from bot.blocks import MAX_BLOCKS, escape, section, when, who
from bot.posts import Block
from core.actors import Actor
from core.blockers import Blocker
from core.insight import Insight


def why(seen: Insight) -> list[Block]:
    """Return everything that stands in the way of the next promotion."""
    if not seen.blockers:
        return [section(f":large_green_circle: *Nothing stands in the way* of {_step(seen)}.")]
    headline = section(f":construction: *{len(seen.blockers)} in the way* of {_step(seen)}:")
    return [headline, *(_line(blocker) for blocker in seen.blockers)][:MAX_BLOCKS]


def ahead(seen: Insight) -> list[Block]:
    """Return the earliest possible promotion, and what the next scheduled run will do."""
    run = section(f":calendar: Next scheduled run {when(seen.ahead.run_at)}. {escape(seen.ahead.run_does)}")
    if seen.ahead.to_stage is None:
        return [section(escape(seen.lines()[0])), run]
    if seen.ahead.earliest is None:
        first = (_line(blocker) for blocker in seen.ahead.first)
        return [section(f":construction: {_step(seen)} is possible once this is lifted:"), *first, run][:MAX_BLOCKS]
    since = "can be asked for now" if seen.ahead.earliest <= seen.now else f"is possible from {when(seen.ahead.earliest)}"
    return [section(f":arrow_up: {_step(seen)} {since}, if the gates pass."), run]


def _step(seen: Insight) -> str:
    if seen.ahead.to_stage is None:
        return "the next promotion"
    return f"*{seen.ahead.from_stage} → {seen.ahead.to_stage} %*"


def _line(blocker: Blocker) -> Block:
    owner = who(blocker.owner) if isinstance(blocker.owner, Actor) else escape(blocker.owner)
    until = f" · ends by itself {when(blocker.until)}" if blocker.until else ""
    alone = " · _stops the scheduled run only_" if blocker.scheduled_only else ""
    line = f"• {escape(blocker.text)}\n      {owner} · {escape(blocker.lift)}{until}{alone}"
    return section(line)
