"""Modals: open one within the three seconds that its trigger lives, load it, and carry out what was filled in.

Excluded: what a modal looks like, and what its fields mean (bot/views/modals.py).
"""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.blocks import LABELS, escape, passed_over, percent
from bot.commands.command import WORDS, Command, Misunderstood
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.handlers import announced_day
from bot.dispatch.request import Answer, Request
from bot.slack.errors import SLACK_FAILED
from bot.views import answers, modals
from bot.views.modals import About, View
from core.actors import Actor, Approvable, Role
from core.brake import answers as alert_answers
from core.errors import AnrError
from core.receipts.cause import Modal
from core.rollout import break_glass as glass
from core.rollout.approvals import still_open
from core.rollout.decisions import decide_shadow
from core.rollout.ladder import next_stage
from core.rollout.refusals import not_allowed
from core.system.logs import logger
from core.target.overview import look
from core.target.target import Target

log = logger(__name__)

OPENERS = tuple(f"ask_{word}" for word in modals.WORDS)
"""Action ids of the buttons that open a modal."""


async def clicked(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open the modal that a button asks for. The button's value is a request's id, or the name of a router."""
    action = body["actions"][0]
    word, value = str(action["action_id"]).removeprefix("ask_"), str(action.get("value", ""))[:40]
    about = About(
        target=value if value in dispatcher.routers else "",
        argument="" if value in dispatcher.routers else value,
        response_url=str(body.get("response_url") or ""),
    )
    await opened(dispatcher, word, about, body, client)


async def opened(dispatcher: Dispatcher, word: str, about: About, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open a modal at once, then find out who asks and what is so, and show the questions."""
    request = Request.of(body)
    command = Command(word, target=about.target or None, argument=about.argument, operation=about.argument)
    if word == "freeze":
        target_channel = dispatcher.target_channel(command, request.channel)
        about = (
            about
            if isinstance(target_channel, Misunderstood)
            else replace(about, target=target_channel.site.target.name, argument="")
        )
        first = modals.freeze(about, dispatcher.routers)
    else:
        first = modals.waiting(word, about)
    try:
        shown = await client.views_open(trigger_id=body["trigger_id"], view=first)
    except SLACK_FAILED as error:
        if isinstance(error, SlackApiError) and error.response.get("error") == "exchanged_trigger_id":
            return  # the same click, delivered twice: its modal is open
        log.exception("the modal could not be opened")
        instead = f"type `/anr {word}` with a reason instead" if word in WORDS else "click again"
        text = f"Slack did not open the form. Nothing was done; {instead}."
        await dispatcher.tell(_answer_at(client, about, request.user), answers.failure(text))
        return
    view = await _loaded(dispatcher, command, about, request)
    if view is not None:
        await _replace(client, str(shown["view"]["id"]), view)


async def _loaded(dispatcher: Dispatcher, command: Command, about: About, request: Request) -> View | None:
    """Return what the modal has to ask, or say; None if it stays as it was opened."""
    load = _LOADS[command.word]
    try:
        return await dispatcher.consult(command, request, lambda site, actor: load(site, actor, about))
    except AnrError as error:
        # the brake's form stays: it is carried out whether or not Slack says who somebody is
        return None if command.word == "freeze" else modals.told(command.word, about, answers.failure(str(error)))


def _freeze(site: Target, actor: Actor, about: About) -> View | None:
    del site
    return None if Role.BRAKE in actor.roles else modals.told("freeze", about, answers.answer(not_allowed("freeze", "operators")))


def _promote(site: Target, actor: Actor, about: About) -> View:
    if Role.BRAKE not in actor.roles:
        return modals.told("promote", about, answers.answer(not_allowed("ask for a promotion", "operators")))
    about = About(site.target.name, "", about.response_url)
    return modals.promote(about, look(site), site.target.stages, may_raise=Role.OPERATE in actor.roles)


def _unfreeze(site: Target, actor: Actor, about: About) -> View:
    if Role.OPERATE not in actor.roles:
        return modals.told("unfreeze", about, answers.answer(not_allowed("unfreeze", "operators")))
    state = site.journal.state()
    named = alert_answers.holds_of(site, about.argument) if about.argument else {hold.id for hold in state.holds}
    chosen = [hold for hold in state.holds if hold.id in named]
    firing = [hold for hold in state.firing if hold.id in named]
    return modals.unfreeze(About(site.target.name, "", about.response_url), chosen, state.stage, firing)


def _silence(site: Target, actor: Actor, about: About) -> View:
    if Role.OPERATE not in actor.roles:
        return modals.told("silence", about, answers.answer(not_allowed("silence alerts", "operators")))
    firing = alert_answers.firing_of(site, about.argument)
    if not firing:
        return modals.told("silence", about, answers.failure("No alert of this group fires any more."))
    return modals.silence(replace(about, target=site.target.name), firing)


def _restore(site: Target, actor: Actor, about: About) -> View:
    if Role.OPERATE not in actor.roles:
        return modals.told("restore", about, answers.answer(not_allowed("ask for a restore", "operators")))
    return modals.restore(About(site.target.name, "", about.response_url), site.backups.found())


def _deny(site: Target, actor: Actor, about: About) -> View:
    if not actor.roles:
        return modals.told("deny", about, answers.answer(not_allowed("deny a request", "approvers")))
    approval = site.journal.approval(about.argument)
    if refusal := still_open(approval, about.argument, site.clock()):
        return modals.told("deny", about, answers.answer(refusal))
    if approval is None:
        raise AssertionError("still_open refuses a request that does not exist")
    return modals.deny(about, approval)


def _skip(site: Target, actor: Actor, about: About) -> View:
    if Role.OPERATE not in actor.roles:
        return modals.told("skip", about, answers.answer(not_allowed("skip the scheduled run", "operators")))
    day = announced_day(site, about.argument)
    text = f"The run of {day:%d %B} will report and promote nothing. The runs after it go on as always."
    return modals.reason_for("skip", about, text, "What speaks against it today")


def _break_glass(site: Target, actor: Actor, about: About) -> View:
    state, now = site.journal.state(), site.clock()
    if refusal := glass.may_break_glass(actor, state, site.access):
        return modals.told("break_glass", about, answers.answer(refusal))
    report = site.measure(now, leaving_zero=state.stage == 0)
    failing = "\n".join(f"• {LABELS[gate.name]}: {escape(gate.reason)}" for gate in report.gates.blocking)
    above = None if state.stage is None else next_stage(state.stage, site.target.stages)
    others = passed_over(glass.passed_over(Approvable.PROMOTE, actor, site.access))
    text = (
        f"You promote {percent(state.stage)} → {percent(above)} of live traffic *alone*, against these gates:\n"
        f"{failing or '• none: they pass'}\n{others} "
        "The receipt is marked, and the next break-glass waits until somebody else has reviewed this one."
    )
    about = About(site.target.name, "", about.response_url)
    return modals.reason_for("break_glass", about, text, "Why it cannot wait, and why the gates are wrong")


def _review(site: Target, actor: Actor, about: About) -> View:
    if refusal := glass.may_review(site.journal.state(), actor, site.access, about.argument):
        return modals.told("review", about, answers.answer(refusal))
    text = "You say that you have looked at this break-glass. After that the next one is possible."
    return modals.reason_for("review", about, text, "What you found")


def _shadow(site: Target, actor: Actor, about: About) -> View:
    if refusal := decide_shadow(site.journal.state(), actor, site.brake.read().frozen_by, None):
        return modals.told("shadow", about, answers.answer(refusal))
    text = (
        "The router learns in shadow again, at every route; it serves no live traffic. What it learned under KILL does not count."
    )
    return modals.reason_for("shadow", About(site.target.name, "", about.response_url), text, "What was found")


_LOADS: dict[str, Callable[[Target, Actor, About], View | None]] = {
    "promote": _promote,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "restore": _restore,
    "deny": _deny,
    "skip": _skip,
    "break_glass": _break_glass,
    "review": _review,
    "shadow": _shadow,
    "silence": _silence,
}


def acknowledgement(view: dict[str, Any]) -> dict[str, Any]:
    """Return what to acknowledge a submitted modal with: what is wrong with a field, or that the answer comes in its place."""
    read = modals.read(view)
    if not isinstance(read, Command):
        return {"response_action": "errors", "errors": read}
    about = About.of(view)
    return {} if about.response_url else {"response_action": "update", "view": modals.waiting(read.word, about)}


async def submitted(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Carry out what a modal was submitted for; the same view has one effect."""
    command = modals.read(body["view"])
    if not isinstance(command, Command):
        return
    about, view_id = About.of(body["view"]), str(body["view"]["id"])
    request = Request.of(body, str(Modal.of(view_id)))
    where = _answer_at(client, about, request.user)
    if not about.response_url:
        where = _answer_in(client, command.word, about, view_id, request.user)
    await dispatcher.carry_out(command, request, where)


async def answered_in_modal(dispatcher: Dispatcher, command: Command, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Carry out a click where nothing can be answered (the home): the answer comes in a modal, which opens first."""
    request, about = Request.of(body), About()
    try:
        shown = await client.views_open(trigger_id=body["trigger_id"], view=modals.waiting(command.word, about))
    except SLACK_FAILED:
        log.exception("the modal for an answer could not be opened")
        await dispatcher.carry_out(command, request, _answer_at(client, about, request.user))
        return
    await dispatcher.carry_out(command, request, _answer_in(client, command.word, about, str(shown["view"]["id"]), request.user))


def _answer_at(client: AsyncWebClient, about: About, user: str) -> Answer:
    """Return the way to answer one person: beside what they clicked, or else in their conversation with the app.

    Slack takes five answers beside a click, for half an hour; whoever fills in a form for longer is answered all the same.
    """

    async def answer(*, text: str, blocks: list[dict[str, Any]], **how: Any) -> None:
        if about.response_url:
            taken = await AsyncRespond(response_url=about.response_url)(text=text, blocks=blocks, **how)
            if taken.status_code == HTTPStatus.OK:
                return
            log.info("Slack takes no more answers beside a click (%s); it goes to the person", taken.status_code)
        await client.chat_postMessage(channel=user, text=text, blocks=blocks)

    return answer


def _answer_in(client: AsyncWebClient, word: str, about: About, view_id: str, user: str) -> Answer:
    """Return the way to answer in a modal, or in the person's conversation with the app if they have closed it."""

    async def answer(*, text: str, blocks: list[dict[str, Any]], **_: Any) -> None:
        if not await _replace(client, view_id, modals.told(word, about, blocks)):
            await client.chat_postMessage(channel=user, text=text, blocks=blocks)

    return answer


async def _replace(client: AsyncWebClient, view_id: str, view: View) -> bool:
    """Change an open modal; False if it is not there any more, or Slack does not change it."""
    try:
        await client.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        log.info("the modal was not updated (%s)", error.response.get("error"))
        return False
    except SLACK_FAILED as error:
        log.warning("the modal was not updated: %s", error)
        return False
    return True
