"""What `why`, `next` and `doctor` look like in Slack: what stands in the way, what lies ahead, what is ill. Pure."""

import re
from collections.abc import Sequence

from bot.blockkit.blocks import MAX_BLOCKS, context, counted, escape, noted, prose, section, when, who
from bot.blockkit.post import Block
from core.actors import Actor
from core.doctor.check import Check, Health
from core.rollout.blockers import Blocker
from core.rollout.outlook import Insight


def why(seen: Insight) -> list[Block]:
    """Return everything that stands in the way of the next promotion."""
    counts = _not_counted(seen)
    if not seen.blockers:
        return [section(f":large_green_circle: *Nothing stands in the way* of {_step(seen)}."), *counts]
    headline = section(f":construction: *{len(seen.blockers)} in the way* of {_step(seen)}:")
    return [headline, *counts, *(_line(blocker) for blocker in seen.blockers)][:MAX_BLOCKS]


def _not_counted(seen: Insight) -> list[Block]:
    return [section(f":information_source: {prose(seen.does_not_count)}")] if seen.does_not_count else []


def ahead(seen: Insight) -> list[Block]:
    """Return the earliest possible promotion, and what the next scheduled run will do."""
    run = section(f":calendar: Next scheduled run {when(seen.ahead.run_at)}. {prose(seen.ahead.run_does)}")
    if seen.ahead.to_stage is None:
        return [section(prose(seen.lines()[0])), *_not_counted(seen), run]
    if seen.ahead.earliest is None:
        first = (_line(blocker) for blocker in seen.ahead.first)
        return [section(f":construction: {_step(seen)} is possible once this is lifted:"), *_not_counted(seen), *first, run][
            :MAX_BLOCKS
        ]
    since = "can be asked for now" if seen.ahead.earliest <= seen.now else f"is possible from {when(seen.ahead.earliest)}"
    return [section(f":arrow_up: {_step(seen)} {since}, if the gates pass."), *_not_counted(seen), run]


_SIGNS = {Health.OK: ":white_check_mark:", Health.WARN: ":warning:", Health.FAIL: ":x:"}


def examined(checks: Sequence[Check]) -> list[Block]:
    """Return what the doctor found: one sentence if all is well, else what is ill with what to do; the rest folds away.

    A section that is long is folded by Slack (`expand` is false unless an app says otherwise).
    """
    headline = section(diagnosis(checks))
    ill = sorted((check for check in checks if check.health is not Health.OK), key=lambda check: check.health is Health.WARN)
    lines = [f"{_SIGNS[check.health]} *{check.name}* — {noted(check.text)}\n      {escape(check.remedy)}" for check in ill]
    well = "\n".join(f"*{check.name}* — {noted(check.text)}" for check in checks if check.health is Health.OK)
    folded = [context(well)] if well else []
    return [headline, *(section(line) for line in lines[:40]), *folded][:MAX_BLOCKS]


def diagnosis(checks: Sequence[Check]) -> str:
    """Return in one sentence what the doctor found, such as that all 19 checks pass."""
    count = {health: sum(check.health is health for check in checks) for health in Health}
    if count[Health.OK] == len(checks):
        return f":white_check_mark: *All {counted(len(checks), 'check')} pass.*"
    found = [
        f"{counted(count[health], noun)}"
        for health, noun in ((Health.FAIL, "failure"), (Health.WARN, "warning"))
        if count[health]
    ]
    sign = _SIGNS[Health.FAIL if count[Health.FAIL] else Health.WARN]
    return f"{sign} *{' and '.join(found)}*; {counted(count[Health.OK], 'check')} pass{'es' if count[Health.OK] == 1 else ''}."


_SLACK_ID = re.compile(r"\b[UW][A-Z0-9]{2,30}\b")
"""People whom the settings list: Slack shows their names."""


def _step(seen: Insight) -> str:
    if seen.ahead.to_stage is None:
        return "the next promotion"
    return f"*{seen.ahead.from_stage}% → {seen.ahead.to_stage}%*"


def _line(blocker: Blocker) -> Block:
    owner = who(blocker.owner) if isinstance(blocker.owner, Actor) else _SLACK_ID.sub(r"<@\g<0>>", escape(blocker.owner))
    until = f" · ends by itself {when(blocker.until)}" if blocker.until else ""
    alone = " · _stops the scheduled run only_" if blocker.scheduled_only else ""
    line = f"• {prose(blocker.text)}\n      {owner} · {escape(blocker.lift)}{until}{alone}"
    return section(line)
