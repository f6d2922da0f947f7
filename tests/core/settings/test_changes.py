import pytest

from core.settings.changes import changed_options
from core.settings.settings import Settings

BEFORE = {"operators": ["U0OLIVIA"], "target": {"gates": {"rsi_min": 0.9}}, "slack": {"bot_token": "xoxb-secret"}}


@pytest.mark.parametrize(
    ("now", "names"),
    [
        pytest.param(BEFORE, (), id="nothing"),
        pytest.param({**BEFORE, "operators": ["U0OLIVIA", "U0AARON"]}, ("operators",), id="a-list"),
        pytest.param(
            {**BEFORE, "target": {"gates": {"rsi_min": 0.95}, "name": "canary"}},
            ("target.gates.rsi_min", "target.name"),
            id="two-of-a-router",
        ),
        pytest.param({**BEFORE, "slack": {"bot_token": "xoxb-another"}}, ("slack.bot_token",), id="a-secret"),
        pytest.param({**BEFORE, "people": {"alice": "U0OLIVIA"}}, ("people.alice",), id="a-person"),
        pytest.param({**BEFORE, "approvals": {"unfreeze": {"needed": 2}}}, ("approvals.unfreeze",), id="a-rule"),
    ],
)
def test_what_has_changed_is_told_by_name(now: dict[str, object], names: tuple[str, ...]) -> None:
    """As the file writes it, however deep; a secret is named, and its value is nowhere."""
    changed = changed_options(Settings.model_validate(BEFORE), Settings.model_validate(now))
    assert changed == names
    assert "xoxb" not in " ".join(changed)


def test_another_set_of_routers_is_told() -> None:
    """One of several routers that came or went is named with what it is called."""
    several = {
        "targets": {
            name: {"settings_file": f"{name}.env", "ledger": f"{name}.ndjson", "state_file": f"{name}.json"}
            for name in ("a", "b")
        }
    }
    one = {"targets": {"a": several["targets"]["a"]}}
    assert changed_options(Settings.model_validate(several), Settings.model_validate(one)) == ("targets.b",)
