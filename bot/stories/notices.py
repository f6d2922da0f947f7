"""What the channel shows of drift, the guard and the schedule: one message each, updated until it is over. Pure."""

from collections.abc import Sequence

from bot.blockkit.blocks import actions, button, escape, gate_table, header, noted, percent, question, section, sight, when, who
from bot.blockkit.post import Block, Post
from bot.blockkit.signs import State, titled
from bot.stories.called import Callers
from bot.stories.card import replies
from core.receipts.chain import Sealed
from core.receipts.observation import acted, to_do
from core.receipts.receipt import Action, Phase, Receipt, Result

_SUBJECTS = frozenset({Action.DRIFT, Action.AGREED, Action.REAPPLY, Action.ACCEPT, Action.GUARD, Action.PAUSE, Action.RESUME})


def is_notice(sealed: Sequence[Sealed]) -> bool:
    """Whether a story is one of those that are shown here."""
    return sealed[0].receipt.action in _SUBJECTS


def notice(sealed: Sequence[Sealed], callers: Callers | None = None) -> Post:
    """Return the message of such a story, as it stands."""
    first, last = sealed[0].receipt, _last_step(sealed)
    state, words, blocks = _notice(first, last)
    title = titled(state, words)
    told = (*replies(sealed), *(callers or Callers()).danger(sealed, title))
    return Post(title, (header(title), *blocks), told)


def _last_step(sealed: Sequence[Sealed]) -> Receipt:
    """Return the newest receipt that is more than a sighting, with what was seen of the running router since."""
    receipts = [sealed_receipt.receipt for sealed_receipt in sealed]
    last = next((receipt for receipt in reversed(receipts) if receipt.action not in {Action.SEEN, Action.OBSERVED}), receipts[-1])
    seen = next((receipt.observation for receipt in reversed(receipts) if receipt.seq >= last.seq and receipt.observation), None)
    return last.model_copy(update={"observation": seen})


_Notice = tuple[State, str, list[Block]]
"""How it stands, the words of its title, and what it says."""


def _notice(first: Receipt, last: Receipt) -> _Notice:
    match first.action:
        case Action.GUARD:
            text = f"{noted(first.note)}\nThe guard only observes: nothing was done. Look at the router now."
            return State.WATCHED, "The guard would have frozen", [section(text), *gate_table(first.gates)]
        case Action.PAUSE:
            text = "The daily run reports and promotes nothing until `/anr schedule resume`."
            return State.PAUSED, "Schedule paused", [section(f"By {who(first.actor)}{_because(first)}\n{text}")]
        case Action.RESUME:
            return State.RESUMED, "Schedule resumed", [section(f"By {who(first.actor)}{_because(first)}")]
        case _:
            return _drift(first, last)


def _drift(first: Receipt, last: Receipt) -> _Notice:
    match last.action, last.phase, last.result:
        case Action.DRIFT, _, _:
            text = f"{noted(last.note)}\nNo promotion goes through until this is over. "
            if _is_braked(last):
                text += "Nothing can be put back over a brake: `/anr rollback` records it."
                return State.DIFFERS, "Braked outside of anr", [section(text)]
            buttons = _buttons(last.operation)
            return State.DIFFERS, "Router and journal differ", [section(f"{text}An approver ends it:"), buttons]
        case Action.AGREED, _, _:
            text = f"They differed since {when(first.ts)}: {noted(first.note)}"
            return State.FINE, "Router and journal agree again", [section(text)]
        case Action.ACCEPT, _, _:
            text = f"{who(last.actor)} accepted it{_because(last)}: the journal says {percent(last.stage_after)} now."
            text = f"{noted(last.note)}\n{text} The next promotion has to be asked for."
            return State.FINE, "Drift accepted", [section(text)]
        case Action.REAPPLY, Phase.INTENT, _:
            text = f"{who(last.actor)} puts the journal's settings back{_because(last)}."
            return State.RUNNING, "Drift: being put back", [section(text)]
        case Action.REAPPLY, _, Result.APPLIED:
            return _put_back(last)
    text = f"{who(last.actor)} tried to put the journal's settings back, and it failed. {noted(last.note)}"
    return State.FAILED, "Router and journal still differ", [section(text), _buttons(last.operation)]


def _put_back(last: Receipt) -> _Notice:
    """Say "put back" of what was seen; settings that were written are written."""
    seen = last.observation
    back = f"{who(last.actor)} put the journal's settings back{_because(last)}: {percent(last.stage_after)}."
    text = f"{back} {noted(last.note)}".rstrip()
    if seen is None:
        return State.FINE, "Drift put back", [section(text)]
    blocks = [section("\n".join(filter(None, (text, acted(seen), sight(seen), escape(to_do(seen))))))]
    if seen.sight.is_seen:
        return State.FINE, "Drift put back", blocks
    if seen.sight.contradicts:
        buttons = _buttons(last.operation)
        return State.DANGER, "Drift: settings put back, but the router does not follow", [*blocks, buttons]
    return State.WRITTEN, "Drift: settings put back, not seen yet", blocks


def _because(receipt: Receipt) -> str:
    return f" (“{escape(receipt.reason)}”)" if receipt.reason else ""


def _is_braked(found: Receipt) -> bool:
    """Whether the settings that were found are the safe ones, where the journal says a stage: putting that back is refused.

    As core/rollout/drift.py has it (`DriftKind.BRAKED`).
    """
    settings = found.settings_observed or {}
    safe = settings.get("NOVA_ANR_KILL") == "1" and settings.get("NOVA_ANR_ENABLED") == "0"
    return safe and bool(found.stage_after)


def _buttons(operation: str) -> Block:
    again = "The settings that the journal says are written once more, and the router is restarted."
    adopt = "The journal records what the router shows. Nothing is written to the router."
    asks = question("Put the journal's settings back?", again, "Re-apply")
    put_back = button("Re-apply", "reapply", value=operation, confirm=asks)
    accept = question("Accept what the router shows?", adopt, "Accept", dangerous=False)
    return actions(put_back, button("Accept", "accept", value=operation, confirm=accept))
