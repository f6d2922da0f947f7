"""`python -m bench.walk`: how far a reader walks through our own files to follow one request.

A move is a call whose callee lies in another file of core/ or bot/ than its caller. Counted at run time, in all threads, from
the listener on: what the request causes, and putting its story's card together; jobs that run beside it are not counted, and
neither are imports, the playground, the process that measures, or a coroutine that goes on after it waited.

No move is what a reader does not follow (`--every` counts these too):
- A loop is walked once: the same call, at the same place of the same run of a function, is one move however often it is made.
  How many receipts a story has, or how often a reading tells its progress, is a matter of data and time.
- An attribute is no call: a property is read where it stands. What it calls in another file is a move.
- What another library calls by itself (an event of SQLAlchemy, a retry handler of slack_sdk) is called by no line of ours.
"""

import argparse
import asyncio
import dis
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache, cached_property
from inspect import CO_COROUTINE, CO_GENERATOR
from itertools import count, islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.app import running
from bot.playground.demo import CHANNEL, OPERATOR, scenery
from bot.stories.compose import StoryComposer
from core.actors import AccessPolicy, Actor, ActorKind, Approvable, Role
from core.operations.approved_brake import brake
from core.settings.settings import Settings
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target

ROOT = Path(__file__).resolve().parents[1]
OURS = (f"{ROOT / 'core'}{os.sep}", f"{ROOT / 'bot'}{os.sep}")
NOT_WALKED = f"{ROOT / 'bot' / 'playground'}{os.sep}"
LISTENERS = str(ROOT / "bot" / "surfaces" / "listeners.py")
APPROVER = "U0AARON"
PATIENCE_SECONDS = 120.0


@dataclass
class Walk:
    """What one request walked through.

    Attributes:
        files: in the order in which they were first reached.
        moves: from which file to which, in order.
        back: how many of the moves went to a file that had been left before.
        calls: how often each function was moved to.
        places: the calls that were counted: run of a function, place in it, what is called.
        every: count what a reader does not follow too.
    """

    every: bool = False

    files: dict[str, None] = field(default_factory=dict)
    moves: list[tuple[str, str]] = field(default_factory=list)
    back: int = 0
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    places: set[tuple[object, ...]] = field(default_factory=set)

    def step(self, caller: str, callee: str, function: str) -> None:
        """Take note of one call."""
        if caller != callee:
            self.moves.append((caller, callee))
            self.back += callee in self.files
            self.calls[caller, callee, function] += 1
        self.files.setdefault(callee)


_WALK: ContextVar[Walk | None] = ContextVar("walk", default=None)
_HERE: ContextVar[str] = ContextVar("here", default="")
"""The file that was reached last in this context: a task or a thread was begun from there."""
_COUNTING = threading.Lock()
_open: list[Walk] = []
"""The walk that the next request begins."""


@cache
def _ours(name: str) -> str:
    """Return a file's path in the project; "" if it is not ours."""
    return os.path.relpath(name, ROOT) if name.startswith(OURS) and not name.startswith(NOT_WALKED) else ""


@cache
def _begins(code: CodeType) -> int:
    """Return where the body of a generator or coroutine begins, in bytes: a later place is one where it goes on."""
    return next(instruction.offset for instruction in dis.get_instructions(code) if instruction.opname == "RESUME")


def _is_attribute(kind: type, name: str) -> bool:
    """Whether a function is read as an attribute of its object."""
    return isinstance(getattr(kind, name, None), property | cached_property)


_runs: dict[int, int] = {}
"""Which run of a function a frame is; a frame's identity is used again once it has ended."""
_numbers = count()


def _position(frame: FrameType) -> tuple[int, ...]:
    """Return where a frame stands in its source; the compiler may write one place twice."""
    found = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    return tuple(number or 0 for number in found)


def _is_followed(walk: Walk, frame: FrameType, place: tuple[int, ...] | None) -> bool:
    """Whether a call is a move for a reader; `place` is the run and the place in our source where it is made."""
    if walk.every:
        return True
    code, by = frame.f_code, frame.f_back
    if by is not None and "site-packages" in by.f_code.co_filename:
        return False
    if code.co_argcount == 1 and (own := frame.f_locals.get("self")) is not None and _is_attribute(type(own), code.co_name):
        return False
    if place is None:
        return True
    there = (*place, code)
    again = there in walk.places
    walk.places.add(there)
    return not again


def _trace(frame: FrameType, event: str, _arg: object) -> None:
    if event != "call" or not (callee := _ours(frame.f_code.co_filename)):
        return
    code = frame.f_code
    if code.co_filename == LISTENERS and code.co_flags & CO_COROUTINE and _WALK.get() is None and _open:
        _WALK.set(_open[0])
        _HERE.set(callee)
    walk = _WALK.get()
    if walk is None or code.co_name == "<module>":
        return
    if code.co_flags & (CO_COROUTINE | CO_GENERATOR) and frame.f_lasti > _begins(code):
        return
    _runs[id(frame)] = next(_numbers)
    caller, back = _HERE.get(), frame.f_back
    place: tuple[int, ...] | None = None
    while back is not None:
        if found := _ours(back.f_code.co_filename):
            caller = found
            if back.f_code.co_name == "<module>":
                return
            place = _runs.get(id(back), -1), *_position(back)
            break
        back = back.f_back
    _HERE.set(callee)
    with _COUNTING:
        if _is_followed(walk, frame, place):
            walk.step(caller or callee, callee, code.co_qualname)


@contextmanager
def _traced() -> Iterator[None]:
    """Count while the block lasts, in every thread that it begins."""
    submit = ThreadPoolExecutor.submit

    def with_context(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Let a thread know on whose behalf it works."""
        return submit(pool, copy_context().run, fn, *args, **kwargs)

    ThreadPoolExecutor.submit = with_context  # type: ignore[method-assign, assignment]
    post_of, touched = StoryComposer.post_of, StoryComposer.touched
    StoryComposer.post_of, StoryComposer.touched = _composing(post_of), _composing(touched)  # type: ignore[method-assign]
    threading.setprofile(_trace)
    sys.setprofile(_trace)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
        StoryComposer.post_of, StoryComposer.touched = post_of, touched  # type: ignore[method-assign]


def _composing(call: Callable[..., Any]) -> Callable[..., Any]:
    """Count what puts a card together as part of the walk that is open."""

    def composed(*args: Any) -> Any:
        if not _open:
            return call(*args)
        walk, here = _WALK.set(_open[0]), _HERE.set("bot/stories/follow.py")
        try:
            return call(*args)
        finally:
            _WALK.reset(walk)
            _HERE.reset(here)

    return composed


def _at_once(settings: Settings) -> Settings:
    """Let nobody wait for the running router: how often it is looked at meanwhile is a matter of time, not of the walk."""
    return settings.model_copy(update={"target": settings.target.model_copy(update={"observe_timeout_s": 0})})


async def _in_slack(folder: Path, *, every: bool) -> tuple[Walk, Walk]:
    """Ask for 25% in the playground, and approve it; return both walks."""
    async with scenery(folder) as (playground, settings), running(_at_once(settings)):

        def cards(words: str) -> list[dict[str, Any]]:
            return [message for message in playground.messages(CHANNEL) if words in str(message)]

        await playground.wait_for(lambda: cards("The journal begins"), PATIENCE_SECONDS)
        # what is imported at its first use is imported: a step that is refused, and an answer to nothing
        for words in ("promote 75", "approve abcdefghjk"):
            seen = len(playground.ephemerals(OPERATOR))
            await playground.slash(OPERATOR, CHANNEL, "/anr", words)
            await playground.wait_for(lambda seen=seen: len(playground.ephemerals(OPERATOR)) > seen, PATIENCE_SECONDS)  # type: ignore[misc]
        asking, approving = Walk(every=every), Walk(every=every)
        seen = len(playground.ephemerals(OPERATOR))
        _open[:] = [asking]
        await playground.slash(OPERATOR, CHANNEL, "/anr", "promote 25")
        await playground.wait_for(lambda: cards("Approval wanted"), PATIENCE_SECONDS)
        await playground.wait_for(lambda: len(playground.ephemerals(OPERATOR)) > seen, PATIENCE_SECONDS)
        _open.clear()
        card = next(message for message in cards("Approval wanted") if "approve" in str(message))
        seen = len(playground.ephemerals(APPROVER))
        _open[:] = [approving]
        await playground.click(APPROVER, CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards("Promoted"), PATIENCE_SECONDS)
        await playground.wait_for(lambda: len(playground.ephemerals(APPROVER)) > seen, PATIENCE_SECONDS)
        _open.clear()
    return asking, approving


def _rolled_back(folder: Path, *, every: bool) -> Walk:
    """Roll back as `anr rollback` does, from the call of the operation on; the second time is counted: all is imported then."""
    options = TargetSettings(
        settings_file=folder / "anr.env", journal=folder / "journal.sqlite", run_dir=folder / "run", receipts_dir=folder / "logs"
    )
    options.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    actor = Actor(kind=ActorKind.OS, id="olivia", roles=frozenset({Role.BRAKE}))
    walk = Walk(every=every)
    for counted in (None, walk):
        target = Target.at(options, AccessPolicy(operators=frozenset({"os:olivia"}), approvers=frozenset()))
        _WALK.set(counted)
        _HERE.set("core/cli/commands/brake.py")
        brake(target, Approvable.ROLLBACK, Order(actor, "a walk"))
        _WALK.set(None)
        target.journal.close()
    return walk


GOALS = {"/anr promote 25": (30, 120), "the approving click": (None, 120), "anr rollback": (None, 40)}
"""The most files and moves of each walk."""


def main() -> None:
    """Walk, and print how far."""
    options = argparse.ArgumentParser(prog="python -m bench.walk", description=__doc__)
    options.add_argument("--every", action="store_true", help="count every call, also what a reader does not follow")
    options.add_argument("--moves", action="store_true", help="print every move, the most frequent first")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="anr-walk-") as folder, _traced():
        (Path(folder) / "terminal").mkdir()
        rollback = copy_context().run(_rolled_back, Path(folder) / "terminal", every=chosen.every)
        asking, approving = asyncio.run(_in_slack(Path(folder), every=chosen.every))
    walks = dict(zip(GOALS, (asking, approving, rollback), strict=True))
    table = Table("walk", "files", "moves", "of these back", "goal")
    for name, walk in walks.items():
        files, moves = GOALS[name]
        goal = f"≤ {moves} moves" if files is None else f"≤ {files} files, ≤ {moves} moves"
        table.add_row(name, str(len(walk.files)), str(len(walk.moves)), str(walk.back), goal)
    console = Console(width=170)
    console.print(table)
    if chosen.moves:
        for name, walk in walks.items():
            console.print(f"\n[bold]{name}[/bold]: {', '.join(walk.files)}")
            for (caller, callee, function), times in walk.calls.most_common():
                console.print(f"{times:5} {caller} → {callee} {function}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
