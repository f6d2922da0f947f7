"""`anr rollback` and `anr freeze`: what has to be fast."""

from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Annotated

import typer

from core.actors import Actor, Approvable
from core.brake import hold
from core.brake.brake import Braked
from core.cli.context import MADE_SAFE, AsJson, Now, Reason, braking
from core.cli.output import err, out
from core.cli.render import ending, finish, finish_all
from core.errors import AnrError
from core.operations import approved_brake
from core.receipts.observation import acted
from core.system.logs import logger
from core.target.order import Order
from core.target.target import Target
from core.text import parse_span

log = logger(__name__)

commands = typer.Typer()


@commands.command()
def rollback(*, reason: Reason = "", now: Now = False, as_json: AsJson = False) -> None:
    """Write the safe settings and restart the router at once, then look whether it follows."""

    def act(me: Actor, target: Target) -> object:
        return approved_brake.brake(target, Approvable.ROLLBACK, Order(me, reason), at_once=now)

    _at_every_router(act, as_json=as_json)


@commands.command()
def freeze(
    *,
    reason: Reason = "",
    keep_stage: Annotated[bool, typer.Option("--keep-stage", help="Only hold promotions; leave the router as it is.")] = False,
    lasts: Annotated[str, typer.Option("--for", help="How long, as 90m, 2h or 3d; until it is lifted if left out.")] = "",
    now: Now = False,
    as_json: AsJson = False,
) -> None:
    """Roll back at once, and hold every promotion until the hold is lifted or its time is over."""
    span = parse_span(lasts)
    if lasts and span is None:  # a brake is not refused for a word: it acts, and lasts until somebody lifts it
        err.say(f"{lasts!r} is no length of time such as 90m, 2h or 3d (at most 30d): the freeze has no end.")

    def act(me: Actor, target: Target) -> object:
        order = Order(me, reason)
        if keep_stage:
            return hold.hold_promotions(target, order, lasts=span)
        return approved_brake.brake(target, Approvable.FREEZE, order, lasts=span, at_once=now)

    _at_every_router(act, as_json=as_json)


def _at_every_router(act: Callable[[Actor, Target], object], *, as_json: bool) -> None:
    """Brake the router that is meant, or all where several are set and none is named: none waits for another.

    Raises:
        typer.Exit: one of them was refused or failed.
    """
    with braking() as (meant, unclear):
        if len(meant) == 1 and not unclear:
            ((me, target),) = meant
            result = act(me, target)
            MADE_SAFE.set(isinstance(result, Braked) and result.safe)
            finish(seen_by_terminal(target, result, as_json=as_json), as_json=as_json)
            out.lost = False  # what was done is done, and the exit code says so; that nobody heard of it changes nothing
            return
        results = _at_once([partial(_tried, act, me, target) for me, target in meant])
        MADE_SAFE.set(all(isinstance(result, Braked) and result.safe for result in results))
        if not as_json:
            err.say(f"No router was named: all {len(meant)} are braked. Looking whether they follow …")
        seen = _at_once([partial(followed_by, target, result) for (_, target), result in zip(meant, results, strict=True)])
        endings = {target.settings.name: ending(result) for (_, target), result in zip(meant, seen, strict=True)}
    finish_all(endings, unclear, as_json=as_json)
    out.lost = False  # as above


def _at_once(pieces: Sequence[Callable[[], object]]) -> list[object]:
    """Do everything at once, each in a thread of its own; one after another where the account may have no more threads.

    Raises:
        Exception: the first that one of them raised, after all have ended.
    """
    done: dict[int, object] = {}
    wrong: list[Exception] = []

    def do(place: int) -> None:
        try:
            done[place] = pieces[place]()
        except Exception as error:  # noqa: BLE001 - raised below, once the others have ended
            wrong.append(error)

    threads = [Thread(target=do, args=(place,)) for place in range(len(pieces))]
    for place, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:  # no brake waits for a thread
            do(place)
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    for error in wrong:
        raise error
    return [done[place] for place in range(len(pieces))]


def _tried(act: Callable[[Actor, Target], object], me: Actor, target: Target) -> object:
    """Return what came of a brake, or the error that it met: one router's is no reason to leave another one as it is."""
    try:
        return act(me, target)
    except AnrError as error:
        return error
    except Exception as error:  # a bug, too, keeps nobody from hearing what came of the others
        log.exception("this was not foreseen", router=target.settings.name)
        return AnrError(f"Something went wrong inside anr ({error!r}): NOBODY KNOWS WHETHER THIS ROUTER IS SAFE. Look at it.")


def followed_by(target: Target, result: object) -> object:
    """Look whether the running router follows a brake that has acted; the module that looks is imported after it has."""
    from core.watch.observe import followed  # noqa: PLC0415 - a brake acts before it loads what looks

    return followed(target, result)


def seen_by_terminal(target: Target, result: object, *, as_json: bool) -> object:
    """Say at once what a brake did, and wait to see whether the running router follows; what acted is over by then."""
    if not isinstance(result, Braked):
        return result
    if result.observation is not None and target.settings.observe_timeout_s and not as_json and result.safe:
        err.say(f"{acted(result.observation)} Not yet seen; looking for up to {target.settings.observe_timeout_s:g} s …")
    return followed_by(target, result)
