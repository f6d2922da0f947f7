"""Back to observing, after the rollout was rolled back."""

from core.brake import brake
from core.operations.results import Moved, Refused
from core.operations.shadow import UnfrozenInShadow, shadow, unfreeze_in_shadow
from core.router.envfile import settings_in
from core.target.order import Order
from tests.support.rig import Rig


def written(rig: Rig) -> dict[str, str]:
    return dict(settings_in(rig.settings.settings_file.read_text(encoding="utf-8"))[0])


def test_a_router_that_was_rolled_back_learns_again_and_serves_nothing(begun: Rig) -> None:
    """Enabled, no live traffic, R4 no longer forced; the receipt says who asked."""
    brake.rollback(begun.target, begun.people["max"], "errors")
    done = shadow(begun.target, Order(begun.people["olivia"], "healed"))
    assert isinstance(done, Moved), done
    settings = written(begun)
    assert (settings["NOVA_ANR_ENABLED"], float(settings["NOVA_ANR_PILOT"]), settings.get("NOVA_ANR_KILL", "0")) == ("1", 0, "0")
    assert (done.sealed.receipt.stage_after, done.sealed.receipt.actor) == (0, begun.people["olivia"])


def test_while_a_hold_is_left_the_safe_settings_stay(begun: Rig) -> None:
    """A freeze is a freeze: observing waits until it is lifted, and the refusal changes no byte."""
    brake.freeze(begun.target, begun.people["max"], "errors")
    before = begun.settings.settings_file.read_bytes()
    assert isinstance(shadow(begun.target, Order(begun.people["olivia"], "healed")), Refused)
    assert begun.settings.settings_file.read_bytes() == before


def test_lifting_the_last_hold_lets_it_observe_in_one_step(begun: Rig) -> None:
    """Both results are told, each with its receipt."""
    brake.freeze(begun.target, begun.people["max"], "errors")
    done = unfreeze_in_shadow(begun.target, Order(begun.people["olivia"], "healed"))
    assert isinstance(done, UnfrozenInShadow), done
    assert (len(done.unfrozen.lifted), done.unfrozen.left) == (1, ())
    assert isinstance(done.shadow, Moved), done.shadow
    assert float(written(begun)["NOVA_ANR_PILOT"]) == 0


def test_the_same_cause_lets_it_observe_once(begun: Rig) -> None:
    """Slack delivers twice: the second time is refused with the receipt of the first."""
    brake.rollback(begun.target, begun.people["max"], "errors")
    order = Order(begun.people["olivia"], "healed", cause="slash:1.2")
    assert isinstance(shadow(begun.target, order), Moved)
    again = shadow(begun.target, order)
    assert isinstance(again, Refused)
    assert "already done" in again.refusal.text
