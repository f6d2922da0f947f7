"""What tests of several modules do to get a router to a stage."""

from core import approving, operations
from core.actuation import Order
from core.outcomes import Asked, Moved
from tests.core.conftest import House


def promoted(house: House) -> Moved:
    """Ask for the next stage, as Olivia, and approve it, as Aaron."""
    asked = operations.propose(house.site, Order(house.people["olivia"], "looks good"))
    assert isinstance(asked, Asked), asked
    moved = approving.approve(house.site, house.people["aaron"], asked.approval.id)
    assert isinstance(moved, Moved), moved
    assert moved.applied
    return moved
