"""Real accounts of this machine, and a place where they run anr: a bot's account, two people of its group, and a stranger.

Only root can make them. The interpreter, its packages and the sources are linked to where every account can read them.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOT_NEEDED = shutil.ignore_patterns("test", "tests", "idlelib", "ensurepip", "site-packages", "config-*", "*.a")


@dataclass(frozen=True, slots=True)
class Account:
    """An account that was made for a test."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The bot's account, two people of its group, and a stranger."""

    bot: Account
    olivia: Account
    aaron: Account
    stranger: Account
    root: Account = field(default=Account("root", 0, 0, ()))


def _linked(source: Path, to: Path, without: Callable[[str, list[str]], set[str]] | None = None) -> None:
    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)

    shutil.copytree(source, to, copy_function=link, symlinks=False, ignore=without, ignore_dangling_symlinks=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where everybody may run anr.

    Attributes:
        folder: of root, open to all.
        python: the interpreter.
    """

    folder: Path
    accounts: Accounts
    python: Path
    variables: Mapping[str, str]

    def popen(
        self,
        account: Account,
        words: Sequence[str],
        *,
        umask: int = 0o022,
        variables: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> "subprocess.Popen[str]":
        """Begin a command of anr as an account, by way of another program if one is named, with no variables of this process."""
        return subprocess.Popen(
            [*before, str(self.python), "-m", "bot", *words],
            user=account.uid,
            group=account.gid,
            extra_groups=list(account.groups),
            umask=umask,
            cwd=self.folder,
            env={**self.variables, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def anr(
        self,
        account: Account,
        *words: str,
        umask: int = 0o022,
        variables: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> "subprocess.CompletedProcess[str]":
        """Type a command as an account."""
        with self.popen(account, words, umask=umask, variables=variables, before=before) as running:
            said, complained = running.communicate()
        return subprocess.CompletedProcess(running.args, running.returncode, said, complained)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def machine() -> Iterator[Machine]:
    """Make the accounts, and a folder that everybody may enter; both go with the block.

    It is not among pytest's folders, which each run of pytest closes again.
    """
    assert os.geteuid() == 0, "only root can make accounts: run these tests as root"
    mark = f"{os.getpid()}{time.monotonic_ns() % 10_000}"
    group, names = f"anrg{mark}", [f"anr{who}{mark}" for who in ("b", "o", "a", "s")]
    made: list[str] = []
    try:
        _run("groupadd", "--system", group)
        for name in names:
            further = ["--groups", group] if name != names[-1] else []
            _run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", *further, name)
            made.append(name)
        found = [pwd.getpwnam(name) for name in names]
        accounts = Accounts(
            *(
                Account(one.pw_name, one.pw_uid, one.pw_gid, tuple(set(os.getgrouplist(one.pw_name, one.pw_gid)) - {one.pw_gid}))
                for one in found
            )
        )
        with tempfile.TemporaryDirectory(prefix="anr-accounts-") as folder:
            Path(folder).chmod(0o755)
            yield _installed(Path(folder), accounts)
    finally:
        for name in made:
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("userdel", name)
        with contextlib.suppress(subprocess.CalledProcessError):
            _run("groupdel", group)


def _installed(folder: Path, accounts: Accounts) -> Machine:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program = folder / "python"
    for part in ("bin", "lib"):
        (program / part).mkdir(parents=True)
    real = Path(sys.executable).resolve()
    shutil.copy2(real, program / "bin" / "python3")
    for shared in (real.parents[1] / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, program / "lib")
    library = Path(sysconfig.get_path("stdlib"))
    _linked(library, program / "lib" / version, _NOT_NEEDED)
    _linked(Path(sysconfig.get_path("purelib")), folder / "packages")
    for part in ("core", "bot"):
        _linked(ROOT / part, folder / "sources" / part)
    variables = {
        "PYTHONHOME": str(program),
        "PYTHONPATH": f"{folder / 'sources'}:{folder / 'packages'}",
        "LD_LIBRARY_PATH": str(program / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    return Machine(folder, accounts, program / "bin" / "python3", variables)
