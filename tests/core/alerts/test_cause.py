import pytest

from core.alerts.cause import AlertInstance, StatusCause, Unread, Unseen, parse_instance, parse_status
from tests.support.alert_payloads import alert, heard


@pytest.mark.parametrize(
    ("text", "instance", "fingerprint"),
    [
        pytest.param(
            "alert:0af3:2026-11-24T08:00:00.123456Z", AlertInstance("0af3", "2026-11-24T08:00:00.123456Z"), "0af3", id="one"
        ),
        pytest.param(
            "alert:unseen-e7:2026-11-24T08:00:00.123456Z", Unseen("e7", "2026-11-24T08:00:00.123456Z"), "unseen-e7", id="cut-off"
        ),
        pytest.param("alert:unread-0af3", Unread("0af3"), "unread-0af3", id="unread"),
    ],
)
def test_an_instance_reads_back_from_its_key(text: str, instance: AlertInstance | Unseen | Unread, fingerprint: str) -> None:
    """What all instances of an alert have in common stands first."""
    found = parse_instance(text)
    assert (found, str(found), found.fingerprint) == (instance, text, fingerprint)


def test_the_key_of_a_real_alert_reads_back() -> None:
    """What a payload makes is what the journal is asked for."""
    (facts,) = heard(alert())
    assert str(parse_instance(facts.cause)) == facts.cause
    status = parse_status(facts.key_after(2))
    assert status == StatusCause(facts.status, parse_instance(facts.cause), 2)


@pytest.mark.parametrize("text", ["", "alert", "alert:", "daily:2025-10-01", "firing:alert:0af3"])
def test_the_key_of_something_else_is_no_instance(text: str) -> None:
    """Nobody takes a run for an alert."""
    with pytest.raises(ValueError, match="not the key of an alert"):
        parse_instance(text)


def test_a_status_is_one_of_two() -> None:
    """Another word is another key."""
    with pytest.raises(ValueError, match="status"):
        parse_status("pending:alert:0af3")
