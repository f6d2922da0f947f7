import pytest

from core.receipts import effect
from core.receipts.effect import EFFECT, Changes, Notes, Unrelated, replaces_state, unlisted
from core.receipts.receipt import Action


def test_every_action_has_its_effect() -> None:
    """An action that nobody has thought of would silently void every approval that waits."""
    assert unlisted(EFFECT) == frozenset()
    assert set(EFFECT) == set(Action)


@pytest.mark.parametrize("action", list(Action))
def test_an_action_that_is_left_out_is_found(action: Action) -> None:
    """The check at import names it."""
    assert unlisted({other: what for other, what in EFFECT.items() if other is not action}) == {action}


def test_what_voids_an_approval_is_what_moves_the_rollout() -> None:
    """Reports, requests, upkeep and sightings leave an open request valid."""
    moving = {action for action, what in EFFECT.items() if isinstance(what, Changes)}
    assert moving == {
        Action.INIT,
        Action.PROMOTE,
        Action.LOWER,
        Action.ROLLBACK,
        Action.FREEZE,
        Action.HOLD,
        Action.UNFREEZE,
        Action.SHADOW,
        Action.REAPPLY,
        Action.ACCEPT,
        Action.RESTORE,
        Action.RESET,
    }


def test_after_whatever_slows_the_rollout_a_person_has_to_ask() -> None:
    """The scheduler promotes on nothing that a brake, a hold or a lost state came after."""
    asking = {action for action, what in EFFECT.items() if isinstance(what, Changes) and what.needs_person}
    slowing = {Action.ROLLBACK, Action.FREEZE, Action.HOLD, Action.LOWER, Action.RESTORE, Action.RESET}
    assert asking == slowing | {Action.ACCEPT}


def test_only_a_restore_and_a_reset_replace_the_bandits_state() -> None:
    """Whatever else happens, what was learned stays."""
    assert {action for action in Action if replaces_state(action)} == {Action.RESTORE, Action.RESET}


def test_an_effect_is_one_of_three_kinds() -> None:
    """The fold knows no other."""
    assert {type(what) for what in EFFECT.values()} == {Unrelated, Notes, Changes}
    assert {what.news for what in EFFECT.values() if isinstance(what, Notes)} == set(effect.News)
