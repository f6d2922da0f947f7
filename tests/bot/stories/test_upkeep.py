from hypothesis import given
from hypothesis import strategies as st

from bot.stories.upkeep import backups
from core.router.backups import Backup
from tests.bot.views.test_answers import NOW, anything, showable


@given(st.lists(st.tuples(anything, st.one_of(st.none(), anything)), max_size=40))
def test_any_list_of_backups_can_be_shown(drawn: list[tuple[str, str | None]]) -> None:
    """A hundred backups, whatever is wrong with them, are cut and not refused."""
    showable(backups([Backup(name, NOW, 1 << 40, "e" * 64, problem) for name, problem in drawn]))
