"""What is only cosmetic stops no brake: streams that nobody hears, owners and permissions that are refused, nothing synced.

The real command line runs; what counts is what a simulated router's process has loaded.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cli.output import DONE, FAILED
from tests.support.rig import Rig
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.ways_up import Field

pytestmark = pytest.mark.torture

SAFE = {"enabled": False, "pilot": 0.0, "kill": True}
STREAMS = {
    "both-closed": ">&- 2>&-",
    "all-three-closed": "<&- >&- 2>&-",
    "output-full": "> /dev/full",
    "both-full": "> /dev/full 2> /dev/full",
    "reader-gone": "| true",
    "readers-gone": "2>&1 | true",
}
REFUSED = {
    "owner-unknown-in-a-user-namespace": "chown,fchown,lchown,fchownat:error=EINVAL",
    "owner-not-supported": "chown,fchown,lchown,fchownat:error=EOPNOTSUPP",
    "permissions": "chmod,fchmod,fchmodat:error=EPERM",
    "permissions-not-supported": "chmod,fchmod,fchmodat:error=EOPNOTSUPP",
    "sync-not-supported": "fsync,fdatasync:error=EINVAL",
    "sync-broken": "fsync,fdatasync:error=EIO",
    "attributes": "listxattr,llistxattr,flistxattr,getxattr,setxattr,removexattr:error=EIO",
}


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as running:
        yield running


@pytest.fixture
def field(rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A router that serves 25%."""
    return Field.of(rig, routers, tmp_path_factory.mktemp("kept") / "files")


def environment(field: Field) -> dict[str, str]:
    """The options of the field's router, for a command line of its own."""
    target = field.settings
    names = ("ledger", "settings_file", "health_url", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir")
    given = {f"ANR_TARGET__{name.upper()}": str(getattr(target, name)) for name in names}
    options = field.kept.with_name("anr.toml")
    options.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANR_")}
    return {
        **kept,
        **given,
        "ANR_TARGET__RELOAD_COMMAND": json.dumps(target.reload_command),
        "ANR_TARGET__OBSERVE_TIMEOUT_S": "0",
        "ANR_CONFIG": str(options),
    }


def anr(field: Field, words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line in a shell; its exit code is the first of the pipe's."""
    program = f"{shlex.quote(sys.executable)} -c 'from bot.cli.main import main; main()'"
    command = f"{before} {program} {words}; exit ${{PIPESTATUS[0]}}"
    shell = ["/bin/bash", "-c", command]
    return subprocess.run(shell, env=environment(field), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_a_brake_whose_words_reach_nobody_brakes(field: Field, streams: str) -> None:
    """The router is safe, the receipt is there, and the exit code says so: it is the only word that arrives."""
    ended = anr(field, f"rollback {streams}")
    assert field.routers.loaded(field.settings.settings_file) == SAFE, ended.stderr
    target = field.target()
    assert (target.journal.state().stage, target.journal.verify()[1]) == (0, ())
    target.journal.close()
    assert ended.returncode == DONE, ended.stderr


def test_whoever_was_asked_for_words_that_reach_nobody_has_failed(field: Field) -> None:
    """A script that reads a status from a full disk must not take nothing for an answer."""
    ended = anr(field, "receipts --json > /dev/full")
    assert ended.returncode == FAILED
    assert "could not be written to the output" in ended.stderr


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_owners_permissions_and_syncs_that_are_refused_stop_no_brake(field: Field, tmp_path: Path, refused: str) -> None:
    """Everywhere and always, as on a network file system: the router is safe at once, and a sync that failed is said."""
    calls = refused.partition(":")[0]
    ended = anr(field, "rollback", f"strace -f -o {tmp_path / 'log'} -e trace={calls} -e inject={refused}")
    assert field.routers.loaded(field.settings.settings_file) == SAFE, ended.stderr
    said = " ".join((ended.stdout + ended.stderr).split())
    assert "MAY NOT BE SAFE" not in said
    assert "INJECTED" in (tmp_path / "log").read_text(encoding="utf-8", errors="replace")
    if "sync" in calls:
        assert "could not be synced" in said
        assert list(field.settings.run_dir.glob("brake/note-*")) or ended.returncode == DONE


def test_in_a_user_namespace_a_file_of_an_unknown_owner_is_braked(field: Field) -> None:
    """Nobody there knows the owner, so that the kernel refuses it as an invalid argument; the file is written all the same."""
    if os.geteuid() == 0:
        os.chown(field.settings.settings_file, 12345, 12345)
        field.settings.settings_file.chmod(0o666)
    ended = anr(field, "rollback", "unshare --user --map-root-user")
    assert field.routers.loaded(field.settings.settings_file) == SAFE, ended.stdout + ended.stderr
    assert ended.returncode == DONE, ended.stdout + ended.stderr
