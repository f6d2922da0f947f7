"""Commands that look and change nothing: help, status, why, next, report, receipts, verify, doctor, a report's details."""

from dataclasses import dataclass

from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import bare, cut, named_person, plain, without
from bot.views.outlook import Examined
from core.canonical import canonical_bytes
from core.journal.verification import Verification, given
from core.journal.verification import verify as verify_journal
from core.receipts.chain import Sealed
from core.rollout.outlook import Insight, insight_into
from core.target.overview import Overview

MAX_RECEIPTS = 20
"""As many receipts as fit in one answer."""


@dataclass(frozen=True, slots=True)
class Help(Addressed):
    """What can be typed."""


@dataclass(frozen=True, slots=True)
class Status(Addressed):
    """Stage, holds, gates and open requests."""


@dataclass(frozen=True, slots=True)
class Why(Addressed):
    """What stands in the way of the next promotion."""


@dataclass(frozen=True, slots=True)
class Next(Addressed):
    """What lies ahead."""


@dataclass(frozen=True, slots=True)
class Report(Addressed):
    """The gates over the last hours."""


@dataclass(frozen=True, slots=True)
class Receipts(Addressed):
    """The last receipts.

    Attributes:
        count: how many.
        person: whose; a Slack user id, None for everybody's.
    """

    count: int = 5
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Verify(Addressed):
    """Whether a receipt was altered.

    Attributes:
        mark: of a receipt, as a message shows it, that has to be in the chain; empty for none.
    """

    mark: str = ""


@dataclass(frozen=True, slots=True)
class Doctor(Addressed):
    """Everything that operating the router depends on.

    Attributes:
        every: whether what is well is told, too.
    """

    every: bool = False


@dataclass(frozen=True, slots=True)
class Details(Addressed):
    """The details of a report, in its thread; `operation` is its story."""


def nothing(_call: Call, _command: Addressed) -> None:
    """Look at nothing: what is to be shown is always the same."""


def overview(call: Call, _command: Addressed) -> Overview:
    """Look at what is so now."""
    return call.overview()


def insight(call: Call, _command: Addressed) -> Insight:
    """Look at what stands in the way of the next promotion, and at what lies ahead."""
    seen = call.overview()
    return insight_into(seen.now, seen.blockers, seen.question, call.target.settings.schedule)


def receipts(call: Call, command: Receipts) -> tuple[Sealed, ...]:
    """Read the last receipts."""
    if command.person is None:
        return call.target.journal.receipts(last=command.count)
    naming = call.target.journal.saying(canonical_bytes({"id": command.person})[1:-2])
    return tuple(sealed for sealed in naming if sealed.receipt.actor.id == command.person)[-command.count :]


def verify(call: Call, command: Verify) -> Verification:
    """Check every receipt."""
    return verify_journal(call.target.journal, (*call.target.witnesses.marks(), *given(command.mark), call.channel_marks()))


def doctor(call: Call, command: Doctor) -> Examined:
    """Examine everything."""
    return Examined(call.examine(), call.target.settings.name, every=command.every)


def details(call: Call, command: Details) -> None:
    """Add the details of a report to its thread, once however often it is clicked."""
    call.add_details(command.operation)


def parse_receipts(rest: str) -> Receipts | Misunderstood:
    """Understand `receipts [number] [@person]`."""
    count, person = 5, None
    for word in without(rest, {"last", "of", "by", "from"}).split():
        if word.isascii() and word.isdigit() and 1 <= int(word[:3]) <= MAX_RECEIPTS and len(word) <= 2:
            count = int(word)
        elif (found := named_person(word)) is not None:
            person = found
        elif word.lower() not in {"of", "by", "from", "last"}:
            return Misunderstood(
                f"`receipts` takes a number up to {MAX_RECEIPTS} and a person, for example `receipts 10 @olivia`."
            )
    return Receipts(count, person)


def parse_doctor(rest: str) -> Doctor:
    """Understand `doctor [all]`."""
    return Doctor(every=bare(cut(rest)[0]).strip("-—–") in {"all", "details", "verbose"})


def parse_verify(rest: str) -> Verify:
    """Understand `verify [mark]`."""
    return Verify(plain(rest))
