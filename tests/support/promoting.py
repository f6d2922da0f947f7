"""What tests of several modules do to get a router to a stage."""

from core.operations import propose, requests
from core.operations.results import Asked, Moved
from core.target.order import Order
from tests.support.rig import Rig


def promoted(rig: Rig) -> Moved:
    """Ask for the next stage, as Olivia, and approve it, as Aaron."""
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "looks good"))
    assert isinstance(asked, Asked), asked
    moved = requests.approve(rig.target, rig.people["aaron"], asked.approval.id)
    assert isinstance(moved, Moved), moved
    assert moved.applied
    return moved
