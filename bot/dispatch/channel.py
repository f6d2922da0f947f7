"""One router, and the channel in which it is operated.

Excluded: finding the one that is meant (bot/dispatch/dispatcher.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.stories.follow import Stories
from core.doctor.check import Check
from core.journal.marks import Marks
from core.receipts.observation import Observation
from core.system.progress import OnProgress
from core.target.overview import Overview
from core.target.target import Target


@dataclass(frozen=True, slots=True)
class TargetChannel:
    """One router, the channel in which it is operated, and the messages there.

    Attributes:
        look: returns what is so now, and tells how far it is meanwhile.
        examine: looks at everything that operating it depends on; asks Slack too.
        seen: returns what was seen of the running router a second ago; None if nothing is expected of it.
        marks: reads the marks that the channel's messages carry.
    """

    target: Target
    look: Callable[[OnProgress | None], Overview]
    stories: Stories
    channel: str
    examine: Callable[[], tuple[Check, ...]] = tuple
    seen: Callable[[], Observation | None] = lambda: None
    marks: Callable[[], Marks] = lambda: Marks("the channel")
