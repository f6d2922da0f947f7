"""The one message of a group of alerts: what fired, since when, what was done and observed, and what can be done now.

Pure. Everything that an alert says is outside text: escaped, bounded, and links only where they are plain HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.blockkit.blocks import MAX_BLOCKS, actions, bounded, button, context, escape, mark, percent, section, sight, when, who
from bot.blockkit.post import Block, Post
from core.alerts.payload import START_UNKNOWN, AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.receipts.chain import Sealed
from core.receipts.observation import Observation, acted, to_do
from core.receipts.receipt import Action, Receipt, Result

_MOST_SHOWN = 8
"""Alerts that a card shows one by one; the others are counted."""
_MOST_LABELS = 8
_LONGEST_LINK = 300


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
    sealed: Sequence[Sealed], lifted: Mapping[str, Sealed], *, silences: bool, seen: Observation | None = None
) -> Post:
    """Return the message of a group's story, as it stands.

    Args:
        sealed: the story's receipts, in order of number; at least one is about an alert.
        lifted: by id of a hold, the receipt that lifted it.
        silences: whether Alertmanager can be asked for a silence.
        seen: what was seen of the running router after a later brake, while a hold of this story is in force.
    """
    seen = seen or _seen(sealed)
    alerts = _alerts(sealed, lifted)
    operation = sealed[0].receipt.operation
    title = _title(alerts, seen)
    # no emoji: an alert's name is outside text
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}},
        *(section(_line(alert)) for alert in alerts[:_MOST_SHOWN]),
    ]
    if len(alerts) > _MOST_SHOWN:
        blocks.append(context(f"and {len(alerts) - _MOST_SHOWN} more alerts of this group"))
    blocks += [section(text) for text in _done(sealed, seen)]
    acknowledged = next(
        (sealed_receipt.receipt for sealed_receipt in sealed if sealed_receipt.receipt.action is Action.ACKNOWLEDGE), None
    )
    blocks += [context(text) for text in _answers(sealed)]
    if buttons := _buttons(operation, alerts, acknowledged=acknowledged is not None, silences=silences):
        blocks.append(buttons)
    marks = [*sealed[-4:], *{sealed_receipt.receipt.seq: sealed_receipt for sealed_receipt in lifted.values()}.values()]
    blocks.append(context(" · ".join(mark(sealed_receipt) for sealed_receipt in marks[-6:])))
    return Post(escape(title), tuple(blocks[:MAX_BLOCKS]))


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
        words = "Frozen by alert, but the router is STILL SERVING"
    elif failed:
        words = "Frozen by alert, but the router may not be safe"
    elif held:
        words = "Frozen by alert" if fires else "Frozen by alert, which has ended"
    elif any(alert.frozen for alert in alerts):
        words = "Unfrozen while the alert fires" if fires else "Over, and unfrozen"
    elif any(alert.facts.effect is Effect.WOULD_FREEZE for alert in alerts):
        words = "Would have frozen" if fires else "Would have frozen, and is over"
    else:
        words = "Alert" if fires else "Alert, which has ended"
    return f"{words}: {names}"[:150]


def _line(one: _Shown) -> str:
    facts = one.facts
    sign = ":fire:" if one.fires else ":white_check_mark:"
    ended = f" · resolved {when(facts.ends)}" if facts.ends else " · resolved"
    since = when(facts.since) if facts.since > START_UNKNOWN else "a time that cannot be read"
    state = f"fires since {since}" if one.fires else f"fired {since}{ended}"
    summary = bounded(escape(facts.summary or "no summary"), 600)
    lines = [f"{sign} *{escape(facts.name)}* — {summary}", f"{state} · {_what_was_done(one)}"]
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
    written = _settings(first.settings_written or {})
    observed = _settings({name: (last.settings_observed or {}).get(name, "not set") for name in first.settings_written or {}})
    before = _code(f"NOVA_ANR_PILOT={first.pilot_before}", 80) if first.pilot_before else "unknown"
    done = acted(seen) if seen is not None else "The safe settings were written."
    safe = last.result is Result.APPLIED
    sign = f":octagonal_sign: *{done}*" if safe else ":rotating_light: *Act on the router by hand now.*"
    lines = (
        *([f"{sight(seen)} {escape(to_do(seen))}".rstrip()] if seen is not None else []),
        f"{sign} It served {percent(first.stage_before)} before.",
        f"before: {before}",
        f"written {when(first.ts)}: {written}",
        f"read back: {observed}",
    )
    return ["\n".join(lines)]


def _seen(sealed: Sequence[Sealed]) -> Observation | None:
    """Return what was seen of the running router since the last freeze of the group."""
    return next(
        (sealed_receipt.receipt.observation for sealed_receipt in reversed(sealed) if sealed_receipt.receipt.observation), None
    )


def _settings(values: Mapping[str, str]) -> str:
    return " ".join(_code(f"{name}={value}", 80) for name, value in sorted(values.items())) or "nothing"


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
