"""Who is called by a message, and what is said to whom who asked: replies, because Slack tells nobody of a message that changed.

Pure. Excluded: what is decided (core/rollout/approvals.py), and who may be called (core/settings/surfaces.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bot.blockkit.blocks import because, noted, percent, who
from bot.blockkit.post import Reply
from bot.blockkit.signs import State
from core.actors import AccessPolicy, ActorKind, Approvable
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.rollout.approvals import BRAKES, Approval, ApprovalStatus
from core.settings.surfaces import NotifySettings

_MOST_CALLED = 20


@dataclass(frozen=True, slots=True)
class Callers:
    """Whom the messages of one router call.

    Attributes:
        notify: the settings.
        access: who may approve what.
        zone: IANA name of the zone of the quiet hours.
    """

    notify: NotifySettings = field(default_factory=NotifySettings)
    access: AccessPolicy = field(default_factory=AccessPolicy)
    zone: str = "UTC"

    def approvers(self, approval: Approval) -> str:
        """Return the mentions of those who are asked to approve, without who asked; "" if nobody is called."""
        named = self.notify.approvers
        if named is None:
            named = self.access.rule(approval.action).approvers
        return mentions(named - {approval.requester.id})

    @property
    def on_call(self) -> str:
        """The mentions of those who are on call; "" if nobody is."""
        return mentions(self.notify.on_call)

    def decision(self, approval: Approval, last: Receipt) -> Iterator[Reply]:
        """Return the reply with which who asked is told what came of it; in quiet hours without calling them."""
        asker, decided_at = approval.requester, approval.decided_at
        underway = approval.status is ApprovalStatus.APPROVED and last.phase is Phase.INTENT
        if decided_at is None or approval.status is ApprovalStatus.PENDING or underway or asker.kind is not ActorKind.SLACK:
            return
        if approval.decided_by is not None and approval.decided_by.is_same_as(asker):
            return
        said = _came_of_it(approval, last)
        calls = "" if self.notify.is_quiet(decided_at, self.zone) else f"{who(asker)}: "
        yield Reply(f"decided-{approval.status}", f"{calls}{said}")

    def danger(self, sealed: Sequence[Sealed], title: str) -> Iterator[Reply]:
        """Return the replies that call those on call to what a change of the message alone would not tell them.

        Args:
            sealed: the story's receipts, in order of number.
            title: the message's title at present.
        """
        if not self.on_call:
            return
        first = sealed[0].receipt.seq
        for later in (one.receipt for one in sealed if one.receipt.action is Action.FREEZE and one.receipt.alert is not None):
            if later.seq != first and later.phase is not Phase.INTENT:
                yield Reply(f"called-{later.seq}", f"{self.on_call} {title}")
        if title.startswith(State.DANGER.value):
            yield Reply("called-danger", f"{self.on_call} {title}")


def mentions(names: Iterable[str]) -> str:
    """Return mentions of users and user groups in Slack; "" if none of the names is one."""
    known = sorted(name for name in names if name[:1] in {"S", "U", "W"})[:_MOST_CALLED]
    return " ".join(f"<!subteam^{name}>" if name.startswith("S") else f"<@{name}>" for name in known)


def _came_of_it(approval: Approval, last: Receipt) -> str:
    by = f" by {who(approval.decided_by)}" if approval.decided_by else ""
    match approval.status:
        case ApprovalStatus.APPROVED if approval.action not in BRAKES and last.result not in {None, Result.APPLIED}:
            return f"approved{by}, but it failed: {noted(last.note)}".rstrip(": ")
        case ApprovalStatus.APPROVED:
            upto = f" to {percent(approval.to_stage)}" if approval.action is Approvable.PROMOTE else ""
            return f"{_DONE[approval.action]}{upto}{by}"
        case ApprovalStatus.DENIED:
            return f"denied{by}{because(approval.note)}"
        case ApprovalStatus.EXPIRED:
            return f"nobody answered in time. Ask again with `/anr {approval.asked_with}`."
        case _:
            return f"not carried out. {noted(approval.note)}".rstrip()


_DONE = {
    Approvable.PROMOTE: "promoted",
    Approvable.UNFREEZE: "unfrozen",
    Approvable.RESTORE: "restored",
    Approvable.RESET: "the state was reset",
    Approvable.ROLLBACK: "rolled back",
    Approvable.FREEZE: "frozen",
}
