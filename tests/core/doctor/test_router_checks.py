from dataclasses import replace

from pydantic import SecretStr

from core.brake.brake import Braked, rollback
from core.cli.render import ending
from core.doctor.check import Health
from core.doctor.own_checks import check_up
from core.watch.observe import followed
from tests.core.doctor.test_own_checks import changed, found
from tests.core.system.test_files import denied, nobodys_folder
from tests.support.rig import Rig


def test_a_ledger_and_a_settings_file_that_may_not_be_read_are_named(begun: Rig) -> None:
    """Denied by the kernel, as for an account without the right."""
    check_up(begun.target)  # everything is imported before an account is in force
    with nobodys_folder() as folder:
        rig = changed(begun, ledger=folder / "ledger.ndjson", settings_file=folder / "anr.env", state_file=folder / "s.json")
        for path, original in (
            (rig.settings.ledger, begun.settings.ledger),
            (rig.settings.settings_file, begun.settings.settings_file),
        ):
            path.write_bytes(original.read_bytes())
        rig.settings.state_file.write_text("{}", encoding="utf-8")
        for path in (rig.settings.ledger, rig.settings.settings_file, rig.settings.state_file):
            path.chmod(0)
        with denied(folder, 0o700):
            for name in ("ledger", "settings file", "state file"):
                check = found(rig, name)
                assert check.health is Health.FAIL
                assert "ermission denied" in check.text


def test_a_table_without_an_endpoint_is_said_not_to_be_seen(begun: Rig) -> None:
    """Nothing shows whether its router follows; a file that lies where a ledger would is of something else, and says nothing."""
    assert begun.settings.ledger.exists()
    rig = changed(begun, ledger_table=SecretStr("duckdb:///lake/*.parquet"))
    checks = [check for check in check_up(rig.target) if check.name == "observed router"]
    assert checks[0].health is Health.WARN
    assert "It cannot be seen whether the running router follows a brake" in checks[0].text
    assert "target.observe" in checks[0].remedy
    assert (rig.target.sighting(), rig.target.served_since(10, rig.clock.now)) == (None, None)
    braked = rollback(rig.target, rig.people["olivia"], "bad day")
    assert isinstance(braked, Braked)
    told = ending(followed(replace(rig.target, settings=rig.settings.model_copy(update={"observe_timeout_s": 0})), braked))
    said = " ".join((*told.said, *told.complaints))
    assert "Not yet seen. The ledger is a table, which is not followed: only an endpoint (`target.observe`) shows" in said
    assert told.facts["result"] not in {"safe", "seen_safe"}


def test_a_version_command_that_fails_is_named(begun: Rig) -> None:
    """Before a receipt goes without the version; one that works says it, and without one nothing is said."""
    assert [check for check in check_up(begun.target) if check.name == "router version"] == []
    assert (
        found(changed(begun, version_command=("echo", "3f2a9c1")), "router version").text == "The version command says 3f2a9c1."
    )
    failing = found(changed(begun, version_command=("false",)), "router version")
    assert (failing.health, failing.text) == (Health.WARN, "The version command ended with 1.")
