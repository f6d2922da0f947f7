"""An order: who wants something, why, and because of what.

Excluded: carrying it out (core/operations/apply.py).
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from core.actors import Actor
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import BreakGlass


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants something done, why, and what set it off.

    Attributes:
        cause: key that has one effect only, or None.
        operation: joins the receipts of the story.
        break_glass: what is passed over, if somebody acts alone in an emergency.
    """

    actor: Actor
    reason: str = ""
    cause: str | None = None
    operation: str = field(default_factory=lambda: uuid.uuid4().hex)
    break_glass: BreakGlass | None = None

    def origin(self, at: datetime) -> Origin:
        """Return where a receipt comes from that tells what was done for this order at a moment."""
        return Origin(self.operation, at, self.actor, self.reason, self.cause)
