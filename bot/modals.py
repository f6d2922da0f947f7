"""The modals that ask for a reason: what they look like, and what was filled in.

Pure. A view carries the address that answers the person (Slack's `response_url`, 30 minutes) in its `private_metadata`;
only Slack and this app see it. Excluded: opening them and doing what they ask (bot/forms.py).
"""

import json
from typing import Any

from bot.commands import Command
from core.canonical import MAX_REASON

REASON_MODALS = {"ask_promote": "promote", "ask_freeze": "freeze"}
"""Action id of the button that opens a modal -> the word that the modal carries out."""
_TITLES = {"promote": "Promote", "freeze": "Freeze"}
_SUBMITS = {"promote": "Ask for approval", "freeze": "Freeze now"}
_WHAT = {
    "promote": "Asks for the next stage. The gates are measured now and again at the approval; somebody else has to approve.",
    "freeze": "At once: ANR off, guardrail route forced, and every promotion held until somebody lifts the hold.",
}
_PLACEHOLDERS = {"promote": "What speaks for it", "freeze": "What you saw"}


def reason_modal(word: str, response_url: str, target: str) -> dict[str, Any]:
    """Return the modal that asks for the reason of `promote` or `freeze`; no reason is an answer too.

    Args:
        word: what is to be done.
        response_url: where the person is answered.
        target: name of the router that it is to be done to.
    """
    return {
        "type": "modal",
        "callback_id": word,
        "private_metadata": json.dumps({"response_url": response_url, "target": target}),
        "title": {"type": "plain_text", "text": _TITLES[word]},
        "submit": {"type": "plain_text", "text": _SUBMITS[word]},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": _WHAT[word]}},
            {
                "type": "input",
                "block_id": "reason",
                "optional": True,
                "label": {"type": "plain_text", "text": "Reason"},
                "hint": {"type": "plain_text", "text": "It is kept in the receipt, and everybody in the channel sees it."},
                "element": {
                    "type": "plain_text_input",
                    "action_id": "reason",
                    "multiline": True,
                    "max_length": MAX_REASON,
                    "focus_on_load": True,
                    "placeholder": {"type": "plain_text", "text": _PLACEHOLDERS[word]},
                },
            },
        ],
    }


def submitted(view: dict[str, Any]) -> tuple[Command, str]:
    """Return the command that a submitted modal stands for, and the address that answers the person."""
    answer = view["state"]["values"]["reason"]["reason"]
    kept = json.loads(view["private_metadata"])
    reason = str(answer.get("value") or "").strip()
    return Command(view["callback_id"], reason=reason, target=str(kept["target"])), str(kept["response_url"])
