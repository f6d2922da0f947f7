"""Modals: open one within the three seconds that its trigger lives, load it, and carry out what was filled in.

Excluded: what a modal looks like (bot/views/modals.py), what it asks, and what its fields mean (bot/commands).
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.commands.command import Addressed, Misunderstood, Modal, Row
from bot.commands.parse import read
from bot.commands.table import MODALS, Command, row_of
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Answer, Request
from bot.slack.errors import SLACK_FAILED, code_of, said
from bot.views import answers, modals
from bot.views.modals import About, Form, View
from core.actors import Actor
from core.errors import AnrError
from core.receipts.cause import Submission
from core.rollout.refusals import not_allowed
from core.system.logs import logger
from core.system.retries import async_caller
from core.target.target import Target

log = logger(__name__)

OPENERS = tuple(f"ask_{name}" for name in MODALS)
"""Action ids of the buttons that open a modal."""
_LONGEST_VALUE = 40
_NOT_OURS = (KeyError, ValueError, TypeError, AttributeError, StopIteration)
"""What reading a form raises that this version never opened: it is not in use any more, or lacks a field."""
_CLOSED = "not_found"
"""What Slack says of a modal that its reader has closed."""
_REFUSED = frozenset({_CLOSED, "hash_conflict", "view_too_large", "duplicate_external_id", "invalid_arguments"})
"""Errors of views.update that no waiting ends (Slack's documentation of it)."""
_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3, 0.3, 1.0
"""How often a modal is changed while something stands in the way that may pass; pauses double."""


async def clicked(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open the modal that a button asks for. The button's value is a request's id, or the name of a router."""
    action = body["actions"][0]
    name, value = str(action["action_id"]).removeprefix("ask_"), str(action.get("value", ""))[:_LONGEST_VALUE]
    about = About(
        target=value if value in dispatcher.routers else "",
        argument="" if value in dispatcher.routers else value,
        response_url=str(body.get("response_url") or ""),
    )
    await opened(dispatcher, name, about, body, client)


async def opened(dispatcher: Dispatcher, name: str, about: About, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open a modal at once, then find out who asks and what is so, and show the questions."""
    request, (row, modal) = Request.of(body), _modal(name)
    said = Addressed(target=about.target or None, operation=about.argument)
    if modal.at_once is not None:
        meant = dispatcher.target_channel(row, said, request.channel)
        if not isinstance(meant, Misunderstood):
            about = replace(about, target=meant.target.settings.name, argument="")
        first = modal.at_once(about, dispatcher.routers)
    else:
        first = modals.waiting(modal.form, about)
    try:
        shown = await client.views_open(trigger_id=body["trigger_id"], view=first)
    except SLACK_FAILED as error:
        if isinstance(error, SlackApiError) and error.response.get("error") == "exchanged_trigger_id":
            return  # the same click, delivered twice: its modal is open
        log.exception("the modal could not be opened")
        instead = f"type `/anr {row.word}` with a reason instead" if row.typed else "click again"
        text = f"Slack did not open the form. Nothing was done; {instead}."
        await dispatcher.tell(_answer_at(client, about, request.user), answers.failure(text), request.user)
        return
    try:
        view = await dispatcher.consult(
            row, said, request, lambda channel, actor: _loaded(row, modal, channel.target, actor, about)
        )
    except AnrError as error:
        # the brake's form stays: it is carried out whether or not Slack says who somebody is
        view = None if modal.at_once is not None else modals.told(modal.form, about, answers.failure(str(error)))
    if view is None:
        return
    problem = await _replace(client, str(shown["view"]["id"]), view)
    if problem not in {"", _CLOSED}:
        instead = f"type `/anr {row.word}` instead" if row.typed else "click again"
        text = f"Slack did not fill in the form ({problem}). Nothing was done; {instead}."
        await dispatcher.tell(_answer_at(client, about, request.user), answers.failure(text), request.user)


def _modal(name: str) -> tuple[Row[Any, Any], Modal[Any]]:
    """Return a modal with its command's row."""
    row = MODALS[name]
    if row.modal is None:
        raise AssertionError("MODALS has the rows with a modal")
    return row, row.modal


def _loaded(row: Row[Any, Any], modal: Modal[Any], target: Target, actor: Actor, about: About) -> View | None:
    """Return what the modal has to ask, or say; None if it stays as it was opened."""
    if modal.refused and row.role not in actor.roles:
        return modals.told(modal.form, about, answers.answer(not_allowed(actor, modal.refused, "operators")))
    return modal.load(target, actor, about)


def acknowledgement(view: dict[str, Any]) -> dict[str, Any]:
    """Return what to acknowledge a submitted modal with: what is wrong with a field, or that the answer comes in its place."""
    try:
        found, about = read(view), About.of(view)
        _, modal = _modal(str(view["callback_id"]))
    except _NOT_OURS:
        return {"response_action": "update", "view": modals.outdated()}
    if isinstance(found, dict):
        return {"response_action": "errors", "errors": found}
    return {} if about.response_url else {"response_action": "update", "view": modals.waiting(modal.form, about)}


async def submitted(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Carry out what a modal was submitted for; the same view has one effect."""
    try:
        command = read(body["view"])
    except _NOT_OURS as error:
        log.warning("a form from before an upgrade was submitted; nothing was done (%r)", error)
        return
    if isinstance(command, dict):
        return
    about, view_id = About.of(body["view"]), str(body["view"]["id"])
    request = Request.of(body, str(Submission.of(view_id)))
    where = _answer_at(client, about, request.user)
    if not about.response_url:
        _, modal = _modal(str(body["view"]["callback_id"]))
        where = _answer_in(client, modal.form, about, view_id, request.user)
    await dispatcher.carry_out(command, request, where)


async def answered_in_modal(dispatcher: Dispatcher, command: Command, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Carry out a click where nothing can be answered (the home): the answer comes in a modal, which opens first."""
    request, about, word = Request.of(body), About(), row_of(command).word
    form = Form(word, word.capitalize())
    try:
        shown = await client.views_open(trigger_id=body["trigger_id"], view=modals.waiting(form, about))
    except SLACK_FAILED:
        log.exception("the modal for an answer could not be opened")
        await dispatcher.carry_out(command, request, _answer_at(client, about, request.user))
        return
    await dispatcher.carry_out(command, request, _answer_in(client, form, about, str(shown["view"]["id"]), request.user))


async def unknown(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Say that a button is not in use any more, beside it or, where nothing can be answered (the home), directly."""
    about, user = About(response_url=str(body.get("response_url") or "")), str(body["user"]["id"])
    text = "This button is no longer in use. Nothing was done; try `/anr help`."
    await dispatcher.tell(_answer_at(client, about, user), answers.failure(text), user)


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


def _answer_in(client: AsyncWebClient, form: Form, about: About, view_id: str, user: str) -> Answer:
    """Return the way to answer in a modal, or in the person's conversation with the app if they have closed it."""

    async def answer(*, text: str, blocks: list[dict[str, Any]], **_: Any) -> None:
        if await _replace(client, view_id, modals.told(form, about, blocks)):
            await client.chat_postMessage(channel=user, text=text, blocks=blocks)

    return answer


async def _replace(client: AsyncWebClient, view_id: str, view: View) -> str:
    """Change an open modal, again where what stands in the way may pass; return that, `_CLOSED` if it is not open any more."""
    trying = async_caller(_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    try:
        await trying(_may_pass, client.views_update, view_id=view_id, view=view)
    except SLACK_FAILED as error:
        log.info("the modal was not updated (%s)", said(error))
        return said(error)
    return ""


def _may_pass(error: Exception) -> bool:
    return isinstance(error, SLACK_FAILED) and code_of(error) not in _REFUSED
