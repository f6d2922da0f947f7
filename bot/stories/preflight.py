"""The pre-flight: what the scheduled run will do if nothing changes, and the veto with which somebody skips it.

Pure. Excluded: what it will do (core/operations/propose.py decides, with the run's own decision).
"""

from datetime import datetime

from bot.blockkit.blocks import (
    LABELS,
    actions,
    because,
    button,
    calendar_day,
    escape,
    evidence,
    header,
    noted,
    percent,
    section,
    when,
    who,
)
from bot.blockkit.post import Post
from bot.blockkit.signs import State, titled
from bot.stories.card import replies
from core.gates.report import Gate
from core.receipts.cause import day_of
from core.receipts.chain import Sealed


def announced(preflight: Sealed, run_at: datetime, run: Sealed | None, veto: Sealed | None) -> Post:
    """Return the message that announces a scheduled run, as it stands.

    Args:
        preflight: what is announced.
        run_at: when the run begins.
        run: the run, once it was made.
        veto: the receipt with which somebody skipped it, or that says that nobody made it, if there is one.
    """
    receipt = preflight.receipt
    moves = receipt.stage_after != receipt.stage_before
    foreseen = f"to {percent(receipt.stage_after)} next" if moves else "nothing will be promoted"
    words = f"Pre-flight: {'GO' if receipt.go else 'NO-GO'} so far at {percent(receipt.stage_before)}, {foreseen}"
    over, skipped_by = run is not None, veto is not None
    title = titled(State.FINE if over else State.SKIPPED if skipped_by else State.ANNOUNCED, words)
    blocks = [header(title), section(f"*At {when(run_at)}, if nothing changes:* {noted(receipt.note)}")]
    blocks.append(section(_gates(receipt.gates)))
    blocks.extend([evidence(figures)] if (figures := receipt.figures) else [])
    if run is not None:
        verdict = "GO" if run.receipt.go else "NO-GO"
        blocks.append(section(f"*Over.* The run was made {when(run.receipt.ts)} and says {verdict}."))
    elif veto is not None and not veto.receipt.actor.is_person:
        blocks.append(section(f"*Missed.* {escape(veto.receipt.reason)}"))
    elif veto is not None:
        blocks.append(section(f"*Skipped* by {who(veto.receipt.actor)}{because(veto.receipt.reason)}"))
    else:
        blocks.append(
            actions(button("Skip today…", "ask_skip", value=receipt.operation, style="danger"), button("Why", "show_why"))
        )
    return Post(title, tuple(blocks), tuple(replies((preflight,))))


def skipped(veto: Sealed, run_at: datetime) -> Post:
    """Return the message of a veto, or of a run that nobody made."""
    receipt = veto.receipt
    if not receipt.actor.is_person:
        title = titled(State.FAILED, f"Missed: the run of {day(veto)} was not made")
        text = f"It was due {when(run_at)}. {escape(receipt.reason)} Nothing was reported and nothing promoted."
        after = "the runs after it go on as always. See why nothing ran: `anr doctor`, and whether the bot was stopped."
        return Post(title, (header(title), section(text), section(f"*Next:* {after}")), tuple(replies((veto,))))
    title = titled(State.SKIPPED, f"Skipped: nothing is promoted by the run of {day(veto)}")
    then = "The runs after it go on as always. Whoever wants the promotion all the same asks with `/anr promote`."
    blocks = (
        header(title),
        section(f"By {who(receipt.actor)}{because(receipt.reason)}"),
        section(f"*Next:* {when(run_at)} the run reports and promotes nothing. {then}"),
    )
    return Post(title, blocks, tuple(replies((veto,))))


def day(veto: Sealed) -> str:
    """Write the local date of the run that a veto, or a missed run, is about."""
    found = day_of(veto.receipt.cause)
    return "a day that nobody knows" if found is None else calendar_day(found)


def _gates(gates: tuple[Gate, ...]) -> str:
    against = [f":x: *{LABELS[gate.name]}*: {noted(gate.reason)}" for gate in gates if not gate.passes]
    return "\n".join(against) or f":white_check_mark: All {len(gates)} gates pass at present."
