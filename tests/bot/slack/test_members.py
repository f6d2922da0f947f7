"""Who belongs, as Slack's payloads say it on Enterprise Grid and outside."""

from typing import Any

import pytest

from bot.slack.members import Installation, team_of

OWN = Installation("T1", "E1")
EVERYWHERE = Installation("T1", "E1", org_wide=True)


@pytest.mark.parametrize(
    ("user", "member"),
    [
        pytest.param({"team_id": "T1"}, True, id="own workspace"),
        pytest.param({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T1", "T2"]}}, True, id="enterprise"),
        pytest.param({"team_id": "E1", "teams": ["T1"]}, True, id="teams"),
        pytest.param({"enterprise_user": {"teams": ["T1"]}}, True, id="no team_id"),
        pytest.param({"team_id": "T2"}, False, id="elsewhere"),
        pytest.param({"team_id": "T2", "enterprise_user": {"teams": ["T2"]}}, False, id="other workspace of the organisation"),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"team_id": None, "enterprise_user": None, "teams": None}, None, id="nulls"),
        *(
            pytest.param({"team_id": "T1", flag: True}, False, id=flag)
            for flag in ("is_stranger", "is_restricted", "is_ultra_restricted", "is_bot", "deleted")
        ),
    ],
)
def test_membership_is_any_of_slacks_three_places_unless_somebody_is_barred(user: dict[str, Any], member: bool | None) -> None:  # noqa: FBT001 - the expectation
    """team_id, teams[] or enterprise_user.teams[]; None where Slack says nothing."""
    assert OWN.is_home_of(user) is member


@pytest.mark.parametrize(
    ("user", "member"),
    [
        pytest.param({"team_id": "T7", "enterprise_user": {"enterprise_id": "E1", "teams": ["T7"]}}, True, id="any workspace"),
        pytest.param({"team_id": "T9", "enterprise_user": {"enterprise_id": "E9"}}, False, id="other organisation"),
        pytest.param({"team_id": "T7"}, None, id="a workspace that nobody knows"),
        pytest.param({"enterprise_user": {"enterprise_id": "E1"}, "is_restricted": True}, False, id="guest"),
    ],
)
def test_an_app_of_the_whole_organisation_is_everybodys_there(user: dict[str, Any], member: bool | None) -> None:  # noqa: FBT001 - the expectation
    """Whoever belongs to the organisation, in whichever workspace."""
    assert EVERYWHERE.is_home_of(user) is member


@pytest.mark.parametrize(
    ("body", "team"),
    [
        pytest.param({"team": {"id": "T1"}, "user": {"id": "W1", "team_id": "T2"}, "enterprise": {"id": "E1"}}, "T1", id="team"),
        pytest.param({"team": None, "user": {"id": "W1", "team_id": "T2"}, "enterprise": {"id": "E1"}}, "E1", id="org-wide"),
        pytest.param({"user": {"id": "U1", "team_id": "T2"}}, None, id="nothing said"),
    ],
)
def test_the_workspace_of_a_click_is_never_the_persons_own(body: dict[str, Any], team: str | None) -> None:
    """`body.team.id`, or else the organisation; `user.team_id` may be another workspace."""
    assert team_of(body) == team


def test_a_click_elsewhere_is_not_ours_unless_the_app_is_everywhere() -> None:
    """Slack Connect brings clicks from other workspaces into our channels."""
    assert (OWN.is_ours("T9"), OWN.is_ours("E1"), OWN.is_ours(None), EVERYWHERE.is_ours("T9")) == (False, True, True, True)
