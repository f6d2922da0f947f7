"""What a command is: a value that was understood, and a row that says everything about its kind.

Excluded: the commands (a file for each subject, such as bot/commands/rollout.py) and the table of them
(bot/commands/table.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bot.blockkit.post import Block
from bot.views.modals import About, Form, View, Wrong
from core.actors import Actor, Role
from core.doctor.check import Check
from core.journal.marks import Marks
from core.operations.results import Moved
from core.target.order import Order
from core.target.overview import Overview
from core.target.target import Target
from core.watch.observe import followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """Which router a command is meant for, as far as it says so: what all commands have in common.

    Attributes:
        target: the router that was named, where there are several; None if none was.
        operation: the story that it is about: the one whose button was clicked, or the request that is answered (its id is its
            story's); empty if it is about none.
    """

    target: str | None = None
    operation: str = ""


C = TypeVar("C", bound=Addressed)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """A text that is no command, and what may have been meant.

    Attributes:
        problem: why it is none, as a sentence.
        nearest: the command that may have been meant; None if none is near.
    """

    problem: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, which router is meant, and what can be looked at there: what a handler is given beside its command.

    Attributes:
        cause: key by which it has one effect; None if it may have several.
        overview: looks at what is so now.
        examine: looks at everything that operating the router depends on.
        add_details: adds the details of a story to its thread.
        channel_marks: reads the marks that the channel's messages carry.
    """

    target: Target
    actor: Actor
    cause: str | None
    overview: Callable[[], Overview]
    examine: Callable[[], tuple[Check, ...]]
    add_details: Callable[[str], None]
    channel_marks: Callable[[], Marks]

    def followed(self, result: R) -> R:
        """Wait a few seconds to see what came of a move, so that its answer says it. A brake is answered at once."""
        return followed(self.target, result) if isinstance(result, Moved) else result

    def order(self, reason: str = "") -> Order:
        """Return the order that this is to core."""
        return Order(self.actor, reason, self.cause)


@dataclass(frozen=True, slots=True)
class Modal(Generic[C]):
    """The modal that asks before a command is carried out.

    Attributes:
        load: looks at the router and returns the questions, or what there is to say in their place.
        read: returns the command that the answers (by the field's name) stand for, or what is wrong with them, by field.
        at_once: the whole modal, made without looking at anything, of a command that waits for nobody; None for the others.
        refused: what somebody without the command's role is told that they may not do; empty if `load` decides.
    """

    form: Form
    load: Callable[[Target, Actor, About], View | None]
    read: Callable[[Mapping[str, Any], About], C | Wrong]
    at_once: Callable[[About, Sequence[str]], View] | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Row(Generic[C, R]):
    """Everything about one kind of command.

    Attributes:
        kind: its class.
        word: what follows `/anr`, and the name of the command in logs.
        handle: calls into core once, and returns the result; raises AnrError if it could not be done.
        view: what that result looks like to whoever asked.
        typed: whether it can be typed; the others only cards and modals offer.
        parse: understands the text after the word; None if nothing has to follow it.
        synonyms: other words for it.
        modal: the modal that asks before it is carried out.
        buttons: by the action id of each button that stands for it, the command that a click means, from the button's value.
        help: how it is typed and what it does, for `/anr help`; None if another row's line explains it.
        role: the role without which core refuses it: `BRAKE` is every full member's, where the settings let all of them brake.
        brakes: it waits for nobody: Slack need not say who acts, and no channel is the wrong one.
        waits: of what brakes, that it is an ordinary operation, which must not take a thread from the brakes that act at once.
        may_ask: it may wait for an approval, so that whoever asked is told if nobody is there to give it.
        answers_request: it answers a request, which may be one for a brake.
    """

    kind: type[C]
    word: str
    handle: Callable[[Call, C], R]
    view: Callable[[R], list[Block]]
    typed: bool = True
    parse: Callable[[str], C | Misunderstood] | None = None
    synonyms: tuple[str, ...] = ()
    modal: Modal[C] | None = None
    buttons: Mapping[str, Callable[[str], C]] = field(default_factory=dict)
    help: tuple[str, str] | None = None
    role: Role = Role.BRAKE
    brakes: bool = False
    waits: bool = False
    may_ask: bool = False
    answers_request: bool = False
