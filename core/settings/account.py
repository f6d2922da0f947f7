"""Whose account runs this process, whether it is the target's own, and whether its options say anything about raising traffic.

Who is whom, who may what and by which gates is what the options file says that the target's own account or root wrote: not what
a caller's variables say, nor a file that the caller owns or could change. The kernel names the caller; file modes say who writes.

Windows tells neither owners nor modes this way: there everybody who may run anr is taken for the account, and only variables are
left aside. Excluded: reading the options (core/settings/settings.py), and who holds which role (core/actors.py).
"""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.settings.options_file import decides
from core.settings.target import TargetSettings
from core.system.peers import Peer

if sys.platform != "win32":
    import grp
    import pwd

UID_MAP = Path("/proc/self/uid_map")
_OVERFLOW = Path("/proc/sys/kernel/overflowuid")
_ROOT = 0
_MOST_LINKS = 40
"""How many links in a row Linux follows (path_resolution(7))."""
_WHOLE_MACHINE = ("0", "0", "4294967295")
"""What `UID_MAP` says outside of user namespaces (user_namespaces(7))."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account under which this process runs.

    Attributes:
        uid: its number; None on Windows.
        name: as the system calls it; its number where it has no name.
        groups: the numbers of the groups that it is in.
        is_mapped: whether this is a user namespace, in which anybody may call themselves by any number.
    """

    uid: int | None
    name: str
    groups: frozenset[int] = frozenset()
    is_mapped: bool = False


def account_here() -> Account:
    """Return who runs this process, as the kernel says; whoever sets LOGNAME or USER becomes nobody else."""
    if sys.platform == "win32":
        return Account(None, operating_system_user())
    return Account(os.getuid(), operating_system_user(), frozenset((os.getgid(), *os.getgroups())), _in_user_namespace())


def account_of(peer: Peer) -> Account:
    """Return the account of whoever is at the other end of a socket, as the kernel says.

    An account that this process's user namespace does not know has the same number as every other such account: it is nobody.
    """
    unknown = _in_user_namespace() and peer.uid == _number_in(_OVERFLOW)
    return Account(peer.uid, _name_of(peer.uid), peer.groups | _listed_groups(peer.uid), unknown)


def _number_in(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _listed_groups(uid: int) -> frozenset[int]:
    """Return the groups that an account is listed in: it may enter them, whichever it has left."""
    if sys.platform == "win32":
        return frozenset()
    else:  # noqa: RET505 - only so do the types of each system leave the other's calls aside
        try:
            found = pwd.getpwuid(uid)
            return frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
        except (KeyError, OSError):
            return frozenset()


def operating_system_user() -> str:
    """Return the name of the account that runs this process, as the kernel says; its number where it has none."""
    if sys.platform == "win32":
        try:
            return os.getlogin()
        except OSError:  # a service has no session
            return "unknown"
    else:
        return _name_of(os.getuid())


def _name_of(uid: int) -> str:
    if sys.platform == "win32":
        return str(uid)
    else:  # noqa: RET505 - only so do the types of each system leave the other's calls aside
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OSError):  # a container may run an account that has no name; a directory of accounts may be down
            return str(uid)


def _in_user_namespace() -> bool:
    try:
        told = UID_MAP.read_text(encoding="ascii").split()
    except OSError:  # no Linux
        return False
    except ValueError:  # what cannot be understood does not speak for anybody
        return True
    return tuple(told) != _WHOLE_MACHINE


def is_targets_own(account: Account, target: TargetSettings, options: Path | None) -> bool:
    """Whether an account is the one that runs anr for a target: the one that owns its journal and what belongs to it.

    Root is. Before there is a journal so is whoever begins it where their own options describe it, or, with options of root,
    whoever was given its folder.

    Args:
        account: which account.
        target: the router's settings.
        options: the file that they come from; None if they come from variables.
    """
    if account.uid is None or account.uid == _ROOT:
        return True
    if options is not None and _links_of_others(options):
        return False  # relative paths begin at the link's folder: it would choose the journal, and with it the account
    owned = [owner for path in (target.journal, target.run_dir) if (owner := _owner(path)) is not None]
    described_by = _owner(options) if options is not None else None
    given = _owner(target.journal) is not None
    if not given and described_by == _ROOT:
        # whoever makes a folder first, and brakes, is not the account for that: somebody else has to have given it to them
        given = _is_given(account, target.run_dir)
        if not given:
            return False
    if not owned and not given and described_by is not None and described_by != account.uid:
        return False
    # root's settings file is written by whoever root gave the journal to; where there is none yet, nobody can say who that is
    writers = {account.uid, _number_of(target.router_account), *([_ROOT] if owned or given else []), None}
    return set(owned) <= {account.uid} and _owner(target.settings_file) in writers and described_by in {None, account.uid, _ROOT}


def how_to_begin(account: Account, target: TargetSettings) -> str:
    """Say who can begin the journal of a target in an account's place, as sentences."""
    folder = next((place for place in (target.run_dir, *target.run_dir.absolute().parents) if _owner(place) is not None), None)
    owner = None if folder is None else _owner(folder)
    if owner is None or owner in {_ROOT, account.uid}:
        return (
            f"Make its folder for the account that is to run anr, `install -d -m 750 -o ACCOUNT {target.run_dir}`, then call "
            "`anr init` as that account, with `sudo -u ACCOUNT anr init`."
        )
    return f"{folder} belongs to {_name_of(owner)}: `sudo -u {_name_of(owner)} anr init`."


def _is_given(account: Account, folder: Path) -> bool:
    """Whether a folder, or the nearest above it that there is, belongs to an account that could not have made it by itself."""
    way = [place for place in (folder.absolute(), *folder.absolute().parents) if _owner(place) is not None]
    if not way or _owner(way[0]) != account.uid:
        return False
    above = next((place for place in way if _owner(place) != account.uid), None)
    if above is None:
        return True
    try:
        found = above.stat()
    except OSError:
        return False
    in_group = found.st_gid in account.groups or _has_access_list(above)
    return not (found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and in_group))


def not_its_run(account: Account, target: TargetSettings, options: Path | None, environment: Mapping[str, str] | None) -> str:
    """Say why a process may not make the scheduled run of a target, as a sentence; empty if it may.

    Args:
        account: under which it runs.
        target: the router's settings.
        options: the file that they come from; None if they come from variables.
        environment: the variables of a caller at the terminal; None for the bot, whose own environment counts.
    """
    if not is_targets_own(account, target, options):
        return (
            f"{account.name} is not the account that runs anr for this router, to which its journal and `run_dir` belong. The "
            "scheduled run is that account's alone."
        )
    return "" if environment is None else distrusted(account, target, options, environment)


def distrusted(account: Account, target: TargetSettings, options: Path | None, environment: Mapping[str, str]) -> str:
    """Say why what a caller's options say about people and gates counts for nothing, as a sentence; empty if it counts.

    Args:
        account: of the caller.
        target: the router's settings.
        options: the file that they come from; None if they come from variables.
        environment: the caller's variables.
    """
    if told := [name for name in sorted(environment) if decides(name.upper())]:
        return (
            f"{', '.join(told)}: at the terminal variables decide nothing about people, gates and routers, only the options file."
        )
    if options is None:
        return "There is no options file, and at the terminal variables decide nothing about people, gates and routers."
    if account.uid is None:
        return ""
    own = is_targets_own(account, target, options)
    if account.is_mapped and not own:
        return "This is a user namespace, where anybody may call themselves by any name."
    return _changeable(account, options, own=own) or ("" if own else _not_the_targets(target, options))


def _changeable(account: Account, options: Path, *, own: bool) -> str:
    """Say how somebody other than the target's account and root could have written the options; empty if nobody could."""
    if not own and account.uid in _links_of_others(options):
        return f"{options} leads over a link of yours."
    for path in (options, *options.resolve().parents, *options.absolute().parents) if not own else (options,):
        try:
            found = path.stat()
        except OSError as error:
            return f"{path} cannot be looked at ({error.strerror})."
        if own:
            if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and _has_others(found.st_gid, account.name)):
                return f"Others than the account that runs anr may write {path}."
        elif _may_write(account, path, found):
            return f"You could have written {path} yourself."
    return ""


def _links_of_others(options: Path) -> set[int]:
    """Return who owns links on the way to the options, besides root and the options' owner (as proc(5), protected_symlinks)."""
    found = set()
    way = options.absolute()
    for _ in range(_MOST_LINKS):
        for path in (way, *way.parents):
            try:
                if stat.S_ISLNK((one := path.lstat()).st_mode):
                    found.add(one.st_uid)
            except OSError:
                continue  # who looks at the options themselves says that they cannot be looked at
        try:
            way = way.parent / way.readlink()
        except OSError:  # no link, so that this is the file
            break
    return found - {_ROOT, _owner(options)}


def _may_write(account: Account, path: Path, found: os.stat_result) -> bool:
    """Whether an account may change a file, or put another in its place; an access list counts as if it named everybody."""
    if found.st_uid == account.uid:
        return True
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX  # only its owner takes a file away there
    if found.st_mode & stat.S_IWOTH:
        return not sticky
    in_group = found.st_gid in account.groups or _has_access_list(path)
    return bool(found.st_mode & stat.S_IWGRP) and in_group and not sticky


def _has_access_list(path: Path) -> bool:
    if not hasattr(os, "listxattr"):
        return False
    try:
        return "system.posix_acl_access" in os.listxattr(path)
    except OSError:
        return False


def _has_others(gid: int, name: str) -> bool:
    """Whether a group has members besides an account: those that it lists, and those whose own group it is."""
    if sys.platform == "win32":
        return False
    else:  # noqa: RET505 - as above
        try:
            listed = set(grp.getgrgid(gid).gr_mem)
        except KeyError:
            listed = set()
        own = {found.pw_name for found in pwd.getpwall() if found.pw_gid == gid and found.pw_uid != _ROOT}
        return bool((listed | own) - {name, "root"})


def _not_the_targets(target: TargetSettings, options: Path) -> str:
    """Say that a file is not the one by which the target is run; empty if it may be."""
    runners = [owner for path in (target.journal, target.run_dir, target.settings_file) if (owner := _owner(path)) is not None]
    if _owner(options) in {_ROOT, *runners[:1]}:
        return ""
    return f"{options} belongs neither to root nor to the account that runs anr for this router."


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _number_of(account: str) -> int | None:
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - as above
        try:
            return None if not account else int(account) if account.isdecimal() else pwd.getpwnam(account).pw_uid
        except KeyError:
            return None
