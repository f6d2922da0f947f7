"""What operations return: how an intent ended, with its receipt. Pure.

Excluded: the brake's results (core/brake/brake.py) and the daily run's (core/operations/propose.py).
"""

from dataclasses import dataclass

from core.gates.report import Report
from core.receipts.chain import Sealed
from core.receipts.observation import Observation
from core.receipts.receipt import Result
from core.rollout.approvals import Approval
from core.rollout.decisions import Lower, NeedsApproval, Proceed
from core.rollout.refusals import Refuse


@dataclass(frozen=True, slots=True)
class Asked:
    """A request waits for somebody's approval.

    Attributes:
        report: what the gates said when it was asked; None where no gate is asked.
    """

    approval: Approval
    report: Report | None
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Signed:
    """An approval was given; the request waits for more.

    Attributes:
        approval: the request with its signatures.
        sealed: the receipt.
    """

    approval: Approval
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Moved:
    """A move on the ladder was carried out or tried.

    Attributes:
        sealed: the outcome receipt, which says how it ended.
        report: the gates, if they were asked.
        observation: what was seen of the running router since, where somebody waited for that.
    """

    sealed: Sealed
    report: Report | None = None
    observation: Observation | None = None

    @property
    def applied(self) -> bool:
        """Whether the settings that were wanted stand, and the router was restarted; whether it follows is another fact."""
        return self.sealed.receipt.result is Result.APPLIED

    @property
    def seen(self) -> Observation | None:
        """What is known of the running router; None if nothing is expected of it."""
        return self.observation or self.sealed.receipt.observation


@dataclass(frozen=True, slots=True)
class WouldMove:
    """What a dry run found. Nothing was changed.

    Attributes:
        decision: the one that would have been taken.
        report: the gates, if they were asked.
    """

    decision: Lower | NeedsApproval | Proceed
    report: Report | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done.

    Attributes:
        refusal: why.
        report: the gates, if they were asked.
        approval: the request that this is about.
    """

    refusal: Refuse
    report: Report | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A request ended without having its effect.

    Attributes:
        approval: the request as it ended.
        sealed: the receipt.
    """

    approval: Approval
    sealed: Sealed
