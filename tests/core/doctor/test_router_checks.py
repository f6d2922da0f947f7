from core.doctor.check import Health
from tests.core.doctor.test_own_checks import changed, found
from tests.core.system.test_files import denied, nobodys_folder
from tests.support.rig import Rig


def test_a_ledger_and_a_settings_file_that_may_not_be_read_are_named(begun: Rig) -> None:
    """Denied by the kernel, as for an account without the right."""
    with nobodys_folder() as folder:
        rig = changed(begun, ledger=folder / "ledger.ndjson", settings_file=folder / "anr.env", state_file=folder / "s.json")
        for path, original in (
            (rig.target.ledger, begun.target.ledger),
            (rig.target.settings_file, begun.target.settings_file),
        ):
            path.write_bytes(original.read_bytes())
        rig.target.state_file.write_text("{}", encoding="utf-8")
        for path in (rig.target.ledger, rig.target.settings_file, rig.target.state_file):
            path.chmod(0)
        with denied(folder, 0o700):
            for name in ("ledger", "settings file", "state file"):
                check = found(rig, name)
                assert check.health is Health.FAIL
                assert "ermission denied" in check.text
