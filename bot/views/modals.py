"""The modals that ask before something is done: what they look like.

Pure. A view carries what it is about in its `private_metadata`, which only Slack and this app see.
Excluded: opening them (bot/surfaces/modals.py), and what their answers mean (bot/commands).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.blockkit.blocks import context, escape, gate_summary, hold_line, percent, plain_text, prose, section, verdict, when, who
from bot.blockkit.fields import entry, option, reason_entry
from bot.blockkit.post import Block
from bot.stories.card import what
from core.alerts.payload import AlertFacts
from core.canonical import MARK_DIGITS
from core.receipts.evidence import Hold
from core.rollout.approvals import Approval
from core.rollout.ladder import next_stage
from core.router.backups import Backup
from core.target.overview import Overview

View = dict[str, Any]
Wrong = dict[str, str]
"""What is wrong with the answers, by the field it is about."""

WHY_IN_RECEIPT: Wrong = {"reason": "Say why: it is kept in the receipt."}
"""What is wrong where nothing but a reason is asked for, and none was given."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a modal is called.

    Attributes:
        name: its `callback_id`; `ask_<name>` is the action of the button that opens it.
        title: at most 24 characters.
        submit: what stands on its button; at most 24 characters.
    """

    name: str
    title: str
    submit: str = ""


PROMOTE = Form("promote", "Promote", "Go on")
FREEZE = Form("freeze", "Freeze", "Freeze now")
UNFREEZE = Form("unfreeze", "Unfreeze", "Lift the holds")
RESTORE = Form("restore", "Restore", "Ask for approval")
DENY = Form("deny", "Deny", "Deny")
SILENCE = Form("silence", "Silence", "Silence")
SKIP = Form("skip", "Skip today's run", "Skip")
BREAK_GLASS = Form("break_glass", "Break the glass", "Promote alone, now")
REVIEW = Form("review", "Review a break-glass", "Reviewed")
SHADOW = Form("shadow", "Observe in shadow", "Observe")
SILENCES = {30: "30 minutes", 60: "1 hour", 120: "2 hours", 240: "4 hours", 480: "8 hours", 1440: "1 day"}
"""How long a silence may last, in minutes."""
_MOST_CHOICES = 10
"""As many checkboxes or radio buttons as Slack takes; more come as a list to choose from."""


@dataclass(frozen=True, slots=True)
class About:
    """What a modal is about.

    Attributes:
        target: name of the router; empty if it is still to be chosen.
        argument: id of the request, or of the story whose button was clicked.
        response_url: where Slack takes the answer to the person (30 minutes); empty if there is no such place.
        said: what the reason begins with: a message that was quoted.
    """

    target: str = ""
    argument: str = ""
    response_url: str = ""
    said: str = ""

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "About":
        """Read what a view carries; one from before an upgrade may carry more, less, or the router under its earlier name.

        Raises:
            ValueError: it carries nothing that this app has written.
        """
        carried = json.loads(view["private_metadata"])
        if not isinstance(carried, dict):
            raise ValueError("a form carries an object")  # noqa: TRY004 - as what json raises
        known = {name: str(carried[name]) for name in ("target", "argument", "response_url", "said") if carried.get(name)}
        return cls(**{"target": str(carried.get("site") or ""), **known})


def waiting(form: Form, about: About) -> View:
    """Return what is shown until the modal's content is there: Slack gives three seconds to open one."""
    return _view(form, about, [section(":hourglass_flowing_sand: Looking at the router…")], submit=False)


def told(form: Form, about: About, blocks: Sequence[Block]) -> View:
    """Return a modal that only says something: an answer, or why there is nothing to ask."""
    return _view(form, about, list(blocks), submit=False)


def outdated() -> View:
    """Return what takes the place of a form that is not in use any more, or whose answers nobody can understand."""
    text = ":information_source: This form is from before an upgrade of anr. Nothing was done; open it again."
    return _view(Form("outdated", "Open it again"), About(), [section(text)], submit=False)


def promote(about: About, seen: Overview, stages: tuple[int, ...], *, may_raise: bool) -> View:
    """Return the choice of a stage: the next one up, and every one below, with what each means.

    Args:
        about: the router.
        seen: what is so now.
        stages: the ladder.
        may_raise: whether the person may ask for a step up.
    """
    state = seen.state
    if state is None or state.stage is None:
        return told(PROMOTE, about, [section(f":warning: {escape(' '.join(seen.problems) or 'Nobody knows the stage.')}")])
    above = next_stage(state.stage, stages) if may_raise else None
    lower = [stage for stage in reversed(stages) if stage < state.stage]
    options = [
        *([_option(above, _meaning_above(seen))] if above is not None else []),
        *(_option(word, _below(word)) for word in lower),
    ]
    lines = [f"*Now:* {percent(state.stage)} of live traffic" + (f", since {when(state.since)}" if state.since else "")]
    if seen.report is not None:
        lines.append(f"*Gates:* {verdict(seen.report)}, {gate_summary(seen.report.gates.gates)}")
    lines.extend(hold_line(hold) for hold in state.holds[:3])
    lines.extend(f":hourglass: Request `{intent.id}` waits already: {what(intent)}" for intent in seen.pending)
    lines.extend(f":warning: {prose(problem)}" for problem in seen.problems)
    if not options:
        return told(PROMOTE, about, [section("\n".join(lines)), section("There is no stage to choose.")])
    kind = "radio_buttons" if len(options) <= _MOST_CHOICES else "static_select"
    field = {"type": kind, "action_id": "stage", "options": options, "initial_option": options[0]}
    stage = entry("stage", "Stage", field, hint="Upwards it goes one stage at a time, downwards to any.")
    return _view(
        PROMOTE,
        about,
        [section("\n".join(lines)), stage, reason_entry("reason", "Reason", "What speaks for it", optional=True)],
    )


def freeze(about: About, routers: Sequence[str], hint: str = "What you saw") -> View:
    """Return the modal of the brake. It is whole when it opens: it waits for nobody, and looks at nothing.

    Args:
        about: the router, if it is known.
        routers: names to choose from where it is not.
        hint: what the field for the reason shows while it is empty.
    """
    blocks: list[Block] = []
    if not about.target:
        options = [option(name, name) for name in routers[:100]]
        blocks.append(entry("router", "Router", {"type": "static_select", "action_id": "router", "options": options}))
    modes = [
        option("rollback", "Roll back", "At once: ANR off, guardrail route forced, no live traffic."),
        option("keep", "Keep the stage", "Live traffic goes on as it is; only promotions are held."),
    ]
    blocks.append(
        entry(
            "mode",
            "What happens now",
            {"type": "radio_buttons", "action_id": "mode", "options": modes, "initial_option": modes[0]},
        )
    )
    lasts = {
        "type": "plain_text_input",
        "action_id": "lasts",
        "max_length": 40,
        "placeholder": plain_text("4h, 90 min, 2 days", 150),
    }
    says = "When the hold ends by itself; the router stays as it is then. Left empty, somebody has to lift it."
    blocks.append(entry("lasts", "Lasts", lasts, hint=says, optional=True))
    blocks.append(reason_entry("reason", "Reason", hint, optional=True, focus=True, said=about.said))
    return _view(FREEZE, about, blocks)


def unfreeze(about: About, holds: Sequence[Hold], stage: int | None, firing: Sequence[Hold] = ()) -> View:
    """Return the choice of holds to lift, and the question what was found.

    Args:
        about: the router.
        holds: those to choose from.
        stage: percent of live traffic now.
        firing: those whose alert still fires; they are lifted only on purpose.
    """
    if not holds:
        return told(UNFREEZE, about, [section("The rollout is not frozen: there is nothing to lift.")])
    options = [option(hold.id, hold.reason or "no reason given", _owner(hold)) for hold in holds[:100]]
    few = len(options) <= _MOST_CHOICES
    kind = "checkboxes" if few else "multi_static_select"
    field: Block = {"type": kind, "action_id": "holds", "options": options}
    if len(options) == 1:
        field["initial_options"] = options
    lines = [
        f"The router is at {percent(stage)} and stays there: lifting holds promotes nothing.",
        *map(hold_line, holds[:_MOST_CHOICES]),
    ]
    found = reason_entry("found", "What was found", "The cause, and why it is over", optional=False)
    blocks = [section("\n".join(lines)), entry("holds", "Holds to lift", field), found]
    if firing:
        still = ", ".join(dict.fromkeys(escape(hold.reason or hold.short_id) for hold in firing[:_MOST_CHOICES]))
        blocks.insert(1, section(f":fire: *Still firing:* {still}"))
        choice = [option("yes", "Lift it although the alert still fires", "It freezes again only when it fires anew.")]
        box = {"type": "checkboxes", "action_id": "while_firing", "options": choice}
        blocks.append(entry("while_firing", "While an alert fires", box, optional=True))
    return _view(UNFREEZE, about, blocks)


def silence(about: About, firing: Sequence[AlertFacts]) -> View:
    """Return the question for how long the alerts of a group are to be silent."""
    names = ", ".join(dict.fromkeys(escape(facts.name) for facts in firing[:_MOST_CHOICES]))
    line = f"Alertmanager sends no more about *{names}*. Holds stay, and an alert that fires anew still freezes."
    options = [option(str(minutes), text) for minutes, text in SILENCES.items()]
    field = {"type": "static_select", "action_id": "minutes", "options": options, "initial_option": options[1]}
    reason = reason_entry("reason", "Reason", "What you wait for", optional=True)
    return _view(SILENCE, about, [section(line), entry("minutes", "For how long", field), reason])


def restore(about: About, backups: Sequence[Backup]) -> View:
    """Return the choice of a backup that can be put back, the newest first, and what comes of it."""
    usable = [backup for backup in backups if backup.valid]
    lines = ["Somebody else has to approve. Then the router is made safe, the rollout is frozen, and the state is replaced."]
    lines.extend(
        f":x: `{escape(unusable.name)}` cannot be put back: {escape(str(unusable.problem))}"
        for unusable in backups[:10]
        if not unusable.valid
    )
    if not usable:
        return told(
            RESTORE,
            about,
            [section("\n".join([*lines[1:], "There is no backup that can be put back; `/anr backup` makes one."]))],
        )
    options = [
        option(
            usable_backup.name,
            usable_backup.name,
            f"{usable_backup.size:,} bytes, checksum good, {usable_backup.digest[:MARK_DIGITS]}",
        )
        for usable_backup in usable[:100]
    ]
    field = {"type": "static_select", "action_id": "backup", "options": options}
    backup = entry("backup", "Backup of the bandit's state", field, hint="The newest comes first; its time (UTC) is in its name.")
    return _view(
        RESTORE,
        about,
        [section("\n".join(lines)), backup, reason_entry("reason", "Reason", "What is wrong with the state", optional=False)],
    )


def deny(about: About, approval: Approval) -> View:
    """Return the question why a request is denied."""
    line = f"*{what(approval)}*, asked by {who(approval.requester)}. One no ends the request."
    return _view(
        DENY, about, [section(line), reason_entry("reason", "Reason", "What speaks against it", optional=False, focus=True)]
    )


def reason_for(form: Form, about: About, text: str, placeholder: str) -> View:
    """Return a modal that asks for a reason and nothing else: what is about to happen, and the question why.

    Args:
        form: which modal it is.
        about: what it is about.
        text: what is about to happen, in mrkdwn.
        placeholder: what stands in the empty field.
    """
    return _view(form, about, [section(text), reason_entry("reason", "Reason", placeholder, optional=False, focus=True)])


def _view(form: Form, about: About, blocks: list[Block], *, submit: bool = True) -> View:
    view: View = {
        "type": "modal",
        "callback_id": form.name,
        "private_metadata": json.dumps(asdict(about)),
        "title": plain_text(form.title, 24),
        "close": plain_text("Cancel" if submit else "Close", 24),
        "blocks": blocks,
    }
    if about.target:
        view["blocks"] = [context(f"Router: *{escape(about.target)}*"), *blocks]
    if submit:
        view["submit"] = plain_text(form.submit, 24)
    return view


def _option(stage: int, description: str) -> Block:
    return option(str(stage), f"{stage}% of live traffic", description)


def _meaning_above(seen: Overview) -> str:
    if seen.report is not None and not seen.report.gates.go:
        return "One step up. The gates say NO-GO now: it would be refused."
    return "One step up. Gates are measured; somebody else has to approve."


def _below(stage: int) -> str:
    return "Down, at once, no approval." if stage else "Down to shadow: ANR decides, nothing is used. At once."


def _owner(hold: Hold) -> str:
    return f"since {hold.since:%Y-%m-%d %H:%M} UTC, hold {hold.short_id}"
