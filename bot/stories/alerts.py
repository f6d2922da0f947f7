"""The one message of a group of alerts: what fired, since when, what was done and observed, and what can be done now.

Pure. Everything that an alert says is outside text: escaped, bounded, and links only where they are plain HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.blockkit.blocks import MAX_BLOCKS, actions, bounded, button, context, escape, percent, section, sight, when, who
from bot.blockkit.post import Block, Post
from bot.blockkit.signs import State, titled
from bot.stories.called import Callers
from bot.stories.card import replies
from core.alerts.payload import START_UNKNOWN, AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.receipts.chain import Sealed
from core.receipts.observation import Observation, Sight, acted, to_do
from core.receipts.receipt import Action, Receipt, Result

_MOST_SHOWN = 8
"""Alerts that a card shows one by one; the others are counted."""
_MOST_LABELS = 8
_LONGEST_LINK = 300
_LONGEST_TITLE = 130
"""Characters; a header takes 150, and the router's name may come before it."""


@dataclass(slots=True)
class _Shown:
    """One alert of the group, as its receipts say."""

    facts: AlertFacts
    frozen: Receipt | None = None
    lifted: Receipt | None = None

    @property
    def held(self) -> bool:
        return self.frozen is not None and self.lifted is None

    @property
    def fires(self) -> bool:
        return self.facts.status is AlertStatus.FIRING


def alert_story(
    sealed: Sequence[Sealed],
    lifted: Mapping[str, Sealed],
    *,
    silences: bool,
    seen: Observation | None = None,
    callers: Callers | None = None,
) -> Post:
    """Return the message of a group's story, as it stands.

    Args:
        sealed: the story's receipts, in order of number; at least one is about an alert.
        lifted: by id of a hold, the receipt that lifted it.
        silences: whether Alertmanager can be asked for a silence.
        seen: what was seen of the running router after a later brake, while a hold of this story is in force.
        callers: whom it calls.
    """
    seen, callers = seen or _seen(sealed), callers or Callers()
    alerts = _alerts(sealed, lifted)
    operation = sealed[0].receipt.operation
    title = _title(alerts, seen)
    # no emoji: an alert's name is outside text
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    acknowledged = next((one.receipt for one in sealed if one.receipt.action is Action.ACKNOWLEDGE), None)
    blocks += [section(text) for text in _done(sealed, seen)]
    blocks += [section(_line(alert)) for alert in alerts[:_MOST_SHOWN]]
    if len(alerts) > _MOST_SHOWN:
        blocks.append(context(f"and {len(alerts) - _MOST_SHOWN} more alerts of this group"))
    if buttons := _buttons(operation, alerts, acknowledged=acknowledged is not None, silences=silences):
        blocks.append(buttons)
    called = callers.on_call if any(alert.fires or alert.held for alert in alerts) else ""
    blocks += [context(text) for text in (*([f"On call: {called}"] if called else []), *_answers(sealed))]
    told = (*replies(sealed), *callers.danger(sealed, escape(title)))
    return Post(f"{escape(title)}{f' · {called}' if called else ''}", tuple(blocks[:MAX_BLOCKS]), told)


def _alerts(sealed: Sequence[Sealed], lifted: Mapping[str, Sealed]) -> list[_Shown]:
    """Return the group's alerts, those that fire first, then the oldest first."""
    found: dict[str, _Shown] = {}
    for sealed_receipt in sealed:
        receipt = sealed_receipt.receipt
        if receipt.alert is None:
            continue
        shown = found.setdefault(receipt.alert.cause, _Shown(receipt.alert))
        shown.facts = receipt.alert
        for hold in receipt.holds_added:
            shown.frozen = receipt
            shown.lifted = lifted[hold.id].receipt if hold.id in lifted else None
    return sorted(found.values(), key=lambda alert: (not alert.fires, not alert.held, alert.facts.since))


def _title(alerts: Sequence[_Shown], seen: Observation | None) -> str:
    names = ", ".join(dict.fromkeys(alert.facts.name for alert in alerts))
    held, fires = any(alert.held for alert in alerts), any(alert.fires for alert in alerts)
    failed = any(alert.held and alert.frozen and alert.frozen.result is not Result.APPLIED for alert in alerts)
    if held and seen is not None and seen.sight.contradicts:
        state, words = State.DANGER, "Frozen by alert, but the router is STILL SERVING"
    elif failed:
        state, words = State.DANGER, "Frozen by alert, but the router may not be safe"
    elif held and seen is not None and seen.sight is Sight.UNSEEN_TIMEOUT:
        state, words = State.DANGER, "Frozen by alert, but the router was NOT SEEN"
    elif held:
        state, words = State.BRAKED, "Frozen by alert" if fires else "Frozen by alert, which has ended"
    elif any(alert.frozen for alert in alerts):
        state, words = State.LIFTED, "Unfrozen while the alert fires" if fires else "Over, and unfrozen"
    elif any(alert.facts.effect is Effect.WOULD_FREEZE for alert in alerts):
        state, words = State.WATCHED, "Would have frozen" if fires else "Would have frozen, and is over"
    else:
        state, words = (State.FIRING, "Alert") if fires else (State.FINE, "Alert, which has ended")
    return titled(state, f"{words}: {names}")[:_LONGEST_TITLE]


def _line(one: _Shown) -> str:
    facts = one.facts
    ended = f" · resolved {when(facts.ends)}" if facts.ends else " · resolved"
    since = when(facts.since) if facts.since > START_UNKNOWN else "a time that cannot be read"
    state = f"fires since {since}" if one.fires else f"fired {since}{ended}"
    summary = bounded(escape(facts.summary or "no summary"), 600)
    lines = [f"*{escape(facts.name)}* — {summary}", f"{state} · {_what_was_done(one)}"]
    labels = [_code(f"{name}={value}", 60) for name, value in facts.labels.items() if name != "alertname"]
    lines.append(" ".join(labels[:_MOST_LABELS]))
    places = (("Runbook", facts.runbook_url), ("Graph", facts.generator_url), ("Alertmanager", facts.alertmanager_url))
    lines.append(" · ".join(f"<{escape(url)}|{text}>" for text, url in places if url and len(url) <= _LONGEST_LINK))
    return "\n".join(line for line in lines if line)


def _what_was_done(one: _Shown) -> str:
    if one.lifted is not None:
        why = f": “{escape(one.lifted.reason)}”" if one.lifted.reason else ""
        return f"hold lifted by {who(one.lifted.actor)} {when(one.lifted.ts)}{why}; this instance does not freeze again"
    if one.frozen is not None:
        return "*frozen*, the hold is in force"
    if one.facts.effect is Effect.FREEZE:
        return "not frozen: it was over before it was heard"
    return "observed only: this would have frozen" if one.facts.effect is Effect.WOULD_FREEZE else "shown only"


def _done(sealed: Sequence[Sealed], seen: Observation | None) -> list[str]:
    """Say what was done to the router and what was read back, from the first freeze that did it."""
    first = next((sealed_receipt.receipt for sealed_receipt in sealed if sealed_receipt.receipt.action is Action.FREEZE), None)
    if first is None:
        return []
    last = next(sealed_receipt.receipt for sealed_receipt in reversed(sealed) if sealed_receipt.receipt.action is Action.FREEZE)
    done = acted(seen) if seen is not None else "The safe settings were written."
    safe = last.result is Result.APPLIED
    sign = f"*{done}*" if safe else ":rotating_light: *Act on the router by hand now.*"
    lines = (
        f"{sign} It served {percent(first.stage_before)} before, 0% now."
        if safe
        else f"{sign} It served {percent(first.stage_before)}.",
        *([f"{sight(seen)} {escape(to_do(seen))}".rstrip()] if seen is not None else []),
    )
    return ["\n".join(lines)]


def _seen(sealed: Sequence[Sealed]) -> Observation | None:
    """Return what was seen of the running router since the last freeze of the group."""
    return next(
        (sealed_receipt.receipt.observation for sealed_receipt in reversed(sealed) if sealed_receipt.receipt.observation), None
    )


def _code(text: str, limit: int) -> str:
    """Show outside text as code, which a backtick in it must not end."""
    return f"`{bounded(escape(text.replace('`', 'ˋ')), limit)}`"


def _answers(sealed: Sequence[Sealed]) -> list[str]:
    said = []
    for sealed_receipt in sealed:
        receipt = sealed_receipt.receipt
        if receipt.action is Action.ACKNOWLEDGE:
            said.append(f":eyes: acknowledged by {who(receipt.actor)} {when(receipt.ts)}")
        elif receipt.action is Action.SILENCE:
            said.append(f":no_bell: {escape(receipt.note)} — {who(receipt.actor)} {when(receipt.ts)}")
    return said[-6:]


def _buttons(operation: str, alerts: Sequence[_Shown], *, acknowledged: bool, silences: bool) -> Block | None:
    held, fires = any(alert.held for alert in alerts), any(alert.fires for alert in alerts)
    offered = {
        "Unfreeze…": "ask_unfreeze" if held else "",
        "Acknowledge": "acknowledge" if (held or fires) and not acknowledged else "",
        "Silence…": "ask_silence" if silences and any(alert.fires and alert.facts.whole for alert in alerts) else "",
    }
    elements = [button(text, action, value=operation) for text, action in offered.items() if action]
    return actions(*elements) if elements else None
