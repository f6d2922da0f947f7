import grp
import os
import pwd
from pathlib import Path

import pytest

from core.settings import account
from core.settings.account import Account, account_here, account_of, distrusted, how_to_begin, is_targets_own, not_its_run
from core.settings.target import TargetSettings
from core.system.peers import Peer
from tests.support.rig import Rig

SOMEBODY = Account(40001, "somebody", frozenset({40001}))


@pytest.fixture
def options(rig: Rig, tmp_path: Path) -> Path:
    """The site's options file, written by the account that runs the tests and owns the site."""
    rig.settings.run_dir.mkdir()
    file = tmp_path / "anr.toml"
    file.write_text("", encoding="utf-8")
    file.chmod(0o644)
    return file


def owner(path: Path) -> Account:
    return Account(path.stat().st_uid, "anr")


def test_the_account_is_who_owns_what_belongs_to_the_target(rig: Rig, options: Path) -> None:
    """Its owner is, and root; nobody else is."""
    assert is_targets_own(owner(options), rig.settings, options)
    assert is_targets_own(Account(0, "root"), rig.settings, options)
    assert not is_targets_own(SOMEBODY, rig.settings, options)
    assert not is_targets_own(SOMEBODY, rig.settings, None)
    assert not_its_run(owner(options), rig.settings, options, {}) == ""
    assert "is not the account that runs anr" in not_its_run(SOMEBODY, rig.settings, options, None)


def test_options_of_ones_own_make_nobody_the_account_of_somebody_elses_router(tmp_path: Path, rig: Rig) -> None:
    """Whoever describes the router in a file of their own, with a journal of their own, does not own its settings file."""
    own = tmp_path / "own.toml"
    own.write_text("", encoding="utf-8")
    described = TargetSettings(settings_file=rig.settings.settings_file, journal=tmp_path / "none", run_dir=tmp_path / "none")
    assert not is_targets_own(SOMEBODY, described, None)
    assert not is_targets_own(SOMEBODY, described, own)


@pytest.mark.parametrize(
    ("variable", "decides"),
    [
        ("ANR_PEOPLE", True),
        ("ANR_APPROVERS", True),
        ("anr_operators", True),
        ("ANR_TARGET__GATES__RSI_MIN", True),
        ("ANR_TARGET__SCHEDULE__ZONE", True),
        ("ANR_TARGET__LEDGER", True),
        ("ANR_TARGET__HEALTH_URL", True),
        ("ANR_TARGETS", True),
        ("ANR_ALERTS__RULES", True),
        ("ANR_ALERTS", True),
        ("ANR_SLACK__BOT_TOKEN", False),
        ("ANR_CONFIG", False),
        ("PATH", False),
    ],
)
def test_at_the_terminal_variables_decide_nothing(rig: Rig, options: Path, variable: str, *, decides: bool) -> None:
    """People, gates, and the router by which they are judged: no variable says them, not even that of its account."""
    for who in (SOMEBODY, owner(options)):
        told = distrusted(who, rig.settings, options, {variable: "x"})
        assert (variable in told) == decides, told


def test_without_an_options_file_nothing_counts(rig: Rig) -> None:
    """A person's options are then variables."""
    assert "no options file" in distrusted(SOMEBODY, rig.settings, None, {})


@pytest.mark.parametrize("mode", [0o646, 0o664])
def test_a_file_that_the_caller_could_have_written_counts_for_nothing(rig: Rig, options: Path, mode: int) -> None:
    """By everybody's right, or by a group's."""
    assert distrusted(SOMEBODY, rig.settings, options, {}) == ""
    options.chmod(mode)
    member = Account(SOMEBODY.uid, SOMEBODY.name, frozenset({options.stat().st_gid}))
    assert "could have written" in distrusted(member, rig.settings, options, {})


def test_nor_does_one_in_whose_folder_the_caller_could_put_another(rig: Rig, options: Path) -> None:
    """A folder that everybody may write is safe only if none but the owner may take a file away there."""
    options.parent.chmod(0o777)
    assert "could have written" in distrusted(SOMEBODY, rig.settings, options, {})
    options.parent.chmod(0o1777)
    assert distrusted(SOMEBODY, rig.settings, options, {}) == ""


def test_nor_does_the_callers_own(rig: Rig, options: Path) -> None:
    """Whoever owns the file is no person there: the account of the site at most."""
    if os.getuid() == 0:
        os.chown(options, 40001, 40001)
        assert not is_targets_own(SOMEBODY, rig.settings, options)
        assert "could have written" in distrusted(SOMEBODY, rig.settings, options, {})
    else:
        assert is_targets_own(owner(options), rig.settings, options)


def test_the_accounts_own_run_believes_no_file_that_others_may_write(rig: Rig, options: Path) -> None:
    """Somebody edited the gates."""
    options.chmod(0o666)
    assert "may write" in not_its_run(owner(options), rig.settings, options, {})


def test_in_a_user_namespace_nobody_is_anybody(rig: Rig, options: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`unshare -U --map-user` makes anybody any number."""
    monkeypatch.setattr(account, "UID_MAP", tmp_path / "uid_map")
    (tmp_path / "uid_map").write_text("         0          0 4294967295\n", encoding="ascii")
    assert not account_here().is_mapped
    (tmp_path / "uid_map").write_text("     40001       1000          1\n", encoding="ascii")
    assert account_here().is_mapped
    told = distrusted(Account(SOMEBODY.uid, "aaron", is_mapped=True), rig.settings, options, {})
    assert "user namespace" in told


@pytest.mark.parametrize("variable", ["LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"])
def test_a_variable_makes_nobody_somebody_else(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The kernel says who runs this."""
    before = account_here()
    monkeypatch.setenv(variable, "aaron")
    assert account_here() == before
    assert before.uid == os.getuid()


def test_a_link_of_ones_own_to_the_options_makes_nobody_the_account(
    rig: Rig, options: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths begin at a link's folder: whoever lays one would have a journal, a ledger and a run of their own."""
    mine = tmp_path / "mine"
    (mine / "run").mkdir(parents=True)
    (mine / "journal").touch()
    link = mine / "anr.toml"
    link.symlink_to(options)
    real_stat, real_lstat = Path.stat, Path.lstat

    def owned_by(found: os.stat_result, uid: int) -> os.stat_result:
        return os.stat_result((*found[:4], uid, *found[5:]))

    def stat(path: Path, **how: bool) -> os.stat_result:
        return owned_by(real_stat(path, **how), SOMEBODY.uid or 0 if mine in path.parents and path != link else 0)

    def lstat(path: Path) -> os.stat_result:
        return owned_by(real_lstat(path), SOMEBODY.uid or 0 if mine in path.parents else 0)

    monkeypatch.setattr(Path, "stat", stat)  # only root can give files to somebody else
    monkeypatch.setattr(Path, "lstat", lstat)
    described = TargetSettings(settings_file=rig.settings.settings_file, journal=mine / "journal", run_dir=mine / "run")
    assert is_targets_own(SOMEBODY, described, options)
    assert not is_targets_own(SOMEBODY, described, link)
    assert "is not the account that runs anr" in not_its_run(SOMEBODY, described, link, {})
    assert "a link of yours" in distrusted(SOMEBODY, rig.settings, link, {})
    assert distrusted(SOMEBODY, rig.settings, options, {}) == ""


class Owned:
    """Files that seem to belong to whom a test says: only root could give them away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = Path.stat
        self._of: dict[Path, tuple[int, int]] = {}
        monkeypatch.setattr(Path, "stat", lambda path, **how: self._told(path, **how))  # noqa: PLW0108 - a method of the path

    def _told(self, path: Path, **how: bool) -> os.stat_result:
        found = self._real(path, **how)
        uid, mode = self._of.get(path, (0, found.st_mode))
        return os.stat_result((mode, *found[1:4], uid, *found[5:]))

    def give(self, path: Path, uid: int, mode: int | None = None) -> None:
        found = self._real(path)
        self._of[path] = (uid, found.st_mode if mode is None else found.st_mode & ~0o7777 | mode)


@pytest.mark.parametrize(
    ("above", "is_account"),
    [(0o755, True), (0o1777, False), (0o777, False), (0o775, False)],
    ids=["given-by-root", "in-a-sticky-folder", "in-everybodys", "in-their-groups"],
)
def test_before_there_is_a_journal_the_account_is_whom_root_gave_the_folder_to(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: int, *, is_account: bool
) -> None:
    """Whoever could have made it by themselves, in braking first for example, is not taken for the account."""
    options = tmp_path / "anr.toml"
    options.touch()
    member = Account(SOMEBODY.uid, SOMEBODY.name, frozenset({tmp_path.stat().st_gid}))
    owned = Owned(monkeypatch)
    rig.settings.run_dir.mkdir()
    owned.give(tmp_path, 0, above)
    assert not is_targets_own(member, rig.settings, options)
    owned.give(rig.settings.run_dir, 40001)
    assert is_targets_own(member, rig.settings, options) == is_account


def test_who_else_can_begin_the_journal_is_said(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of the folder, else whomever it is given to."""
    owned = Owned(monkeypatch)
    rig.settings.run_dir.mkdir()
    owned.give(rig.settings.run_dir, 40002)
    assert how_to_begin(SOMEBODY, rig.settings) == f"{rig.settings.run_dir} belongs to 40002: `sudo -u 40002 anr init`."
    owned.give(rig.settings.run_dir, 0)
    assert f"install -d -m 750 -o ACCOUNT {rig.settings.run_dir}" in how_to_begin(SOMEBODY, rig.settings)


def test_a_peer_is_in_every_group_that_lists_it() -> None:
    """Whoever left a group before they connected could enter it again."""
    found = account_of(Peer(1, 0, frozenset({4711})))
    assert (found.uid, found.name, {0, 4711} <= found.groups) == (0, "root", True)


def test_a_file_of_a_group_that_is_others_own_is_not_the_accounts_alone(rig: Rig, options: Path) -> None:
    """Whose own group it is, is no listed member of it."""
    if os.getuid() != 0:
        return
    other = next(found for found in pwd.getpwall() if found.pw_uid != 0 and not grp.getgrgid(found.pw_gid).gr_mem)
    os.chown(options, 0, other.pw_gid)
    options.chmod(0o664)
    assert "may write" in not_its_run(owner(options), rig.settings, options, {})
