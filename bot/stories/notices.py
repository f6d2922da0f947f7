"""What the channel shows of drift, the guard and the schedule: one message each, updated until it is over. Pure."""

from collections.abc import Sequence

from bot.blockkit.blocks import actions, button, context, escape, gate_table, header, mark, mrkdwn, section, sight, when, who
from bot.blockkit.post import Block, Post
from core.receipts.chain import Sealed
from core.receipts.observation import acted, to_do
from core.receipts.receipt import Action, Phase, Receipt, Result

_SUBJECTS = frozenset({Action.DRIFT, Action.AGREED, Action.REAPPLY, Action.ACCEPT, Action.GUARD, Action.PAUSE, Action.RESUME})


def is_notice(sealed: Sequence[Sealed]) -> bool:
    """Whether a story is one of those that are shown here."""
    return sealed[0].receipt.action in _SUBJECTS


def notice(sealed: Sequence[Sealed]) -> Post:
    """Return the message of such a story, as it stands."""
    first, last = sealed[0].receipt, _last_step(sealed)
    title, blocks = _notice(first, last)
    marks = context(" · ".join(mark(sealed_receipt) for sealed_receipt in sealed[-4:]))
    return Post(title, (header(title), *blocks, marks))


def _last_step(sealed: Sequence[Sealed]) -> Receipt:
    """Return the newest receipt that is more than a sighting, with what was seen of the running router since."""
    receipts = [sealed_receipt.receipt for sealed_receipt in sealed]
    last = next((receipt for receipt in reversed(receipts) if receipt.action not in {Action.SEEN, Action.OBSERVED}), receipts[-1])
    seen = next((receipt.observation for receipt in reversed(receipts) if receipt.seq >= last.seq and receipt.observation), None)
    return last.model_copy(update={"observation": seen})


def _notice(first: Receipt, last: Receipt) -> tuple[str, list[Block]]:
    match first.action:
        case Action.GUARD:
            text = f":shield: {escape(first.note)}\nThe guard only observes: nothing was done. Look at the router now."
            return "The guard would have frozen", [section(text), *gate_table(first.gates)]
        case Action.PAUSE:
            text = "The daily run reports and promotes nothing until `/anr schedule resume`."
            return "Schedule paused", [section(f"by {who(first.actor)}{_because(first)}\n{text}")]
        case Action.RESUME:
            return "Schedule resumed", [section(f"by {who(first.actor)}{_because(first)}")]
        case _:
            return _drift(first, last)


def _drift(first: Receipt, last: Receipt) -> tuple[str, list[Block]]:
    match last.action, last.phase, last.result:
        case Action.DRIFT, _, _:
            text = f":warning: {escape(last.note)}\nNo promotion goes through until this is over. An approver ends it:"
            return "Router and journal differ", [section(text), _buttons(last.operation)]
        case Action.AGREED, _, _:
            return "Router and journal agree again", [section(f"They differed since {when(first.ts)}: {escape(first.note)}")]
        case Action.ACCEPT, _, _:
            text = f"{who(last.actor)} accepted it{_because(last)}: the journal says {last.stage_after}% now."
            return "Drift accepted", [section(f"{escape(last.note)}\n{text} The next promotion has to be asked for.")]
        case Action.REAPPLY, Phase.INTENT, _:
            return "Drift: being put back", [section(f"{who(last.actor)} puts the journal's settings back{_because(last)}.")]
        case Action.REAPPLY, _, Result.APPLIED:
            return _put_back(last)
    text = f":x: {who(last.actor)} tried to put the journal's settings back, and it failed. {escape(last.note)}"
    return "Router and journal still differ", [section(text), _buttons(last.operation)]


def _put_back(last: Receipt) -> tuple[str, list[Block]]:
    """Say "put back" of what was seen; settings that were written are written."""
    seen = last.observation
    text = f"{who(last.actor)} put the journal's settings back{_because(last)}: {last.stage_after}%. {escape(last.note)}".rstrip()
    if seen is None:
        return "Drift put back", [section(text)]
    blocks = [section("\n".join(filter(None, (text, acted(seen), sight(seen), escape(to_do(seen))))))]
    if seen.sight.is_seen:
        return "Drift put back", blocks
    if seen.sight.contradicts:
        return "Drift: settings put back, but the router does not follow", [*blocks, _buttons(last.operation)]
    return "Drift: settings put back, not seen yet", blocks


def _because(receipt: Receipt) -> str:
    return f" (“{escape(receipt.reason)}”)" if receipt.reason else ""


def _buttons(operation: str) -> Block:
    again = "The settings that the journal says are written once more, and the router is restarted."
    adopt = "The journal records what the router shows. Nothing is written to the router."
    return actions(
        button("Re-apply", "reapply", value=operation, style="primary", confirm=_confirm(again, "Re-apply")),
        button("Accept", "accept", value=operation, confirm=_confirm(adopt, "Accept")),
    )


def _confirm(text: str, yes: str) -> Block:
    return {
        "title": {"type": "plain_text", "text": "Are you sure?"},
        "text": mrkdwn(text),
        "confirm": {"type": "plain_text", "text": yes},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
